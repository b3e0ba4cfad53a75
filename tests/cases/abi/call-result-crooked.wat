;; A host call's result goes to a place that isn't aligned.
;; load: accepted
;; GET /: 500
(import "bandstand:app/environment@0.1.0" "random" (func $random (param i32 i32)))
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $random (i32.const 16) (i32.const 4098)) (call $hello) (i32.const 0))
