;; The module's start function takes memory and never stops.
;; load: refused describe
(func $start (loop $more (drop (memory.grow (i32.const 1))) (br $more)))
(start $start)
