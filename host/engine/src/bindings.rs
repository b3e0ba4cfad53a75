//! The interfaces that the engine answers itself, and the exports that it calls.

#![allow(missing_docs, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: ["../../wit/db", "../../wit/templates", "../../wit/routing", "../../wit/app"],
    inline: "
        package host:engine;
        world engine {
            import bandstand:routing/request@0.1.0;
            import bandstand:app/log@0.1.0;
            import bandstand:app/environment@0.1.0;
            export bandstand:app/manifest@0.1.0;
            export bandstand:routing/handler@0.1.0;
        }
    ",
    imports: {
        "bandstand:routing/request.body": async | store | trappable,
        "bandstand:routing/request.body-stream": store | trappable,
        default: trappable,
    },
    exports: { default: async | store },
});
