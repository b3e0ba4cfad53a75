;; Drops a call that was never made.
;; load: accepted
;; GET /: 500
(import "$root" "[subtask-drop]" (func $drop (param i32)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $drop (i32.const 3)) (call $hello) (i32.const 0))
