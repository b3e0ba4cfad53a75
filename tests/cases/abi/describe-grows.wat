;; The description takes all memory that it gets, and touches it, before it answers.
;; load: accepted
;; GET /: 200
(memory 4)
(data (i32.const 1024) "{\"v\":1,\"name\":\"forged\",\"routes\":[{\"path\":\"/\",\"methods\":[\"GET\"]}]}")
(func $describe (result i32)
    (block $full
        (loop $more
            (br_if $full (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))
            (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8)) (i32.const 7))
            (br $more)))
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (i32.const 65))
    (i32.const 16))
