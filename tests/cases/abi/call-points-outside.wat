;; A host call's text lies outside memory.
;; load: accepted
;; GET /: 500
(import "bandstand:app/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $log (i32.const 2) (i32.const -64) (i32.const 32)) (call $hello) (i32.const 0))
