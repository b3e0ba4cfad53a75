//! Asks its database everything that `docs/how-to/query.md` shows. Each route answers JSON, which `tests/it/queries.rs` compares.

#![allow(missing_docs, reason = "a test's app")]

mod models;

use bandstand::db::raw;
use bandstand::prelude::*;
use models::{
    Author, Book, Genre, NewAuthor, NewBook, NewPlace, NewPortrait, NewShelf, NewTag, Place, Portrait, Shelf, Tag,
};
use serde_json::{Value, json};

type Answer = Result<Json<Value>>;

/// An error that a test may read: what went wrong in the app stays in the log otherwise.
fn told<T>(result: Result<T>) -> Result<T> {
    result.map_err(|error| Error::new(400, format!("{error:?}")))
}

/// Two authors, four books, three tags.
#[post("/fill/")]
async fn fill() -> Answer {
    let austen =
        Author::objects().create(NewAuthor { last_name: "Austen".into() }.born(Date::constant(1775, 12, 16))).await?;
    let brontë = Author::objects().create(NewAuthor { last_name: "Brontë".into() }).await?;
    let new = |title: &str, slug: &str, author: &Author, price: i64| NewBook {
        title: title.into(),
        slug: slug.into(),
        author: author.id,
        price: Decimal::new(price, 2),
        data: Json(json!({"pages": title.len() * 100, "words": [title, slug]})),
    };
    let emma = Book::objects().create(new("Emma", "emma", &austen, 999).copies(3).subtitle("A Novel")).await?;
    let many = [
        new("Persuasion", "persuasion", &austen, 1250).copies(0),
        new("Jane Eyre", "jane-eyre", &brontë, 800).copies(5),
        new("Poems", "poems", &brontë, 450).genre(Genre::Poems),
    ];
    let created = Book::objects().bulk_create(many).await?;
    Tag::objects().bulk_create(["love", "moor", "sea"].map(|word| NewTag { word: word.into() })).await?;
    emma.tags().add(["love"]).await?;
    let eyre = Book::objects().filter(Book::SLUG.eq("jane-eyre")).one().await?;
    eyre.tags().set(["love", "moor"]).await?;
    Portrait::objects().create(NewPortrait { author: austen.id, text: "of Austen".into() }).await?;
    let outer = Shelf::objects().create(NewShelf { room: 1 }).await?;
    let shelf =
        Shelf::objects().create(NewShelf { room: 2 }.outer(outer.id).address(IpAddr::from([127, 0, 0, 1]))).await?;
    Shelf::objects().create(NewShelf { room: 3 }.outer(shelf.id)).await?;
    Place::objects().create(NewPlace { shelf: shelf.id, book: emma.id }.at(7)).await?;
    Ok(Json(json!([
        created,
        emma.copies,
        emma.sides,
        emma.price,
        emma.genre.label(),
        shelf.outer.map(|key| key.id() == outer.id)
    ])))
}

#[get("/functions/")]
async fn functions_of_fields() -> Answer {
    let rows = Book::objects()
        .values((
            Book::TITLE.lower().concat("/").concat(Book::SUBTITLE),
            Book::TITLE.length() * 2,
            Book::PRICE.round(0),
            Book::PRICE * 2,
            Book::COPIES / 2,
            Book::DATA.json_text("pages").cast::<i64>(),
            case().when(Book::COPIES.gt(3), "many").when(Book::COPIES.gt(0), "few").otherwise("none"),
            Book::SUBTITLE.coalesce("-"),
        ))
        .all()
        .await?;
    let dates = Author::objects()
        .filter(Author::BORN.year().eq(1775))
        .values((Author::BORN.month(), Author::BORN.trunc(Unit::Year), Author::BORN + 3, value(7)))
        .all()
        .await?;
    let words = Book::objects().values(Book::DATA.json("words").json(0)).limit(1).all().await?;
    Ok(Json(json!([rows, dates, words])))
}

