;; Nothing is wrong: what the other cases are made from.
;; load: accepted
;; GET /: 200
;; GET /text/a/: 200
