;; A host call's text isn't UTF-8.
;; load: accepted
;; GET /: 500
(import "bandstand:app/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(data (i32.const 256) "forged \c3\28 line")
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $log (i32.const 2) (i32.const 256) (i32.const 14)) (call $hello) (i32.const 0))
