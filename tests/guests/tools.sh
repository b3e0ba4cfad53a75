# Sourced by the build scripts of guests in other languages: puts their tools, at pinned versions, into a folder below
# the target directory, once.
#
# After sourcing: `out` is the absolute path of the component to write, `root` the project's folder.

set -euo pipefail

if [ $# -ne 1 ]; then
    echo "usage: $0 OUT.wasm" >&2
    exit 2
fi
mkdir -p "$(dirname "$1")"
out="$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
here="$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
tools="${CARGO_TARGET_DIR:-$root/target}/tools"
mkdir -p "$tools"
cd "$here"

need() {
    command -v "$1" >/dev/null || {
        echo "this guest needs \`$1\`: $2" >&2
        exit 1
    }
}

# componentize-py in a virtual environment of its own; sets `componentize_py`.
with_componentize_py() {
    need python3 "install Python 3.10 or later with its venv module"
    local version=0.25.1
    local home="$tools/componentize-py-$version"
    # A lock, since guests may be built side by side.
    exec 9>"$tools/componentize-py.lock"
    flock 9
    if [ ! -e "$home/ready" ]; then
        rm -rf "$home"
        python3 -m venv "$home"
        "$home/bin/pip" install --quiet --disable-pip-version-check "componentize-py==$version"
        touch "$home/ready"
    fi
    flock -u 9
    componentize_py="$home/bin/componentize-py"
}

# jco with componentize-js, as this folder's package-lock.json has them; sets `jco`.
with_jco() {
    need node "install Node.js 20 or later"
    need npm "it comes with Node.js"
    local home="$tools/jco"
    exec 9>"$tools/jco.lock"
    flock 9
    if ! cmp -s package-lock.json "$home/ready"; then
        rm -rf "$home"
        mkdir -p "$home"
        cp package.json package-lock.json "$home/"
        (cd "$home" && npm ci --silent --no-audit --no-fund)
        cp package-lock.json "$home/ready"
    fi
    flock -u 9
    jco="$home/node_modules/.bin/jco"
}

# The folder with the WIT of WASI 0.2: that of the crate which the Rust guests use; sets `wasi_wit`.
with_wasi_wit() {
    local manifest
    manifest="$(cargo metadata --quiet --format-version 1 --manifest-path "$root/tests/guests/Cargo.toml" |
        grep -o '"manifest_path":"[^"]*/wasip2-2[^"]*/Cargo.toml"' | head -n 1 | cut -d '"' -f 4)"
    wasi_wit="$(dirname "$manifest")/wit"
}
