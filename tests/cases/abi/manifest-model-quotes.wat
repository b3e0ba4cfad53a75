;; A model's name is SQL.
;; load: refused valid name
;; manifest: {"v":1,"name":"forged","models":[{"name":"row\"(x); --","fields":[{"name":"id","kind":"auto"}]}]}
