//! Fields that have one of a few values.

use super::kinds::Kind;

/// An enum whose variants are the values of a field. Derive it:
///
/// ```ignore
/// #[derive(Choices, Debug, Clone, Copy, PartialEq)]
/// pub enum Size {
///     /// In the database `s`; people read `Small`.
///     #[choice("s", "Small")]
///     Small,
///     #[choice("l")]
///     Large,
/// }
/// ```
///
/// Without a value it is the variant's name in `snake_case`, without a label the name in words. Whole numbers are values too: `#[choice(1)]`.
pub trait Choices: Kind + Copy + 'static {
    /// What a variant is in the database: a text or a whole number.
    type Value: Copy + PartialEq;
    /// All variants, in the order in which they are written.
    const ALL: &'static [Self];

    /// What it is in the database.
    fn value(self) -> Self::Value;
    /// What people read.
    fn label(self) -> &'static str;
    /// The variant with this value; none for a value that no variant has.
    fn of_value(value: Self::Value) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.value() == value)
    }
}
