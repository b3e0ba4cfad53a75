//! `bandstand new`: sites and apps to begin with, from `sdk/templates`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use host_core::name::check_name;

use crate::config::{self, Config};
use crate::terminal::{self, BOLD};

/// What a new app consists of: paths and texts with `%NAME%`, `%TITLE%` and `%SDK%` to fill.
const APP: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("../../../sdk/templates/app/Cargo.toml.template")),
    ("rust-toolchain.toml", include_str!("../../../rust-toolchain.toml")),
    (".gitignore", include_str!("../../../sdk/templates/app/gitignore.template")),
    ("src/lib.rs", include_str!("../../../sdk/templates/app/src/lib.rs.template")),
    ("templates/%NAME%/index.html", include_str!("../../../sdk/templates/app/templates/index.html.template")),
    ("static/%NAME%/style.css", include_str!("../../../sdk/templates/app/static/style.css.template")),
];

/// What a new site consists of.
const SITE: [(&str, &str); 6] = [
    ("bandstand.toml", include_str!("../../../sdk/templates/site/bandstand.toml.template")),
    ("README.md", include_str!("../../../sdk/templates/site/README.md.template")),
    (".gitignore", include_str!("../../../sdk/templates/site/gitignore.template")),
    ("templates/.gitkeep", ""),
    ("static/.gitkeep", ""),
    ("plugins/.gitkeep", ""),
];

/// The SDK beside this command's own source. It is looked for at run time: a command that was installed elsewhere
/// needs `--sdk`.
const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/sdk");

/// `bandstand new site FOLDER`.
pub(crate) fn site(folder: &Path) -> Result<()> {
    let name = folder_name(folder)?;
    if name.chars().any(|c| c.is_control() || c == '"' || c == '\\') {
        bail!("`{}` can't be a site's name; use letters, digits, spaces, - and _", name.escape_debug());
    }
    let dir = make(folder)?;
    write(&dir, folder, &SITE, &[("%NAME%", &name)])?;
    terminal::step("Made", &format!("the site {}", folder.display()));
    let folder = folder.display();
    anstream::eprintln!(
        "\n  Next:\n    cd {folder}\n    {BOLD}bandstand new app notes{BOLD:#}\n    {BOLD}bandstand dev{BOLD:#}"
    );
    Ok(())
}

/// `bandstand new app FOLDER [--sdk SDK]`.
pub(crate) fn app(folder: &Path, sdk: Option<&Path>) -> Result<()> {
    let name = folder_name(folder)?;
    check_name(&name).context("an app is called like its folder")?;
    // What the crate is called may not be a word of Rust's, nor one of the crates it uses.
    if RESERVED.contains(&name.as_str()) {
        bail!("an app can't be called `{name}`: Rust has that name already; choose another");
    }
    let sdk = find_sdk(sdk)?;
    let dir = make(folder)?;
    let title = title(&name);
    let sdk_text = toml::Value::String(sdk.display().to_string()).to_string();
    write(&dir, folder, &APP, &[("%NAME%", &name), ("%TITLE%", &title), ("%SDK%", &sdk_text)])?;
    copy_lock_file(&dir, &sdk);
    terminal::step("Made", &format!("the app {}", folder.display()));
    if add_to_site(folder, &name)? {
        terminal::step("Added", &format!("[apps.{name}] to {}", config::FILE));
        anstream::eprintln!("\n  Next:\n    {BOLD}bandstand dev{BOLD:#}");
    } else {
        let folder = folder.display();
        anstream::eprintln!(
            "\n  Next:\n    {BOLD}bandstand build {folder}{BOLD:#}\n  and put the file into a site's plugins/ folder, or add to \
             its {}:\n    [apps.{name}]\n    source = \"…/{name}\"\n    grants = [\"db\"]",
            config::FILE
        );
    }
    Ok(())
}

const RESERVED: [&str; 44] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "bandstand",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "match",
    "mod",
    "move",
    "mut",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "type",
    "use",
];

fn folder_name(folder: &Path) -> Result<String> {
    let name = folder.file_name().with_context(|| format!("`{}` names no folder to make", folder.display()))?;
    name.to_str().map(str::to_owned).with_context(|| format!("{} isn't UTF-8", folder.display()))
}

