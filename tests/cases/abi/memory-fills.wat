;; Writes most of its memory again and again.
;; load: accepted
;; GET /: 503 or 504
(memory 700)
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (loop $more
        (memory.fill (i32.const 131072) (i32.const 1) (i32.const 45000000))
        (memory.copy (i32.const 131072) (i32.const 131073) (i32.const 45000000))
        (br $more))
    unreachable)
