//! A small library, with every kind of field and relation.

use bandstand::prelude::*;

/// Who writes.
#[derive(Model)]
#[model(ordering = ["last_name", "id"])]
pub struct Author {
    pub id: Id<Self>,
    #[field(max_length = 100)]
    pub last_name: String,
    pub born: Option<Date>,
}

/// What a book is.
#[derive(Choices, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Genre {
    #[choice("novel", "A novel")]
    Novel,
    Poems,
}

/// When a row was made and changed.
#[derive(Fields)]
pub struct Timestamps {
    #[field(auto_now_add)]
    pub created: DateTime,
    #[field(auto_now)]
    pub changed: DateTime,
}

/// What is read.
#[derive(Model)]
#[model(
    ordering = "id",
    indexes = [["title"], Index::on(Self::TITLE.lower()).named("book_title")],
    constraints = [Constraint::check("copies_few", Self::COPIES.le(1000)).message("Nobody has that many.")],
)]
pub struct Book {
    pub id: Id<Self>,
    #[field(max_length = 200)]
    pub title: String,
    #[field(slug, unique)]
    pub slug: String,
    pub subtitle: Option<String>,
    #[field(on_delete = Protect, related_name = "books")]
    pub author: ForeignKey<Author>,
    #[field(default = Genre::Novel)]
    pub genre: Genre,
    #[field(max_digits = 8, decimal_places = 2, min = "0.00")]
    pub price: Decimal,
    #[field(default = 1, min = 0)]
    pub copies: i32,
    #[field(generated = Self::COPIES * 2)]
    pub sides: i32,
    #[field(related_name = "books")]
    pub tags: ManyToMany<Tag>,
    pub data: Json<serde_json::Value>,
    #[field(flatten, default)]
    pub times: Timestamps,
}

/// A word for books.
#[derive(Model)]
pub struct Tag {
    #[field(primary_key, max_length = 30)]
    pub word: String,
}

/// What is told of an author.
#[derive(Model)]
pub struct Portrait {
    #[field(primary_key, on_delete = Cascade)]
    pub author: OneToOne<Author>,
    pub text: String,
}

/// A shelf within another one.
#[derive(Model)]
pub struct Shelf {
    pub id: Id<Self, Uuid>,
    pub room: i16,
    #[field(on_delete = Cascade, related_name = "inner")]
    pub outer: Option<ForeignKey<Self>>,
    #[field(db_default = now())]
    pub seen: DateTime,
    #[field(protocol = "ipv4")]
    pub address: Option<IpAddr>,
}

/// A copy that stands on a shelf.
#[derive(Model)]
#[model(primary_key = ["shelf", "book"])]
pub struct Place {
    #[field(on_delete = Cascade, related_name = "places")]
    pub shelf: ForeignKey<Shelf>,
    #[field(on_delete = Cascade, related_name = "places")]
    pub book: ForeignKey<Book>,
    #[field(default = 0)]
    pub at: i32,
}
