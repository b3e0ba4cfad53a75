;; Making room for the request's strings calls the host, which is not allowed there.
;; load: accepted
;; GET /text/something/: 500
(import "bandstand:app/environment@0.1.0" "now" (func $now (result i64)))
(func $realloc (param i32 i32 i32 i32) (result i32) (drop (call $now)) (i32.const 131072))
