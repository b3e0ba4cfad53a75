;; Two models have the same name.
;; load: refused twice
;; manifest: {"v":1,"name":"forged","models":[{"name":"row","fields":[{"name":"id","kind":"auto"}]},{"name":"row","fields":[{"name":"id","kind":"auto"}]}]}
