//! Real data: what the pages of `examples/chinook` ask, against SQL written by hand.
//!
//! The tables aren't the host's own: they have another's names, and nobody makes or changes them.

#[path = "../../../../examples/chinook/data/load.rs"]
mod load;

use host_core::manifest::Manifest;
use host_db::{Db, DbConfig, Param, Rows, Value};
use host_store::{ServerConfig, Store, StoreConfig, Target};
use rusqlite::types::Value as Cell;
use serde_json::{Value as Json, json};

use super::site::{Ask, Site, int, server, text};

/// A field in a line: name, column, kind, and what else there is to say of it.
fn field(name: &str, column: &str, mut kind: Json, null: bool) -> Json {
    kind["name"] = json!(name);
    kind["column"] = json!(column);
    kind["null"] = Json::Bool(null);
    kind
}

fn key(column: &str) -> Json {
    field("id", column, json!({"kind": "auto"}), false)
}

fn to(name: &str, column: &str, model: &str, null: bool) -> Json {
    field(name, column, json!({"kind": "foreign_key", "to": model, "on_delete": "do_nothing"}), null)
}

fn char(name: &str, column: &str, max_length: u32, null: bool) -> Json {
    field(name, column, json!({"kind": "char", "max_length": max_length}), null)
}

fn money(name: &str, column: &str) -> Json {
    field(name, column, json!({"kind": "decimal", "max_digits": 10, "decimal_places": 2}), false)
}

fn plain(name: &str, column: &str, kind: &str, null: bool) -> Json {
    field(name, column, json!({"kind": kind}), null)
}

fn model(name: &str, table: &str, fields: Vec<Json>) -> Json {
    json!({"name": name, "table": table, "managed": false, "fields": fields})
}

/// The models, as `bandstand inspectdb` writes them; of the columns those that the pages speak of.
fn manifest() -> Json {
    let mut between = model(
        "playlist_track",
        "PlaylistTrack",
        vec![to("playlist", "PlaylistId", "playlist", false), to("track", "TrackId", "track", false)],
    );
    between["primary_key"] = json!(["playlist", "track"]);
    json!({"v": 1, "name": "chinook", "models": [
        model("artist", "Artist", vec![key("ArtistId"), char("name", "Name", 120, true)]),
        model("album", "Album", vec![key("AlbumId"), char("title", "Title", 160, false), to("artist", "ArtistId", "artist", false)]),
        model("genre", "Genre", vec![key("GenreId"), char("name", "Name", 120, true)]),
        model("media_type", "MediaType", vec![key("MediaTypeId"), char("name", "Name", 120, true)]),
        model("track", "Track", vec![
            key("TrackId"),
            char("name", "Name", 200, false),
            to("album", "AlbumId", "album", true),
            to("media_type", "MediaTypeId", "media_type", false),
            to("genre", "GenreId", "genre", true),
            char("composer", "Composer", 220, true),
            plain("milliseconds", "Milliseconds", "big_integer", false),
            plain("bytes", "Bytes", "big_integer", true),
            money("unit_price", "UnitPrice"),
        ]),
        model("playlist", "Playlist", vec![
            key("PlaylistId"),
            char("name", "Name", 120, true),
            json!({"name": "tracks", "kind": "many_to_many", "to": "track", "through": "playlist_track"}),
        ]),
        between,
        model("employee", "Employee", vec![
            key("EmployeeId"),
            char("last_name", "LastName", 20, false),
            char("first_name", "FirstName", 20, false),
            char("title", "Title", 30, true),
            to("reports_to", "ReportsTo", "employee", true),
            plain("birth_date", "BirthDate", "date", true),
            plain("hire_date", "HireDate", "date", true),
        ]),
        model("customer", "Customer", vec![
            key("CustomerId"),
            char("first_name", "FirstName", 40, false),
            char("last_name", "LastName", 20, false),
            char("country", "Country", 40, true),
            to("support_rep", "SupportRepId", "employee", true),
        ]),
        model("invoice", "Invoice", vec![
            key("InvoiceId"),
            to("customer", "CustomerId", "customer", false),
            plain("invoice_date", "InvoiceDate", "datetime", false),
            char("billing_country", "BillingCountry", 40, true),
            money("total", "Total"),
        ]),
        model("invoice_line", "InvoiceLine", vec![
            key("InvoiceLineId"),
            to("invoice", "InvoiceId", "invoice", false),
            to("track", "TrackId", "track", false),
            money("unit_price", "UnitPrice"),
            plain("quantity", "Quantity", "big_integer", false),
        ]),
    ]})
}

