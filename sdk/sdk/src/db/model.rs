//! Models: what the derive implements.

use super::key::Key;
use super::kinds::Nullness;
use super::meta::ModelMeta;
use super::query::QuerySet;
use super::rows::Reader;
use super::{Value, writing};
use crate::error::Result;

/// A model: one table of the app's own, which `#[derive(Model)]` makes of a struct; its options are with [the derive](derive@crate::Model).
#[diagnostic::on_unimplemented(message = "`{Self}` is not a model", note = "add `#[derive(Model)]` to it")]
pub trait Model: Sized + 'static {
    /// Its fields as they are reached from the model `R` over a relation; what is read of them is an `Option` where the way may lead
    /// nowhere.
    #[doc(hidden)]
    type Fields<R, W: Nullness>: Copy;
    /// Its primary key: an [`Id`](super::Id), a field's type, or a tuple of several.
    type Key: Key;
    /// Its name in the manifest and in shapes.
    #[doc(hidden)]
    const NAME: &'static str;
    /// What the manifest says of it.
    #[doc(hidden)]
    const META: &'static ModelMeta;

    /// Reads one row.
    #[doc(hidden)]
    fn read(row: &mut Reader<'_>) -> Result<Self>;
    /// All fields that `save` writes: all but the key and what the database computes.
    #[doc(hidden)]
    fn columns(&self) -> Vec<(&'static str, Value)>;
    /// The row's primary key.
    fn pk(&self) -> Self::Key;

    /// Sets the `auto_now` fields to the present moment.
    #[doc(hidden)]
    fn touch(&mut self);

    /// All rows, to be narrowed down.
    fn objects() -> QuerySet<Self> {
        QuerySet::new()
    }

    /// Writes all fields of this row, those with `auto_now` as the present moment, which the row has from then on. Errors: `is_not_found` where the row is gone, and those of an update.
    fn save(&mut self) -> impl Future<Output = Result<()>> {
        self.touch();
        writing::save(self)
    }

    /// Deletes this row, and what `on_delete` says goes with it. Returns how many rows went.
    fn delete(self) -> impl Future<Output = Result<u64>> {
        writing::delete(self)
    }

    /// Reads this row again. Errors: `is_not_found` where it is gone.
    fn refresh(&mut self) -> impl Future<Output = Result<()>> {
        async {
            *self = Self::objects().by_key(self.pk().raw()).await?;
            Ok(())
        }
    }
}

/// A new row of `M`: what the generated `New…` struct is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a new `{M}`",
    note = "write `New{M} {{ … }}` with all fields that have no default"
)]
pub trait New<M> {
    /// The columns that it sets, in the order of the fields.
    #[doc(hidden)]
    fn columns(self) -> Vec<(&'static str, Value)>;
}

/// Fields that several models share: what `#[derive(Fields)]` implements, for `#[field(flatten)]`.
#[diagnostic::on_unimplemented(message = "`{Self}` is no set of fields", note = "add `#[derive(Fields)]` to it")]
pub trait FieldSet: Sized {
    /// The fields as they are reached from the model `R`.
    #[doc(hidden)]
    type Fields<R, W: Nullness>: Copy;
    /// What a new row takes for them.
    #[doc(hidden)]
    type New: NewFields;
    #[doc(hidden)]
    const FIELDS: &'static [super::meta::FieldMeta];

    #[doc(hidden)]
    fn read(row: &mut Reader<'_>) -> Result<Self>;
    #[doc(hidden)]
    fn columns(&self, to: &mut Vec<(&'static str, Value)>);
    #[doc(hidden)]
    fn touch(&mut self);
    #[doc(hidden)]
    fn serialize<S: serde::ser::SerializeStruct>(&self, row: &mut S) -> core::result::Result<(), S::Error>;
}

/// What a new row takes for the fields of a [`FieldSet`].
#[doc(hidden)]
pub trait NewFields: From<Self::Required> {
    /// The struct of those that must be given.
    type Required;

    fn columns(self, to: &mut Vec<(&'static str, Value)>);
}
