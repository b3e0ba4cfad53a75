;; The document is a million opening brackets.
;; load: refused manifest
(memory 20)
(func $describe (result i32)
    (memory.fill (i32.const 131072) (i32.const 0x5b) (i32.const 1000000))
    (i32.store (i32.const 16) (i32.const 131072))
    (i32.store (i32.const 20) (i32.const 1000000))
    (i32.const 16))