/// The shop on one of the databases, and the same rows in a SQLite file, where SQL says what is right.
struct Shop {
    site: Site,
    file: rusqlite::Connection,
    _folder: tempfile::TempDir,
}

impl Shop {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chinook.db");
        let mut made = rusqlite::Connection::open(&path).unwrap();
        let all = made.transaction().unwrap();
        for statement in load::statements(load::Database::Sqlite) {
            all.execute_batch(&statement).unwrap();
        }
        all.commit().unwrap();
        drop(made);
        let store = match server() {
            None => StoreConfig { exclusive: false, ..StoreConfig::file(&path) },
            Some(kind) => {
                let database = match kind {
                    test_servers::Kind::Postgres => load::Database::Postgres,
                    test_servers::Kind::Mariadb => load::Database::Mariadb,
                };
                let url = kind.shared().database();
                kind.shared().script(&url, &format!("BEGIN;\n{};\nCOMMIT;\n", load::statements(database).join(";\n")));
                let target = Target::parse(&url).unwrap();
                let server = ServerConfig { connections: 4, ..ServerConfig::new(target) };
                StoreConfig { server: Some(server), ..StoreConfig::temporary() }
            }
        };
        let manifest = Manifest::parse(&manifest().to_string()).unwrap();
        let db = Db::open(Store::open(store).unwrap(), DbConfig::default()).unwrap();
        let app = db.for_app(&manifest).unwrap();
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let file = rusqlite::Connection::open_with_flags(&path, flags).unwrap();
        Self { site: Site { db, app, name: "chinook".into(), manifest }, file, _folder: folder }
    }

    /// What the SQL gives, as rows of the host's values.
    fn sql(&self, sql: &str) -> Vec<Vec<Value>> {
        let mut statement = self.file.prepare(sql).unwrap();
        let width = statement.column_count();
        let cell = |cell: Cell| match cell {
            Cell::Null => Value::Null,
            Cell::Integer(number) => Value::Integer(number),
            Cell::Real(number) => Value::Float(number),
            Cell::Text(text) => Value::Text(text),
            Cell::Blob(bytes) => Value::Bytes(bytes),
        };
        let rows = statement.query_map([], |row| (0..width).map(|at| row.get(at).map(cell)).collect());
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// Compares what a shape finds with what SQL finds; `rows` is how many there are.
    async fn same(&self, shape: Json, params: Vec<Param>, sql: &str, rows: usize) {
        let found: Rows = match self.site.request().get(shape.clone(), params).await {
            Ok(found) => found,
            Err(error) => panic!("{error}: {shape}"),
        };
        let found: Vec<Vec<Value>> = found.iter().map(<[Value]>::to_vec).collect();
        let expected = self.sql(sql);
        assert_eq!(expected.len(), rows, "{sql}");
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "row {at} of {shape}");
        }
        assert_eq!(found.len(), expected.len(), "{shape}");
    }
}

/// An amount of SQL's hundredths as the host shows it.
fn amount(sql: &str) -> String {
    format!("printf('%d.%02d', ({sql}) / 100, ({sql}) % 100)")
}

#[tokio::test]
async fn artists_with_their_albums() {
    let shop = Shop::open();
    let page = json!({"v": 1, "from": "artist", "fields": ["id", "name", "albums"],
        "annotate": [["albums", ["count", {"f": "album_set"}]]], "order": ["name", "id"], "limit": {"$": 0}, "offset": {"$": 1}});
    let sql = "SELECT a.ArtistId, a.Name, (SELECT count(*) FROM Album WHERE ArtistId = a.ArtistId) FROM Artist a \
               ORDER BY a.Name, a.ArtistId LIMIT 60 OFFSET 180";
    shop.same(page, vec![int(60), int(180)], sql, 60).await;
    let count = json!({"v": 1, "op": "count", "from": "artist"});
    shop.same(count, vec![], "SELECT count(*) FROM Artist", 1).await;
    let without = json!({"v": 1, "op": "count", "from": "artist", "filter": [["isnull", "album_set", true]]});
    let sql = "SELECT count(*) FROM Artist WHERE ArtistId NOT IN (SELECT ArtistId FROM Album)";
    shop.same(without, vec![], sql, 1).await;
    let albums = json!({"v": 1, "from": "album", "fields": ["id", "title", "tracks"], "filter": [["exact", "artist", {"$": 0}]],
        "annotate": [["tracks", ["count", {"f": "track_set"}]]], "order": ["title", "id"]});
    let sql = "SELECT a.AlbumId, a.Title, count(t.TrackId) FROM Album a LEFT JOIN Track t USING (AlbumId) \
               WHERE a.ArtistId = 90 GROUP BY a.AlbumId ORDER BY a.Title, a.AlbumId";
    shop.same(albums, vec![int(90)], sql, 21).await;
}

