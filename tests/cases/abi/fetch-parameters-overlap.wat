;; A thousand parameters that share one text of a megabyte, in a loop: little memory in the app, much in the host.
;; load: accepted
;; GET /: 500
(import "bandstand:db/queries@0.1.0" "[async-lower]fetch" (func $fetch (param i32 i32 i32 i32 i32) (result i32)))
(memory 40)
(data (i32.const 256) "{\"v\":1,\"op\":\"count\",\"from\":\"row\"}")
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (local $at i32)
    (memory.fill (i32.const 1048576) (i32.const 0x61) (i32.const 1048576))
    (local.set $at (i32.const 131072))
    ;; One parameter: the case `one`, then a value: the case `text`, pointer, length.
    (loop $more
        (i32.store8 (local.get $at) (i32.const 0))
        (i32.store8 offset=8 (local.get $at) (i32.const 4))
        (i32.store offset=16 (local.get $at) (i32.const 1048576))
        (i32.store offset=20 (local.get $at) (i32.const 1048576))
        (local.set $at (i32.add (local.get $at) (i32.const 24)))
        (br_if $more (i32.lt_u (local.get $at) (i32.const 155072))))
    (loop $again
        (drop (call $fetch (i32.const 256) (i32.const 33) (i32.const 131072) (i32.const 1000) (i32.const 4096)))
        (br $again))
    unreachable)
