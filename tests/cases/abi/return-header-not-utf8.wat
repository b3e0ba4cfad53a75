;; A header's name isn't UTF-8.
;; load: accepted
;; GET /: 500
(data (i32.const 256) "\ff\fe\fd")
(data (i32.const 512) "\00\01\00\00\03\00\00\00\00\01\00\00\03\00\00\00")
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $return (i32.const 200) (i32.const 512) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0))
