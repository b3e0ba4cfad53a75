//! Answers `bandstand:routing/urls`.

use std::sync::Arc;

use host_core::budget::Budget;
use host_core::name::AppId;
use host_core::reverse::Reverse;
use wasmtime::component::{HasData, Linker};

use crate::bindings::bandstand::routing::{types, urls};

/// What one call needs to know: the site's routes, and for whom it answers.
#[allow(missing_debug_implementations)]
pub struct View<'a> {
    /// The site's routes.
    pub table: &'a Arc<dyn Reverse>,
    /// Whose own routes need no prefix.
    pub app: &'a AppId,
    /// Pays for what the call carries.
    pub budget: &'a Budget,
}

/// Tells the bindings what one call gets.
struct Views;

impl HasData for Views {
    type Data<'a> = Option<View<'a>>;
}

/// Links `bandstand:routing/urls`. `view` gives none while the app is being described: every call then answers
/// `access-denied`.
pub fn add_to_linker<T: 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> Option<View<'_>>) -> wasmtime::Result<()> {
    urls::add_to_linker::<T, Views>(linker, view)
}

impl urls::Host for Option<View<'_>> {
    fn reverse(&mut self, name: String, args: Vec<String>) -> Result<String, types::Error> {
        let Some(View { table, app, budget }) = self else {
            return Err(error("access-denied", "an app may not ask for paths while it describes itself".into()));
        };
        let bytes = args.iter().map(String::len).fold(name.len(), usize::saturating_add);
        charge(budget, bytes)?;
        let path = table.reverse(app, &name, &args).map_err(|e| error(e.code(), e.to_string()))?;
        charge(budget, path.len())?;
        Ok(path)
    }
}

fn charge(budget: &Budget, bytes: usize) -> Result<(), types::Error> {
    budget.charge_hostcall(u64::try_from(bytes).unwrap_or(u64::MAX)).map_err(|e| error("budget", e.to_string()))
}

fn error(code: &str, message: String) -> types::Error {
    types::Error { code: code.into(), message }
}
