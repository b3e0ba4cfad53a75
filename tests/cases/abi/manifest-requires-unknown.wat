;; The app can't run without a capability that doesn't exist.
;; load: refused telepathy
;; manifest: {"v":1,"name":"forged","capabilities":[{"name":"telepathy","required":true}]}
