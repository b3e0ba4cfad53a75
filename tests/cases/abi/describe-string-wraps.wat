;; Pointer and length of the text add up to more than 32 bits.
;; load: refused describe
(func $describe (result i32)
    (i32.store (i32.const 16) (i32.const -2))
    (i32.store (i32.const 20) (i32.const 1024))
    (i32.const 16))
