;; A route's pattern climbs out of the mount.
;; load: refused route pattern
;; manifest: {"v":1,"name":"forged","routes":[{"path":"/../good/","methods":["GET"]}]}
