;; The document is 40 MiB of spaces.
;; load: refused describe
(memory 1000)
(func $describe (result i32)
    (memory.fill (i32.const 131072) (i32.const 0x20) (i32.const 0x2800000))
    (i32.store (i32.const 16) (i32.const 131072))
    (i32.store (i32.const 20) (i32.const 0x2800000))
    (i32.const 16))
