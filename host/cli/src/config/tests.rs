use host_db::DbConfig;
use host_store::StoreConfig;

use super::*;

fn errors(text: &str) -> String {
    errors_with(text, &[])
}

fn errors_with(text: &str, variables: &[(&str, &str)]) -> String {
    Config::parse("bandstand.toml", text, &variables_of(variables)).expect_err("a broken configuration").to_string()
}

fn variables_of(variables: &[(&str, &str)]) -> Vec<Override> {
    overrides(variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
}

fn polls() -> AppId {
    AppId::new("polls").expect("a name")
}

#[test]
fn an_empty_file_is_a_site() {
    let config = Config::parse("bandstand.toml", "", &[]).expect("defaults");
    assert_eq!(config.database.parse(), Ok(DatabaseUrl::Sqlite("data/site.db".into())));
    assert_eq!(config.plugins.dir, Path::new("plugins"));
    assert_eq!(config.plugins.grants, Grants::none());
    assert_eq!(config.templates.dir, Path::new("templates"));
    assert_eq!(config.static_files.dir, Path::new("static"));
}

#[test]
fn unknown_keys_are_named_with_line_and_nearest_key_at_every_level() {
    insta::assert_snapshot!(errors(
        "[site]\nnam = \"x\"\n\n[sit]\n\n[apps.polls]\nwasm = \"polls.wasm\"\nmont = \"/\"\n\n[apps.polls.limits]\ncpu_sm = 3\n"
    ), @r#"
    bandstand.toml:2: (config.E002) unknown key `nam` in [site]
        HINT: did you mean `name`?
    bandstand.toml:4: (config.E002) unknown key `sit`
        HINT: did you mean `site`?
    bandstand.toml:8: (config.E002) unknown key `mont` in [apps.polls]
        HINT: did you mean `mount`?
    bandstand.toml:11: (config.E002) unknown key `cpu_sm` in [apps.polls.limits]
        HINT: did you mean `cpu_ms`?
    "#);
}

#[test]
fn wrong_types_and_words_are_named_with_their_line() {
    insta::assert_snapshot!(errors(
        "[apps.polls]\nwasm = 3\ngrants = [\"db\", \"databse\"]\nlimits = { wall_ms = -1, cpu_ms = \"x\" }\n[apps.Polls]\n"
    ), @r#"
    bandstand.toml:2: (config.E003) `wasm` in [apps.polls]: invalid type: integer `3`, expected a text
    bandstand.toml:3: (config.E003) `grants` in [apps.polls]: unknown capability `databse`; known are: db, db-raw, templates
    bandstand.toml:4: (config.E003) `wall_ms` in [apps.polls.limits]: invalid value: integer `-1`, expected a whole number, 0 or more
    bandstand.toml:4: (config.E003) `cpu_ms` in [apps.polls.limits]: invalid type: string "x", expected a whole number, 0 or more
    bandstand.toml:5: (config.E003) `Polls` in [apps]: `Polls` is not a valid name: use 1 to 30 characters from a-z, 0-9 and single underscores between them, beginning with a letter
    "#);
}

#[test]
fn grants_for_models_of_others_are_named_as_they_have_to_be_written() {
    insta::assert_snapshot!(errors(
        "[apps.report.models.shop.product]\nactions = [\"view\"]\n\
         [apps.report.models.\"shop.order\"]\nactoins = [\"view\"]\nfields = 3\n\
         [apps.report.models.\"shop.item\".rows]\nsize = []\n"
    ), @r#"
    bandstand.toml:1: (config.E002) unknown key `product` in [apps.report.models.shop]
        HINT: app and model are one key, in quotes: [apps.report.models."shop.product"]
    bandstand.toml:4: (config.E002) unknown key `actoins` in [apps.report.models."shop.order"]
        HINT: did you mean `actions`?
    bandstand.toml:5: (config.E003) `fields` in [apps.report.models."shop.order"]: invalid type: integer `3`, expected a sequence
    bandstand.toml:7: (config.E003) `size` in [apps.report.models."shop.item".rows]: a list of no values, which no row has; list at least one
    "#);
    insta::assert_snapshot!(errors(
        "[apps.report.models.\"shop.Product\"]\nactions = [\"view\"]\n"
    ), @r#"
    bandstand.toml: (config.E010) [apps.report.models."shop.Product"] isn't called like a model; write the app and the model in lower case, words joined by underscores, such as "polls.question" or "shop.invoice_line"
    "#);
}

#[test]
fn broken_toml_is_named_with_its_line() {
    insta::assert_snapshot!(errors("[site]\nname = \"x\n[apps.polls]\nmount = /polls/\n"), @r#"
    bandstand.toml:2: (config.E001) isn't valid TOML: invalid basic string, expected `"`
    bandstand.toml:4: (config.E001) isn't valid TOML: string values must be quoted, expected literal string
    "#);
}

#[test]
fn what_types_can_not_say_is_checked() {
    insta::assert_snapshot!(errors(
        "[database]\nurl = \"oracle://x\"\n[apps.a]\nmount = \"/x/\"\n[apps.b]\nmount = \"/x/\"\n[apps.c]\nmount = \"c\"\n"
    ), @r#"
    bandstand.toml: (config.E005) `url` in [database] `oracle` is no database that this host knows
        HINT: write `sqlite:data/site.db` (a path below the site's folder), `sqlite::memory:`, `postgres://user@host/database` or `mariadb://user@host/database`
    bandstand.toml: (config.E007) the apps a and b are both mounted at /x/
        HINT: give one of them another `mount`
    bandstand.toml: (config.E006) `mount` in [apps.c] must begin and end with `/`
        HINT: write `mount = "/c/"`
    "#);
}

#[test]
fn what_is_said_of_servers_is_checked_and_no_password_is_shown() {
    let text = r#"
        [database]
        url = "postgres://me:hush@db.example/site?sslmode=off"
        [databases.archive]
        url = "mariadb://me@localhost/site"
        password = "hush"
        password_file = "secret"
        replicas = ["postgres://me:hush@localhost/site", "mariadb://localhost/site"]
        [databases.small]
        url = "sqlite:small.db"
        password = "hush"
        [databases.Bad-Name]
        url = "sqlite::memory:"
        [apps.polls]
        database = "archiv"
        [apps.notes]
        database = "nowhere_at_all"
    "#;
    let shown = errors(text);
    assert!(!shown.contains("hush"), "{shown}");
    insta::assert_snapshot!(shown, @r#"
    bandstand.toml: (config.E005) `url` in [database] `sslmode` is no option; there are `socket` and `tls`
        HINT: write `sqlite:data/site.db` (a path below the site's folder), `sqlite::memory:`, `postgres://user@host/database` or `mariadb://user@host/database`
    bandstand.toml: (config.E005) `password_file` in [databases.archive] stands beside `password`; one of them is enough
    bandstand.toml: (config.E005) `replicas` in [databases.archive] has a PostgreSQL beside a MariaDB
    bandstand.toml: (config.E005) `replicas` in [databases.archive] names no user; write it before the host: `postgres://USER@host/database`
    bandstand.toml: (config.E005) `password` in [databases.small] means something for a server alone
    bandstand.toml: (config.E009) [databases.Bad-Name]: `Bad-Name` is not a valid name: use 1 to 30 characters from a-z, 0-9 and single underscores between them, beginning with a letter
    bandstand.toml: (config.E009) `database` in [apps.notes]: there is no [databases.nowhere_at_all]
        HINT: add that section with a `url`, or leave the key out for [database]
    bandstand.toml: (config.E009) `database` in [apps.polls]: there is no [databases.archiv]
        HINT: did you mean `archive`?
    "#);
}

#[test]
#[allow(clippy::disallowed_methods)] // It writes the file that it reads.
fn a_server_has_its_settings_and_its_password_from_where_the_operator_keeps_it() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("secret"), "p@ss word\n").expect("it's ours");
    let text = "[database]\nurl = \"postgres://me@localhost/site\"\npassword_file = \"secret\"\nconnections = 5\nlifetime_s = 60\n\
                replicas = [\"postgres://me@localhost:5433/site\"]\nwall = \"require\"\n";
    let config = Config::parse("bandstand.toml", text, &[]).expect("a site");
    let Ok(DatabaseUrl::Server(target)) = config.database.parse() else { panic!("a server") };
    let store = config.database.on_server(target.clone(), folder.path()).expect("settings");
    let server = store.server.as_ref().expect("a server");
    assert_eq!((server.connections, server.replicas.len(), server.wall), (5, 1, host_store::Wall::Require));
    assert_eq!(server.lifetime_s, 60);
    assert_eq!(server.target, target.clone().with_password("p@ss word"));
    for shown in [format!("{store:?}"), format!("{config:?}")] {
        assert!(!shown.contains("p@ss"), "{shown}");
    }
    let variables = [("BANDSTAND__DATABASE__PASSWORD", "from outside")];
    let text = "[database]\nurl = \"mariadb://me@localhost/site\"\n";
    let config = Config::parse("bandstand.toml", text, &variables_of(&variables)).expect("a site");
    let Ok(DatabaseUrl::Server(target)) = config.database.parse() else { panic!("a server") };
    let store = config.database.on_server(target.clone(), folder.path()).expect("settings");
    assert_eq!(store.server.expect("a server").target, target.clone().with_password("from outside"));
    assert!(!format!("{config:?}").contains("from outside"));
    for (content, word) in [("", "one line"), ("a\nb\n", "one line"), (&"x".repeat(5_000)[..], "4096")] {
        std::fs::write(folder.path().join("secret"), content).expect("it's ours");
        let text = "[database]\nurl = \"mariadb://me@localhost/site\"\npassword_file = \"secret\"\n";
        let config = Config::parse("bandstand.toml", text, &[]).expect("a site");
        let error = config.database.on_server(target.clone(), folder.path()).expect_err("no password");
        assert!(error.contains(word) && error.contains("secret"), "{error}");
    }
}

#[test]
fn variables_override_keys() {
    let text = "[site]\nname = \"from the file\"\n[apps.polls]\nmount = \"/a/\"\n";
    let variables = [
        ("BANDSTAND__SITE__NAME", "2001"),
        ("BANDSTAND__DATABASE__URL", "sqlite::memory:"),
        ("BANDSTAND__APPS__POLLS__LIMITS__CPU_MS", "77"),
        ("BANDSTAND__APPS__POLLS__GRANTS", "[\"db\"]"),
        ("BANDSTAND__SERVER__BIND", "127.0.0.1:1, [::1]:2"),
        ("BANDSTAND_OTHER", "ignored"),
    ];
    let config = Config::parse("bandstand.toml", text, &variables_of(&variables)).expect("a site");
    assert_eq!(config.site.name, "2001", "what was read as a number is a text where a text is wanted");
    assert_eq!(config.database.parse(), Ok(DatabaseUrl::Memory));
    assert_eq!(config.server.bind.len(), 2, "a list needs no brackets");
    let app = &config.apps[&polls()];
    assert_eq!(app.limits.as_ref().expect("limits").cpu_ms, 77);
    assert!(app.grants.as_ref().expect("granted").has(host_core::grants::Capability::Db));
    assert_eq!(app.mount.as_deref(), Some("/a/"), "the rest of the section stays");
}

#[test]
fn mistakes_in_variables_are_named() {
    insta::assert_snapshot!(errors_with("[site]\nname = \"x\"\n", &[
        ("BANDSTAND__SITE__NMAE", "x"),
        ("BANDSTAND__SITE__NAME__X", "x"),
        ("BANDSTAND__PLUGINS__GRANTS", "[\"db\", \"all\"]"),
        ("BANDSTAND__PLUGINS__LIMITS__WALL_MS", "soon"),
        ("BANDSTAND____", "x"),
    ]), @r#"
    environment variable BANDSTAND__PLUGINS__GRANTS: (config.E003) `grants` in [plugins]: unknown capability `all`; known are: db, db-raw, templates
    environment variable BANDSTAND__PLUGINS__LIMITS__WALL_MS: (config.E003) `wall_ms` in [plugins.limits]: invalid type: string "soon", expected a whole number, 0 or more
    environment variable BANDSTAND__SITE__NAME__X: (config.E004) `site.name` is a value, not a section
        HINT: BANDSTAND__SECTION__KEY=value sets `key` in [section]; two underscores stand between the parts
    environment variable BANDSTAND__SITE__NMAE: (config.E002) unknown key `nmae` in [site]
        HINT: did you mean `name`?
    environment variable BANDSTAND____: (config.E004) its name doesn't spell the path of a key
        HINT: BANDSTAND__SECTION__KEY=value sets `key` in [section]; two underscores stand between the parts
    "#);
}

#[test]
fn hostile_files_are_refused_without_a_panic() {
    assert!(errors(&"#".repeat(300 << 10)).contains("config.E001"));
    let deep = format!("x = {}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(errors(&deep).contains("config.E001"), "nesting");
    for text in [
        "x = \u{0}",
        "[apps.\"a`b\"]\n",
        "[\"\"]\n\"\" = 1",
        "a.b.c.d = 1",
        "[[apps]]\n",
        "apps = 3",
        "[site]\nname = [[[1]]]",
        "[apps.\"../x\"]\n",
        "[apps.\"a\\u0000\"]\n",
        "\u{feff}x=1",
        "[plugins]\ndir = {}",
        "[apps]\npolls = [1, {a=1}]",
    ] {
        assert!(!errors(text).is_empty(), "{text:?}");
    }
}

#[test]
fn many_mistakes_end_the_list() {
    let text: String = (0..1_000).map(|n| format!("x{n} = 1\n")).collect();
    assert_eq!(errors(&text).matches("config.E002").count(), 20);
}

#[test]
fn every_setting_of_the_store_is_a_key() {
    let store = toml::Table::try_from(StoreConfig::default()).expect("a table");
    for (key, value) in store {
        let text = format!("[database]\n{key} = {value}\n");
        Config::parse("bandstand.toml", &text, &[]).expect("a known key");
    }
    let text = "[database]\nreaders = 3\nstatements = 9\n";
    let config = Config::parse("bandstand.toml", text, &[]).expect("a site").database.store(None);
    assert_eq!((config.readers, config.statements), (3, 9));
}

#[test]
fn an_app_gets_what_its_section_grants_and_a_plugin_what_its_section_or_all_plugins_get() {
    let text = "[plugins]\ngrants = [\"templates\"]\n[apps.polls]\nmount = \"/p/\"\n[apps.notes]\nwasm = \"n.wasm\"\n\
                tables = [\"Album\"]\nmanage = [\"Album\"]\n[apps.strict]\ngrants = []\n";
    let config = Config::parse("bandstand.toml", text, &[]).expect("a site");
    let id = |name: &str| AppId::new(name).expect("a name");
    let templates: Grants = [host_core::grants::Capability::Templates].into_iter().collect();
    let polls = config.decide_plugin(&polls()).expect("a plugin");
    assert_eq!((polls.mount.as_str(), &polls.grants), ("/p/", &templates));
    assert_eq!(config.decide_plugin(&id("other")).expect("a plugin").mount, "/other/");
    assert_eq!(config.decide_plugin(&id("strict")).expect("a plugin").grants, Grants::none());
    let notes = config.decide_app(&id("notes"), &id("notes")).expect("an app");
    assert_eq!(notes.grants, Grants::none(), "what plugins get isn't an app's");
    assert_eq!((notes.tables, polls.tables), (vec!["Album".to_owned()], vec![]));
    assert_eq!((notes.manage, polls.manage), (vec!["Album".to_owned()], vec![]));
    assert!(config.decide_plugin(&id("notes")).expect_err("the name is taken").contains("[apps.notes]"));
    assert!(config.decide_app(&id("notes"), &id("memos")).expect_err("another name").contains("rename the section"));
}

#[test]
fn every_example_of_a_configuration_can_be_taken() {
    for page in [
        include_str!("../../../../docs/how-to/add-a-plugin.md"),
        include_str!("../../../../docs/how-to/serve-a-site.md"),
        include_str!("../../../../docs/how-to/share-models.md"),
        include_str!("../../../../docs/how-to/use-an-existing-database.md"),
        include_str!("../../../../docs/how-to/use-postgresql-or-mariadb.md"),
        include_str!("../../../../docs/reference/config.md"),
    ] {
        let blocks: Vec<&str> =
            page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or(rest)).collect();
        assert!(!blocks.is_empty(), "{page}");
        for block in blocks {
            if let Err(problems) = Config::parse("bandstand.toml", block, &[]) {
                panic!("{block}\n{problems}");
            }
        }
    }
}

#[test]
fn every_key_is_in_the_reference() {
    let reference = include_str!("../../../../docs/reference/config.md");
    let table = |value: Result<toml::Table, toml::ser::Error>| value.expect("a table");
    let mut tables = vec![
        table(toml::Table::try_from(StoreConfig::default())),
        table(toml::Table::try_from(DbConfig::default())),
        table(toml::Table::try_from(EngineConfig::default())),
        table(toml::Table::try_from(Reuse::default())),
        table(toml::Table::try_from(Limits::default())),
        table(toml::Table::try_from(Quota {
            connections: Some(1),
            db_ms_per_minute: Some(1),
            db_rows_per_minute: Some(1),
            storage_bytes: Some(1),
        })),
    ];
    tables.push(tables[2]["compile"].as_table().expect("a section").clone());
    for key in tables.iter().flat_map(toml::Table::keys) {
        assert!(reference.contains(&format!("`{key}`")) || key == "compile", "docs/reference/config.md lacks `{key}`");
    }
}
