;; All strings of the request go to the same place, over one another. That is the app's own harm.
;; load: accepted
;; GET /text/something/: 200
(func $realloc (param i32 i32 i32 i32) (result i32) (i32.const 131072))
