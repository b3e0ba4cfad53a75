//! What visitors, authors and hostile apps notice of templates.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use host_core::context::RequestId;
use host_core::name::AppId;
use host_core::reverse::{Reverse, ReverseError};
use http::StatusCode;

use crate::{AppTemplates, Page, RenderError, Statics, TemplateConfig, TemplateError, Templates};

struct Routes;

impl Reverse for Routes {
    fn reverse(&self, app: &AppId, name: &str, args: &[String]) -> Result<String, ReverseError> {
        match name.rsplit(':').next() {
            Some("detail") => Ok(format!("/{app}/{}/", args.join("/"))),
            _ => Err(ReverseError::NotFound(format!("no route named `{name}`"))),
        }
    }
}

struct Digests;

impl Statics for Digests {
    fn version_of(&self, path: &str) -> Option<String> {
        (path == "polls/style.css").then(|| "abc".into())
    }
}

fn polls() -> AppId {
    AppId::new("polls").expect("a name")
}

fn page() -> Page {
    Page {
        app: polls(),
        id: RequestId(1),
        path: "/polls/".into(),
        query: String::new(),
        reverse: Arc::new(Routes),
        statics: Some(Arc::new(Digests)),
        now: None,
    }
}

fn files(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect()
}

fn app(sources: &[(&str, &str)]) -> Arc<AppTemplates> {
    Templates::open(None).expect("opened").for_app(&polls(), files(sources)).expect("good templates")
}

fn render(source: &str, context: &str) -> Result<String, RenderError> {
    app(&[("polls/x.html", source)]).render("polls/x.html", context.as_bytes(), &page())
}

/// A site's folder with these files.
fn folder(sources: &[(&str, &str)]) -> (tempfile::TempDir, Dir) {
    let temp = tempfile::tempdir().expect("a folder");
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).expect("opened");
    for (name, text) in sources {
        put(&dir, name, text.as_bytes());
    }
    (temp, dir)
}

fn put(dir: &Dir, name: &str, bytes: &[u8]) {
    if let Some((parent, _)) = name.rsplit_once('/') {
        dir.create_dir_all(parent).expect("made");
    }
    dir.write(name, bytes).expect("written");
}

