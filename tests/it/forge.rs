//! Makes components of the contract's world from WebAssembly text, for what no compiler would write.
//!
//! A case is a fragment of a core module (`tests/cases/abi/*.wat`). What it doesn't define itself (`$memory`,
//! `$realloc`, `$describe`, `$handle`, `$callback`) is filled in with something that works, so a case shows only what
//! is wrong with it. Its leading comments say what the host must answer:
//!
//! ```text
//! ;; load: accepted                 or `refused` and words that the reason must contain
//! ;; GET /: 503 or 504              any number of requests, in order, each with its status
//! ;; log: words that some line of the log must contain
//! ;; manifest: {"v":1, …}           instead of the usual one
//! ```

use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What a case file says.
#[derive(Debug)]
pub(crate) struct Case {
    /// The file's stem.
    pub(crate) name: String,
    /// Words that the reason of the refusal contains; none where it loads.
    pub(crate) refused: Option<String>,
    /// Method, path and the statuses that the answer may have.
    pub(crate) requests: Vec<(String, String, Vec<u16>)>,
    /// Words in the log.
    pub(crate) logged: Vec<String>,
    /// The component.
    pub(crate) component: Vec<u8>,
}

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' folder is below the project's").to_path_buf()
}

/// All cases of a folder below `tests/cases`, by name.
pub(crate) fn cases(folder: &str) -> Vec<Case> {
    let folder = root().join("tests/cases").join(folder);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("the cases' folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wat"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Case {
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).expect("a case");
    let mut case = Case { name, refused: None, requests: vec![], logged: vec![], component: vec![] };
    let mut manifest = MANIFEST.to_owned();
    let mut said = false;
    for line in text.lines().map_while(|line| line.strip_prefix(";; ")) {
        let Some((key, value)) = line.split_once(": ") else { continue };
        match key.split_once(' ') {
            _ if key == "load" && value == "accepted" => said = true,
            _ if key == "load" => {
                said = true;
                let words = value.strip_prefix("refused ").expect("`load:` says `accepted` or `refused words`");
                case.refused = Some(words.to_owned());
            }
            _ if key == "log" => case.logged.push(value.to_owned()),
            _ if key == "manifest" => manifest = value.to_owned(),
            Some((method @ ("GET" | "POST"), path)) => {
                let statuses = value.split(" or ").map(|status| status.parse().expect("a status")).collect();
                case.requests.push((method.into(), path.into(), statuses));
            }
            _ => {}
        }
    }
    assert!(said, "{}: say `;; load: …`", path.display());
    case.component = component(&text, &manifest).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
    case
}

/// The manifest of a case that doesn't bring one.
pub(crate) const MANIFEST: &str = r#"{"v":1,"name":"forged","routes":[{"path":"/","methods":["GET"]},{"path":"/text/{text}/","methods":["GET","POST"]}],"models":[{"name":"row","fields":[{"name":"id","kind":"auto"}]}],"capabilities":[{"name":"db"}]}"#;

/// A component whose core module is `fragment`, completed.
pub(crate) fn component(fragment: &str, manifest: &str) -> anyhow::Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let mut package = None;
    for room in ["db", "routing", "templates", "app"] {
        package = Some(resolve.push_dir(root().join("wit").join(room))?.0);
    }
    let package = package.expect("there are rooms");
    let world = resolve.select_world(&[package], Some("app"))?;
    component_of(&resolve, world, &module(fragment, manifest))
}

/// A component of another world, from a whole core module in text.
pub(crate) fn component_of(resolve: &Resolve, world: wit_parser::WorldId, module: &str) -> anyhow::Result<Vec<u8>> {
    let mut module = wat::parse_str(module)?;
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8, false)?;
    ComponentEncoder::default().module(&module)?.encode()
}

/// The usual module: memory for a ring of small allocations, a manifest, and a handler that answers `hello`.
fn module(fragment: &str, manifest: &str) -> String {
    let imports = imports_of(fragment);
    let rest: String = fragment.lines().filter(|line| !is_import(line)).flat_map(|line| [line, "\n"]).collect();
    let unless = |name: &str, text: String| if fragment.contains(name) { String::new() } else { text };
    let manifest_data: String = manifest.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    [
        "(module\n".to_owned(),
        r#"(import "[export]bandstand:routing/handler@0.1.0" "[task-return]handle"
            (func $return (param i32 i32 i32 i32 i32 i32)))"#
            .into(),
        imports,
        unless("(memory ", "(memory 4)".into()),
        r#"(export "memory" (memory 0))"#.into(),
        "(global $free (mut i32) (i32.const 131072))".into(),
        unless(
            "(func $realloc",
            "(func $realloc (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and
                    (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
                    (i32.sub (i32.const 0) (local.get $align))))
                (global.set $free (i32.add (local.get $at) (local.get $size)))
                (local.get $at))"
                .into(),
        ),
        r#"(export "cabi_realloc" (func $realloc))"#.into(),
        // The result's pointer and length at 16, the document at 1024, `hello` at 64.
        r#"(data (i32.const 64) "hello\n")"#.into(),
        unless(
            "(func $describe",
            format!(
                r#"(data (i32.const 1024) "{manifest_data}")
                (func $describe (result i32)
                    (i32.store (i32.const 16) (i32.const 1024))
                    (i32.store (i32.const 20) (i32.const {}))
                    (i32.const 16))"#,
                manifest.len()
            ),
        ),
        r#"(export "bandstand:app/manifest@0.1.0#describe" (func $describe))"#.into(),
        // 200 without headers and with the bytes `hello`.
        "(func $hello (call $return
            (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 6)))"
            .into(),
        unless(
            "(func $handle",
            "(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $hello) (i32.const 0))"
                .into(),
        ),
        r#"(export "[async-lift]bandstand:routing/handler@0.1.0#handle" (func $handle))"#.into(),
        unless("(func $callback", "(func $callback (param i32 i32 i32) (result i32) unreachable)".into()),
        r#"(export "[callback][async-lift]bandstand:routing/handler@0.1.0#handle" (func $callback))"#.into(),
        rest,
        ")".into(),
    ]
    .join("\n")
}

fn is_import(line: &str) -> bool {
    line.trim_start().starts_with("(import ")
}

/// A case's imports, one a line: in the text format they stand before everything else.
fn imports_of(fragment: &str) -> String {
    fragment.lines().filter(|line| is_import(line)).flat_map(|line| [line, "\n"]).collect()
}
