;; The description waits for an event of an empty set: a plain function may not.
;; load: refused describe
(import "$root" "[waitable-set-new]" (func $set (result i32)))
(import "$root" "[waitable-set-wait]" (func $wait (param i32 i32) (result i32)))
(func $describe (result i32) (drop (call $wait (call $set) (i32.const 16))) unreachable)