#[get("/conditions/")]
async fn conditions() -> Answer {
    let slugs = async |q: Q<Book>| -> Result<String> {
        Ok(Book::objects().filter(q).values(Book::SLUG).all().await?.join(" "))
    };
    let popular = Book::objects().filter(Book::COPIES.gt(2));
    Ok(Json(json!([
        slugs(Book::TITLE.length().gt(5) & !Book::COPIES.eq(0)).await?,
        slugs(Book::PRICE.lt(8) ^ Book::COPIES.eq(5)).await?,
        slugs(Book::TAGS.eq("love") & Book::AUTHOR.last_name().startswith("B")).await?,
        slugs(Book::TAGS.is_null()).await?,
        slugs(Book::SLUG.regex("^p.*s$")).await?,
        slugs(Book::DATA.json_contains(json!({"pages": 400}))).await?,
        slugs(Book::DATA.has_key("pages") & Book::GENRE.is_in([Genre::Poems])).await?,
        slugs(Book::COPIES.gt(Book::SIDES - 2)).await?,
        slugs(Book::TIMES.created().le(now()) & Book::SUBTITLE.eq(None::<&str>)).await?,
        slugs(Q::any([])).await?,
        Author::objects().filter(exists(popular.clone().filter(Book::AUTHOR.eq(outer(Author::ID))))).count().await?,
        Author::objects()
            .filter(Author::ID.is_in(popular.values(Book::AUTHOR)))
            .values(Author::LAST_NAME)
            .all()
            .await?,
        Author::objects().filter(Author::BOOKS.price().gt(10)).count().await?,
        Author::objects().exclude(Author::BOOKS.copies().eq(0)).values(Author::LAST_NAME).all().await?,
    ])))
}

#[get("/aggregates/")]
async fn aggregates() -> Answer {
    told(of_many().await)
}

async fn of_many() -> Answer {
    let all = Book::objects()
        .aggregate((count(), Book::COPIES.sum(), Book::PRICE.sum(), Book::PRICE.avg(), Book::TITLE.max()))
        .await?;
    let authors = Author::objects()
        .annotate((Author::BOOKS.count(), Author::BOOKS.price().sum(), Author::BOOKS.copies().sum().coalesce(0)))
        .having(|(books, _, _)| books.ge(2))
        .order_with(|(_, price, _)| price.desc())
        .all()
        .await?;
    let authors: Vec<_> = authors.into_iter().map(|(author, values)| (author.last_name, values)).collect();
    let genres = Book::objects().group_by(Book::GENRE).annotate(count()).order_with(|n| n.desc()).all().await?;
    let lengths = Book::objects()
        .group_by((Book::AUTHOR.last_name(), Book::TITLE.length().gt(4).as_value()))
        .annotate((count(), Book::TITLE.string_agg(", ").order_by(Book::TITLE)))
        .order_by(Book::AUTHOR.last_name())
        .having(|(n, _)| n.gt(0))
        .all()
        .await?;
    let place = rank().over(partition_by(Book::AUTHOR).order_by(Book::PRICE.desc()));
    let running = Book::COPIES.sum().over(window().order_by(Book::ID.asc()).rows(Edge::Unbounded, Edge::Current));
    let windows =
        Book::objects().values((Book::SLUG, place, running, Book::SLUG.lag(1).over(Book::ID.asc()))).all().await?;
    let dearest = Book::objects().filter(Book::AUTHOR.eq(outer(Author::ID))).order_by(Book::PRICE.desc()).limit(1);
    let dearest = Author::objects().values((Author::LAST_NAME, subquery(dearest.values(Book::TITLE)))).all().await?;
    Ok(Json(json!([all, authors, genres, lengths, windows, dearest])))
}

/// Over several relations, of which each may lead to many rows.
#[get("/paths/")]
async fn paths() -> Answer {
    told(over_several().await)
}

