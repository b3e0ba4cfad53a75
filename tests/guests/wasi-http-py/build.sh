#!/usr/bin/env bash
# Builds the component: build.sh OUT.wasm
. "$(dirname "$0")/../tools.sh"

with_componentize_py
with_wasi_wit
PYTHONDONTWRITEBYTECODE=1 "$componentize_py" --quiet -d "$wasi_wit" -w wasi:http/proxy@0.2.12 componentize app -o "$out"
