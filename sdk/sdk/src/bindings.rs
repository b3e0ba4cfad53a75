//! What `wit-bindgen` makes of the contract. Nothing here is part of the public interface.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

wit_bindgen::generate!({
    path: ["../../wit/routing", "../../wit/db", "../../wit/templates", "../../wit/app"],
    world: "bandstand:app/app",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_app",
    default_bindings_module: "bandstand::bindings",
    runtime_path: "wit_bindgen::rt",
});
