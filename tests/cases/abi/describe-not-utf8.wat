;; The text isn't UTF-8.
;; load: refused describe
(data (i32.const 1024) "{\"v\":1,\"name\":\"\ff\fe\"}")
(func $describe (result i32)
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (i32.const 19))
    (i32.const 16))
