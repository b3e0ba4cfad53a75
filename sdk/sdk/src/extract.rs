//! What a view's arguments can be.

use core::fmt;
use core::ops::Deref;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::db::Id;
use crate::error::{Error, Result};
use crate::form;
use crate::request::Request;

/// Something that a view gets from the request, by naming it as an argument.
#[diagnostic::on_unimplemented(
    message = "a view can't get a `{Self}` from a request",
    note = "a view takes `&Request`, `Path<T>` for what the pattern captures, `Query<T>`, `Form<T>`, `Json<T>`, or an `Option` or `Result` of the last three"
)]
pub trait FromRequest: Sized {
    /// Gets it. An error becomes the response.
    fn from_request(request: &Request) -> impl Future<Output = Result<Self>>;
}

/// What comes as its error instead of ending the request: `form: Result<Form<Vote>>`.
impl<T: FromRequest> FromRequest for Result<T> {
    async fn from_request(request: &Request) -> Result<Self> {
        Ok(T::from_request(request).await)
    }
}

/// A part of the path: the one that the pattern captures under the argument's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path<T>(pub T);

/// The fields of the query string. A wrong or missing one is a 400 that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<T>(pub T);

/// The fields of a submitted form (`application/x-www-form-urlencoded`). A wrong or missing one is a 422 that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form<T>(pub T);

/// A JSON document: as an argument the request's body, as a response, as a model's field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json<T>(pub T);

macro_rules! deref {
    ($($name:ident),+) => {
        $(impl<T> Deref for $name<T> {
            type Target = T;

            fn deref(&self) -> &T {
                &self.0
            }
        }

        impl<T> $name<T> {
            /// What is inside.
            pub fn into_inner(self) -> T {
                self.0
            }
        })+
    };
}

deref!(Path, Query, Form, Json);

impl<T: fmt::Display> fmt::Display for Path<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<M, K> From<Path<Id<M, K>>> for Id<M, K> {
    fn from(path: Path<Id<M, K>>) -> Self {
        path.0
    }
}

/// A type that a part of the path can have, with the converter that checks it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a part of a path",
    note = "use Id<M>, i32, i64, u32, u64, String, Slug, Uuid, or PathTail for the rest of the path"
)]
pub trait PathValue: Sized {
    /// The converter's word in the manifest.
    const CONVERTER: &'static str;

    /// From the text that the converter let through. None is a 404.
    fn from_path(text: &str) -> Option<Self>;
}

macro_rules! path_values {
    ($($type:ty: $converter:literal),+ $(,)?) => {
        $(impl PathValue for $type {
            const CONVERTER: &'static str = $converter;

            fn from_path(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        })+
    };
}

path_values!(i32: "int", i64: "int", u32: "int", u64: "int", String: "str", uuid::Uuid: "uuid");

/// A key is a part of a path as what it is made of.
impl<M, K: PathValue + Copy> PathValue for Id<M, K> {
    const CONVERTER: &'static str = K::CONVERTER;

    fn from_path(text: &str) -> Option<Self> {
        K::from_path(text).map(Self::new)
    }
}

macro_rules! text_values {
    ($($(#[$doc:meta])* $name:ident $converter:literal),+ $(,)?) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        pub struct $name(String);

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl PathValue for $name {
            const CONVERTER: &'static str = $converter;

            fn from_path(text: &str) -> Option<Self> {
                Some(Self(text.into()))
            }
        })+
    };
}

text_values! {
    /// Letters, digits, `-` and `_` (ASCII).
    Slug "slug",
    /// The rest of the path, slashes included.
    PathTail "path",
}

/// Reads the capture at `at`; the macros call it.
#[doc(hidden)]
pub fn path_param<T: PathValue>(request: &Request, at: usize) -> Result<Path<T>> {
    // The host checked the converter; what is left is a number too large for the type.
    T::from_path(request.param(at)).map(Path).ok_or_else(Error::not_found)
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    async fn from_request(request: &Request) -> Result<Self> {
        form::read(request.query().as_bytes(), 400).map(Query)
    }
}

fn content_type_is(request: &Request, wanted: &str, also_none: bool) -> Result<()> {
    let Some(header) = request.header("content-type") else {
        return if also_none { Ok(()) } else { Err(Error::new(415, format!("Send the body as {wanted}."))) };
    };
    let sent = header.split(';').next().unwrap_or("").trim();
    if sent.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(Error::new(415, format!("This page takes {wanted}, not {}.", sent.escape_default())))
}

impl<T: DeserializeOwned> FromRequest for Form<T> {
    async fn from_request(request: &Request) -> Result<Self> {
        content_type_is(request, "application/x-www-form-urlencoded", true)?;
        form::read(request.body().await?, 422).map(Form)
    }
}

impl<T: DeserializeOwned> FromRequest for Option<Form<T>> {
    async fn from_request(request: &Request) -> Result<Self> {
        if request.body().await?.is_empty() { Ok(None) } else { Form::from_request(request).await.map(Some) }
    }
}

impl<T: DeserializeOwned> FromRequest for Json<T> {
    async fn from_request(request: &Request) -> Result<Self> {
        content_type_is(request, "application/json", false)?;
        serde_json::from_slice(request.body().await?).map(Json).map_err(|error| {
            // The place and the reason are about what the visitor sent, so he may read them. Data that is JSON but isn't what
            // was asked for is 422.
            let status = if error.is_data() { 422 } else { 400 };
            Error::field_error(status, "", error)
        })
    }
}

impl<T: DeserializeOwned> FromRequest for Option<Json<T>> {
    async fn from_request(request: &Request) -> Result<Self> {
        if request.body().await?.is_empty() { Ok(None) } else { Json::from_request(request).await.map(Some) }
    }
}
