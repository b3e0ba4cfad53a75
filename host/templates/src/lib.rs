//! Templates of apps and of the site, rendered inside a sandbox.
//!
//! [`Templates`] is opened once, with the site's own folder; [`Templates::for_app`] compiles and checks all templates of
//! an app when it is loaded; [`AppTemplates::render`] makes a page. It guarantees:
//!
//! - a name is looked for among the site's templates, then the app's, then the host's (`base.html`, `error.html`), all
//!   of them in memory: no name ever reaches the file system;
//! - what stands in `.html`, `.htm` and `.xml` is escaped, whatever the template says, except what it marks as safe;
//! - a page costs at most its limits in steps, time, memory, nesting and output, and past them it is an error. The
//!   engine runs as WebAssembly, so this holds also for what the engine itself doesn't count;
//! - an error says which template, which line, and shows it.
//!
//! The templates' language is described in `docs/reference/templates.md`.

mod bindings;
mod config;
mod error;
mod host;
mod lane;
mod names;
mod pace;
mod page;
mod sandbox;
mod set;
mod site;
mod templates;

#[cfg(test)]
mod tests;

pub use config::TemplateConfig;
pub use error::{RenderError, TemplateError, TemplateErrors};
pub use host::{RenderView, add_to_linker};
pub use page::{Page, Statics};
pub use set::{AppTemplates, Rendered};
pub use templates::Templates;
