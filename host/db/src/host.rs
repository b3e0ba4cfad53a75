//! The component's calls: converted and handed on. Nothing is decided here but whose call it is.

use std::sync::Arc;

use host_core::grants::Capability;
use wasmtime::component::{Access, Accessor, HasData, Linker, Resource, ResourceTable};

use crate::bindings::Imports;
use crate::bindings::bandstand::db::{queries, raw};
use crate::cursor::Cursor;
use crate::error::{DbError, code};
use crate::request::RequestDb;
use crate::transaction::Transaction;
use crate::types::{Outcome, Rows, Statement};

/// What the interface needs of a store's data.
pub struct DbView<'a> {
    /// The request whose task is calling; `None` answers `access-denied` to everything, as during `describe`.
    pub request: Option<Arc<RequestDb>>,
    /// Where open transactions are kept.
    pub table: &'a mut ResourceTable,
}

/// What stands behind the guest's handle. It belongs to the request that opened it.
#[derive(Debug)]
pub struct TransactionHandle(Arc<Transaction>);

/// What stands behind the guest's handle of a cursor. It belongs to the request that opened it.
#[derive(Debug)]
pub struct CursorHandle(Arc<Cursor>);

/// Links `bandstand:db/queries` and `bandstand:db/raw` for all components: those without a grant get an error value from every call.
pub fn add_to_linker<T: Send + 'static>(linker: &mut Linker<T>, get: fn(&mut T) -> DbView<'_>) -> wasmtime::Result<()> {
    Imports::add_to_linker::<T, HasDb>(linker, get)
}

struct HasDb;

impl HasData for HasDb {
    type Data<'a> = DbView<'a>;
}

impl queries::Host for DbView<'_> {}
impl queries::HostTransaction for DbView<'_> {}
impl queries::HostCursor for DbView<'_> {}
impl raw::Host for DbView<'_> {}

type Answer<T> = wasmtime::Result<Result<T, DbError>>;

/// The calling request. Must be asked before a call's first await: afterwards nobody knows who called.
fn caller<T: 'static>(store: &Accessor<T, HasDb>) -> Result<Arc<RequestDb>, DbError> {
    store.with(|mut access| access.get().request).ok_or_else(|| DbError::denied(Capability::Db))
}

/// The same for SQL of the app's own.
fn raw_caller<T: 'static>(store: &Accessor<T, HasDb>) -> Result<Arc<RequestDb>, DbError> {
    caller(store).map_err(|_| DbError::denied(Capability::DbRaw))
}

/// The calling request and its transaction.
fn inside<T: 'static>(
    store: &Accessor<T, HasDb>,
    handle: &Resource<TransactionHandle>,
) -> Answer<(Arc<RequestDb>, Arc<Transaction>)> {
    store.with(|mut access| {
        let view = access.get();
        let transaction = view.table.get(handle)?.0.clone();
        let Some(request) = view.request else { return Ok(Err(DbError::denied(Capability::Db))) };
        if !Arc::ptr_eq(transaction.context(), request.context()) {
            let problem = "the transaction belongs to another request";
            return Ok(Err(DbError::new(code::ACCESS_DENIED, problem)));
        }
        Ok(Ok((request, transaction)))
    })
}

/// Gives the guest a handle.
fn handle<T: 'static, H: Send + 'static>(
    store: &Accessor<T, HasDb>,
    opened: Result<H, DbError>,
) -> Answer<Resource<H>> {
    let full = |_| DbError::new(code::BUDGET, "the request has too many handles open").with("resource", "handles");
    Ok(opened.and_then(|opened| store.with(|mut access| access.get().table.push(opened)).map_err(full)))
}

/// Charges what comes in, calls, charges what goes out.
async fn charged<T>(
    request: &RequestDb,
    incoming: usize,
    call: impl Future<Output = Result<T, DbError>>,
    weight: impl FnOnce(&T) -> usize,
) -> Result<T, DbError> {
    let budget = &request.context().budget;
    budget.charge_hostcall(incoming as u64)?;
    let result = call.await;
    let outgoing = result.as_ref().map_or_else(DbError::weight, weight);
    budget.charge_hostcall(outgoing as u64)?;
    result
}

fn outcome_weight(outcome: &Outcome) -> usize {
    8 + outcome.returned.weight()
}

