;; Making room for the request's strings traps.
;; load: accepted
;; GET /text/something/: 500
(func $realloc (param i32 i32 i32 i32) (result i32) unreachable)
