;; The app has no name.
;; load: refused name
;; manifest: {"v":1}
