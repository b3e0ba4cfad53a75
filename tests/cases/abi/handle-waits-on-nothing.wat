;; Waits for an event of an empty set.
;; load: accepted
;; GET /: 504
(import "$root" "[waitable-set-new]" (func $set (result i32)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.or (i32.shl (call $set) (i32.const 4)) (i32.const 2)))