async fn over_several() -> Answer {
    let names = async |set: QuerySet<Author>| -> Result<String> {
        Ok(set.order_by(Author::ID).values(Author::LAST_NAME).all().await?.join(" "))
    };
    let words = async |set: QuerySet<Tag>| -> Result<String> {
        Ok(set.order_by(Tag::WORD).values(Tag::WORD).all().await?.join(" "))
    };
    let authors = Author::objects;
    let counted = authors()
        .annotate((
            Author::BOOKS.tags().count(),
            Author::BOOKS.places().count(),
            Author::BOOKS.places().at().sum(),
            Author::BOOKS.tags().word().max(),
        ))
        .order_by(Author::ID)
        .all()
        .await?;
    let counted: Vec<_> = counted.into_iter().map(|(author, values)| (author.last_name, values)).collect();
    let books = || Book::objects().filter(Book::AUTHOR.eq(outer(Author::ID)));
    let by_other_queries = authors()
        .order_by(Author::ID)
        .values((
            subquery(books().aggregate(count())),
            subquery(books().filter(Book::COPIES.gt(4)).aggregate(count())),
            subquery(books().aggregate(Book::PRICE.sum())),
            subquery(books().filter(Book::COPIES.gt(4)).aggregate(Book::PRICE.avg())),
            subquery(books().values(Book::TITLE.max())),
            subquery(
                Place::objects()
                    .filter(Place::BOOK.author().eq(outer(Author::ID)))
                    .aggregate(Place::AT.max().coalesce(0)),
            ),
        ))
        .all()
        .await?;
    let most = authors().filter(subquery(books().aggregate(Book::COPIES.sum())).gt(5));
    Ok(Json(json!([
        names(authors().filter(Author::BOOKS.tags().eq("love"))).await?,
        names(authors().filter(Author::BOOKS.tags().word().eq("moor") & Author::BOOKS.title().startswith("J"))).await?,
        names(authors().exclude(Author::BOOKS.tags().eq("moor"))).await?,
        names(authors().exclude(Author::BOOKS.places().at().gt(5))).await?,
        names(authors().exclude(Author::BOOKS.places().shelf().inner().room().eq(3))).await?,
        names(authors().filter(Author::BOOKS.places().is_null())).await?,
        names(authors().filter(Author::PORTRAIT.author().books().places().is_not_null())).await?,
        words(Tag::objects().filter(Tag::BOOKS.author().last_name().eq("Austen"))).await?,
        words(Tag::objects().filter(Tag::BOOKS.places().shelf().room().eq(2))).await?,
        words(Tag::objects().exclude(Tag::BOOKS.author().books().price().gt(10))).await?,
        Place::objects().filter(Place::BOOK.tags().books().author().last_name().eq("Brontë")).count().await?,
        Book::objects().filter(Book::AUTHOR.books().copies().eq(0)).count().await?,
        counted,
        by_other_queries,
        names(most).await?,
        names(authors().filter(exists(books().filter(Book::TAGS.books().places().at().eq(7))))).await?,
    ])))
}

/// What columns, groups and the sets of relations can be asked.
#[get("/columns/")]
async fn columns() -> Answer {
    told(of_columns().await)
}

async fn of_columns() -> Answer {
    let day = Date::constant(1776, 1, 1);
    let born = Author::objects()
        .filter(Author::BORN.is_not_null())
        .values((Author::BORN - day, Author::BORN.days_since(day), value(day) - Author::BORN, Author::BORN - 16))
        .one()
        .await?;
    let age = Book::objects()
        .filter((Book::TIMES.changed() - Book::TIMES.created()).ge(Duration::ZERO))
        .filter((value(now()) - Book::TIMES.created()).lt(Duration::from_hours(1)))
        .count()
        .await?;
    let genres = Book::objects().values(Book::GENRE);
    let by_author = || Book::objects().group_by(Book::AUTHOR).annotate(count());
    let mut slugs = Book::objects().order_by(Book::ID).values((Book::SLUG, Book::COPIES)).iterator().await?;
    let mut exported = Vec::new();
    while let Some((slug, copies)) = slugs.next().await? {
        exported.push(format!("{slug}={copies}"));
    }
    let mut book = Book::objects().filter(Book::SLUG.eq("jane-eyre")).one().await?;
    let before = book.times.changed;
    book.save().await?;
    let saved = Book::objects().get(&book).await?.times.changed;
    let tags = book.tags();
    Ok(Json(json!([
        born,
        age,
        [genres.clone().count().await?, genres.clone().distinct().count().await?],
        [genres.clone().exists().await?, Book::objects().none().values(Book::ID).exists().await?],
        by_author().count().await?,
        by_author().having(|n| n.gt(2)).count().await?,
        by_author().having(|n| n.gt(2)).exists().await?,
        by_author().having(|n| n.gt(1)).exists().await?,
        Book::objects().group_by(Book::GENRE).annotate(count()).order_with(|n| n.desc()).first().await?,
        Author::objects().annotate(Author::BOOKS.count()).having(|n| n.gt(2)).exists().await?,
        exported.join(" "),
        [book.times.changed > before, book.times.changed == saved],
        tags.clone().aggregate((count(), Tag::WORD.max())).await?,
        tags.clone().values(Tag::WORD).limit(1).all().await?,
        tags.clone().limit(1).all().await?.len(),
        tags.annotate(Tag::BOOKS.count()).all().await?.into_iter().map(|(tag, n)| (tag.word, n)).collect::<Vec<_>>(),
        Book::objects().aggregate(Book::AUTHOR.count().distinct()).await?,
    ])))
}

