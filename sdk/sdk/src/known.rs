//! Types of which the macros only know how they are written.

/// `<T as If<{ … true }>>::Type` is `T`, where what stands in the braces compiles.
///
/// Where it doesn't, the compiler says so there, once, and takes the whole for a type that was told to be wrong: of all that is made of it
/// it says no more.
pub trait If<const TRUE: bool> {
    /// The type itself.
    type Type;
}

impl<T> If<true> for T {
    type Type = T;
}
