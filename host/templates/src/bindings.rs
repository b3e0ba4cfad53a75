//! What `wit/templates` says, as Rust.
#![allow(missing_docs)]

wasmtime::component::bindgen!({
    inline: "
        package bandstand:templates-host;
        world host {
            import bandstand:templates/render@0.1.0;
        }
    ",
    path: "../../wit/templates",
});
