;; The body is the wrong end of a stream.
;; load: accepted
;; GET /: 500
(import "bandstand:routing/request@0.1.0" "[stream-new-0]body-stream" (func $new (result i64)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $return (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 2)
        (i32.wrap_i64 (i64.shr_u (call $new) (i64.const 32))) (i32.const 0)) (i32.const 0))
