//! Rows that are fetched piece by piece, for results that are larger than one wants to hold.

use core::fmt;

use super::model::Model;
use super::query::QuerySet;
use super::rows::Reader;
use super::values::Values;
use super::{join, transaction};
use crate::bindings::bandstand::db::queries::Cursor;
use crate::error::{Error, Result};

/// Rows and bytes of one piece: enough that asking costs little, and little to hold.
const ROWS: u32 = 500;
const BYTES: u32 = 256 << 10;

/// The rows of a set, one after the other. Dropped, the database stops reading.
pub struct Iter<M> {
    cursor: Cursor,
    joins: Vec<join::Join>,
    /// The rows of the piece that aren't handed out yet, the next one last.
    piece: Vec<M>,
}

impl<M> fmt::Debug for Iter<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iter({} rows at hand)", self.piece.len())
    }
}

impl<M: Model> QuerySet<M> {
    /// The rows one by one, of which only some hundred are held at a time:
    ///
    /// ```ignore
    /// let mut books = Book::objects().iterator().await?;
    /// while let Some(book) = books.next().await? {
    ///     out.write(book.title).await?;
    /// }
    /// ```
    ///
    /// Rows of one piece are peers: what their relations lead to is loaded for all of them. Errors: those of [`all`](Self::all).
    pub async fn iterator(self) -> Result<Iter<M>> {
        let joins = self.query.related.clone();
        let cursor = transaction::open(self.select()?).await?;
        Ok(Iter { cursor, joins, piece: Vec::new() })
    }
}

/// The columns of a set's rows, one row after the other. Dropped, the database stops reading.
pub struct ValuesIter<O> {
    cursor: Cursor,
    model: &'static str,
    columns: Columns<O>,
    /// What isn't handed out yet, the next one last.
    piece: Vec<O>,
}

/// How many cells a row has, and how they are read.
type Columns<O> = (usize, fn(&mut Reader<'_>) -> Result<O>);

impl<O> fmt::Debug for ValuesIter<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValuesIter({} rows at hand)", self.piece.len())
    }
}

impl<M: Model, O, N> Values<M, O, N> {
    /// The rows one by one, as [`QuerySet::iterator`]: for exports of some columns.
    pub async fn iterator(self) -> Result<ValuesIter<O>> {
        let columns = (self.columns.width, self.columns.read);
        let cursor = transaction::open(self.statement()?).await?;
        Ok(ValuesIter { cursor, model: M::NAME, columns, piece: Vec::new() })
    }
}

impl<O> ValuesIter<O> {
    /// The next row; none at the end. Errors: those of [`Iter::next`].
    pub async fn next(&mut self) -> Result<Option<O>> {
        if self.piece.is_empty() {
            let rows = self.cursor.next(ROWS, BYTES).await.map_err(Error::from)?;
            let (width, read) = self.columns;
            let mut reader = Reader::typed(self.model, width, &rows)?;
            while reader.begin_row() {
                self.piece.push(read(&mut reader)?);
            }
            self.piece.reverse();
        }
        Ok(self.piece.pop())
    }
}

impl<M: Model> Iter<M> {
    /// The next row; none at the end. Errors: those of a query; rows count against the request's as they come.
    pub async fn next(&mut self) -> Result<Option<M>> {
        if self.piece.is_empty() {
            let rows = self.cursor.next(ROWS, BYTES).await.map_err(Error::from)?;
            let width = M::META.width() + join::width(&self.joins);
            self.piece = join::all(&self.joins, Reader::typed(M::NAME, width, &rows)?)?;
            self.piece.reverse();
        }
        Ok(self.piece.pop())
    }
}
