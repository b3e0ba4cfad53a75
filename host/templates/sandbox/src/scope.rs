//! What functions in a template may know of the page that is being rendered.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::wire::{Need, Node};

/// The page's facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Now, in microseconds since 1970-01-01T00:00:00Z.
    pub now: i64,
    /// The request's path, as it came.
    #[serde(default)]
    pub path: String,
    /// Its query, without `?`.
    #[serde(default)]
    pub query: String,
    /// The request's id.
    #[serde(default)]
    pub id: String,
}

/// The only way out of a template: what the host knows and the engine doesn't.
pub trait Links {
    /// The path for a named route; the error is for the template's author.
    fn url(&self, name: &str, args: &[String]) -> Result<String, String>;
    /// The address of a static file.
    fn static_url(&self, path: &str) -> String;
}

/// A page under way.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) facts: Rc<Facts>,
    pub(crate) links: Rc<dyn Links>,
    /// What can be followed from rows, and what was.
    pub(crate) nodes: Rc<Vec<Node>>,
    pub(crate) needs: Rc<RefCell<BTreeSet<Need>>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

impl Scope {
    /// Runs `work` with this scope as the current one.
    pub(crate) fn enter<R>(self, work: impl FnOnce() -> R) -> R {
        struct Leave(Option<Scope>);
        impl Drop for Leave {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _leave = Leave(CURRENT.replace(Some(self)));
        work()
    }

    /// The current one. Templates are only rendered inside of one.
    pub(crate) fn current() -> Result<Scope, minijinja::Error> {
        CURRENT.with_borrow(Clone::clone).ok_or_else(|| {
            minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, "can only be used while a page is rendered")
        })
    }
}
