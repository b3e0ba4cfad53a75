;; The description is a list.
;; load: refused manifest
;; manifest: [1, 2, 3]
