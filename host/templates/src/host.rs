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

#[cfg(test)]
mod tests {
    use super::*;

    use host_core::budget::Limits;
    use host_core::context::RequestId;
    use host_core::grants::Grants;
    use host_core::name::AppId;
    use host_core::reverse::{Reverse, ReverseError};
    use wasmtime::component::Component;
    use wasmtime::{Config, Engine, Store};

    use crate::Templates;

    /// Passes name and context on, and returns the text, or the error's code, which lies in the same place.
    const GUEST: &str = r#"(component
        (import "bandstand:templates/render@0.1.0" (instance $render
            (type $fields (record (field "code" string) (field "message" string)))
            (export "error" (type $error (eq $fields)))
            (type $answer (result string (error $error)))
            (export "render" (func async (param "name" string) (param "context" (list u8)) (result $answer)))
        ))
        (core module $room
            (memory (export "memory") 200)
            (global $next (mut i32) (i32.const 1024))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at)))
        (core instance $room (instantiate $room))
        (alias export $render "render" (func $function))
        (core func $lowered
            (canon lower (func $function) (memory (core memory $room "memory")) (realloc (core func $room "realloc"))))
        (core module $main
            (import "host" "render" (func $render (param i32 i32 i32 i32 i32)))
            (func (export "run") (param i32 i32 i32 i32) (result i32)
                (call $render (local.get 0) (local.get 1) (local.get 2) (local.get 3) (i32.const 512))
                (i32.const 516)))
        (core instance $main (instantiate $main
            (with "host" (instance (export "render" (func $lowered))))))
        (func (export "run") async (param "name" string) (param "context" (list u8)) (result string)
            (canon lift (core func $main "run") (memory (core memory $room "memory")) (realloc (core func $room "realloc"))))
    )"#;

    struct Routes;

    impl Reverse for Routes {
        fn reverse(&self, app: &AppId, name: &str, _: &[String]) -> Result<String, ReverseError> {
            Ok(format!("/{app}/{name}/"))
        }
    }

    struct Data {
        templates: Option<Arc<AppTemplates>>,
        ctx: Arc<RequestContext>,
    }

    fn view(data: &mut Data) -> RenderView<'_> {
        let page = Page {
            app: data.ctx.app.clone(),
            id: data.ctx.id,
            path: "/".into(),
            query: String::new(),
            reverse: Arc::new(Routes),
            statics: None,
            now: None,
        };
        RenderView { templates: data.templates.as_ref(), page: Some(page), ctx: &data.ctx }
    }

    async fn call(describing: bool, grants: Grants, limits: Limits, name: &str, context: &[u8]) -> String {
        let mut config = Config::new();
        config.wasm_component_model_async(true);
        let engine = Engine::new(&config).expect("an engine");
        let component = Component::new(&engine, wat::parse_str(GUEST).expect("text")).expect("a component");
        let mut linker = Linker::new(&engine);
        add_to_linker(&mut linker, view).expect("linked");
        let app = AppId::new("polls").expect("a name");
        let spin = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
        let files = [("polls/x.html", "{{ a }} {{ url('detail') }}"), ("polls/spin.html", spin)];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec();
        let templates = Templates::open(None).expect("opened").for_app(&app, files).expect("good templates");
        let ctx = Arc::new(RequestContext::new(RequestId(1), app, Arc::new(grants), limits));
        let mut store = Store::new(&engine, Data { templates: Some(templates).filter(|_| !describing), ctx });
        let instance = linker.instantiate_async(&mut store, &component).await.expect("an instance");
        let run = instance.get_typed_func::<(&str, &[u8]), (String,)>(&mut store, "run").expect("`run`");
        run.call_async(&mut store, (name, context)).await.expect("no trap").0
    }

    #[tokio::test]
    async fn a_guest_gets_text_or_a_code() {
        let all = || Capability::ALL.into_iter().collect::<Grants>();
        let small = Limits { hostcall_bytes: 10, ..Limits::default() };
        for (describing, grants, limits, name, context, expected) in [
            (false, all(), Limits::default(), "polls/x.html", &b"{\"a\":\"<\"}"[..], "&lt; /polls/detail/"),
            (false, all(), Limits::default(), "../x", b"{}", "not-found"),
            (false, all(), Limits::default(), "polls/x.html", b"[]", "invalid-context"),
            (false, all(), Limits::default(), "polls/spin.html", b"{}", "budget"),
            (false, all(), small, "polls/x.html", b"{}", "budget"),
            (false, Grants::none(), Limits::default(), "polls/x.html", b"{}", "access-denied"),
            (true, all(), Limits::default(), "polls/x.html", b"{}", "access-denied"),
        ] {
            assert_eq!(call(describing, grants, limits, name, context).await, expected, "{name}");
        }
    }
}
