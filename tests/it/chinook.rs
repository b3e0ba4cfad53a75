//! The example over a database that was there before: each page against SQL written by hand, over the same file.

#[path = "../../examples/chinook/data/load.rs"]
#[allow(dead_code, reason = "the databases beside SQLite have their test where they are")]
mod load;

use host_core::budget::Limits;

use crate::site::{Mounted, TestSite, guest};

/// The shop with its pages, and a connection of its own to the same file.
struct Shop {
    site: TestSite,
    file: rusqlite::Connection,
    _folder: tempfile::TempDir,
}

const TABLES: [&str; 11] = [
    "Album",
    "Artist",
    "Customer",
    "Employee",
    "Genre",
    "Invoice",
    "InvoiceLine",
    "MediaType",
    "Playlist",
    "PlaylistTrack",
    "Track",
];

impl Shop {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chinook.db");
        let made = rusqlite::Connection::open(&path).expect("a file");
        let all = load::statements(load::Database::Sqlite).join(";");
        made.execute_batch(&format!("BEGIN;{all};COMMIT")).expect("the sample database");
        drop(made);
        let site = TestSite::over(&path).await;
        let tables = TABLES.map(str::to_owned).to_vec();
        let mounted = Mounted { tables, ..Mounted::at("/shop/", Limits::default()) };
        if let Err(error) = site.load_as("chinook", guest("chinook"), mounted).await {
            panic!("{error}");
        }
        let file = rusqlite::Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
        Self { site, file: file.expect("the same file"), _folder: folder }
    }

    /// A page's text, without what HTML makes of some characters.
    async fn page(&self, path: &str) -> String {
        let answer = self.site.get(&format!("/shop{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let text = answer.text();
        let plain = [("&#x27;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&#x2f;", "/"), ("&amp;", "&")];
        plain.iter().fold(text, |text, (escaped, character)| text.replace(escaped, character))
    }

    /// The page shows the texts that the SQL gives, cell after cell and row after row, in that order.
    async fn shows(&self, path: &str, sql: &str, rows: usize) {
        let page = self.page(path).await;
        let mut statement = self.file.prepare(sql).expect("SQL");
        let width = statement.column_count();
        let found = statement.query_map([], |row| (0..width).map(|at| row.get::<_, String>(at)).collect());
        let found: Vec<Vec<String>> = found.expect("rows").collect::<Result<_, _>>().expect("texts");
        assert_eq!(found.len(), rows, "{sql}");
        let mut rest = page.as_str();
        for cell in found.iter().flatten() {
            let Some(at) = rest.find(cell.as_str()) else {
                panic!("{path} doesn't show `{cell}` where it should:\n{page}")
            };
            rest = &rest[at + cell.len()..];
        }
    }
}

/// An amount of SQL's hundredths as the pages show it.
fn amount(sql: &str) -> String {
    format!("printf('$%d.%02d', ({sql}) / 100, ({sql}) % 100)")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shops_pages_show_what_sql_finds() {
    let shop = Shop::open().await;
    let artists = "SELECT a.Name, (SELECT count(*) || ' album' || iif(count(*) = 1, '', 's') FROM Album WHERE ArtistId = a.ArtistId) \
                   FROM Artist a ORDER BY a.Name, a.ArtistId LIMIT 60 OFFSET 60";
    shop.shows("/?page=2", artists, 60).await;
    let albums = "SELECT a.Title, (SELECT count(*) || ' track' FROM Track WHERE AlbumId = a.AlbumId) FROM Album a \
                  WHERE a.ArtistId = 90 ORDER BY a.Title, a.AlbumId";
    shop.shows("/artists/90/", albums, 21).await;
    let album = format!(
        "SELECT t.Name, coalesce(t.Composer, ''), g.Name, m.Name, (t.Milliseconds / 60000) || printf(':%02d', t.Milliseconds / 1000 % 60), {} \
         FROM Track t JOIN Genre g USING (GenreId) JOIN MediaType m USING (MediaTypeId) WHERE t.AlbumId = 141 ORDER BY t.TrackId",
        amount("t.UnitPrice")
    );
    shop.shows("/albums/141/", &album, 57).await;
    let playlists = "SELECT p.Name, printf('%,d', count(t.TrackId)) || ' track' FROM Playlist p LEFT JOIN PlaylistTrack t USING (PlaylistId) \
                     GROUP BY p.PlaylistId ORDER BY p.Name, p.PlaylistId";
    shop.shows("/playlists/", playlists, 18).await;
    let playlist = "SELECT t.Name, a.Title, r.Name FROM Track t JOIN PlaylistTrack p USING (TrackId) JOIN Album a USING (AlbumId) \
                    JOIN Artist r USING (ArtistId) WHERE p.PlaylistId = 5 ORDER BY t.Name, t.TrackId LIMIT 60 OFFSET 120";
    shop.shows("/playlists/5/?page=3", playlist, 60).await;
    let customers = format!(
        "SELECT rank() OVER (ORDER BY sum(i.Total) DESC) || '</td>', c.FirstName || ' ' || c.LastName, c.Country, count(*) || '</td>', {}, {} \
         FROM Customer c JOIN Invoice i USING (CustomerId) GROUP BY c.CustomerId ORDER BY sum(i.Total) DESC, c.CustomerId LIMIT 20",
        amount("max(i.Total)"),
        amount("sum(i.Total)")
    );
    shop.shows("/customers/", &customers, 20).await;
    let best = "SELECT g.Name FROM Genre g WHERE GenreId IN (SELECT GenreId FROM Track JOIN InvoiceLine USING (TrackId) \
                GROUP BY TrackId HAVING sum(Quantity) >= 2) ORDER BY g.Name";
    let genres: i64 =
        shop.file.query_row(&format!("SELECT count(*) FROM ({best})"), [], |row| row.get(0)).expect("a number");
    shop.shows("/best-sellers/", best, usize::try_from(genres).expect("few")).await;
    let places = "SELECT place || '</td>', Name, sold || '</td>' FROM (SELECT t.Name, sold, rank() OVER (ORDER BY coalesce(sold, 0) DESC) AS place FROM Track t \
                  LEFT JOIN (SELECT TrackId, sum(Quantity) AS sold FROM InvoiceLine GROUP BY TrackId) USING (TrackId) \
                  WHERE t.GenreId = 3) WHERE place <= 3 AND sold >= 2 ORDER BY place, Name";
    let rows: i64 =
        shop.file.query_row(&format!("SELECT count(*) FROM ({places})"), [], |row| row.get(0)).expect("a number");
    assert!(rows > 3);
    shop.shows("/best-sellers/", places, usize::try_from(rows).expect("few")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_trees_and_searches_are_those_of_sql() {
    let shop = Shop::open().await;
    let months = format!(
        "SELECT strftime('%Y-%m', InvoiceDate / 1000000, 'unixepoch'), count(*) || '</td>', {} FROM Invoice GROUP BY 1 ORDER BY 1",
        amount("sum(Total)")
    );
    shop.shows("/revenue/", &months, 60).await;
    let countries = format!(
        "SELECT BillingCountry, count(*) || '</td>', {} FROM Invoice GROUP BY 1 ORDER BY sum(Total) DESC, 1",
        amount("sum(Total)")
    );
    shop.shows("/revenue/", &countries, 24).await;
    let staff = "WITH RECURSIVE tree (id, path) AS (SELECT EmployeeId, LastName FROM Employee WHERE ReportsTo IS NULL UNION ALL \
                 SELECT EmployeeId, path || '/' || LastName FROM Employee JOIN tree ON ReportsTo = tree.id) \
                 SELECT FirstName || ' ' || LastName, Title FROM Employee JOIN tree ON id = EmployeeId ORDER BY path";
    shop.shows("/staff/", staff, 8).await;
    let way = "SELECT 'Leads' UNION ALL SELECT * FROM (SELECT FirstName || ' ' || LastName FROM Employee WHERE ReportsTo = 2 ORDER BY LastName)";
    shop.shows("/staff/2/", way, 4).await;
    assert!(
        shop.page("/staff/2/").await.contains("Andrew Adams")
            && shop.page("/staff/1/").await.contains("Nobody: this is the top.")
    );
    let search = "SELECT Name FROM Artist WHERE Name LIKE '%black%' ORDER BY Name, ArtistId";
    shop.shows("/search/?q=BLACK", search, 5).await;
    let tracks = "SELECT t.Name, a.Title, r.Name FROM Track t JOIN Album a USING (AlbumId) JOIN Artist r USING (ArtistId) \
                  WHERE t.Name LIKE '%love%' ORDER BY t.Name, t.TrackId LIMIT 20";
    shop.shows("/search/?q=+Love+", tracks, 20).await;
    for (q, expected) in
        [("%25s", "Nothing has “%s”"), ("%3Cb%3E", "Nothing has “<b>”"), ("", "Type a part"), ("%00", "Type a part")]
    {
        assert!(shop.page(&format!("/search/?q={q}")).await.contains(expected), "{q}");
    }
    for path in ["/artists/9999/", "/albums/0/", "/staff/99999999999999999999/", "/playlists/x/"] {
        assert_eq!(shop.site.get(&format!("/shop{path}")).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_of_its_tables_the_shop_stays_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = TestSite::over(&folder.path().join("site.db")).await;
    let error =
        site.load("chinook", guest("chinook"), Limits::default()).await.expect_err("tables that aren't its own");
    let words = error.to_string();
    assert!(
        words.contains("the table `Album`, which isn't the app's own") && words.contains("tables = [\"Album\", "),
        "{words}"
    );
    let tables = TABLES.map(str::to_owned).to_vec();
    let mounted = Mounted { tables, ..Mounted::at("/shop/", Limits::default()) };
    let error = site.load_as("chinook", guest("chinook"), mounted).await.expect_err("tables that aren't there");
    assert!(error.to_string().contains("isn't managed, and there is no table `Album`"), "{error}");
}
