;; Says that it takes no more requests, and answers this one.
;; load: accepted
;; GET /: 200
;; GET /: 200
(import "$root" "[backpressure-inc]" (func $inc))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $inc) (call $hello) (i32.const 0))
