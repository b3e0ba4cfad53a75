;; Making room for the request's strings never ends.
;; load: accepted
;; GET /text/something/: 503 or 504
(func $realloc (param i32 i32 i32 i32) (result i32) (loop (br 0)) unreachable)
