//! What `docs/how-to/query.md` shows compiles.

use bandstand::prelude::*;
use bandstand::serde_json;

#[derive(Model)]
#[model(ordering = ["last_name", "id"])]
pub struct Author {
    pub id: Id<Self>,
    #[field(max_length = 100)]
    pub last_name: String,
    pub born: Option<Date>,
}

#[derive(Choices, Clone, Copy, PartialEq)]
pub enum Genre {
    #[choice("novel", "A novel")]
    Novel,
    Poems,
}

#[derive(Model)]
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
    #[field(related_name = "books")]
    pub tags: ManyToMany<Tag>,
    pub data: Json<serde_json::Value>,
    #[field(auto_now_add)]
    pub added: DateTime,
}

#[derive(Model)]
pub struct Tag {
    #[field(primary_key, max_length = 30)]
    pub word: String,
}

#[derive(Fields)]
pub struct Timestamps {
    #[field(auto_now_add)]
    pub created: DateTime,
    #[field(auto_now)]
    pub changed: DateTime,
}

#[derive(Model)]
pub struct Loan {
    pub id: Id<Self>,
    #[field(on_delete = Cascade)]
    pub book: ForeignKey<Book>,
    #[field(flatten, default)]
    pub times: Timestamps,
}

#[derive(Model)]
#[model(
    indexes = [["title"], Index::on(Self::TITLE.lower()).named("shelf_title").filter(Self::COPIES.gt(0))],
    constraints = [
        Constraint::check("copies_few", Self::COPIES.le(1000)).message("Nobody has that many."),
        Constraint::unique("one_of_a_title", (Self::ROOM, Self::TITLE.lower())),
    ],
)]
pub struct Shelf {
    pub id: Id<Self>,
    pub room: i32,
    #[field(max_length = 100)]
    pub title: String,
    pub copies: i32,
    #[field(generated = Self::COPIES * 2, stored)]
    pub pages: i32,
    #[field(db_default = now())]
    pub seen: DateTime,
}

async fn writing(books: Vec<Book>, form: Option<String>) -> Result<()> {
    let author =
        Author::objects().create(NewAuthor { last_name: "Austen".into() }.born(Date::constant(1775, 12, 16))).await?;
    let new = |slug: &str| NewBook {
        title: "Emma".into(),
        slug: slug.into(),
        author: author.id,
        price: Decimal::new(999, 2),
        data: Json(serde_json::json!({"pages": 474})),
    };
    let mut book = Book::objects().create(new("emma").subtitle("A novel").subtitle(form).subtitle(None)).await?;
    book.copies += 1;
    book.save().await?;
    book.refresh().await?;
    Book::objects().bulk_update(&books, (Book::PRICE, Book::COPIES)).await?;
    Book::objects().bulk_create_with([new("a"), new("b")], OnConflict::ignore()).await?;
    let conflict = OnConflict::update(Book::SLUG, [Book::TITLE.set_new(), Book::COPIES.set(Book::COPIES + 1)]);
    Book::objects().bulk_create_with([new("a"), new("b")], conflict).await?;
    let (tag, _is_new) = Tag::objects().get_or_create(Tag::WORD.eq("sea"), NewTag { word: "sea".into() }).await?;
    book.tags().add(["sea", "love"]).await?;
    book.tags().remove([&tag]).await?;
    book.tags().set(["sea"]).await?;
    let _: Vec<Book> = tag.books().filter(Book::COPIES.gt(0)).all().await?;
    book.delete().await?;
    Ok(())
}

