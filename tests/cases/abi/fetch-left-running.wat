;; A query is under way when the task ends.
;; load: accepted
;; GET /: 200
(import "bandstand:db/queries@0.1.0" "[async-lower]fetch" (func $fetch (param i32 i32 i32 i32 i32) (result i32)))
(data (i32.const 256) "{\"v\":1,\"op\":\"count\",\"from\":\"row\"}")
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (drop (call $fetch (i32.const 256) (i32.const 33) (i32.const 0) (i32.const 0) (i32.const 4096))) (call $hello) (i32.const 0))
