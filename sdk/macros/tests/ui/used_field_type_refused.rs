use bandstand::prelude::*;

#[derive(Model)]
#[model(ordering = "title")]
pub struct Book {
    pub id: Id<Self>,
    #[field(max_length = 200, unique)]
    pub title: String,
    #[field(on_delete = Cascade, related_name = "books")]
    pub author: ForeignKey<Author>,
    #[field(default = 0)]
    pub pages: i32,
    pub year: u64,
    pub subtitle: Option<String>,
}

include!("../used/library.rs");
