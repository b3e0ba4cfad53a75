;; Reads and writes the same stream at once, the two places overlapping.
;; load: accepted
;; GET /: 500
(import "bandstand:routing/request@0.1.0" "[stream-new-0]body-stream" (func $new (result i64)))
(import "bandstand:routing/request@0.1.0" "[async-lower][stream-read-0]body-stream" (func $read (param i32 i32 i32) (result i32)))
(import "bandstand:routing/request@0.1.0" "[async-lower][stream-write-0]body-stream" (func $write (param i32 i32 i32) (result i32)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (local $both i64)
    (local.set $both (call $new))
    (drop (call $read (i32.wrap_i64 (local.get $both)) (i32.const 4096) (i32.const 0x0fffffff)))
    (drop (call $write (i32.wrap_i64 (i64.shr_u (local.get $both) (i64.const 32))) (i32.const 4100) (i32.const 0x0fffffff)))
    (call $hello) (i32.const 0))
