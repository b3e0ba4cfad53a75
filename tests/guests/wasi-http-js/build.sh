#!/usr/bin/env bash
# Builds the component: build.sh OUT.wasm
. "$(dirname "$0")/../tools.sh"

with_jco
with_wasi_wit
"$jco" componentize app.js --wit "$wasi_wit" -n wasi:http/proxy@0.2.12 -d fetch-event -o "$out" >/dev/null
