//! What the macros offer, used as an app would.

use bandstand::prelude::*;
use serde::{Deserialize, Serialize};

mod models {
    use bandstand::prelude::*;

    #[derive(Model, Debug, Clone)]
    #[model(name = "person", label = "person", label_plural = "people", ordering = ["last_name", "-born"], indexes = [["last_name", "born"]])]
    pub struct Author {
        pub id: Id<Self>,
        #[field(max_length = 100, blank, help_text = "As on the cover")]
        pub last_name: String,
        pub born: Option<Date>,
        #[field(unique)]
        pub key: Uuid,
        #[field(auto_now_add)]
        pub added: DateTime,
        #[field(auto_now)]
        pub changed: DateTime,
    }

    #[derive(Model)]
    pub struct Book {
        pub id: Id<Self>,
        #[field(on_delete = Protect)]
        pub author: ForeignKey<Author>,
        #[field(on_delete = SetNull, related_name = "translations")]
        pub original: Option<ForeignKey<Self>>,
        #[field(max_length = 20, choices = [("poem", "Poem"), ("novel", "Novel")], default = "novel")]
        pub r#type: String,
        #[field(default = -1.5)]
        pub price: f64,
        #[field(default = true)]
        pub in_print: bool,
        pub tags: Json<Vec<String>>,
        pub cover: Option<Vec<u8>>,
        pub reading_time: Duration,
        pub read_at: Time,
    }
}

use models::{Author, Book, NewBook};

#[derive(Deserialize, Serialize)]
struct Search {
    q: Option<String>,
    #[serde(default)]
    page: u32,
}

#[get("/", name = "index")]
async fn index(req: &Request, query: Query<Search>) -> Result<Response> {
    let found = Book::objects()
        .filter(Book::AUTHOR.last_name().icontains(query.q.as_deref().unwrap_or_default()) & Book::IN_PRINT.eq(true))
        .filter(Book::ORIGINAL.author().born().is_null() | !Book::PRICE.lt(10.0))
        .exclude(Book::TYPE.is_in(["poem", "novel"]))
        .order_by([Book::PRICE.desc(), Book::AUTHOR.last_name().asc()])
        .limit(10)
        .offset(u64::from(query.page) * 10)
        .all()
        .await?;
    for book in &found {
        let author = book.author().await?;
        info!("{} by {}", book.id, author.last_name);
        if let Some(original) = book.original().await? {
            debug!("from {}", original.id);
        }
    }
    render(req, "library/index.html", context! { found, search: query.into_inner() })
}

#[post("/{author}/", name = "add")]
async fn add(author: Path<Id<Author>>, form: Result<Form<Search>>, json: Option<Json<Vec<i32>>>) -> Result<Response> {
    let _ = (form.is_err(), json);
    let author = Author::objects().get_or_404(author).await?;
    let mut book = transaction(async || {
        let new = NewBook { author: author.id, tags: Json(vec![]), reading_time: Duration::from_secs(60), read_at: Time::midnight() };
        let book = Book::objects().create(new.r#type("poem").original(None).price(2)).await?;
        author.book_set().filter(Book::ID.ne(&book)).update([Book::PRICE.set(Book::PRICE * 2 - 1.0), Book::IN_PRINT.set(false)]).await?;
        Ok(book)
    })
    .await?;
    book.save().await?;
    let _: (u64, bool) = (book.translations().count().await?, Author::objects().filter(Author::BOOK_SET.price().gt(1.0)).exists().await?);
    redirect(url!(show, "a-slug", book.id, "the/rest"))
}

#[route("/{slug:slug}/{number}/{rest}", methods = [GET, PUT], name = "show")]
fn show(number: Path<i64>, Path(slug): Path<Slug>, rest: Path<PathTail>) -> Json<(i64, String)> {
    Json((number.0, format!("{slug} {rest}")))
}

#[delete("/{id:uuid}/")]
async fn remove(_id: Path<Uuid>) -> Result<Response> {
    let text: i32 = "1".parse()?;
    Err(Error::new(410, format!("gone {text}")))
}

#[patch("/stream/")]
async fn stream() -> Response {
    Response::stream("text/plain", async |mut out| {
        out.write("a").await?;
        Ok(())
    })
}

app! {
    name: "library",
    label: "Library",
    models: [Author, models::Book],
    routes: [index, add, show, remove, stream],
    capabilities: [templates],
}

fn main() {}