impl<T: Send + 'static> queries::HostWithStore<T> for HasDb {
    async fn fetch(store: &Accessor<T, Self>, statement: Statement) -> Answer<Rows> {
        let request = match caller(store) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let weight = statement.weight();
        Ok(charged(&request, weight, request.fetch(&statement.shape, statement.params), Rows::weight).await)
    }

    async fn fetch_packed(store: &Accessor<T, Self>, statement: Statement) -> Answer<Vec<u8>> {
        let request = match caller(store) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let weight = statement.weight();
        Ok(charged(&request, weight, request.fetch_packed(&statement.shape, statement.params), Vec::len).await)
    }

    async fn open(store: &Accessor<T, Self>, statement: Statement) -> Answer<Resource<CursorHandle>> {
        let request = match caller(store) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let weight = statement.weight();
        let opened = async { request.open(&statement.shape, statement.params) };
        let opened = charged(&request, weight, opened, |_| size_of::<u32>()).await;
        handle(store, opened.map(|cursor| CursorHandle(Arc::new(cursor))))
    }

    async fn execute(store: &Accessor<T, Self>, statement: Statement) -> Answer<Outcome> {
        let request = match caller(store) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let weight = statement.weight();
        Ok(charged(&request, weight, request.execute(&statement.shape, statement.params), outcome_weight).await)
    }

    async fn batch(store: &Accessor<T, Self>, statements: Vec<Statement>) -> Answer<Vec<Outcome>> {
        let request = match caller(store) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let weight = statements.iter().map(Statement::weight).sum();
        let outgoing = |outcomes: &Vec<Outcome>| outcomes.iter().map(outcome_weight).sum();
        Ok(charged(&request, weight, request.batch(statements), outgoing).await)
    }

    async fn defer(store: &Accessor<T, Self>, statement: Statement) -> Answer<u32> {
        let request = match caller(store) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let weight = statement.weight();
        let kept = async { request.defer(&statement.shape, statement.params) };
        Ok(charged(&request, weight, kept, |_| size_of::<u32>()).await)
    }
}