/// Rows that set different fields, more than a batch has statements.
#[post("/many/")]
async fn many() -> Answer {
    let rows = (0..2_100_i16).map(|n| {
        let new = NewShelf { room: n };
        match n % 3 {
            0 => new.address(IpAddr::from([127, 0, 0, 1])),
            1 => new.seen(now()),
            _ => new.into(),
        }
    });
    let shelves = Shelf::objects().bulk_create(rows).await?;
    let author = Author::objects().first_or_404().await?.id;
    let book = |n: i32| {
        let new = NewBook {
            title: format!("Book {n}"),
            slug: format!("book-{n}"),
            author,
            price: Decimal::ONE,
            data: Json(Value::Null),
        };
        match n % 3 {
            0 => new.subtitle("A novel").copies(7),
            1 => new.genre(Genre::Poems),
            _ => new.into(),
        }
    };
    let before = Book::objects().count().await?;
    let books = Book::objects().bulk_create((0..1_200).map(book)).await?;
    let ignored = Book::objects().bulk_create_with((900..1_500).map(book), OnConflict::ignore()).await?;
    let new = Book::objects().filter(Book::SLUG.startswith("book-"));
    let in_order = new.clone().order_by(Book::ID).values(Book::TITLE).limit(1_200).all().await?;
    let in_order = in_order.iter().enumerate().all(|(n, title)| *title == format!("Book {n}"));
    let mut all = new.clone().all().await?;
    for book in &mut all {
        book.copies += 1;
    }
    let updated = Book::objects().bulk_update(&all, Book::COPIES).await?;
    let kinds = new
        .group_by((Book::SUBTITLE, Book::GENRE, Book::COPIES))
        .annotate(count())
        .order_by([Book::COPIES.asc(), Book::GENRE.asc()])
        .all()
        .await?;
    let gone = Book::objects().filter(Book::SLUG.startswith("book-")).delete().await?;
    let left = Book::objects().count().await?;
    let seen = Shelf::objects().filter(Shelf::SEEN.is_not_null() & Shelf::ROOM.gt(9)).count().await?;
    let addresses = Shelf::objects().filter(Shelf::ADDRESS.is_not_null()).count().await?;
    Ok(Json(json!([shelves, books, ignored, in_order, updated, kinds, gone, left == before, seen, addresses])))
}

#[get("/sets/")]
async fn sets() -> Answer {
    let few = Book::objects().filter(Book::COPIES.lt(2));
    let cheap = Book::objects().filter(Book::PRICE.lt(9));
    let slugs = |books: Vec<Book>| books.into_iter().map(|book| book.slug).collect::<Vec<_>>().join(" ");
    let mut pieces = Book::objects().order_by(Book::TITLE.desc()).iterator().await?;
    let mut titles = Vec::new();
    while let Some(book) = pieces.next().await? {
        titles.push(book.title);
    }
    let author = Author::objects().latest(Author::LAST_NAME).await?.ok_or_else(Error::not_found)?;
    let root = Shelf::objects().filter(Shelf::OUTER.is_null()).one().await?;
    let leaf = Shelf::objects().filter(Shelf::ROOM.eq(3)).one().await?;
    let place = Place::objects().first().await?.ok_or_else(Error::not_found)?;
    let same = Place::objects().get(place.pk()).await?;
    Ok(Json(json!([
        slugs(few.clone().union(cheap.clone()).order_by(Book::SLUG).all().await?),
        slugs(
            Book::objects()
                .order_by(Book::SLUG)
                .limit(1)
                .union(Book::objects().order_by(Book::SLUG.desc()).limit(1))
                .order_by(Book::SLUG)
                .all()
                .await?,
        ),
        by_size().await?,
        slugs(few.clone().intersection(cheap.clone()).all().await?),
        slugs(few.difference(cheap).all().await?),
        titles,
        author.last_name,
        Book::objects().in_bulk([1, 3, 99]).await?.into_values().map(|book| book.slug).collect::<Vec<_>>(),
        Book::objects()
            .distinct_on(Book::AUTHOR)
            .order_by([Book::AUTHOR.asc(), Book::PRICE.asc()])
            .values(Book::SLUG)
            .all()
            .await?,
        Shelf::objects().descendants_of(&root, Shelf::INNER).order_by(Shelf::ROOM).values(Shelf::ROOM).all().await?,
        Shelf::objects().ancestors_of(&leaf, Shelf::OUTER).order_by(Shelf::ROOM).values(Shelf::ROOM).all().await?,
        same.at,
        Place::objects().filter(Place::BOOK.title().eq("Emma") & Place::SHELF.room().eq(2)).count().await?,
        !Book::objects().explain().await?.is_empty(),
        Book::objects().none().count().await?,
    ])))
}

