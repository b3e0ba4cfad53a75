;; Lets others run, for ever.
;; load: accepted
;; GET /: 503 or 504
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 1))
(func $callback (param i32 i32 i32) (result i32) (i32.const 1))
