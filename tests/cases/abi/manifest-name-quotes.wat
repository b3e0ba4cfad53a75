;; The name is SQL.
;; load: refused valid name
;; manifest: {"v":1,"name":"x\"; drop table row; --"}
