;; Writes a large table again and again.
;; load: accepted
;; GET /: 503 or 504
(table $table 1 funcref)
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (drop (table.grow $table (ref.null func) (i32.const 1000000)))
    (loop $more
        (table.fill $table (i32.const 0) (ref.null func) (table.size $table))
        (br $more))
    unreachable)
