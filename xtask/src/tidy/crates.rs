//! The dependency rule, and versions in one place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::run::cargo;

/// What each of our crates may depend on directly, among our crates. A crate that isn't listed is a mistake.
const ALLOWED: &[(&str, &[&str])] = &[
    ("host-core", &[]),
    ("host-store", &["host-core"]),
    ("host-db", &["host-core", "host-store"]),
    ("host-routing", &["host-core", "host-store"]),
    ("host-templates", &["host-core", "host-store", "host-templates-sandbox"]),
    ("host-templates-sandbox", &[]),
    ("host-engine", &["host-core", "host-store", "host-db", "host-routing", "host-templates"]),
    ("host-server", &["host-core"]),
    (
        "bandstand-cli",
        &["host-core", "host-store", "host-db", "host-routing", "host-templates", "host-engine", "host-server"],
    ),
    ("bandstand-macros", &[]),
    ("bandstand", &["bandstand-macros"]),
    ("hello", &["bandstand"]),
    ("polls", &["bandstand"]),
    ("chinook", &["bandstand"]),
    ("bench", &["bandstand"]),
    ("modest", &["bandstand"]),
    ("greedy", &["bandstand"]),
    ("test-servers", &[]),
    ("xtask", &[]),
];

/// Packages that look at the host from outside: everything is allowed to them, and nothing depends on them.
const OUTSIDE: [&str; 2] = ["bandstand-tests", "bandstand-benches"];

/// Crates that must build without the sandbox: what they do can be trusted and tested without it.
const WITHOUT_WASMTIME: [&str; 3] = ["host-core", "host-store", "host-server"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<NodeDep>,
}

#[derive(Deserialize)]
struct NodeDep {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

pub(super) fn check(problems: &mut Vec<String>) -> Result<()> {
    let json = cargo(["metadata", "--format-version", "1", "--locked"]).output()?;
    let metadata: Metadata = serde_json::from_str(&json).context("cargo metadata")?;
    let members: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .filter(|package| metadata.workspace_members.contains(&package.id))
        .map(|package| (package.name.as_str(), package))
        .collect();
    for (name, package) in &members {
        check_direct(name, package, &members, problems);
        check_versions(package, problems)?;
    }
    for name in WITHOUT_WASMTIME {
        let Some(package) = members.get(name) else { continue };
        if let Some(found) = reached(&metadata, &package.id).into_iter().find(|name| name.starts_with("wasmtime")) {
            problems
                .push(format!("{name} reaches `{found}`; it must build without the sandbox (`cargo tree -p {name}`)"));
        }
    }
    Ok(())
}

fn check_direct(name: &str, package: &Package, members: &BTreeMap<&str, &Package>, problems: &mut Vec<String>) {
    if OUTSIDE.contains(&name) {
        return;
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
        problems.push(format!(
            "the crate {name} has no place in the dependency rule; add it to `ALLOWED` in xtask/src/tidy/crates.rs"
        ));
        return;
    };
    for dependency in &package.dependencies {
        // Tests may look further: the SDK's tests run a host in process.
        let test = dependency.kind.as_deref() == Some("dev");
        let ours = members.contains_key(dependency.name.as_str());
        if ours && !test && !allowed.contains(&dependency.name.as_str()) {
            problems.push(format!(
                "{name} depends on {}, against the dependency rule; what both need moves down into host-core or host-store",
                dependency.name
            ));
        }
    }
}

/// All crates that a package is built of, tests apart.
fn reached<'a>(metadata: &'a Metadata, id: &str) -> BTreeSet<&'a str> {
    let nodes: BTreeMap<&str, &Node> = metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let names: BTreeMap<&str, &str> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package.name.as_str())).collect();
    let mut seen = BTreeSet::new();
    let mut waiting = vec![id.to_owned()];
    let mut reached = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        reached.extend(names.get(id.as_str()));
        let Some(node) = nodes.get(id.as_str()) else { continue };
        let built = |dep: &&NodeDep| dep.dep_kinds.iter().any(|kind| kind.kind.is_none());
        waiting.extend(node.deps.iter().filter(built).map(|dep| dep.pkg.clone()));
    }
    reached
}

/// Versions, paths and sources stand in the workspace's manifest alone.
fn check_versions(package: &Package, problems: &mut Vec<String>) -> Result<()> {
    let path = &package.manifest_path;
    let text = fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    let manifest: toml::Table = text.parse().with_context(|| path.display().to_string())?;
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(dependencies) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
        for (name, value) in dependencies {
            let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
            if !inherited {
                problems.push(format!(
                    "{}: [{section}] {name} has a version of its own; versions stand in the workspace's Cargo.toml, here `{name}.workspace = true`",
                    package.name
                ));
            }
        }
    }
    Ok(())
}
