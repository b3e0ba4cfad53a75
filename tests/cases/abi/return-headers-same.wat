;; A million headers that are all the same 16 bytes of memory, seen through a wrapping list.
;; load: accepted
;; GET /: 500
(memory 300)
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (memory.fill (i32.const 131072) (i32.const 0) (i32.const 16000000))
    (call $return (i32.const 200) (i32.const 131072) (i32.const 1000000) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0))
