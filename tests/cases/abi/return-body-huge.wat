;; The body begins in memory and is two gigabytes long.
;; load: accepted
;; GET /: 500
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $return (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 0x7fffffff)) (i32.const 0))
