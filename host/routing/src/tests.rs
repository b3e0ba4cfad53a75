//! What a visitor and an app's author notice of the table.

use std::time::Instant;

use host_core::manifest::{Method, Pattern, Route};
use host_core::name::AppId;
use host_core::reverse::{Reverse, ReverseError};
use http::Method as Verb;

use crate::{Kind, Match, Mount, Table};

fn app(name: &str) -> AppId {
    AppId::new(name).expect("a valid name")
}

fn route(line: &str) -> Route {
    let mut words = line.split_whitespace();
    let methods = words.next().expect("methods").split(',').map(|m| Method::parse(m).expect("a method")).collect();
    let path = Pattern::parse(words.next().expect("a pattern")).expect("a valid pattern");
    Route { path, methods, name: words.next().map(Into::into) }
}

fn mount(name: &str, prefix: &str, routes: &[&str]) -> Mount {
    Mount { app: app(name), prefix: prefix.into(), kind: Kind::Routes(routes.iter().map(|line| route(line)).collect()) }
}

fn site() -> Table {
    Table::build(vec![
        mount(
            "polls",
            "/polls/",
            &[
                "GET / index",
                "GET,POST /ask/ ask",
                "GET /{question:int}/ detail",
                "GET /{slug:slug}/ by_slug",
                "POST /{question:int}/vote/ vote",
                "GET /feed.xml feed",
                "GET /{question:int}/results/ results",
                "PUT /{name}/ put",
            ],
        ),
        mount("pages", "/", &["GET / home", "GET /{path:path}/ page", "GET /{path:path} file", "DELETE /x/ gone"]),
        Mount { app: app("standard"), prefix: "/tools/standard/".into(), kind: Kind::Whole },
        mount("lone", "/tools/", &["GET / index", "POST /only/ only"]),
    ])
    .expect("a table")
}

/// A match in a line: what, whose, which route, with what.
fn get(table: &Table, verb: Verb, target: &str) -> String {
    match table.resolve(&verb, target) {
        Match::Route(hit) => {
            format!("{}:{} {:?} {}", hit.app, hit.name.as_deref().unwrap_or("-"), hit.params, hit.path)
        }
        Match::Whole(hit) => format!("{} whole", hit.app),
        Match::MethodNotAllowed { app, allow } => format!("{app} 405 {}", allow.to_str().expect("ascii")),
        Match::Options { app, allow } => format!("{app} options {}", allow.to_str().expect("ascii")),
        Match::SlashRedirect { location } => format!("-> {}", location.to_str().expect("ascii")),
        Match::NotFound { app } => format!("404 {}", app.map_or_else(|| "-".into(), |app| app.to_string())),
        Match::BadPath => "400".into(),
    }
}