async fn asking() -> Result<()> {
    Book::objects()
        .filter(Book::PRICE.lt(10) & Book::AUTHOR.last_name().startswith("A"))
        .exclude(Book::COPIES.eq(0))
        .order_by([Book::PRICE.asc(), Book::TITLE.lower().asc()])
        .limit(20)
        .all()
        .await?;
    let _ = Author::objects().filter(Author::BOOKS.loan_set().times().created().year().eq(2026));
    let _ = Author::objects().exclude(Author::BOOKS.loan_set().is_null());
    let _ = Loan::objects().filter(Loan::BOOK.tags().books().author().books().loan_set().eq(1));
    let _ = Tag::objects().annotate((Tag::BOOKS.loan_set().count(), Tag::BOOKS.author().last_name().max()));
    let _: Vec<String> = Book::objects().values(Book::TITLE).all().await?;
    let _: Vec<(Id<Book>, String, Option<i64>)> = Book::objects()
        .values((Book::ID, Book::AUTHOR.last_name(), Book::DATA.json_text("pages").cast::<i64>()))
        .all()
        .await?;
    let _: Vec<DateTime> = Book::objects().datetimes(Book::ADDED, Unit::Month).all().await?;
    let _: Vec<(Author, Option<Decimal>)> = Author::objects()
        .annotate(Author::BOOKS.price().sum())
        .having(|total| total.gt(100))
        .order_with(|total| total.desc())
        .all()
        .await?;
    let _: Vec<(Genre, u64)> = Book::objects().group_by(Book::GENRE).annotate(count()).all().await?;
    let _: Vec<(i32, (u64, Option<f64>))> =
        Book::objects().group_by(Book::ADDED.year()).annotate((count(), Book::PRICE.avg())).all().await?;
    let worth = (Book::PRICE * Book::COPIES.cast_decimal(8, 0).coalesce(0)).sum();
    let _: (u64, Option<Decimal>) = Book::objects().aggregate((count(), worth)).await?;
    let _ = case().when(Book::COPIES.gt(9), "many").when(Book::COPIES.gt(0), "few").otherwise("none");
    let place = rank().over(partition_by(Book::GENRE).order_by(Book::PRICE.desc()));
    let _: Vec<(Book, i64)> = Book::objects().annotate(place).all().await?;
    let _ = Book::COPIES.sum().over(window().order_by(Book::ADDED.asc()).rows(Edge::Unbounded, Edge::Current));
    let of_author = Book::objects().filter(Book::AUTHOR.eq(outer(Author::ID)));
    let _: Vec<(Author, (u64, Option<Decimal>))> = Author::objects()
        .annotate((
            subquery(of_author.clone().aggregate(count())),
            subquery(of_author.clone().aggregate(Book::PRICE.sum())),
        ))
        .having(|(books, _)| books.gt(2))
        .all()
        .await?;
    let _ = Author::objects().filter(subquery(of_author.clone().values(Book::PRICE.max())).gt(10));
    let _: u64 = Book::objects().values(Book::GENRE).distinct().count().await?;
    let groups = || Book::objects().group_by(Book::GENRE).annotate(count());
    let _: (u64, bool, Option<(Genre, u64)>) =
        (groups().count().await?, groups().exists().await?, groups().order_with(|n| n.desc()).first().await?);
    let _: u64 = Book::objects().aggregate(Book::AUTHOR.count().distinct()).await?;
    let _: Vec<(i64, Option<i64>, Option<Duration>)> = Author::objects()
        .values((
            Author::BORN.coalesce(today()) - today(),
            today_less(Author::BORN),
            Author::BOOKS.added().max() - Author::BOOKS.added().min(),
        ))
        .all()
        .await?;
    let age = Loan::TIMES.created().date().days_since(Loan::BOOK.added().date());
    let _: Vec<Option<i64>> = Loan::objects().filter((Loan::TIMES.created() - Duration::from_hours(1)).le(now())).values(age.optional()).all().await?;
    let dear = Book::objects().filter(Book::PRICE.gt(50));
    let _ = Author::objects().filter(exists(dear.clone().filter(Book::AUTHOR.eq(outer(Author::ID)))));
    let _ = Author::objects().filter(Author::ID.is_in(dear.values(Book::AUTHOR)));
    let newest = Book::objects().filter(Book::AUTHOR.eq(outer(Author::ID))).order_by(Book::ADDED.desc());
    let _ = Author::objects().annotate(subquery(newest.values(Book::TITLE)));
    for author in Author::objects().limit(50).all().await? {
        for book in author.books().all().await? {
            for tag in book.tags().all().await? {
                info!("{}: {} {}", author.last_name, book.title, tag.word);
            }
        }
    }
    let _: Vec<(Author, Vec<Book>)> = Author::objects().prefetch_related(|author| author.books()).await?;
    let _: Vec<(Tag, Vec<Book>)> = Tag::objects().prefetch_related(|tag| tag.books()).await?;
    let tag = Tag::objects().first_or_404().await?;
    let _: Option<Decimal> = tag.books().aggregate(Book::PRICE.sum()).await?;
    let _: Vec<(String, Option<String>)> = tag.books().values((Book::TITLE, Book::SUBTITLE)).limit(3).all().await?;
    let mut titles = Book::objects().values(Book::TITLE).iterator().await?;
    while let Some(title) = titles.next().await? {
        info!("{title}");
    }
    let mut books = Book::objects().iterator().await?;
    while let Some(book) = books.next().await? {
        info!("{}", book.title);
    }
    let number: i32 = "1".parse().context("reading the number")?;
    Book::objects().get(i64::from(number)).await.with_context(|| format!("book {number}"))?;
    Ok(())
}

fn today_less(born: bandstand::db::Field<Author, Option<Date>>) -> bandstand::db::Expr<Author, Option<i64>> {
    value(today()) - born
}

async fn lend(key: Id<Book>) -> Result<Loan> {
    transaction(async || {
        let mut book = Book::objects().select_for_update(Lock::wait()).get_or_404(key).await?;
        book.copies -= 1;
        book.save().await?;
        let loan = Loan::objects().create(NewLoan { book: book.id }).await?;
        let id = loan.id;
        on_commit(async move || {
            info!("lent {id}");
            Ok(())
        })
        .await?;
        Ok(loan)
    })
    .await
}

app! {
    name: "library",
    models: [Author, Book, Tag, Loan, Shelf],
}

fn main() {
    let _ = (writing, asking, lend);
}
