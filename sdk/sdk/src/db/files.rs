//! Stored files, by their paths.

use core::fmt;
use core::ops::Deref;

use serde::{Deserialize, Serialize};

use super::Value;
use super::kinds::{Kind, Must, Store};
use super::meta::FieldKind;
use super::rows::{Cell, Column, Misfit};

macro_rules! files {
    ($($(#[$doc:meta])* $name:ident $kind:ident;)+) => {
        $($(#[$doc])*
        ///
        /// A relative path of at most `max_length` characters (100 by default), without `..`; the host refuses others. In queries it is a text.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The path.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The last part of the path.
            pub fn file_name(&self) -> &str {
                self.0.rsplit('/').next().unwrap_or_default()
            }
        }

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

        impl From<String> for $name {
            fn from(path: String) -> Self {
                Self(path)
            }
        }

        impl From<&str> for $name {
            fn from(path: &str) -> Self {
                Self(path.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(path: $name) -> Self {
                path.0
            }
        }

        // Paths are compared and searched as texts.
        crate::__values!($name as String);

        impl Kind for $name {
            type Base = String;
            type Nullness = Must;
            type Literal = &'static str;
            const KIND: FieldKind = FieldKind::$kind { max_length: 100, upload_to: "" };

            fn to_value(&self) -> Value {
                self.0.clone().into_value()
            }

            fn from_cell(cell: Cell<'_>, _: &mut Column) -> Result<Self, Misfit> {
                match cell {
                    Cell::Text(path) => Ok(Self(path.to_owned())),
                    _ => Err(Misfit),
                }
            }
        })+
    };
}

files! {
    /// The path of a stored file.
    FilePath File;
    /// The path of a stored image.
    ImagePath Image;
}