fn messages(errors: &[TemplateError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_page_knows_its_context_and_the_sites_addresses() {
    let templates = app(&[(
        "polls/index.html",
        "{% extends \"base.html\" %}{% block title %}Polls{% endblock %}\
         {% block head %}<link rel=\"stylesheet\" href=\"{{ static('polls/style.css') }}\">{% endblock %}\
         {% block content %}<a href=\"{{ url('detail', id) }}\">{{ name }}</a>\
         <img src=\"{{ static('polls/a b.png') }}\">{{ request_id()|truncatechars(3) }}{% endblock %}",
    )]);
    let text = templates.render("polls/index.html", br#"{"id":5,"name":"<b>"}"#, &page()).expect("a page");
    for part in [
        "<title>Polls</title>",
        "href=\"/static/polls/style.css?v=abc\"",
        "<a href=\"/polls/5/\">&lt;b&gt;</a>",
        "src=\"/static/polls/a%20b.png\"",
        "00…",
        "prefers-color-scheme: dark",
        "name=\"viewport\"",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    // The same engine makes the next page.
    for n in 0..20 {
        let context = format!("{{\"id\":{n},\"name\":\"n\"}}");
        assert!(
            templates
                .render("polls/index.html", context.as_bytes(), &page())
                .expect("a page")
                .contains(&format!("/polls/{n}/"))
        );
    }
}

#[test]
fn the_site_comes_before_the_app_and_the_app_before_the_host() {
    let (_temp, dir) = folder(&[
        ("base.html", "SITE {% block content %}{% endblock %}"),
        ("polls/detail.html", "overridden"),
        (".hidden.html", "{% broken"),
        ("polls/index.html~", "{% broken"),
    ]);
    let site = Templates::open(Some(dir)).expect("opened");
    let own = [
        ("polls/index.html", "{% extends 'base.html' %}{% block content %}app{% endblock %}"),
        ("polls/detail.html", "never seen"),
    ];
    let templates = site.for_app(&polls(), files(&own)).expect("good templates");
    assert_eq!(templates.render("polls/index.html", b"{}", &page()).expect("a page"), "SITE app");
    assert_eq!(templates.render("polls/detail.html", b"{}", &page()).expect("a page"), "overridden");
    assert_eq!(templates.names(), ["base.html", "error.html", "polls/detail.html", "polls/index.html"]);
}

#[test]
fn the_sites_folder_is_read_again_on_demand_and_a_broken_one_changes_nothing() {
    let (temp, dir) = folder(&[("polls/x.html", "one")]);
    let site = Templates::open(Some(dir)).expect("opened");
    let templates = site.for_app(&polls(), files(&[("polls/x.html", "app")])).expect("good templates");
    let show = || templates.render("polls/x.html", b"{}", &page()).expect("a page");
    assert_eq!(show(), "one");
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).expect("opened");
    put(&dir, "polls/x.html", b"two");
    assert_eq!(show(), "one");
    site.reload().expect("good templates");
    assert_eq!(show(), "two");
    put(&dir, "polls/x.html", b"line\n{% if %}");
    let error = site.reload().expect_err("broken").to_string();
    assert!(error.contains("polls/x.html:2") && error.contains("{% if %}"), "{error}");
    assert_eq!(show(), "two");
    put(&dir, "polls/x.html", b"\xff\xfe");
    assert!(site.reload().expect_err("not text").to_string().contains("not UTF-8"));
    dir.remove_file("polls/x.html").expect("removed");
    site.reload().expect("good templates");
    assert_eq!(show(), "app");
}

#[test]
fn broken_templates_are_refused_all_at_once_with_their_lines() {
    let site = Templates::open(None).expect("opened");
    let errors = site
        .for_app(
            &polls(),
            files(&[
                ("polls/a.html", "one\n{{ x | nofilter }}"),
                ("polls/b.html", "{% extends 'polls/missing.html' %}"),
                ("polls/c.html", "{% for %}"),
            ]),
        )
        .expect_err("broken");
    let text = messages(&errors);
    for part in [
        "app `polls`: polls/a.html:2: there is no filter `nofilter`",
        "no template `polls/missing.html`",
        "polls/c.html:1",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    for (name, part) in [
        ("index.html", "call it `polls/index.html`"),
        ("blog/x.html", "own folder"),
        ("../polls/x.html", "the name is not one"),
        ("polls/../x.html", "the name is not one"),
        ("/etc/passwd", "the name is not one"),
        ("polls/a\0b", "the name is not one"),
    ] {
        let errors = site.for_app(&polls(), files(&[(name, "x")])).expect_err(name);
        assert!(messages(&errors).contains(part), "{}", messages(&errors));
    }
    let twice = site.for_app(&polls(), files(&[("polls/a.html", "1"), ("polls/a.html", "2")])).expect_err("twice");
    assert!(messages(&twice).contains("twice"));
    let large = site.for_app(&polls(), vec![("polls/a.html".into(), "x".repeat(600 << 10))]).expect_err("large");
    assert!(messages(&large).contains("larger than"));
}

#[test]
fn names_that_are_paths_find_nothing() {
    let templates = app(&[("polls/x.html", "x")]);
    for name in [
        "",
        "../x",
        "/etc/passwd",
        "polls/../polls/x.html",
        "polls\\x.html",
        "polls/x.html\0",
        "x",
        &"a/".repeat(100_000),
    ] {
        let error = templates.render(name, b"{}", &page()).expect_err(name);
        assert_eq!(error.code(), "not-found", "{error}");
        assert!(error.to_string().len() < 400);
    }
    let near = templates.render("polls/y.html", b"{}", &page()).expect_err("not there").to_string();
    assert!(near.contains("did you mean `polls/x.html`"), "{near}");
    // A name from the context goes the same way.
    for name in ["../x", "/etc/passwd", "C:\\\\x"] {
        let context = format!("{{\"name\": \"{name}\"}}");
        assert!(render("{% include name %}", &context).is_err());
    }
}

#[test]
fn contexts_that_are_none_are_refused() {
    let templates = app(&[("polls/x.html", "x")]);
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(2 << 20));
    for context in [
        &b""[..],
        b"[]",
        b"null",
        b"1",
        b"{",
        b"\xff",
        b"{\"a\":\"\xc3\"}",
        b"{}{}",
        b"{\"a\":1e999}",
        deep.as_bytes(),
        large.as_bytes(),
    ] {
        let error = templates.render("polls/x.html", context, &page()).expect_err("no context");
        assert_eq!(error.code(), "invalid-context", "{error}");
    }
    assert_eq!(templates.render("polls/x.html", b" {\"a\":\"\\u0000\"} ", &page()).expect("a page"), "x");
}

#[test]
fn an_error_shows_its_place_to_the_author_and_nothing_it_shows_is_markup() {
    let error = render("one\n{{ x|date }}<script>", r#"{"x":"<script>alert(1)</script>"}"#).expect_err("no date");
    assert_eq!(error.code(), "render");
    assert!(error.to_string().starts_with("template polls/x.html:2: "), "{error}");
    assert!(format!("{error:#}").contains(">    2 | {{ x|date }}"), "{error:#}");
    let html = error.to_html();
    assert!(html.contains("line 2") && !html.contains("<script>"), "{html}");
}

#[test]
fn error_pages_are_the_apps_then_the_sites_then_the_hosts() {
    let none = Templates::open(None).expect("opened");
    let text = none.render_error(StatusCode::NOT_FOUND, "No <such> page.", RequestId(7));
    assert!(
        text.contains("404") && text.contains("No &lt;such&gt; page.") && text.contains(&RequestId(7).to_string()),
        "{text}"
    );
    let (_temp, dir) =
        folder(&[("404.html", "site {{ status }} {{ message }}"), ("polls/500.html", "site's for polls")]);
    let site = Templates::open(Some(dir)).expect("opened");
    let own = [
        ("polls/404.html", "app {{ status }} {{ reason }}"),
        ("polls/500.html", "app"),
        ("error.html", "app error {{ status }}"),
    ];
    let app = site.for_app(&polls(), files(&own)).expect("good templates");
    let plain = site.for_app(&polls(), vec![]).expect("good templates");
    let id = RequestId(1);
    assert_eq!(app.render_error(StatusCode::NOT_FOUND, "", id), "app 404 Not Found");
    assert_eq!(app.render_error(StatusCode::INTERNAL_SERVER_ERROR, "", id), "site's for polls");
    assert_eq!(app.render_error(StatusCode::FORBIDDEN, "", id), "app error 403");
    assert_eq!(plain.render_error(StatusCode::NOT_FOUND, "m", id), "site 404 m");
    assert_eq!(site.render_error(StatusCode::NOT_FOUND, "m", id), "site 404 m");
}

#[test]
fn an_error_page_that_is_broken_itself_still_is_a_page() {
    let own = [
        ("polls/404.html", "{{ nothing.at.all }}"),
        ("polls/500.html", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
    ];
    let app = app(&own);
    for status in [StatusCode::NOT_FOUND, StatusCode::INTERNAL_SERVER_ERROR] {
        let text = app.render_error(status, "<sorry>", RequestId(3));
        assert!(text.contains("&lt;sorry&gt;") && text.contains(status.as_str()), "{text}");
    }
}

/// Templates made to end the process, fill the memory or never end. Each must be an error within the time limit, and the
/// next page must be fine.
#[test]
fn hostile_templates_hurt_nobody() {
    let nested = "{% set ns = namespace(a=1, b=1) %}{% for i in range(100000) %}{% set ns.a = [ns.a] %}{% endfor %}";
    let shared = "{% set ns = namespace(a=1, b=1) %}{% for i in range(40) %}{% set ns.a = [ns.a, ns.a] %}\
                  {% set ns.b = [ns.b, ns.b] %}{% endfor %}";
    let mut cases: Vec<(String, &str)> = Vec::new();
    for end in
        ["", "{{ ns.a }}", "{{ ns.a|tojson }}", "{{ ns.a|string|length }}", "{{ ns.a == ns.b }}", "{{ ns.a|join }}"]
    {
        cases.push((format!("{nested}{end}"), "nested values"));
        cases.push((format!("{shared}{end}"), "shared values"));
    }
    for end in [
        "{{ (ns.a ~ 'x')|length }}",
        "{{ [ns.a, ns.b]|sort }}",
        "{{ ns.a in [ns.b] }}",
        "{{ '%s'|format(ns.a) }}",
        "{{ ns.a|json_script }}",
        "{{ ns.a|sum }}",
        "{{ ns.a|upper }}",
    ] {
        cases.push((format!("{shared}{end}"), "shared values"));
    }
    for source in [
        "{{ range(10**9) }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}.{% endfor %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{% for x in [1] recursive %}{{ loop([x, x]) }}{% endfor %}",
        "{% include 'polls/x.html' %}",
        "{{ ('x' * 1000000) * 1000000 }}",
        "{% set a = 'x' * 1000000 %}{{ ([a] * 1000000)|join|length }}",
        "{% set a = 'x' * 1000000 %}{{ ([a] * 1000000) ~ '' }}",
        "{% set ns = namespace(a='x') %}{% for i in range(60) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}{{ ns.a|length }}",
        "{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = ns.a + ns.a %}{% endfor %}{{ ns.a|last }}",
        "{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = ns.a|chain(ns.a) %}{% endfor %}{{ ns.a|list|length }}",
        "{% set ns = namespace(a=[1]) %}{% for i in range(50000) %}{% set ns.a = ns.a|zip([1]) %}{% endfor %}{{ ns.a|length }}",
        "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}{{ ns.a.a.a }}",
        "{{ 2 ** 100000000 }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ range(9)|batch(1000000000, 'x')|list|length }}",
        "{{ ('\n' * 100000)|indent(100000)|length }}",
        "{{ 'x'|center(1000000000) }}",
        "{{ now('Y' * 100000) }}",
        "{{ 'a'|replace('', 'x' * 1000000)|replace('x', 'y' * 1000000)|length }}",
        "{% for i in range(99999) %}{{ 'x' * 10000 }}{% endfor %}",
        "{% for i in range(99999) %}{{ url('detail', 'x' * 1000) }}{% endfor %}",
        "{% set x %}{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}{% endset %}",
    ] {
        cases.push((source.into(), "one of a kind"));
    }
    for (repeated, wrap) in [
        (".a", "{{ a@ }}"),
        ("|lower", "{{ a@ }}"),
        ("~a", "{{ a@ }}"),
        ("[0]", "{{ a@ }}"),
        ("+1", "{{ 1@ }}"),
        ("{% if 1 %}", "@"),
        ("(", "{{ @"),
        ("not ", "{{ @1 }}"),
        ("-", "{{ @1 }}"),
        ("[", "{{ @"),
        ("{% elif 1 %}", "{% if 1 %}@{% endif %}"),
        ("{% set a = [a, a] %}", "@{{ a }}"),
    ] {
        cases.push((wrap.replace('@', &repeated.repeat(400_000 / repeated.len())), "long source"));
    }
    let config = TemplateConfig { millis: 500, ..TemplateConfig::default() };
    let site = Templates::open_with(config, None).expect("opened");
    let good = site.for_app(&polls(), files(&[("polls/x.html", "fine")])).expect("good templates");
    for (source, kind) in &cases {
        let shown: String = source.chars().take(160).collect();
        let begun = Instant::now();
        match site.for_app(&polls(), vec![("polls/x.html".into(), source.clone())]) {
            Err(errors) => assert!(!errors.is_empty() && messages(&errors).len() < 5_000, "{kind}: {shown}"),
            Ok(app) => match app.render("polls/x.html", b"{\"a\":{}}", &page()) {
                Ok(text) => assert!(text.len() < 5 << 20, "{kind}: {shown}"),
                Err(error) => assert!(error.to_string().len() < 2_000, "{kind}: {shown}"),
            },
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{kind} took {:?}: {shown}", begun.elapsed());
        assert_eq!(good.render("polls/x.html", b"{}", &page()).expect("a page"), "fine");
    }
}

#[test]
fn pages_of_many_threads_at_once_stay_apart() {
    let templates = app(&[("polls/x.html", "{% for i in range(200) %}{{ who }} {% endfor %}")]);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let templates = &templates;
            scope.spawn(move || {
                for n in 0..30 {
                    let who = format!("t{thread}n{n}");
                    let context = format!("{{\"who\":\"{who}\"}}");
                    let text = templates.render("polls/x.html", context.as_bytes(), &page()).expect("a page");
                    assert!(text.split_whitespace().all(|word| word == who));
                }
            });
        }
    });
}

/// Not a benchmark, a tripwire: the best of many, so that a busy machine passes.
#[test]
fn an_ordinary_page_is_quick() {
    let templates = app(&[(
        "polls/x.html",
        "{% extends 'base.html' %}{% block content %}<table>{% for row in rows %}<tr><td>{{ row.id }}</td>\
         <td>{{ row.text }}</td></tr>{% endfor %}</table>{% endblock %}",
    )]);
    for (count, most) in [(12, Duration::from_millis(1)), (100, Duration::from_millis(4))] {
        let rows: Vec<String> = (0..count).map(|n| format!("{{\"id\":{n},\"text\":\"Row <{n}> of many\"}}")).collect();
        let context = format!("{{\"rows\":[{}]}}", rows.join(","));
        let best = (0..300)
            .map(|_| {
                let begun = Instant::now();
                templates.render("polls/x.html", context.as_bytes(), &page()).expect("a page");
                begun.elapsed()
            })
            .min()
            .expect("300 of them");
        println!("a page of {count} rows: {best:?}");
        assert!(best < most, "{count} rows took {best:?}");
    }
}

/// A page that spins, asked for over and over, must not hold the thread on which others' pages are made.
#[tokio::test(flavor = "current_thread")]
async fn slow_pages_leave_the_thread_to_others() {
    let config = TemplateConfig { millis: 200, fuel: u64::MAX, ..TemplateConfig::default() };
    let site = Templates::open_with(config, None).expect("opened");
    let spin = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    let bad =
        site.for_app(&polls(), files(&[("polls/x.html", spin), ("polls/y.html", "fine")])).expect("good templates");
    let good = site.for_app(&polls(), files(&[("polls/x.html", "good")])).expect("good templates");
    let spinning: Vec<_> = (0..40)
        .map(|_| {
            let bad = bad.clone();
            tokio::spawn(async move { bad.render_page("polls/x.html", b"{}", &page()).await })
        })
        .collect();
    for _ in 0..50 {
        assert_eq!(good.render_page("polls/x.html", b"{}", &page()).await.expect("a page"), "good");
        assert_eq!(bad.render_page("polls/y.html", b"{}", &page()).await.expect("a page"), "fine");
        tokio::task::yield_now().await;
    }
    assert!(spinning.iter().any(|page| !page.is_finished()), "good pages must not wait for the end of slow ones");
    let mut refused = 0;
    for spinning in spinning {
        let error = spinning.await.expect("no panic").expect_err("it spins");
        assert_eq!(error.code(), "budget", "{error}");
        refused += usize::from(error.to_string().contains("too many slow pages"));
    }
    assert!(refused > 0, "one app must not have the whole lane");
}

/// A page of which nobody waits for the end is given up.
#[tokio::test(flavor = "current_thread")]
async fn a_page_ends_with_its_request() {
    let config = TemplateConfig { millis: 60_000, fuel: u64::MAX, ..TemplateConfig::default() };
    let site = Templates::open_with(config, None).expect("opened");
    let spin = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    let bad = site.for_app(&polls(), files(&[("polls/x.html", spin)])).expect("good templates");
    let page = page();
    // More than one app may have on the lane: if they went on for their minute, there would be no place for the last.
    for _ in 0..40 {
        let _ = tokio::time::timeout(Duration::from_millis(30), bad.render_page("polls/x.html", b"{}", &page)).await;
    }
    let begun = Instant::now();
    loop {
        let last = bad.render_page("polls/x.html", b"{}", &page);
        match tokio::time::timeout(Duration::from_millis(100), last).await {
            Err(_) => break,
            Ok(result) => assert!(result.expect_err("it spins").to_string().contains("too many slow pages")),
        }
        // The lane has what others leave of the processor, so on a busy machine it takes its time.
        assert!(begun.elapsed() < Duration::from_secs(30), "pages that nobody waits for hold their places");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The limits of time are of processor time, so that they hold on a busy machine as well: the engine's own test of
/// what it was told.
#[test]
fn a_page_may_take_its_time_and_no_more() {
    let config = TemplateConfig { millis: 300, fuel: u64::MAX, ..TemplateConfig::default() };
    let site = Templates::open_with(config, None).expect("opened");
    let spin = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    let bad = site.for_app(&polls(), files(&[("polls/x.html", spin)])).expect("good templates");
    let begun = Instant::now();
    let error = bad.render("polls/x.html", b"{}", &page()).expect_err("it spins");
    assert!(error.is_budget() && error.to_string().contains("longer than a page may"), "{error}");
    assert!(begun.elapsed() >= Duration::from_millis(290), "{:?}", begun.elapsed());
}
