;; Answers, and then never ends: an answer counts when the task has ended.
;; load: accepted
;; GET /: 503 or 504
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $hello) (loop (br 0)) (i32.const 0))