impl<T: Send + 'static> queries::HostTransactionWithStore<T> for HasDb {
    async fn begin(store: &Accessor<T, Self>) -> Answer<Resource<TransactionHandle>> {
        let request = match caller(store) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        handle(store, request.begin().await.map(|transaction| TransactionHandle(Arc::new(transaction))))
    }

    async fn fetch(
        store: &Accessor<T, Self>,
        handle: Resource<TransactionHandle>,
        statement: Statement,
    ) -> Answer<Rows> {
        let (request, transaction) = match inside(store, &handle)? {
            Ok(both) => both,
            Err(error) => return Ok(Err(error)),
        };
        let weight = statement.weight();
        Ok(charged(&request, weight, transaction.fetch(&statement.shape, statement.params), Rows::weight).await)
    }

    async fn fetch_packed(
        store: &Accessor<T, Self>,
        handle: Resource<TransactionHandle>,
        statement: Statement,
    ) -> Answer<Vec<u8>> {
        let (request, transaction) = match inside(store, &handle)? {
            Ok(both) => both,
            Err(error) => return Ok(Err(error)),
        };
        let weight = statement.weight();
        Ok(charged(&request, weight, transaction.fetch_packed(&statement.shape, statement.params), Vec::len).await)
    }

    async fn open(
        store: &Accessor<T, Self>,
        handle: Resource<TransactionHandle>,
        statement: Statement,
    ) -> Answer<Resource<CursorHandle>> {
        let (request, transaction) = match inside(store, &handle)? {
            Ok(both) => both,
            Err(error) => return Ok(Err(error)),
        };
        let weight = statement.weight();
        let opened = transaction.open(&statement.shape, statement.params);
        let opened = charged(&request, weight, opened, |_| size_of::<u32>()).await;
        self::handle(store, opened.map(|cursor| CursorHandle(Arc::new(cursor))))
    }

    async fn execute(
        store: &Accessor<T, Self>,
        handle: Resource<TransactionHandle>,
        statement: Statement,
    ) -> Answer<Outcome> {
        let (request, transaction) = match inside(store, &handle)? {
            Ok(both) => both,
            Err(error) => return Ok(Err(error)),
        };
        let weight = statement.weight();
        Ok(charged(&request, weight, transaction.execute(&statement.shape, statement.params), outcome_weight).await)
    }

    async fn savepoint(store: &Accessor<T, Self>, handle: Resource<TransactionHandle>) -> Answer<u32> {
        match inside(store, &handle)? {
            Ok((_, transaction)) => Ok(transaction.savepoint().await),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn rollback_to(store: &Accessor<T, Self>, handle: Resource<TransactionHandle>, savepoint: u32) -> Answer<()> {
        match inside(store, &handle)? {
            Ok((_, transaction)) => Ok(transaction.rollback_to(savepoint).await),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn release(store: &Accessor<T, Self>, handle: Resource<TransactionHandle>, savepoint: u32) -> Answer<()> {
        match inside(store, &handle)? {
            Ok((_, transaction)) => Ok(transaction.release(savepoint).await),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn commit(store: &Accessor<T, Self>, handle: Resource<TransactionHandle>) -> Answer<()> {
        match inside(store, &handle)? {
            Ok((_, transaction)) => Ok(transaction.commit().await),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn rollback(store: &Accessor<T, Self>, handle: Resource<TransactionHandle>) -> Answer<()> {
        match inside(store, &handle)? {
            Ok((_, transaction)) => Ok(transaction.rollback().await),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn drop(store: &Accessor<T, Self>, handle: Resource<TransactionHandle>) -> wasmtime::Result<()> {
        // The last handle rolls back what wasn't committed; a call under way still holds one.
        store.with(|mut access| access.get().table.delete(handle))?;
        Ok(())
    }
}

impl<T: Send + 'static> queries::HostCursorWithStore<T> for HasDb {
    async fn next(
        store: &Accessor<T, Self>,
        handle: Resource<CursorHandle>,
        max_rows: u32,
        max_bytes: u32,
    ) -> Answer<Rows> {
        let found = store.with(|mut access| {
            let view = access.get();
            let cursor = view.table.get(&handle)?.0.clone();
            let Some(request) = view.request else { return Ok(Err(DbError::denied(Capability::Db))) };
            if !Arc::ptr_eq(cursor.context(), request.context()) {
                return Ok(Err(DbError::new(code::ACCESS_DENIED, "the cursor belongs to another request")));
            }
            Ok::<_, wasmtime::Error>(Ok((request, cursor)))
        })?;
        match found {
            Ok((request, cursor)) => Ok(charged(&request, 0, cursor.next(max_rows, max_bytes), Rows::weight).await),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn drop(store: &Accessor<T, Self>, handle: Resource<CursorHandle>) -> wasmtime::Result<()> {
        // What is under way is stopped; a call that still is holds it until then.
        store.with(|mut access| access.get().table.delete(handle))?;
        Ok(())
    }
}

/// Roughly what it takes to carry it, in bytes.
fn cell_weight(cell: &raw::Cell) -> usize {
    use raw::Cell;
    16 + match cell {
        Cell::Text(text) | Cell::Decimal(text) | Cell::Json(text) => text.len(),
        Cell::Bytes(bytes) | Cell::Uuid(bytes) => bytes.len(),
        _ => 0,
    }
}

fn statement_weight(sql: &str, params: &[raw::Cell]) -> usize {
    sql.len() + params.iter().map(cell_weight).sum::<usize>()
}

fn table_weight(table: &raw::Table) -> usize {
    let names: usize = table.columns.iter().map(String::len).sum();
    8 + names + table.cells.iter().map(cell_weight).sum::<usize>()
}

impl<T: Send + 'static> raw::HostWithStore<T> for HasDb {
    async fn database(mut store: Access<'_, T, Self>) -> Answer<raw::Dialect> {
        let request = store.get().request.ok_or_else(|| DbError::denied(Capability::DbRaw));
        Ok(request.and_then(|request| request.database()))
    }

    async fn fetch(store: &Accessor<T, Self>, sql: String, params: Vec<raw::Cell>) -> Answer<raw::Table> {
        let request = match raw_caller(store) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let weight = statement_weight(&sql, &params);
        Ok(charged(&request, weight, request.fetch_raw(&sql, params), table_weight).await)
    }

    async fn fetch_model(
        store: &Accessor<T, Self>,
        model: String,
        sql: String,
        params: Vec<raw::Cell>,
    ) -> Answer<Rows> {
        let request = match raw_caller(store) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let weight = model.len() + statement_weight(&sql, &params);
        Ok(charged(&request, weight, request.fetch_raw_model(&model, &sql, params), Rows::weight).await)
    }

    async fn execute(store: &Accessor<T, Self>, sql: String, params: Vec<raw::Cell>) -> Answer<raw::Change> {
        let request = match raw_caller(store) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let weight = statement_weight(&sql, &params);
        let outgoing = |change: &raw::Change| 8 + table_weight(&change.returned);
        Ok(charged(&request, weight, request.execute_raw(&sql, params), outgoing).await)
    }
}
