;; A thousand headers that share one value of a megabyte: little memory in the app, a gigabyte in the host.
;; load: accepted
;; GET /: 500
(memory 40)
(func $handle (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (local $at i32)
    (memory.fill (i32.const 1048576) (i32.const 0x61) (i32.const 1048576))
    (local.set $at (i32.const 131072))
    (loop $more
        (i32.store (local.get $at) (i32.const 64))
        (i32.store offset=4 (local.get $at) (i32.const 5))
        (i32.store offset=8 (local.get $at) (i32.const 1048576))
        (i32.store offset=12 (local.get $at) (i32.const 1048576))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br_if $more (i32.lt_u (local.get $at) (i32.const 147072))))
    (call $return (i32.const 200) (i32.const 131072) (i32.const 1000) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0))
