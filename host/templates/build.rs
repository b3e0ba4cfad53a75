//! Compiles the template engine to WebAssembly, to be carried by the host.
//!
//! It goes into a target directory of its own, shared by all profiles: cargo holds a lock on the outer one.

use std::env;
use std::path::{Path, PathBuf};
// The sandbox is built by cargo, and this is the build.
#[allow(clippy::disallowed_types)]
use std::process::Command;

fn main() {
    let out = PathBuf::from(var("OUT_DIR"));
    // <target>/<profile>/build/<package>/out
    let target = out.ancestors().nth(4).unwrap_or(&out).join("sandbox");
    let workspace = Path::new(&var("CARGO_MANIFEST_DIR")).join("../..");
    for path in ["sandbox/src", "sandbox/Cargo.toml", "../../Cargo.toml", "build.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
    #[allow(clippy::disallowed_methods)]
    let mut cargo = Command::new(var("CARGO"));
    cargo
        .current_dir(workspace)
        .args(["rustc", "--quiet", "--package", "host-templates-sandbox", "--lib", "--crate-type", "cdylib"])
        .args(["--target", "wasm32-wasip2", "--profile", "template-engine", "--target-dir"])
        .arg(&target)
        // A plain module: the host and it speak through memory, no component's glue is wanted.
        .args(["--", "-C", "link-arg=--skip-wit-component"]);
    // What is meant for the host's own build would only make this one differ.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_TARGET_DIR"]
    {
        cargo.env_remove(name);
    }
    let status =
        cargo.status().unwrap_or_else(|error| panic!("cargo can't be started for the template engine: {error}"));
    assert!(
        status.success(),
        "the template engine could not be compiled for wasm32-wasip2; `rustup target add wasm32-wasip2` installs that target"
    );
    let module = target.join("wasm32-wasip2/template-engine/host_templates_sandbox.wasm");
    println!("cargo::rustc-env=TEMPLATE_ENGINE={}", module.display());
}

// Set by cargo for every build script.
#[allow(clippy::disallowed_methods)]
fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set; cargo sets it"))
}
