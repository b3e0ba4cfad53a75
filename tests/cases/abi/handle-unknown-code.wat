;; The handler's result is none of exit, yield and wait.
;; load: accepted
;; GET /: 500
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 15))
