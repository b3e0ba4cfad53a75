// An app around a model `Book`, which the case defines with one mistake in it: nothing here may add an error of its own.

#[derive(Model)]
pub struct Author {
    pub id: Id<Self>,
    pub name: String,
}

#[get("/", name = "index")]
async fn index(req: &Request) -> Result<Response> {
    let books = Book::objects().filter(Book::YEAR.gt(1900) & Book::TITLE.icontains("a")).order_by(Book::TITLE.asc());
    for book in books.clone().limit(5).all().await? {
        info!("{} by {}", book.title, book.author().await?.name);
    }
    let by_an_a = Author::objects().filter(Author::BOOKS.year().lt(1900) & Author::BOOKS.author().name().eq("A"));
    render(req, "library/index.html", context! { books: books.all().await?, by_an_a: by_an_a.count().await? })
}

#[get("/{book}/", name = "detail")]
async fn detail(book: Path<Id<Book>>) -> Result<Json<Book>> {
    let mut book = Book::objects().get_or_404(book).await?;
    book.pages += 1;
    book.save().await?;
    Ok(Json(book))
}

#[post("/{author}/add/")]
async fn add(author: Path<Id<Author>>) -> Result<Response> {
    let author = Author::objects().get_or_404(author).await?;
    let new = NewBook { title: "Emma".into(), author: author.id, year: 1815 };
    let book = Book::objects().create(new.pages(474).subtitle(None)).await?;
    let others = author.books().filter(Book::YEAR.eq(1815) & Book::ID.ne(&book) & Book::AUTHOR.eq(&author));
    others.update([Book::PAGES.set(Book::PAGES + 1), Book::YEAR.set(1816)]).await?;
    redirect(url!(detail, book.id))
}

app! {
    name: "library",
    models: [Author, Book],
    routes: [index, detail, add],
}

fn main() {}
