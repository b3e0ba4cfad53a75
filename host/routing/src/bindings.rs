//! What `wit/routing` says, as Rust.
#![allow(missing_docs)]

wasmtime::component::bindgen!({
    inline: "
        package bandstand:routing-host;
        world host {
            import bandstand:routing/urls@0.1.0;
        }
    ",
    path: "../../wit/routing",
});
