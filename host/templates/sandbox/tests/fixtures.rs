//! Each file in `fixtures/` is a case; a new one needs no Rust.
//!
//! A case is some templates, each under a line `=== name`, the first of which is rendered, and a context under
//! `=== context`. What comes out is kept as a snapshot beside it: pages in `pages/`, errors in `faults/`.

// A helper of a test is a test; the lint only knows functions with the attribute.
#![allow(clippy::expect_used)]

use std::path::Path;
use std::rc::Rc;

use host_templates_sandbox::{Engine, Facts, Limits, Links, Source};

struct Site;

impl Links for Site {
    fn url(&self, name: &str, args: &[String]) -> Result<String, String> {
        match name {
            "polls:detail" if args.len() == 1 => Ok(format!("/polls/{}/", args[0])),
            "polls:index" if args.is_empty() => Ok("/polls/".into()),
            _ => Err(format!("there is no route `{name}` with {} arguments", args.len())),
        }
    }

    fn static_url(&self, path: &str) -> String {
        format!("/static/{path}?v=1")
    }
}

fn run(text: &str) -> String {
    let mut parts: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("=== ") {
            Some(name) => parts.push((name.trim().into(), String::new())),
            None => parts.last_mut().expect("a case begins with `=== name`").1.push_str(line),
        }
    }
    let context = match parts.iter().position(|(name, _)| name == "context") {
        Some(at) => parts.remove(at).1,
        None => "{}".into(),
    };
    let first = parts[0].0.clone();
    let sources = parts.into_iter().map(|(name, text)| Source { name, text }).collect();
    let facts = Facts {
        // 2026-03-01T12:00:00Z
        now: 1_772_366_400_000_000,
        path: "/polls/".into(),
        query: "page=2&q=a%20b".into(),
        id: "abc".into(),
    };
    match Engine::new(sources, Limits::default()) {
        Err(failures) => failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"),
        Ok(engine) => match engine.render(&first, context.as_bytes(), facts, Rc::new(Site)) {
            Ok(page) => page,
            Err(failure) => format!("{}: {failure}", failure.kind.as_str()),
        },
    }
}

// Tests read their own cases.
#[allow(clippy::disallowed_methods)]
fn each_in(folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    assert!(!paths.is_empty());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for path in paths {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("a readable case");
            insta::assert_snapshot!(name, run(&text));
        }
    });
}

#[test]
fn pages() {
    each_in("pages");
}

#[test]
fn faults() {
    each_in("faults");
}
