;; The name is a path.
;; load: refused valid name
;; manifest: {"v":1,"name":"../forged"}
