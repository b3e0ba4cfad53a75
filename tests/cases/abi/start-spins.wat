;; The module's start function never ends.
;; load: refused describe
(func $start (loop (br 0)))
(start $start)
