;; Strings of the request go over the result area. That is the app's own harm.
;; load: accepted
;; GET /text/something/: 200
(func $realloc (param i32 i32 i32 i32) (result i32) (i32.const 16))
