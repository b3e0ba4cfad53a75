//! The doors of the sandbox, as plain functions of the module.
//!
//! The host asks for room with `room`, writes a message there, and calls `load_templates` or `render_page`; what they return is an
//! address (high 32 bits) and a length (low) in the module's memory, which the host copies and gives back with `give_back`.
#![cfg(target_arch = "wasm32")]

use std::cell::RefCell;
use std::rc::Rc;

use crate::engine::{Engine, Rendered, Source};
use crate::failure::{Failure, Kind};
use crate::scope::Links;
use crate::wire::{self, Ask, Load, Render};

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    /// Answers an [`Ask`]: a first byte 0 or 1 for an answer or a refusal, then its text.
    fn ask(address: *const u8, length: usize) -> u64;
}

thread_local! {
    static ENGINE: RefCell<Option<Rc<Engine>>> = const { RefCell::new(None) };
}

/// Room for a message of `length` bytes.
#[unsafe(no_mangle)]
extern "C" fn room(length: usize) -> *mut u8 {
    let mut bytes = Vec::<u8>::with_capacity(length.max(1));
    let address = bytes.as_mut_ptr();
    std::mem::forget(bytes);
    address
}

/// Gives room back.
///
/// # Safety
///
/// `address` and `length` are those of one [`room`] or one answer, which nobody uses any more.
#[unsafe(no_mangle)]
unsafe extern "C" fn give_back(address: *mut u8, length: usize) {
    // SAFETY: by this function's contract the parts are those of a vector that was forgotten; capacity as in `room`.
    drop(unsafe { Vec::from_raw_parts(address, 0, length.max(1)) });
}

/// Takes a message that the host has written into [`room`].
///
/// # Safety
///
/// `address` and `length` are those of one [`room`] whose bytes have all been written.
unsafe fn take(address: *mut u8, length: usize) -> Vec<u8> {
    // SAFETY: by this function's contract.
    unsafe { Vec::from_raw_parts(address, length, length.max(1)) }
}

fn give(bytes: Vec<u8>) -> u64 {
    let bytes = bytes.into_boxed_slice();
    let length = bytes.len();
    // An empty box has no memory behind it; `give_back` must find a vector of one byte.
    let address = if length == 0 { room(0) } else { Box::into_raw(bytes).cast::<u8>() };
    (address as u64) << 32 | length as u64
}

/// Takes a [`Load`] and returns a [`wire::Loaded`], both as JSON.
#[unsafe(no_mangle)]
extern "C" fn load_templates(address: *mut u8, length: usize) -> u64 {
    // SAFETY: the host calls with what `room` gave it and with all bytes written.
    let message = unsafe { take(address, length) };
    let loaded: wire::Loaded = match serde_json::from_slice::<Load>(&message) {
        Ok(load) => {
            let sources = load.templates.into_iter().map(|(name, text)| Source { name, text }).collect();
            Engine::new(sources, load.limits).map(|engine| ENGINE.set(Some(Rc::new(engine))))
        }
        Err(error) => Err(vec![Failure::new(Kind::Syntax, error.to_string())]),
    };
    give(serde_json::to_vec(&loaded).unwrap_or_default())
}

/// Takes a [`Render`] and a context, joined, and returns the page and a byte 0, a [`Failure`] as JSON and a byte 1, or a list of
/// [`wire::Need`] as JSON and a byte 2.
#[unsafe(no_mangle)]
extern "C" fn render_page(address: *mut u8, length: usize) -> u64 {
    // SAFETY: the host calls with what `room` gave it and with all bytes written.
    let message = unsafe { take(address, length) };
    let result = (|| {
        let broken = |what: &str| Failure::new(Kind::Render, format!("the host sent {what}"));
        let (head, context) = wire::split(&message).ok_or_else(|| broken("half a message"))?;
        let head: Render = serde_json::from_slice(head).map_err(|_| broken("what is no page"))?;
        let engine = ENGINE.with_borrow(Clone::clone).ok_or_else(|| broken("no templates"))?;
        engine.render_rows(&head.name, context, head.facts, Rc::new(Host), head.nodes)
    })();
    give(match result {
        Ok(Rendered::Page(page)) => {
            let mut bytes = page.into_bytes();
            bytes.push(0);
            bytes
        }
        Ok(Rendered::Needs(needs)) => {
            let mut bytes = serde_json::to_vec(&needs).unwrap_or_default();
            bytes.push(2);
            bytes
        }
        Err(failure) => {
            let mut bytes = serde_json::to_vec(&failure).unwrap_or_default();
            bytes.push(1);
            bytes
        }
    })
}

/// The host behind the wall.
struct Host;

impl Host {
    fn ask(&self, question: &Ask) -> Result<String, String> {
        let question = serde_json::to_vec(question).map_err(|error| error.to_string())?;
        // SAFETY: the host reads that memory during the call, and its answer is room that it asked for and filled.
        let answer = unsafe {
            let answer = ask(question.as_ptr(), question.len());
            take((answer >> 32) as *mut u8, (answer & 0xffff_ffff) as usize)
        };
        match answer.split_first() {
            Some((0, text)) => Ok(String::from_utf8_lossy(text).into_owned()),
            Some((_, text)) => Err(String::from_utf8_lossy(text).into_owned()),
            None => Err("the host gave no answer".into()),
        }
    }
}

impl Links for Host {
    fn url(&self, name: &str, args: &[String]) -> Result<String, String> {
        self.ask(&Ask::Url(name.into(), args.to_vec()))
    }

    fn static_url(&self, path: &str) -> String {
        self.ask(&Ask::Static(path.into())).unwrap_or_default()
    }
}
