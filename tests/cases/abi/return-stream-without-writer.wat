;; The body is a stream whose writing end is gone already: an empty body.
;; load: accepted
;; GET /: 200
(import "bandstand:routing/request@0.1.0" "[stream-new-0]body-stream" (func $new (result i64)))
(import "bandstand:routing/request@0.1.0" "[stream-drop-writable-0]body-stream" (func $drop (param i32)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (local $both i64)
    (local.set $both (call $new))
    (call $return (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 2) (i32.wrap_i64 (local.get $both)) (i32.const 0))
    (call $drop (i32.wrap_i64 (i64.shr_u (local.get $both) (i64.const 32))))
    (i32.const 0))
