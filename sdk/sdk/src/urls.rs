//! Addresses from names.

use crate::bindings::bandstand::routing::urls;
use crate::error::{Error, Result};

/// The path of a named route; [`url!`](crate::url) calls it. `name` is `route` for one of the app's own, `app:route` for any on the site.
///
/// Errors: a 500 for an unknown name, a wrong number of arguments, or one that the route wouldn't take back.
pub fn reverse(name: &str, args: &[String]) -> Result<String> {
    urls::reverse(name, args).map_err(|error| Error::internal(format!("url!({name:?}): {}", error.message)))
}

/// The path of a named route, with what fills its captures in order: `url!("polls:results", question.id)`.
///
/// With the view's own name instead of a text, a wrong name or number of arguments doesn't compile: `url!(results, question.id)`.
#[macro_export]
macro_rules! url {
    ($name:literal $(, $arg:expr)* $(,)?) => {
        $crate::urls::reverse($name, &[$(::std::string::ToString::to_string(&$arg)),*])
    };
    ($view:path $(, $arg:expr)* $(,)?) => {{
        // Named once, so that a function that is no view is told once.
        type __View = $view;
        const _: () = ::core::assert!(
            $crate::view::captures_of::<__View>() == <[()]>::len(&[$($crate::url!(@unit $arg)),*]),
            "url! needs one argument for each capture in the view's pattern"
        );
        const _: () = ::core::assert!(
            !$crate::view::name_of::<__View>().is_empty(),
            "this view has no name; add `name = \"…\"` to its route attribute"
        );
        $crate::urls::reverse(
            $crate::view::name_of::<__View>(),
            &[$(::std::string::ToString::to_string(&$arg)),*],
        )
    }};
    (@unit $arg:expr) => { () };
}
