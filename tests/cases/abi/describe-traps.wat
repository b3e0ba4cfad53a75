;; The description traps.
;; load: refused describe
(func $describe (result i32) unreachable)
