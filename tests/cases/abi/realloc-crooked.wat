;; Memory for the request's lists isn't aligned.
;; load: accepted
;; GET /text/something/: 500
(func $realloc (param i32 i32 i32 i32) (result i32) (i32.const 131073))