#[test]
fn requests_find_their_routes() {
    let table = site();
    for (verb, target, expected) in [
        (Verb::GET, "/polls/", "polls:index [] /"),
        (Verb::GET, "/polls/5/", r#"polls:detail ["5"] /5/"#),
        (Verb::HEAD, "/polls/5/?a=b", r#"polls:detail ["5"] /5/"#),
        (Verb::GET, "/polls/five/", r#"polls:by_slug ["five"] /five/"#),
        (Verb::GET, "/polls/ask/", "polls:ask [] /ask/"),
        (Verb::POST, "/polls/5/vote/", r#"polls:vote ["5"] /5/vote/"#),
        (Verb::GET, "/p%6Flls/%35/", r#"polls:detail ["5"] /5/"#),
        (Verb::PUT, "/polls/%C3%A4%20b/", r#"polls:put ["ä b"] /ä b/"#),
        // Too large for an `int`, so it is a slug.
        (Verb::GET, "/polls/9223372036854775808/", r#"polls:by_slug ["9223372036854775808"] /9223372036854775808/"#),
        (Verb::GET, "/polls/feed.xml", "polls:feed [] /feed.xml"),
        (Verb::GET, "/", "pages:home [] /"),
        (Verb::GET, "/pollsters", r#"pages:file ["pollsters"] /pollsters"#),
        (Verb::GET, "/a/b/", r#"pages:page ["a/b"] /a/b/"#),
        (Verb::GET, "/a%2Fb", r#"pages:file ["a/b"] /a/b"#),
        (Verb::GET, "//", r#"pages:file ["/"] //"#),
        (Verb::GET, "/tools/", "lone:index [] /"),
        (Verb::PATCH, "/tools/standard/any/thing", "standard whole"),
        (Verb::GET, "/tools/standard/", "standard whole"),
    ] {
        assert_eq!(get(&table, verb.clone(), target), expected, "{verb} {target}");
    }
}

#[test]
fn requests_that_find_nothing_say_why() {
    let table = site();
    for (verb, target, expected) in [
        (Verb::POST, "/polls/", "polls 405 GET, HEAD, OPTIONS"),
        (Verb::OPTIONS, "/polls/ask/", "polls options GET, HEAD, POST, PUT, OPTIONS"),
        (Verb::TRACE, "/polls/5/vote/", "polls 405 POST, OPTIONS"),
        (Verb::GET, "/polls/5/vote/", "polls 405 POST, OPTIONS"),
        (Verb::GET, "/polls/5/nothing/", "404 polls"),
        (Verb::GET, "/polls/a/b/", "404 polls"),
        (Verb::GET, "/tools/nothing/", "404 lone"),
        (Verb::GET, "/polls/%2e%2e/", "400"),
        (Verb::GET, "/polls/%00/", "400"),
        (Verb::GET, "/polls/%f", "400"),
        (Verb::GET, "*", "400"),
        (Verb::OPTIONS, "", "400"),
        // A `str` takes no slash, encoded or not.
        (Verb::PUT, "/polls/a%2Fb/", "404 polls"),
    ] {
        assert_eq!(get(&table, verb.clone(), target), expected, "{verb} {target}");
    }
}

#[test]
fn a_missing_slash_is_added_on_the_same_site_only() {
    let table = site();
    for (verb, target, expected) in [
        (Verb::GET, "/polls/5", "-> /polls/5/"),
        (Verb::HEAD, "/polls/5?a=b&c", "-> /polls/5/?a=b&c"),
        (Verb::GET, "/tools/standard?x", "-> /tools/standard/?x"),
        (Verb::GET, "/tools", "-> /tools/"),
        // It would lose the form; the answer names what is wrong instead.
        (Verb::POST, "/polls/ask", "404 polls"),
        (Verb::GET, "/tools/only", "404 lone"),
    ] {
        // `pages` takes every path of one's own site, so these are asked of a site without it.
        let table = Table::build(mounts_without_pages()).expect("a table");
        assert_eq!(get(&table, verb.clone(), target), expected, "{verb} {target}");
    }
    let open = Table::build(vec![mount("pages", "/", &["GET /{path:path}/ page"])]).expect("a table");
    for hostile in ["//evil.example/x", "/\\evil.example", "///evil.example", "/\\/evil.example"] {
        let answer = get(&open, Verb::GET, hostile);
        let location = answer.strip_prefix("-> ").expect("a redirect");
        assert!(location.starts_with('/') && !location.starts_with("//") && !location.contains('\\'), "{location}");
    }
    assert_eq!(get(&table, Verb::GET, "/polls/5/results"), "-> /polls/5/results/");
}

fn mounts_without_pages() -> Vec<Mount> {
    vec![
        mount("polls", "/polls/", &["GET / index", "GET,POST /ask/ ask", "GET /{question:int}/ detail"]),
        Mount { app: app("standard"), prefix: "/tools/standard/".into(), kind: Kind::Whole },
        mount("lone", "/tools/", &["GET / index", "POST /only/ only"]),
    ]
}

#[test]
fn between_captures_the_first_declared_wins() {
    let table = Table::build(vec![mount(
        "a",
        "/",
        &[
            "GET /{n:int}/x/ one",
            "GET /{s:slug}/y/ two",
            "GET /{n:int}/y/ three",
            "GET /{any:path} rest",
            "GET /late/ late",
        ],
    )])
    .expect("a table");
    assert_eq!(get(&table, Verb::GET, "/5/y/"), r#"a:two ["5"] /5/y/"#);
    assert_eq!(get(&table, Verb::GET, "/5/z/"), r#"a:rest ["5/z/"] /5/z/"#);
    assert_eq!(get(&table, Verb::GET, "/late/"), "a:late [] /late/", "a literal goes before captures");
}

#[test]
fn mounts_that_make_no_table_are_refused_with_advice() {
    let long = format!("/{}/", "a".repeat(300));
    for prefix in
        ["", "polls", "/polls", "polls/", "//", "/a//b/", "/../", "/a b/", "/ä/", "/{x}/", "/a?b/", "/%2e/", &long]
    {
        let error = Table::build(vec![mount("polls", prefix, &[])]).expect_err(prefix).to_string();
        assert!(error.starts_with("app `polls`: the mount `"), "{error}");
    }
    let clash = Table::build(vec![mount("a", "/x/", &[]), mount("b", "/x/", &[])]).expect_err("a clash");
    assert_eq!(clash.to_string(), "app `b`: the mount `/x/` is taken by app `a`; give one of them another `mount`");
    assert!(Table::build(vec![mount("a", "/x/", &[]), mount("a", "/y/", &[])]).is_err());
    let hidden =
        Table::build(vec![mount("a", "/", &["GET,POST /{n:int}/", "HEAD,POST /{m:int}/"])]).expect_err("hidden");
    assert_eq!(
        hidden.to_string(),
        "app `a`: route `/{m:int}/` (HEAD, POST) can never be reached, `/{n:int}/` is declared before it and takes the \
         same paths; remove one"
    );
    assert!(Table::build(vec![mount("a", "/", &["GET /x/", "POST /x/", "GET /x"])]).is_ok());
}

#[test]
fn names_become_paths_that_lead_back() {
    let table = site();
    let polls = app("polls");
    for (from, name, args, expected) in [
        ("polls", "index", vec![], "/polls/"),
        ("polls", "detail", vec!["5"], "/polls/5/"),
        ("pages", "polls:vote", vec!["5"], "/polls/5/vote/"),
        ("pages", "home", vec![], "/"),
        ("pages", "page", vec!["a/b c"], "/a/b%20c/"),
        ("pages", "file", vec!["/evil.example"], "/%2Fevil.example"),
        ("polls", "put", vec!["ä\"'<&?#%"], "/polls/%C3%A4%22%27%3C%26%3F%23%25/"),
    ] {
        let owned: Vec<String> = args.iter().map(ToString::to_string).collect();
        let path = table.reverse(&app(from), name, &owned).expect(name);
        assert_eq!(path, expected);
        let answer = ["GET", "POST", "PUT"].into_iter().find_map(|verb| {
            match table.resolve(&verb.parse().expect("a method"), &path) {
                Match::Route(hit) if hit.name.as_deref() == name.rsplit(':').next() => Some(hit.params),
                _ => None,
            }
        });
        assert_eq!(answer.as_deref(), Some(owned.as_slice()), "{path} must lead back");
    }
    assert!(table.reverse(&polls, "polls:detail", &["5".into()]).is_ok(), "an app may name itself");
}

#[test]
fn names_and_arguments_that_make_no_path_are_refused() {
    let table = site();
    let polls = app("polls");
    let long = "1".repeat(9_000);
    for (name, args, code, words) in [
        ("detial", vec!["5"], "not-found", "did you mean `detail`"),
        ("poll:detail", vec!["5"], "not-found", "did you mean `polls`"),
        ("standard:x", vec![], "not-found", "its own routing"),
        ("", vec![], "not-found", "no route"),
        ("polls:", vec![], "not-found", "no route"),
        ("../x:y", vec![], "not-found", "no app"),
        ("detail", vec![], "invalid", "takes 1 argument: question, got 0"),
        ("detail", vec!["5", "6"], "invalid", "got 2"),
        ("index", vec!["5"], "invalid", "takes 0 arguments, got 1"),
        ("detail", vec!["five"], "invalid", "is no `int`"),
        ("detail", vec!["-5"], "invalid", "is no `int`"),
        ("put", vec!["a/b"], "invalid", "is no `str`"),
        ("put", vec![".."], "invalid", "browsers"),
        ("put", vec!["\0"], "invalid", "U+0000"),
        ("put", vec![long.as_str()], "invalid", "too long"),
        ("pages:page", vec!["a/../b"], "invalid", "browsers"),
        ("pages:page", vec!["a/"], "invalid", "last `/`"),
        ("pages:page", vec![""], "invalid", "is no `path`"),
    ] {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let error: ReverseError = table.reverse(&polls, name, &args).expect_err(name);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().len() < 400, "an error is for reading");
    }
}

/// 200 routes, hostile paths: a match must stay in the microseconds. The bound is loose so that a busy machine passes.
#[test]
fn no_path_is_expensive() {
    let mut lines: Vec<String> = (0..180).map(|n| format!("GET /section{n}/{{a:int}}/{{b}}/end{n}/ r{n}")).collect();
    // Every place branches into a literal and three captures.
    for bits in 0..64_u32 {
        let path: String =
            (0..6).map(|place| if bits >> place & 1 == 1 { "/x".into() } else { format!("/{{p{place}}}") }).collect();
        lines.push(format!("GET {path}/end{bits}/ b{bits}"));
    }
    let refs: Vec<&str> = lines.iter().map(String::as_str).collect();
    let table = Table::build(vec![mount("a", "/", &refs)]).expect("a table");
    let hostile = ["/x".repeat(4_000), format!("/{}", "%41".repeat(2_700)), "/".repeat(8_000), "/x".repeat(6) + "/no"];
    for path in &hostile {
        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(get(&table, Verb::GET, path), "404 a");
        }
        assert!(start.elapsed().as_millis() < 200, "{} bytes took {:?}", path.len(), start.elapsed() / 10);
    }
    let start = Instant::now();
    for _ in 0..10_000 {
        assert!(matches!(table.resolve(&Verb::GET, "/section150/42/abc/end150/"), Match::Route(_)));
    }
    let each = start.elapsed() / 10_000;
    println!("a hit among {} routes: {each:?}", lines.len());
    assert!(each.as_micros() < 20, "a hit took {each:?}");
}
