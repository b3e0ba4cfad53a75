;; A model that is another app's table.
;; load: refused isn't the app's own
;; manifest: {"v":1,"name":"forged","models":[{"name":"row","table":"victim__secret","managed":false,"fields":[{"name":"id","kind":"auto"}]}],"capabilities":[{"name":"db"}]}
