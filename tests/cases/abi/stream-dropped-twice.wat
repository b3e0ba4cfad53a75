;; Drops the same end of a stream twice.
;; load: accepted
;; GET /: 500
(import "bandstand:routing/request@0.1.0" "[stream-new-0]body-stream" (func $new (result i64)))
(import "bandstand:routing/request@0.1.0" "[stream-drop-readable-0]body-stream" (func $drop (param i32)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (local $end i32)
    (local.set $end (i32.wrap_i64 (call $new)))
    (call $drop (local.get $end))
    (call $drop (local.get $end))
    (call $hello) (i32.const 0))
