;; Reads a stream that the app never had.
;; load: accepted
;; GET /: 500
(import "bandstand:routing/request@0.1.0" "[async-lower][stream-read-0]body-stream" (func $read (param i32 i32 i32) (result i32)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (drop (call $read (i32.const 4711) (i32.const 1024) (i32.const 16))) (call $hello) (i32.const 0))
