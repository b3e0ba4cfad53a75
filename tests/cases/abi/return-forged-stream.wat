;; The body is a stream that the app never had.
;; load: accepted
;; GET /: 500
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $return (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 2) (i32.const 4711) (i32.const 0)) (i32.const 0))
