;; The name could make another app's tables its own.
;; load: refused valid name
;; manifest: {"v":1,"name":"good__row"}
