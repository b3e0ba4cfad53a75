//! The macros of the `bandstand` crate, which re-exports them: use them from there.
//!
//! They know nothing of the host. What they can check by looking at the source, they check, and say so at the place where it
//! is written.

use proc_macro::TokenStream;

mod app;
mod attributes;
mod choices;
mod field;
mod mistakes;
mod model;
mod names;
mod pattern;
mod types;
mod view;

/// Makes a struct a model: one table of the app's own.
///
/// The first field is its key, `id: Id<Self>`. The others have one of the types of `bandstand::db::Kind`. For a model
/// `Question` with a field `pub_date` there are then:
///
/// - `Question::objects()` and the other functions of the trait `Model`,
/// - `Question::PUB_DATE` for queries, and `Choice::QUESTION.pub_date()` from a model that points to it,
/// - `NewQuestion { … }` for `create`, with the fields that must be given; the others are methods on it,
/// - for a foreign key `question` in `Choice`: `choice.question().await?`, and in the other direction `question.choices()` and, in
///   queries, `Question::CHOICES`, by its `related_name` (without one: `choice_set`),
/// - serde's `Serialize`, so that templates and JSON can have it.
///
/// `#[model(…)]`: `name`, `label`, `label_plural`, `ordering` (`"-pub_date"` or a list), `unique_together` and `indexes` (lists of
/// lists of field names).
///
/// `#[field(…)]`: `max_length`, `default`, `unique`, `index`, `blank`, `choices` (`[("s", "Small"), …]`), `label`, `help_text`,
/// `auto_now_add` and `auto_now` on a `DateTime`, and for a foreign key `on_delete` (`Cascade`, `Protect`, `Restrict`, `SetNull`,
/// `SetDefault`, `DoNothing`) and `related_name`.
#[proc_macro_derive(Model, attributes(model, field))]
pub fn model(input: TokenStream) -> TokenStream {
    model::expand(input.into()).into()
}

/// Makes an enum the values that a field can have: texts or whole numbers, with labels for people. See `bandstand::db::Choices`.
#[proc_macro_derive(Choices, attributes(choice))]
pub fn choices(input: TokenStream) -> TokenStream {
    choices::expand(input.into()).into()
}

/// Makes a struct a set of fields that several models share: `#[field(flatten)] pub times: Timestamps`. Its fields are the model's own, beside
/// the others; in queries they are `Question::TIMES.created()`.
#[proc_macro_derive(Fields, attributes(field))]
pub fn fields(input: TokenStream) -> TokenStream {
    model::expand_set(input.into()).into()
}

/// Makes a function the view for GET (and HEAD) at a pattern: `#[get("/{question}/", name = "detail")]`.
///
/// A pattern is `/`-separated; `{name}` captures a part of it for the argument of that name, a `Path<T>`, whose type
/// says what the part must look like. Other arguments are `&Request` and what implements `FromRequest`. `name` is what `url!` calls it.
#[proc_macro_attribute]
pub fn get(attribute: TokenStream, function: TokenStream) -> TokenStream {
    view::expand(Some("GET"), attribute.into(), function.into()).into()
}

/// Makes a function the view for POST at a pattern. See [`macro@get`].
#[proc_macro_attribute]
pub fn post(attribute: TokenStream, function: TokenStream) -> TokenStream {
    view::expand(Some("POST"), attribute.into(), function.into()).into()
}

/// Makes a function the view for PUT at a pattern. See [`macro@get`].
#[proc_macro_attribute]
pub fn put(attribute: TokenStream, function: TokenStream) -> TokenStream {
    view::expand(Some("PUT"), attribute.into(), function.into()).into()
}

/// Makes a function the view for PATCH at a pattern. See [`macro@get`].
#[proc_macro_attribute]
pub fn patch(attribute: TokenStream, function: TokenStream) -> TokenStream {
    view::expand(Some("PATCH"), attribute.into(), function.into()).into()
}

/// Makes a function the view for DELETE at a pattern. See [`macro@get`].
#[proc_macro_attribute]
pub fn delete(attribute: TokenStream, function: TokenStream) -> TokenStream {
    view::expand(Some("DELETE"), attribute.into(), function.into()).into()
}

/// Makes a function the view for several methods: `#[route("/ask/", methods = [GET, POST], name = "ask")]`. See [`macro@get`].
#[proc_macro_attribute]
pub fn route(attribute: TokenStream, function: TokenStream) -> TokenStream {
    view::expand(None, attribute.into(), function.into()).into()
}

/// Declares the app: what a site loads. Once in a crate, which is a `cdylib`.
///
/// ```ignore
/// app! {
///     name: "polls",
///     models: [Question, Choice],
///     routes: [index, detail, results, vote],
/// }
/// ```
///
/// `name` is its tables' prefix and its namespace in `url!`: lower-case letters, digits and single underscores. `label` is its name for people,
/// `capabilities` what it needs besides, such as `[templates]`; models bring `db` by themselves.
#[proc_macro]
pub fn app(input: TokenStream) -> TokenStream {
    app::expand(input.into()).into()
}
