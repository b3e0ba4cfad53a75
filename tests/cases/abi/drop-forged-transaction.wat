;; Drops a transaction that doesn't exist.
;; load: accepted
;; GET /: 500
(import "bandstand:db/queries@0.1.0" "[resource-drop]transaction" (func $drop (param i32)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $drop (i32.const 1)) (call $hello) (i32.const 0))
