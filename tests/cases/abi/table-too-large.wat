;; The table is larger at the start than an app may have.
;; load: refused table
(table 200000000 funcref)
