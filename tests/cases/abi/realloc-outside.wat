;; Memory for the request's strings lies outside.
;; load: accepted
;; GET /text/something/: 500
(func $realloc (param i32 i32 i32 i32) (result i32) (i32.const -8))
