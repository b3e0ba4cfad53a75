;; Waits for a set that doesn't exist.
;; load: accepted
;; GET /: 500
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.or (i32.shl (i32.const 4711) (i32.const 4)) (i32.const 2)))
