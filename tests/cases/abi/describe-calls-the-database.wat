;; The description writes to the database. Every call is answered by an error value, and nothing has happened.
;; load: accepted
;; GET /: 200
(import "bandstand:db/queries@0.1.0" "[async-lower]execute" (func $execute (param i32 i32 i32 i32 i32) (result i32)))
(import "bandstand:app/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(import "bandstand:app/environment@0.1.0" "now" (func $now (result i64)))
(data (i32.const 256) "{\"v\":1,\"op\":\"delete\",\"from\":\"row\"}")
(data (i32.const 2048) "{\"v\":1,\"name\":\"forged\",\"routes\":[{\"path\":\"/\",\"methods\":[\"GET\"]}]}")
(func $describe (result i32)
    (call $log (i32.const 4) (i32.const 64) (i32.const 5))
    (drop (call $now))
    ;; Returned at once, not under way, and an error.
    (if (i32.ne (call $execute (i32.const 256) (i32.const 34) (i32.const 0) (i32.const 0) (i32.const 4096)) (i32.const 2))
        (then unreachable))
    (if (i32.eqz (i32.load8_u (i32.const 4096))) (then unreachable))
    (i32.store (i32.const 16) (i32.const 2048))
    (i32.store (i32.const 20) (i32.const 65))
    (i32.const 16))
