;; Reads a stream to a place outside memory.
;; load: accepted
;; GET /: 500
(import "bandstand:routing/request@0.1.0" "[stream-new-0]body-stream" (func $new (result i64)))
(import "bandstand:routing/request@0.1.0" "[async-lower][stream-read-0]body-stream" (func $read (param i32 i32 i32) (result i32)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (drop (call $read (i32.wrap_i64 (call $new)) (i32.const -16) (i32.const 4096))) (call $hello) (i32.const 0))