#[tokio::test]
async fn an_album_with_its_tracks() {
    let shop = Shop::open();
    let tracks = json!({"v": 1, "from": "track", "filter": [["exact", "album", {"$": 0}]], "order": ["id"],
        "fields": ["id", "name", "composer", ["genre", "name"], ["media_type", "name"], "milliseconds", "unit_price",
            ["album", "title"], ["album", "artist", "name"]]});
    let sql = format!(
        "SELECT t.TrackId, t.Name, t.Composer, g.Name, m.Name, t.Milliseconds, {}, a.Title, r.Name FROM Track t \
         JOIN Album a USING (AlbumId) JOIN Artist r USING (ArtistId) LEFT JOIN Genre g ON g.GenreId = t.GenreId \
         JOIN MediaType m ON m.MediaTypeId = t.MediaTypeId WHERE t.AlbumId = 141 ORDER BY t.TrackId",
        amount("t.UnitPrice")
    );
    shop.same(tracks, vec![int(141)], &sql, 57).await;
    let all = json!({"v": 1, "op": "aggregate", "from": "track", "filter": [["exact", "album", {"$": 0}]],
        "annotate": [["time", ["sum", {"f": "milliseconds"}]], ["price", ["sum", {"f": "unit_price"}]],
            ["least", ["min", {"f": "unit_price"}]], ["n", ["count"]]]});
    let sql = format!(
        "SELECT sum(Milliseconds), {}, {}, count(*) FROM Track WHERE AlbumId = 141",
        amount("sum(UnitPrice)"),
        amount("min(UnitPrice)")
    );
    shop.same(all, vec![int(141)], &sql, 1).await;
}

#[tokio::test]
async fn the_best_customers() {
    let shop = Shop::open();
    let revenue = json!(["sum", {"f": ["invoice_set", "total"]}]);
    let best = json!({"v": 1, "from": "customer", "limit": 20, "order": ["-revenue", "id"],
        "fields": ["id", "first_name", "last_name", "country", "place", "invoices", "largest", "revenue"],
        "annotate": [["revenue", revenue], ["invoices", ["count", {"f": "invoice_set"}]],
            ["largest", ["max", {"f": ["invoice_set", "total"]}]],
            ["place", ["window", ["rank"], {"order": [[revenue, "desc"]]}]]]});
    let sql = format!(
        "SELECT c.CustomerId, c.FirstName, c.LastName, c.Country, rank() OVER (ORDER BY sum(i.Total) DESC), count(*), {}, {} \
         FROM Customer c JOIN Invoice i USING (CustomerId) GROUP BY c.CustomerId ORDER BY sum(i.Total) DESC, c.CustomerId LIMIT 20",
        amount("max(i.Total)"),
        amount("sum(i.Total)")
    );
    shop.same(best, vec![], &sql, 20).await;
    let spent = json!({"v": 1, "op": "count", "from": "customer", "annotate": [["revenue", ["sum", {"f": ["invoice_set", "total"]}]]],
        "filter": [["gt", "revenue", {"$": 0}]]});
    let sql = "SELECT count(*) FROM (SELECT 1 FROM Invoice GROUP BY CustomerId HAVING sum(Total) > 4000)";
    shop.same(spent, vec![text("40.00")], sql, 1).await;
}