/// All that belongs to all rows; the test looks into the log for how many queries that took.
#[get("/relations/")]
async fn relations() -> Answer {
    let mut lines = Vec::new();
    for author in Author::objects().all().await? {
        let portrait = author.portrait().await?.map(|portrait| portrait.text);
        for book in author.books().order_by(Book::TITLE).all().await? {
            let words: Vec<String> = book.tags().all().await?.into_iter().map(|tag| tag.word).collect();
            lines.push(json!([author.last_name, portrait, book.title, words, book.author().await?.id == author.id]));
        }
    }
    let tags = Tag::objects().prefetch_related(|tag| tag.books()).await?;
    let tags: Vec<_> = tags.into_iter().map(|(tag, books)| (tag.word, books.len())).collect();
    let joined = Book::objects().select_related(Book::AUTHOR).order_by(Book::AUTHOR.last_name().desc()).first().await?;
    let joined = joined.ok_or_else(Error::not_found)?;
    Ok(Json(json!([lines, tags, joined.author().await?.last_name])))
}

#[post("/write/")]
async fn write() -> Answer {
    let new = |slug: &str, title: &str| NewBook {
        title: title.into(),
        slug: slug.into(),
        author: Id::new(1),
        price: Decimal::ONE,
        data: Json(Value::Null),
    };
    let ignored =
        Book::objects().bulk_create_with([new("emma", "x"), new("sanditon", "Sanditon")], OnConflict::ignore()).await?;
    let again = OnConflict::update(Book::SLUG, [Book::TITLE.set_new(), Book::COPIES.set(Book::COPIES + 10)]);
    Book::objects().bulk_create_with([new("emma", "Emma II")], again).await?;
    let mut books = Book::objects().filter(Book::ID.le(2)).all().await?;
    for book in &mut books {
        book.copies += 1;
    }
    let updated = Book::objects().bulk_update(&books, Book::COPIES).await?;
    let (tag, new_tag) = Tag::objects().get_or_create(Tag::WORD.eq("sea"), NewTag { word: "sea".into() }).await?;
    let (_, other_tag) = Tag::objects().get_or_create(Tag::WORD.eq("isle"), NewTag { word: "isle".into() }).await?;
    let (book, is_new) = Book::objects()
        .update_or_create(Book::SLUG.eq("emma"), Book::COPIES.set(Book::COPIES * 2), new("emma", "no"))
        .await?;
    let raised =
        Book::objects().filter(Book::AUTHOR.last_name().eq("Austen")).update(Book::PRICE.set(Book::PRICE + 1)).await?;
    let too_many = Book::objects().update(Book::COPIES.set(5000)).await.err().map(|error| error.status());
    let no_slug = Book::objects().create(new("no slug!", "x")).await.err().map(|error| error.status());
    let gone = Book::objects().filter(Book::SLUG.eq("sanditon")).delete().await?;
    Ok(Json(json!([
        ignored,
        updated,
        tag.word,
        new_tag,
        other_tag,
        book.title,
        book.copies,
        is_new,
        raised,
        too_many,
        no_slug,
        gone
    ])))
}

