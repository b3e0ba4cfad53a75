;; The text begins in memory and ends outside.
;; load: refused describe
(func $describe (result i32)
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (i32.const 0x7fffffff))
    (i32.const 16))
