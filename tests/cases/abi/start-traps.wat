;; The module's start function traps.
;; load: refused describe
(func $start unreachable)
(start $start)
