;; Two answers to one request.
;; load: accepted
;; GET /: 500
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $hello) (call $hello) (i32.const 0))
