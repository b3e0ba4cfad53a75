;; A field's name is SQL.
;; load: refused valid name
;; manifest: {"v":1,"name":"forged","models":[{"name":"row","fields":[{"name":"id","kind":"auto"},{"name":"a\" text); --","kind":"text"}]}]}