#[post("/transactions/")]
async fn transactions() -> Answer {
    let add = async |word: &'static str| Tag::objects().create(NewTag { word: word.into() }).await;
    let hook = async |word: &'static str| {
        on_commit(async move || Tag::objects().create(NewTag { word: word.into() }).await.map(drop)).await
    };
    let inner = transaction(async || {
        let before = Author::objects().first_or_404().await?.books().count().await?;
        add("one").await?;
        hook("hook_one").await?;
        let undone = transaction(async || {
            add("two").await?;
            hook("hook_two").await?;
            Err::<(), _>(Error::new(400, "no"))
        })
        .await;
        let locked = Tag::objects().select_for_update(Lock::wait()).filter(Tag::WORD.eq("one")).all().await?;
        let durable = durable_transaction(async || Ok(())).await;
        Ok((before, undone.is_err(), locked.len(), durable.is_err()))
    })
    .await?;
    let rolled_back = transaction(async || {
        hook("hook_three").await?;
        Err::<(), _>(Error::new(400, "no"))
    })
    .await;
    hook("at_once").await?;
    let tags = Tag::objects().filter(Tag::WORD.contains("o")).order_by(Tag::WORD).values(Tag::WORD).all().await?;
    Ok(Json(json!([inner, rolled_back.is_err(), tags])))
}

#[post("/raw/")]
async fn raw_sql() -> Answer {
    let books = "SELECT title, copies, price, created, subtitle FROM queries__book WHERE copies >= ? AND title <> ? ORDER BY id";
    let rows: Vec<(String, i32, Decimal, DateTime, Option<String>)> = raw::fetch(books, (0, "Emma")).await?;
    let titles: Vec<&str> = rows.iter().map(|(title, ..)| title.as_str()).collect();
    let since = rows.iter().filter(|(_, _, _, created, _)| *created <= now()).count();
    let spread = "SELECT count(*), avg(copies), max(title) FROM queries__book WHERE created < ?";
    let [(count, average, last)] =
        raw::fetch::<(u64, f64, String)>(spread, [now()]).await?.try_into().map_err(|_| Error::internal("one row"))?;
    let models = raw::rows::<Book>("SELECT * FROM queries__book WHERE slug = ?", ("emma",)).await?;
    let author = models[0].author().await?.last_name.clone();
    let written = raw::execute("UPDATE queries__book SET copies = copies + ? WHERE slug = ?", (1, "emma")).await?;
    let none: Vec<(i64,)> = raw::fetch("SELECT id FROM queries__book WHERE id < ?", [0_i64]).await?;
    let wrong = raw::fetch::<(i64,)>("SELECT title FROM queries__book", ()).await.err().map(|error| error.to_string());
    let unread = raw::fetch::<(i64,)>("SELECT nothing FROM queries__book", ()).await.err();
    Ok(Json(json!([
        titles,
        since,
        [count.to_string(), (average > 0.0).to_string(), last],
        [models[0].title.as_str(), author.as_str()],
        written,
        none.len(),
        wrong.is_some(),
        unread.map(|error| error.code().to_owned()),
        matches!(raw::dialect()?, raw::Dialect::Sqlite),
    ])))
}

/// Groups by a key that holds values, in its order.
async fn by_size() -> Result<Vec<(String, u64)>> {
    let size = case().when(Book::PRICE.ge(10), "dear").otherwise("cheap");
    Book::objects().group_by(size.clone()).annotate(count()).order_by(size.desc()).all().await
}

/// All titles, piece by piece.
#[get("/export/")]
async fn export() -> Response {
    Response::stream("text/plain", async |mut out| {
        let mut books = Book::objects().iterator().await?;
        while let Some(book) = books.next().await? {
            out.write(format!("{}\n", book.title)).await?;
        }
        Ok(())
    })
}

/// The same, and then it can't go on.
#[get("/export-half/")]
async fn export_half() -> Response {
    Response::stream("text/plain", async |mut out| {
        let mut books = Book::objects().iterator().await?;
        if let Some(book) = books.next().await? {
            out.write(format!("{}\n", book.title)).await?;
        }
        Err(Error::new(500, "no more"))
    })
}

/// Keys of an app that doesn't list the model for them.
#[post("/unlisted/")]
async fn unlisted() -> Answer {
    Ok(Json(json!(once("key", async || Ok(7)).await.err().map(|error| error.to_string()))))
}

app! {
    name: "queries",
    models: [Author, Book, Tag, Portrait, Shelf, Place],
    routes: [
        fill, functions_of_fields, conditions, aggregates, columns, paths, many, sets, relations, write, transactions, raw_sql, export, export_half,
        unlisted,
    ],
    capabilities: [db_raw],
}
