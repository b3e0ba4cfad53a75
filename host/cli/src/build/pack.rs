//! One file from a component and the files that travel with it.
//!
//! Each file becomes a custom section at the component's top level, called `bandstand:file/<path>`. Wasm tools skip
//! sections that they don't know, so the result is a valid component everywhere.

use anyhow::{Result, bail};
use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{Encoding, Parser, Payload};

use super::files::Files;

/// What the names of the sections begin with.
pub(crate) const SECTION: &str = "bandstand:file/";
/// The largest component that a site takes, in bytes.
pub(crate) const MAX_COMPONENT: usize = 64 << 20;

/// Appends `files` to `component`. Sections of an earlier packing are replaced, so packing twice is packing once, and
/// the same input gives the same bytes.
pub(crate) fn pack(component: &[u8], files: &Files) -> Result<Vec<u8>> {
    let mut packed = unpacked(component)?;
    for (path, bytes) in files {
        let section = CustomSection { name: format!("{SECTION}{path}").into(), data: bytes.into() };
        section.append_to_component(&mut packed);
    }
    if packed.len() > MAX_COMPONENT {
        bail!("the component would have {} bytes; a site takes at most {MAX_COMPONENT}", packed.len());
    }
    Ok(packed)
}

/// The component without the sections that packing adds.
fn unpacked(component: &[u8]) -> Result<Vec<u8>> {
    let mut kept = Vec::with_capacity(component.len());
    let mut depth = 0_usize;
    // Where the last section ended is where the next one's header begins: the parser tells of contents alone.
    let mut end = 0;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(|error| anyhow::anyhow!("isn't a WebAssembly component: {error}"))?;
        let start = end;
        let mut keep = true;
        match &payload {
            Payload::Version { encoding, range, .. } if depth == 0 => {
                if *encoding == Encoding::Module {
                    bail!("is a core module, not a component; build it for the target wasm32-wasip2");
                }
                end = range.end;
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) if depth == 0 => {}
            Payload::End(offset) => {
                depth -= 1;
                if depth == 0 {
                    end = *offset;
                }
            }
            _ if depth > 0 => {}
            payload => {
                if let Some((_, range)) = payload.as_section() {
                    end = range.end;
                }
                keep = !matches!(payload, Payload::CustomSection(section) if section.name().starts_with(SECTION));
            }
        }
        if keep {
            kept.extend_from_slice(&component[start..end]);
        }
    }
    if end != component.len() {
        bail!("isn't a WebAssembly component: {} bytes follow its end", component.len() - end);
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{Component, Module, ModuleSection};

    fn component() -> Vec<u8> {
        let mut inner = Module::new();
        inner.section(&CustomSection { name: "bandstand:file/templates/inner/x".into(), data: b"kept"[..].into() });
        let mut component = Component::new();
        component.section(&ModuleSection(&inner));
        component.section(&CustomSection { name: "producers".into(), data: b"\x00"[..].into() });
        component.finish()
    }

    fn files(list: &[(&str, &[u8])]) -> Files {
        list.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect()
    }

    /// The app files in a component, as a host reads them.
    fn read_back(component: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut depth = 0;
        let mut found = Vec::new();
        for payload in Parser::new(0).parse_all(component) {
            match payload.expect("a component") {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::CustomSection(section) if depth == 0 => {
                    if let Some(path) = section.name().strip_prefix(SECTION) {
                        found.push((path.to_owned(), section.data().to_vec()));
                    }
                }
                _ => {}
            }
        }
        found
    }

    #[test]
    fn what_is_packed_is_read_back() {
        let long = vec![7; 100_000];
        let files =
            files(&[("templates/polls/ä.html", b"<h1>"), ("static/polls/empty", b""), ("static/polls/long", &long)]);
        let packed = pack(&component(), &files).expect("packed");
        let expected: Vec<(String, Vec<u8>)> = files.clone().into_iter().collect();
        assert_eq!(read_back(&packed), expected);
        wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all()).validate_all(&packed).expect("valid");
    }

    #[test]
    fn packing_twice_is_packing_once() {
        let first = pack(&component(), &files(&[("templates/polls/a.html", b"old"), ("static/polls/b", b"gone")]))
            .expect("packed");
        let second = pack(&first, &files(&[("templates/polls/a.html", b"new")])).expect("packed");
        assert_eq!(second, pack(&component(), &files(&[("templates/polls/a.html", b"new")])).expect("packed"));
        assert_eq!(pack(&second, &Files::new()).expect("packed"), component(), "nothing else is touched");
    }

    #[test]
    fn what_is_no_component_is_refused() {
        let refusal = |bytes: &[u8]| pack(bytes, &Files::new()).expect_err("refused").to_string();
        assert!(refusal(&Module::new().finish()).contains("core module"));
        assert!(refusal(b"").contains("isn't a WebAssembly component"));
        assert!(refusal(b"<html>").contains("isn't a WebAssembly component"));
        let whole = component();
        for cut in 0..whole.len() {
            // A cut between two sections leaves a shorter component; anything else must be noticed.
            if let Ok(packed) = pack(&whole[..cut], &Files::new()) {
                assert_eq!(packed, &whole[..cut]);
            }
        }
        let mut trailing = whole.clone();
        trailing.extend_from_slice(&[0, 3, 9, 9]);
        refusal(&trailing);
    }

    #[test]
    fn a_component_that_no_site_would_take_is_not_written() {
        let big = vec![0; MAX_COMPONENT];
        let error = pack(&component(), &files(&[("static/polls/big", &big)])).expect_err("refused");
        assert!(error.to_string().contains("a site takes at most"), "{error}");
    }
}
