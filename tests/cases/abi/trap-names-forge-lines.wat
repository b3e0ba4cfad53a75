;; Traps in a function whose name would look like another line of the log, in red.
;; load: accepted
;; GET /: 500
;; log: forged | 2026-01-01T00:00:00Z ERROR app=good \u{1b}[31mred
(func $forger (@name "forged\0a2026-01-01T00:00:00Z ERROR app=good \1b[31mred") unreachable)
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $forger) (i32.const 0))
