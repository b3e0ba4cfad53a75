;; The description is of a format that this host doesn't know.
;; load: refused update the host
;; manifest: {"v":99,"name":"forged"}
