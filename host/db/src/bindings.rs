//! The bindings of `bandstand:db`, as wasmtime makes them from `wit/db`.

/// The interface `types`, with this crate's own types in place of generated ones. It has no functions, so what the
/// generated code asks for besides is empty.
pub mod wire {
    // Not all of them are named by the generated code of this version.
    #[allow(unused_imports)]
    pub use crate::types::{Error, Outcome, Param, Rows, Shape, Statement, Value};

    use wasmtime::component::{HasData, Linker};

    /// No functions.
    pub trait Host {}

    impl<T: ?Sized> Host for T {}

    /// No functions.
    pub trait HostWithStore<T>: HasData {}

    impl<T, D: HasData + ?Sized> HostWithStore<T> for D {}

    /// Links nothing.
    pub fn add_to_linker<T, D: HasData>(
        _linker: &mut Linker<T>,
        _get: fn(&mut T) -> D::Data<'_>,
    ) -> wasmtime::Result<()> {
        Ok(())
    }
}

wasmtime::component::bindgen!({
    path: "../../wit/db",
    inline: "
        package bandstand:db-host;

        world imports {
            import bandstand:db/queries@0.1.0;
            import bandstand:db/raw@0.1.0;
        }
    ",
    world: "bandstand:db-host/imports",
    imports: { default: async | store | trappable },
    with: {
        "bandstand:db/types": crate::bindings::wire,
        "bandstand:db/queries.transaction": crate::host::TransactionHandle,
        "bandstand:db/queries.cursor": crate::host::CursorHandle,
    },
    require_store_data_send: true,
});
