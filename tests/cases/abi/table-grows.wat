;; Grows a table until the host says no, then traps.
;; load: accepted
;; GET /: 500
(table $table 1 funcref)
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (loop $more
        (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 10000)) (i32.const -1))))
    unreachable)
