//! Names of templates.

use host_core::name::AppId;

/// The longest name, in bytes.
const MAX_NAME: usize = 200;

/// Names that an app may use outside of its own folder: pages for errors, for requests below its mount.
const ERROR_PAGES: [&str; 8] =
    ["400.html", "403.html", "404.html", "405.html", "429.html", "500.html", "503.html", "error.html"];

/// Whether `name` is one: segments between `/`, none of them empty, `.` or `..`, no backslash, no control characters.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && !name.chars().any(|c| c.is_control() || c == '\\')
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Checks the name of an app's template. The error is a sentence.
pub(crate) fn check_app_name(app: &AppId, name: &str) -> Result<(), String> {
    if !is_name(name) {
        return Err(format!(
            "the name is not one: use segments between `/`, without `.` and `..`, at most {MAX_NAME} bytes in all"
        ));
    }
    let own = name.strip_prefix(app.as_str()).is_some_and(|rest| rest.starts_with('/'));
    if own || ERROR_PAGES.contains(&name) {
        return Ok(());
    }
    Err(format!("an app's templates lie in its own folder: call it `{app}/{name}`"))
}

/// A name as it may be shown.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_paths_to_elsewhere_are_none() {
        for bad in
            ["", "/", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "a\\b", "a\0b", "a\nb", ".", &"a".repeat(201)]
        {
            assert!(!is_name(bad), "{bad:?}");
        }
        for good in ["a.html", "polls/index.html", "polls/a b/ä.html", ".well-known/x.txt"] {
            assert!(is_name(good), "{good:?}");
        }
    }

    #[test]
    fn an_app_keeps_to_its_folder() {
        let polls = AppId::new("polls").expect("a name");
        for good in ["polls/index.html", "404.html", "error.html"] {
            assert_eq!(check_app_name(&polls, good), Ok(()));
        }
        for bad in ["index.html", "base.html", "pollsters/x.html", "polls", "blog/index.html"] {
            assert!(check_app_name(&polls, bad).is_err_and(|e| e.contains("own folder")), "{bad}");
        }
    }
}
