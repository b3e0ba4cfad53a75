;; Answers, and then never ends: the visitor has the answer, the app has the processor for its budget.
;; load: accepted
;; GET /: 200
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $hello) (loop (br 0)) (i32.const 0))
