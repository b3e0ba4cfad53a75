;; Makes streams until the host says no.
;; load: accepted
;; GET /: 500
(import "bandstand:routing/request@0.1.0" "[stream-new-0]body-stream" (func $new (result i64)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (loop $more (drop (call $new)) (br $more)) unreachable)
