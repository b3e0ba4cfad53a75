;; The description isn't JSON.
;; load: refused manifest
;; manifest: Once upon a time
