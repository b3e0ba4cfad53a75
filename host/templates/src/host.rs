//! Answers `bandstand:templates/render`.

use std::sync::Arc;

use host_core::context::RequestContext;
use host_core::grants::Capability;
use wasmtime::component::{Accessor, HasData, Linker};

use crate::bindings::bandstand::templates::render::{self, Error};
use crate::page::Page;
use crate::set::AppTemplates;

/// What one call needs to know.
#[derive(Debug)]
pub struct RenderView<'a> {
    /// The app's templates; none while it is being described.
    pub templates: Option<&'a Arc<AppTemplates>>,
    /// Its page; none while it is being described.
    pub page: Option<Page>,
    /// Whose request it is, with grants and budget.
    pub ctx: &'a Arc<RequestContext>,
}

/// Tells the bindings what one call gets.
struct Views;

impl HasData for Views {
    type Data<'a> = RenderView<'a>;
}

impl render::Host for RenderView<'_> {}

/// Links `bandstand:templates/render`. Without the capability `templates`, and while the app is being described, every
/// call answers `access-denied`.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> RenderView<'_>,
) -> wasmtime::Result<()> {
    render::add_to_linker::<T, Views>(linker, view)
}

impl<T: Send> render::HostWithStore<T> for Views {
    async fn render(store: &Accessor<T, Self>, name: String, context: Vec<u8>) -> Result<String, Error> {
        let found = store.with(|mut access| {
            let view = access.get();
            let allowed = view.ctx.may(Capability::Templates);
            view.templates
                .cloned()
                .zip(view.page)
                .filter(|_| allowed)
                .map(|(templates, page)| (templates, page, view.ctx.clone()))
        });
        let Some((templates, page, ctx)) = found else {
            let message = "rendering inside a handler needs the capability `templates`; ask for it in the manifest";
            return Err(error("access-denied", message));
        };
        charge(&ctx, name.len() + context.len())?;
        // A call's first step runs on the app's stack, on which the engine's doesn't fit.
        tokio::task::yield_now().await;
        let text = match templates.render_page(&name, &context, &page).await {
            Ok(text) => text,
            Err(failed) => return Err(error(failed.code(), &format!("{failed:#}"))),
        };
        charge(&ctx, text.len())?;
        Ok(text)
    }
}

fn charge(ctx: &RequestContext, bytes: usize) -> Result<(), Error> {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    ctx.budget.charge_hostcall(bytes).map_err(|exhausted| error("budget", &exhausted.to_string()))
}

fn error(code: &str, message: &str) -> Error {
    Error { code: code.into(), message: message.into() }
}
