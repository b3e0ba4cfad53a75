;; A list of headers so long that its size in bytes doesn't fit 32 bits.
;; load: accepted
;; GET /: 500
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $return (i32.const 200) (i32.const 64) (i32.const 0x10000001) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0))
