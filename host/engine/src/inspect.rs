//! What can be read from a component's bytes without compiling them.

use bytes::Bytes;
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, Encoding,
    Instance, Parser, Payload,
};

/// The largest file that is taken. A Python component is some 20 MB.
pub const MAX_FILE: usize = 64 << 20;
/// Most templates and static files of one app.
const MAX_FILES: usize = 10_000;
/// The longest path of one of them, in bytes.
const MAX_PATH: usize = 300;
/// Most core instances of one component: a Python one has 14.
pub(crate) const MAX_CORE_INSTANCES: u32 = 32;
/// Most linear memories of one component.
pub(crate) const MAX_MEMORIES: u32 = 4;
/// Most component instances of one component, those inside of each other counted. Each may hold a stack while it waits.
pub(crate) const MAX_COMPONENT_INSTANCES: u32 = 63;
/// Components inside components, counted all together.
const MAX_NESTED: u32 = 1_000;
/// What the names of our custom sections begin with.
const SECTION: &str = "bandstand:file/";

/// A component's outside.
#[derive(Debug, Default)]
pub(crate) struct Inspected {
    /// Its templates: the path below `templates/` and the text.
    pub(crate) templates: Vec<(String, String)>,
    /// Its static files: the path below `static/` and the bytes.
    pub(crate) statics: Vec<(String, Bytes)>,
    /// The file without its templates and static files: what is compiled, and whose digest names the machine code. So a
    /// page's new look needs no compiler.
    pub(crate) code: Bytes,
    /// What one instance of it takes of the pool: core instances, or stacks where it may hold more of them.
    pub(crate) weight: u32,
    /// Whether it imports anything of `wasi:`.
    pub(crate) imports_wasi: bool,
}

/// Reads `file`. The error is a sentence for the operator.
pub(crate) fn inspect(file: &Bytes) -> Result<Inspected, String> {
    if file.len() > MAX_FILE {
        return Err(format!("is {} MiB; the most is {} MiB", file.len() >> 20, MAX_FILE >> 20));
    }
    if file.starts_with(b"\x7fELF") {
        return Err("is a precompiled (`.cwasm`) or native file; only WebAssembly is taken, never native code".into());
    }
    if !file.starts_with(b"\0asm") {
        return Err("is not WebAssembly: it doesn't begin with `\\0asm`".into());
    }
    let mut found = Inspected::default();
    // A module carries no `(component …)` around it; nested ones do, so depth is counted.
    let mut depth = 0u32;
    let mut nested = 0u32;
    let mut levels = vec![Level::default()];
    // Where the section before ended, outside of everything nested, and the parts between our own sections.
    let mut end = 0;
    let mut kept_to = 0;
    let mut code = Vec::new();
    for payload in Parser::new(0).parse_all(file) {
        let payload = payload.map_err(|e| format!("is broken or cut off: {}, at byte {}", e.message(), e.offset()))?;
        let begin = end;
        if depth == 0 {
            end = match &payload {
                Payload::Version { range, .. } => range.end,
                Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                    unchecked_range.end
                }
                other => other.as_section().map_or(end, |(_, range)| range.end),
            };
        }
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err("is a core module, not a component; build it for the target wasm32-wasip2, or with `bandstand build`".into());
            }
            Payload::ComponentSection { .. } => {
                nested += 1;
                depth += 1;
                levels.push(Level::default());
                if nested > MAX_NESTED {
                    return Err(format!("has more than {MAX_NESTED} components inside"));
                }
            }
            Payload::ModuleSection { .. } => {
                depth += 1;
                levels.push(Level { is_module: true, ..Level::default() });
            }
            Payload::End(_) if depth > 0 => {
                depth -= 1;
                if let Some(ended) = levels.pop().filter(|ended| !ended.is_module)
                    && let Some(parent) = levels.last_mut()
                {
                    parent.components.push(Some(ended.holds));
                }
            }
            payload @ (Payload::InstanceSection(_)
            | Payload::ComponentInstanceSection(_)
            | Payload::ComponentAliasSection(_)
            | Payload::ComponentExportSection(_)) => {
                count(&mut levels, payload).map_err(|e| format!("is broken: {e}"))?
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.map_err(|e| format!("is broken: {e}"))?;
                    found.imports_wasi |= depth == 0 && import.name.name.starts_with("wasi:");
                    if let (ComponentTypeRef::Component(_), Some(level)) = (import.ty, levels.last_mut()) {
                        level.components.push(None);
                    }
                }
            }
            Payload::CustomSection(section) if depth == 0 => {
                if let Some(path) = section.name().strip_prefix(SECTION) {
                    file_section(&mut found, path, section.data())?;
                    code.extend_from_slice(file.get(kept_to..begin).unwrap_or_default());
                    kept_to = end;
                }
            }
            _ => {}
        }
    }
    let Holds { core, components } = levels.first().map(|level| level.holds).unwrap_or_default();
    if core > MAX_CORE_INSTANCES {
        return Err(format!("has {core} core instances; the most is {MAX_CORE_INSTANCES}"));
    }
    if components > MAX_COMPONENT_INSTANCES {
        return Err(format!("has {components} component instances; the most is {MAX_COMPONENT_INSTANCES}"));
    }
    found.code = if kept_to == 0 {
        file.clone()
    } else {
        code.extend_from_slice(file.get(kept_to..).unwrap_or_default());
        code.into()
    };
    // Sub-components are small, but each can hold a stack: half as heavy as a core instance.
    found.weight = core.max(components.div_ceil(2)).max(1);
    Ok(found)
}

