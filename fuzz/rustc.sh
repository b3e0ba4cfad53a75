#!/bin/sh
# Compiles with counters for the fuzzer what is ours; the libraries below it stay as fast as they are.
# The flags are those of cargo-fuzz, without a sanitizer, so that a stable compiler takes them.
rustc=$1
shift
case " $* " in
*" --crate-name host_core "* | *" --crate-name host_store "* | *" --crate-name host_db "* | *" --crate-name bandstand_fuzz "* | \
  *" --crate-name shapes "* | *" --crate-name queries "* | *" --crate-name manifests "* | *" --crate-name sql "*)
  exec "$rustc" "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
  ;;
*) exec "$rustc" "$@" ;;
esac
