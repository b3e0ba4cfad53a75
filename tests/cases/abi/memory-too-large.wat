;; The memory is larger at the start than an app may have.
;; load: refused memory
(memory 40000)