fn title(name: &str) -> String {
    let mut title = name.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

/// Makes a folder, or takes one that is empty.
fn make(folder: &Path) -> Result<Dir> {
    Dir::create_ambient_dir_all(folder, ambient_authority())
        .with_context(|| format!("can't make the folder {}", folder.display()))?;
    let dir = Dir::open_ambient_dir(folder, ambient_authority())
        .with_context(|| format!("can't open the folder {}", folder.display()))?;
    if dir.entries()?.next().is_some() {
        bail!("{} exists already and isn't empty; nothing was changed", folder.display());
    }
    Ok(dir)
}

fn write(dir: &Dir, shown: &Path, files: &[(&str, &str)], values: &[(&str, &str)]) -> Result<()> {
    let fill = |text: &str| values.iter().fold(text.to_owned(), |text, (key, value)| text.replace(key, value));
    for (path, text) in files {
        let path = PathBuf::from(fill(path));
        let place = || format!("can't write {}", shown.join(&path).display());
        if let Some(parent) = path.parent() {
            dir.create_dir_all(parent).with_context(place)?;
        }
        dir.write(&path, fill(text)).with_context(place)?;
    }
    Ok(())
}

fn find_sdk(given: Option<&Path>) -> Result<PathBuf> {
    let folder = given.unwrap_or(Path::new(SDK));
    let found = folder.canonicalize().ok().filter(|folder| folder.join("Cargo.toml").is_file());
    found.with_context(|| match given {
        Some(folder) => {
            format!("{} holds no Cargo.toml; --sdk names the folder sdk/sdk of Bandstand's source", folder.display())
        }
        None => {
            "the SDK isn't where this command was built; say where: --sdk FOLDER (sdk/sdk of Bandstand's source)".into()
        }
    })
}

/// Begins with the versions of libraries that the SDK was tried with, so that a new app builds as the examples do.
fn copy_lock_file(app: &Dir, sdk: &Path) {
    let Some(root) = sdk.parent().and_then(Path::parent) else { return };
    // Without one, cargo chooses versions itself.
    if let Ok(root) = Dir::open_ambient_dir(root, ambient_authority())
        && let Ok(lock) = root.read("Cargo.lock")
    {
        let _ = app.write("Cargo.lock", lock);
    }
}

/// Adds the app to the site in the current folder, if there is one and the app lies below it.
fn add_to_site(folder: &Path, name: &str) -> Result<bool> {
    let below = folder.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let Ok(site) = Dir::open_ambient_dir(".", ambient_authority()) else { return Ok(false) };
    let Ok(text) = site.read_to_string(config::FILE) else { return Ok(false) };
    let Some(source) = folder.to_str().filter(|_| below) else { return Ok(false) };
    let source = toml::Value::String(source.to_owned());
    let section = format!("\n[apps.{name}]\nsource = {source}\nmount = \"/{name}/\"\ngrants = [\"db\"]\n");
    let text = format!("{}\n{section}", text.trim_end());
    // A section of that name may be there already, or the file broken: then it's left to its owner.
    if Config::parse(config::FILE, &text, &[]).is_err() {
        return Ok(false);
    }
    site.write(config::FILE, text).with_context(|| format!("can't write {}", config::FILE))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_site_is_a_site() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("my site");
        site(&path).expect("made");
        let dir = Dir::open_ambient_dir(&path, ambient_authority()).expect("opens");
        let config = Config::load(&dir, &path, &[]).expect("a valid configuration");
        assert_eq!(config.site.name, "my site");
        let again = site(&path).expect_err("it is there");
        assert!(again.to_string().contains("isn't empty; nothing was changed"), "{again}");
    }

    #[test]
    fn a_new_app_has_its_name_everywhere_and_no_place_left_to_fill() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("my_notes");
        app(&path, None).expect("made");
        let dir = Dir::open_ambient_dir(&path, ambient_authority()).expect("opens");
        for (file, _) in APP {
            let file = file.replace("%NAME%", "my_notes");
            let text = dir.read_to_string(&file).expect("written");
            assert!(!text.contains("%NAME%") && !text.contains("%TITLE%") && !text.contains("%SDK%"), "{file}");
        }
        let manifest: toml::Table = dir.read_to_string("Cargo.toml").expect("there").parse().expect("TOML");
        let sdk = manifest["dependencies"]["bandstand"]["path"].as_str().expect("a path");
        assert!(Path::new(sdk).join("Cargo.toml").is_file());
    }

    #[test]
    fn names_that_can_not_be_are_refused_before_anything_is_made() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["Notes", "my-notes", "a__b", "1a", "fn", "std", "a b"] {
            let path = folder.path().join(name);
            assert!(app(&path, None).is_err(), "{name}");
            assert!(!path.exists(), "{name}");
        }
        assert!(site(&folder.path().join("a\"b")).is_err());
        assert!(site(Path::new("..")).is_err());
    }
}
