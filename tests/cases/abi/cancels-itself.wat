;; Says that its task was cancelled, which nobody asked for.
;; load: accepted
;; GET /: 500
(import "[export]bandstand:routing/handler@0.1.0" "[task-cancel]" (func $cancel))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $cancel) (i32.const 0))
