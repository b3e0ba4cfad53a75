;; A foreign key points to another app's model.
;; load: refused unknown model
;; manifest: {"v":1,"name":"forged","models":[{"name":"row","fields":[{"name":"id","kind":"auto"},{"name":"a","kind":"foreign_key","to":"good.row","on_delete":"cascade"}]}]}
