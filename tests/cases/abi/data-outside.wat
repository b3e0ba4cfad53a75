;; A data segment lies outside the memory.
;; load: refused describe
(data (i32.const 0x7ffffff0) "outside")