#[tokio::test]
async fn revenue_by_month_and_country() {
    let shop = Shop::open();
    let months = json!({"v": 1, "from": "invoice", "group": ["month"], "order": ["month"],
        "annotate": [["month", ["trunc", "month", {"f": "invoice_date"}]], ["revenue", ["sum", {"f": "total"}]], ["n", ["count"]]]});
    let sql = format!(
        "SELECT CAST(strftime('%s', date(InvoiceDate / 1000000, 'unixepoch', 'start of month')) AS INTEGER) * 1000000 AS m, \
         {}, count(*) FROM Invoice GROUP BY m ORDER BY m",
        amount("sum(Total)")
    );
    shop.same(months, vec![], &sql, 60).await;
    let countries = json!({"v": 1, "from": "invoice", "group": ["billing_country"], "order": ["-revenue", "billing_country"],
        "annotate": [["revenue", ["sum", {"f": "total"}]], ["n", ["count"]], ["customers", ["count", {"f": "customer"}, {"distinct": true}]],
            ["large", ["count", {"f": "id"}, {"filter": [["gte", "total", "10.00"]]}]]]});
    let sql = format!(
        "SELECT BillingCountry, {}, count(*), count(DISTINCT CustomerId), count(*) FILTER (WHERE Total >= 1000) FROM Invoice \
         GROUP BY BillingCountry ORDER BY sum(Total) DESC, BillingCountry",
        amount("sum(Total)")
    );
    shop.same(countries, vec![], &sql, 24).await;
    let year = json!({"v": 1, "op": "aggregate", "from": "invoice", "annotate": [["revenue", ["sum", {"f": "total"}]]],
        "filter": [["exact", {"e": ["extract", "year", {"f": "invoice_date"}]}, {"$": 0}]]});
    let sql = format!(
        "SELECT {} FROM Invoice WHERE strftime('%Y', InvoiceDate / 1000000, 'unixepoch') = '2023'",
        amount("sum(Total)")
    );
    shop.same(year, vec![int(2023)], &sql, 1).await;
}

#[tokio::test]
async fn who_reports_to_whom() {
    let shop = Shop::open();
    let all = json!({"v": 1, "from": "employee", "order": ["last_name", "id"], "annotate": [["customers", ["count", {"f": "customer_set"}]]],
        "fields": ["id", "first_name", "title", "reports_to", ["reports_to", "last_name"], "birth_date", "hire_date", "customers"]});
    let sql = "SELECT e.EmployeeId, e.FirstName, e.Title, e.ReportsTo, b.LastName, e.BirthDate, e.HireDate, \
               (SELECT count(*) FROM Customer WHERE SupportRepId = e.EmployeeId) FROM Employee e \
               LEFT JOIN Employee b ON b.EmployeeId = e.ReportsTo ORDER BY e.LastName, e.EmployeeId";
    shop.same(all, vec![], sql, 8).await;
    let reached = |follow: &str| {
        json!({"v": 1, "from": "employee", "fields": ["id"], "order": ["id"], "filter": [["in", "id", {"with": "reached"}]],
            "with": [["reached", {"recursive": {"start": [["exact", "id", {"$": 0}]], "follow": follow, "max_depth": 10}}]]})
    };
    let sql = |start: u32, join: &str| {
        format!(
            "WITH RECURSIVE r(id) AS (SELECT {start} UNION SELECT {join}) SELECT id FROM r WHERE id IS NOT NULL ORDER BY id"
        )
    };
    let below = "e.EmployeeId FROM Employee e JOIN r ON e.ReportsTo = r.id";
    let above = "e.ReportsTo FROM Employee e JOIN r ON e.EmployeeId = r.id";
    shop.same(reached("employee_set"), vec![int(1)], &sql(1, below), 8).await;
    shop.same(reached("employee_set"), vec![int(6)], &sql(6, below), 3).await;
    shop.same(reached("reports_to"), vec![int(8)], &sql(8, above), 3).await;
}

#[tokio::test]
async fn the_tracks_of_each_genre_that_sold_most() {
    let shop = Shop::open();
    let sold = json!(["sum", {"f": ["invoice_line_set", "quantity"]}]);
    let place =
        json!(["window", ["rank"], {"partition": [{"f": "genre"}], "order": [[["coalesce", sold, 0], "desc"]]}]);
    let best = json!({"v": 1, "from": "track", "order": ["genre.name", "place", "name", "id"], "filter": [["lte", "place", 3], ["gt", "sold", 1]],
        "annotate": [["sold", sold], ["place", place]],
        "fields": [["genre", "name"], "place", "id", "name", ["album", "artist", "name"], "sold"]});
    let sql = "SELECT g.Name, place, t.TrackId, t.Name, r.Name, sold FROM (SELECT t.*, sold, \
                 rank() OVER (PARTITION BY GenreId ORDER BY coalesce(sold, 0) DESC) AS place FROM Track t \
                 LEFT JOIN (SELECT TrackId, sum(Quantity) AS sold FROM InvoiceLine GROUP BY TrackId) USING (TrackId)) t \
               JOIN Genre g USING (GenreId) LEFT JOIN Album a USING (AlbumId) LEFT JOIN Artist r USING (ArtistId) \
               WHERE place <= 3 AND sold > 1 ORDER BY g.Name, place, t.Name, t.TrackId";
    let rows = shop.sql(sql).len();
    assert!(rows > 20);
    shop.same(best, vec![], sql, rows).await;
}

