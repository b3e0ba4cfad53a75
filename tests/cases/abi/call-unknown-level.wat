;; A host call's enum has no such case.
;; load: accepted
;; GET /: 500
(import "bandstand:app/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $log (i32.const 200) (i32.const 64) (i32.const 5)) (call $hello) (i32.const 0))
