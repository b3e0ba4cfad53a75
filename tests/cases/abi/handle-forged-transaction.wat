;; Commits a transaction that doesn't exist.
;; load: accepted
;; GET /: 500
(import "bandstand:db/queries@0.1.0" "[async-lower][method]transaction.commit" (func $commit (param i32 i32) (result i32)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (drop (call $commit (i32.const 4711) (i32.const 4096))) (call $hello) (i32.const 0))
