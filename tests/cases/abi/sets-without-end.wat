;; Makes sets of things to wait for until the host says no.
;; load: accepted
;; GET /: 500
(import "$root" "[waitable-set-new]" (func $set (result i32)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (loop $more (drop (call $set)) (br $more)) unreachable)
