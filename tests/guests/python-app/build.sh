#!/usr/bin/env bash
# Builds the component: build.sh OUT.wasm
. "$(dirname "$0")/../tools.sh"

with_componentize_py
PYTHONDONTWRITEBYTECODE=1 "$componentize_py" --quiet \
    -d "$root/wit/db" -d "$root/wit/routing" -d "$root/wit/templates" -d "$root/wit/app" \
    -w bandstand:app/app componentize app -o "$out"
