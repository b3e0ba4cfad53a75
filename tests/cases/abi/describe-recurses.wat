;; The description calls itself until the stack ends.
;; load: refused describe
(func $describe (result i32) (call $describe))