#[tokio::test]
async fn playlists_and_their_tracks() {
    let shop = Shop::open();
    let all = json!({"v": 1, "from": "playlist", "order": ["name", "id"], "fields": ["id", "name", "n"],
        "annotate": [["n", ["count", {"f": "tracks"}]]]});
    let sql = "SELECT p.PlaylistId, p.Name, count(t.TrackId) FROM Playlist p LEFT JOIN PlaylistTrack t USING (PlaylistId) \
               GROUP BY p.PlaylistId ORDER BY p.Name, p.PlaylistId";
    shop.same(all, vec![], sql, 18).await;
    let tracks = json!({"v": 1, "from": "track", "filter": [["exact", "playlist_set", {"$": 0}]], "order": ["name", "id"], "limit": 50, "offset": 100,
        "fields": ["id", "name", ["album", "title"], ["album", "artist", "name"], "milliseconds"]});
    let sql = "SELECT t.TrackId, t.Name, a.Title, r.Name, t.Milliseconds FROM Track t JOIN PlaylistTrack p USING (TrackId) \
               LEFT JOIN Album a USING (AlbumId) LEFT JOIN Artist r USING (ArtistId) WHERE p.PlaylistId = 5 \
               ORDER BY t.Name, t.TrackId LIMIT 50 OFFSET 100";
    shop.same(tracks, vec![int(5)], sql, 50).await;
    let long = json!({"v": 1, "from": "playlist", "fields": ["id"], "order": ["id"],
        "filter": [["and", ["gt", ["tracks", "milliseconds"], {"$": 0}], ["exact", ["tracks", "genre", "name"], "Metal"]]]});
    let sql = "SELECT DISTINCT p.PlaylistId FROM PlaylistTrack p JOIN Track t USING (TrackId) JOIN Genre g USING (GenreId) \
               WHERE t.Milliseconds > 600000 AND g.Name = 'Metal' ORDER BY p.PlaylistId";
    let rows = shop.sql(sql).len();
    assert!(rows > 0);
    shop.same(long, vec![int(600_000)], sql, rows).await;
}

#[tokio::test]
async fn search() {
    let shop = Shop::open();
    let artists = json!({"v": 1, "from": "artist", "fields": ["id", "name"], "filter": [["icontains", "name", {"$": 0}]], "order": ["name", "id"], "limit": 20});
    let sql = "SELECT ArtistId, Name FROM Artist WHERE Name LIKE '%black%' ORDER BY Name, ArtistId LIMIT 20";
    shop.same(artists.clone(), vec![text("BLACK")], sql, 5).await;
    let sql = "SELECT ArtistId, Name FROM Artist WHERE instr(Name, '%') > 0 ORDER BY Name, ArtistId";
    shop.same(artists, vec![text("%")], sql, 0).await;
    let tracks = json!({"v": 1, "from": "track", "order": ["name", "id"], "limit": 20,
        "fields": ["id", "name", ["album", "title"], ["album", "artist", "name"]],
        "filter": [["or", ["icontains", "name", {"$": 0}], ["icontains", ["album", "title"], {"$": 0}],
            ["icontains", ["album", "artist", "name"], {"$": 0}]]]});
    let sql = "SELECT t.TrackId, t.Name, a.Title, r.Name FROM Track t LEFT JOIN Album a USING (AlbumId) LEFT JOIN Artist r USING (ArtistId) \
               WHERE t.Name LIKE '%love%' OR a.Title LIKE '%love%' OR r.Name LIKE '%love%' ORDER BY t.Name, t.TrackId LIMIT 20";
    shop.same(tracks, vec![text("Love")], sql, 20).await;
}