/// What one instance of a component holds, itself not counted.
#[derive(Debug, Clone, Copy, Default)]
struct Holds {
    core: u32,
    components: u32,
}

/// A component, or a module, that is being read.
#[derive(Default)]
struct Level {
    is_module: bool,
    holds: Holds,
    /// What the components of its index space hold; none where one comes from outside.
    components: Vec<Option<Holds>>,
}

/// Counts what a section makes instances of.
fn count(levels: &mut [Level], payload: Payload<'_>) -> Result<(), wasmparser::BinaryReaderError> {
    let at = levels.len().saturating_sub(1);
    match payload {
        Payload::InstanceSection(section) => {
            for instance in section {
                if matches!(instance?, Instance::Instantiate { .. }) {
                    levels[at].holds.core = levels[at].holds.core.saturating_add(1);
                }
            }
        }
        Payload::ComponentInstanceSection(section) => {
            for instance in section {
                if let ComponentInstance::Instantiate { component_index, .. } = instance? {
                    let known = levels[at].components.get(component_index as usize).copied().flatten();
                    // What comes from outside may be anything.
                    let inner =
                        known.unwrap_or(Holds { core: MAX_CORE_INSTANCES, components: MAX_COMPONENT_INSTANCES });
                    let holds = &mut levels[at].holds;
                    holds.core = holds.core.saturating_add(inner.core);
                    holds.components = holds.components.saturating_add(inner.components).saturating_add(1);
                }
            }
        }
        Payload::ComponentAliasSection(section) => {
            for alias in section {
                let known = match alias? {
                    ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => None,
                    ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                        let outer = at.checked_sub(count as usize).and_then(|at| levels.get(at));
                        outer.and_then(|level| level.components.get(index as usize).copied().flatten())
                    }
                    _ => continue,
                };
                levels[at].components.push(known);
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section {
                let export = export?;
                if export.kind == ComponentExternalKind::Component {
                    let known = levels[at].components.get(export.index as usize).copied().flatten();
                    levels[at].components.push(known);
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn file_section(found: &mut Inspected, path: &str, data: &[u8]) -> Result<(), String> {
    let shown = path.chars().take(80).flat_map(char::escape_default).collect::<String>();
    let sound = path.len() <= MAX_PATH
        && !path.contains(['\\', '\0'])
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    if !sound {
        return Err(format!("carries a file with the path `{shown}`, which isn't a plain relative path"));
    }
    if found.templates.len() + found.statics.len() >= MAX_FILES {
        return Err(format!("carries more than {MAX_FILES} files"));
    }
    if let Some(name) = path.strip_prefix("templates/") {
        if found.templates.iter().any(|(other, _)| other == name) {
            return Err(format!("carries `{shown}` twice"));
        }
        let text = std::str::from_utf8(data).map_err(|_| format!("carries `{shown}`, which isn't UTF-8 text"))?;
        found.templates.push((name.to_owned(), text.to_owned()));
    } else if let Some(name) = path.strip_prefix("static/") {
        if found.statics.iter().any(|(other, _)| other == name) {
            return Err(format!("carries `{shown}` twice"));
        }
        found.statics.push((name.to_owned(), Bytes::copy_from_slice(data)));
    }
    // Other folders belong to parts of the host that are newer than this one.
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_section(name: &str, data: &[u8]) -> Bytes {
        let mut file = b"\0asm\x0d\0\x01\0".to_vec();
        let mut content = vec![u8::try_from(name.len()).expect("a short name")];
        content.extend(name.as_bytes());
        content.extend(data);
        file.push(0);
        file.push(u8::try_from(content.len()).expect("a short section"));
        file.extend(content);
        file.into()
    }

    #[test]
    fn files_inside_are_found() {
        let found = inspect(&with_section("bandstand:file/templates/a/x.html", b"hi")).expect("a component");
        assert_eq!(found.templates, [("a/x.html".to_owned(), "hi".to_owned())]);
        let found = inspect(&with_section("bandstand:file/static/a/x.css", b"\xff")).expect("a component");
        assert_eq!(found.statics, [("a/x.css".to_owned(), Bytes::from_static(b"\xff"))]);
    }

    #[test]
    fn the_code_is_the_file_without_its_files() {
        let core =
            wat::parse_str("(component (core module (func)) (component (core module)) (core module))").expect("text");
        let plain = inspect(&Bytes::from(core.clone())).expect("a component");
        assert_eq!(plain.code, core);
        let section = |path: &str, data: &[u8]| with_section(&format!("bandstand:file/{path}"), data).slice(8..);
        let other = with_section("name", b"kept").slice(8..);
        let mut packed = core[..8].to_vec();
        packed.extend(section("static/a/first.css", b"1"));
        packed.extend(&core[8..]);
        packed.extend(section("templates/a/x.html", b"x"));
        packed.extend(other.iter());
        packed.extend(section("templates/a/y.html", b"y"));
        let found = inspect(&packed.into()).expect("a component");
        assert_eq!(found.code, [&core[..], &other[..]].concat());
        assert_eq!((found.templates.len(), found.statics.len()), (2, 1));
    }

    #[test]
    fn what_one_instance_holds_is_counted_through_all_levels() {
        let inspected = |text: &str| inspect(&Bytes::from(wat::parse_str(text).expect("text")));
        let found = inspected(
            "(component
                (component $inner
                    (core module $m) (core instance (instantiate $m)) (core instance (instantiate $m)))
                (component $middle
                    (alias outer 1 $inner (component $i))
                    (instance (instantiate $i)) (instance (instantiate $i)))
                (instance (instantiate $middle)) (instance (instantiate $middle)) (instance (instantiate $inner)))",
        );
        assert_eq!(found.expect("a component").weight, 2 * 4 + 2);
        // A few hundred bytes that double with each level.
        let mut text = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
        for level in 1..40 {
            let below = level - 1;
            text.push_str(&format!(
                "(component $c{level} (alias outer 1 $c{below} (component $c))
                    (instance (instantiate $c)) (instance (instantiate $c)))"
            ));
        }
        let error = inspected(&format!("(component {text} (instance (instantiate $c39)))")).expect_err("too many");
        assert!(error.contains("core instances; the most is"), "{error}");
        let empty = "(component $c) ".to_owned() + &"(instance (instantiate $c))".repeat(64);
        let error = inspected(&format!("(component {empty})")).expect_err("too many");
        assert!(error.contains("64 component instances; the most is 63"), "{error}");
        let foreign =
            "(component (import \"c\" (component $c)) (instance (instantiate $c)) (instance (instantiate $c)))";
        assert!(inspected(foreign).is_err(), "what comes from outside may be anything");
    }

    #[test]
    fn what_is_no_component_is_named() {
        for (file, word) in [
            (&b""[..], "not WebAssembly"),
            (b"hello", "not WebAssembly"),
            (b"\x7fELF\x02\x01", "never native code"),
            (b"\0asm\x01\0\0\0", "core module"),
            (b"\0asm\x0d\0\x01\0\x01", "cut off"),
            (b"\0asm\x0d\0\x01\0\x01\xff\xff\xff\xff\x0f", "cut off"),
        ] {
            let error = inspect(&Bytes::from_static(file)).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn hostile_paths_are_refused() {
        for path in ["templates/../x", "templates//x", "/templates/x", "templates/./x", "static/a\\b", ""] {
            let error = inspect(&with_section(&format!("bandstand:file/{path}"), b"")).expect_err(path);
            assert!(error.contains("plain relative path"), "{error}");
        }
        let error = inspect(&with_section("bandstand:file/templates/a/x.html", b"\xff")).expect_err("not UTF-8");
        assert!(error.contains("UTF-8"));
    }
}
