//! The Chinook database as SQL, for each database that Bandstand knows. `cargo xtask chinook` and the tests read this file; the app doesn't.
//!
//! Tables, columns and types are those of the original. Values are in the form that the host stores: on SQLite a date is a
//! number of days, a datetime a number of microseconds, 0.99 the number 99.

use std::fmt::Write;

/// The database that the SQL is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
    Mariadb,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    /// The key that the database counts up.
    Key,
    /// The key of a row of the table.
    To(&'static str),
    Text(u32),
    Whole,
    /// Ten digits, two of them decimal places.
    Money,
    Date,
    DateTime,
}

struct Table {
    name: &'static str,
    /// Columns, and whether they must have a value.
    columns: &'static [(&'static str, Type, bool)],
    /// Tab-separated, with the names of the columns in the first line. An empty cell is NULL.
    rows: &'static str,
}

use Type::{Date, DateTime, Key, Money, Text, To, Whole};

/// In an order in which nothing points to what comes later.
const TABLES: [Table; 11] = [
    Table {
        name: "Artist",
        columns: &[("ArtistId", Key, true), ("Name", Text(120), false)],
        rows: include_str!("Artist.tsv"),
    },
    Table {
        name: "Album",
        columns: &[("AlbumId", Key, true), ("Title", Text(160), true), ("ArtistId", To("Artist"), true)],
        rows: include_str!("Album.tsv"),
    },
    Table {
        name: "Genre",
        columns: &[("GenreId", Key, true), ("Name", Text(120), false)],
        rows: include_str!("Genre.tsv"),
    },
    Table {
        name: "MediaType",
        columns: &[("MediaTypeId", Key, true), ("Name", Text(120), false)],
        rows: include_str!("MediaType.tsv"),
    },
    Table {
        name: "Track",
        columns: &[
            ("TrackId", Key, true),
            ("Name", Text(200), true),
            ("AlbumId", To("Album"), false),
            ("MediaTypeId", To("MediaType"), true),
            ("GenreId", To("Genre"), false),
            ("Composer", Text(220), false),
            ("Milliseconds", Whole, true),
            ("Bytes", Whole, false),
            ("UnitPrice", Money, true),
        ],
        rows: include_str!("Track.tsv"),
    },
    Table {
        name: "Playlist",
        columns: &[("PlaylistId", Key, true), ("Name", Text(120), false)],
        rows: include_str!("Playlist.tsv"),
    },
    Table {
        name: "PlaylistTrack",
        columns: &[("PlaylistId", To("Playlist"), true), ("TrackId", To("Track"), true)],
        rows: include_str!("PlaylistTrack.tsv"),
    },
    Table {
        name: "Employee",
        columns: &[
            ("EmployeeId", Key, true),
            ("LastName", Text(20), true),
            ("FirstName", Text(20), true),
            ("Title", Text(30), false),
            ("ReportsTo", To("Employee"), false),
            ("BirthDate", Date, false),
            ("HireDate", Date, false),
            ("Address", Text(70), false),
            ("City", Text(40), false),
            ("State", Text(40), false),
            ("Country", Text(40), false),
            ("PostalCode", Text(10), false),
            ("Phone", Text(24), false),
            ("Fax", Text(24), false),
            ("Email", Text(60), false),
        ],
        rows: include_str!("Employee.tsv"),
    },
    Table {
        name: "Customer",
        columns: &[
            ("CustomerId", Key, true),
            ("FirstName", Text(40), true),
            ("LastName", Text(20), true),
            ("Company", Text(80), false),
            ("Address", Text(70), false),
            ("City", Text(40), false),
            ("State", Text(40), false),
            ("Country", Text(40), false),
            ("PostalCode", Text(10), false),
            ("Phone", Text(24), false),
            ("Fax", Text(24), false),
            ("Email", Text(60), true),
            ("SupportRepId", To("Employee"), false),
        ],
        rows: include_str!("Customer.tsv"),
    },
    Table {
        name: "Invoice",
        columns: &[
            ("InvoiceId", Key, true),
            ("CustomerId", To("Customer"), true),
            ("InvoiceDate", DateTime, true),
            ("BillingAddress", Text(70), false),
            ("BillingCity", Text(40), false),
            ("BillingState", Text(40), false),
            ("BillingCountry", Text(40), false),
            ("BillingPostalCode", Text(10), false),
            ("Total", Money, true),
        ],
        rows: include_str!("Invoice.tsv"),
    },
    Table {
        name: "InvoiceLine",
        columns: &[
            ("InvoiceLineId", Key, true),
            ("InvoiceId", To("Invoice"), true),
            ("TrackId", To("Track"), true),
            ("UnitPrice", Money, true),
            ("Quantity", Whole, true),
        ],
        rows: include_str!("InvoiceLine.tsv"),
    },
];

/// Rows in one INSERT.
const ROWS: usize = 500;

/// The statements that make the tables and fill them, in order, without a semicolon at the end.
pub(crate) fn statements(database: Database) -> Vec<String> {
    let mut statements = Vec::new();
    for table in &TABLES {
        statements.push(create(table, database));
        let lines: Vec<&str> = table.rows.lines().skip(1).collect();
        for lines in lines.chunks(ROWS) {
            statements.push(insert(table, lines, database));
        }
        let quote = |name: &str| quoted(name, database);
        for (column, ty, _) in table.columns {
            if let To(_) = ty {
                let name = quote(&format!("IFK_{}{column}", table.name));
                statements.push(format!("CREATE INDEX {name} ON {} ({})", quote(table.name), quote(column)));
            }
        }
        if database == Database::Postgres && table.columns[0].1 == Key {
            // What comes next is counted from the highest key that is there.
            let (name, key) = (quote(table.name), table.columns[0].0);
            statements.push(format!(
                "SELECT setval(pg_get_serial_sequence('{name}', '{key}'), (SELECT max({}) FROM {name}))",
                quote(key)
            ));
        }
    }
    statements
}

fn quoted(name: &str, database: Database) -> String {
    match database {
        Database::Mariadb => format!("`{name}`"),
        Database::Sqlite | Database::Postgres => format!("\"{name}\""),
    }
}

fn create(table: &Table, database: Database) -> String {
    let quote = |name: &str| quoted(name, database);
    let mut parts = Vec::new();
    for (name, ty, required) in table.columns {
        let ty = match (ty, database) {
            (Key, Database::Postgres) => "bigint GENERATED BY DEFAULT AS IDENTITY".into(),
            (Key, Database::Mariadb) => "bigint AUTO_INCREMENT".into(),
            (Key | To(_) | Whole, Database::Sqlite) => "INTEGER".into(),
            (To(_) | Whole, _) => "bigint".into(),
            (Text(length), Database::Sqlite) => format!("NVARCHAR({length})"),
            (Text(length), Database::Postgres) => format!("varchar({length}) COLLATE \"C\""),
            (Text(length), Database::Mariadb) => {
                format!("varchar({length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")
            }
            (Money, _) => "NUMERIC(10,2)".into(),
            (Date, _) => "DATE".into(),
            (DateTime, Database::Sqlite) => "DATETIME".into(),
            (DateTime, Database::Postgres) => "timestamptz".into(),
            (DateTime, Database::Mariadb) => "datetime(6)".into(),
        };
        parts.push(format!("{} {ty}{}", quote(name), if *required { " NOT NULL" } else { "" }));
    }
    let key: Vec<String> = match table.columns[0].1 {
        Key => vec![quote(table.columns[0].0)],
        _ => table.columns.iter().map(|(name, ..)| quote(name)).collect(),
    };
    parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    for (name, ty, _) in table.columns {
        if let To(target) = ty {
            let column = quote(name);
            parts.push(format!(
                "FOREIGN KEY ({column}) REFERENCES {} ({})",
                quote(target),
                quote(&format!("{target}Id"))
            ));
        }
    }
    format!("CREATE TABLE {} (\n    {}\n)", quote(table.name), parts.join(",\n    "))
}

fn insert(table: &Table, lines: &[&str], database: Database) -> String {
    let columns: Vec<String> = table.columns.iter().map(|(name, ..)| quoted(name, database)).collect();
    let mut sql = format!("INSERT INTO {} ({}) VALUES", quoted(table.name, database), columns.join(", "));
    for (at, line) in lines.iter().enumerate() {
        sql.push_str(if at == 0 { "\n(" } else { ",\n(" });
        for (at, (cell, (_, ty, _))) in line.split('\t').zip(table.columns).enumerate() {
            if at > 0 {
                sql.push(',');
            }
            value(&mut sql, cell, *ty, database);
        }
        sql.push(')');
    }
    sql
}

fn value(sql: &mut String, cell: &str, ty: Type, database: Database) {
    let _ = match (ty, database) {
        _ if cell.is_empty() => write!(sql, "NULL"),
        (Money, Database::Sqlite) => write!(sql, "{}", cell.replace('.', "").parse::<i64>().unwrap_or_default()),
        (Date, Database::Sqlite) => write!(sql, "{}", days(cell)),
        (DateTime, Database::Sqlite) => write!(sql, "{}", days(cell) * 86_400_000_000),
        (DateTime, Database::Postgres) => write!(sql, "'{cell} 00:00:00+00'"),
        (DateTime, Database::Mariadb) => write!(sql, "'{cell} 00:00:00'"),
        (Date, _) => write!(sql, "'{cell}'"),
        (Text(_), Database::Mariadb) => write!(sql, "'{}'", cell.replace('\\', "\\\\").replace('\'', "''")),
        (Text(_), _) => write!(sql, "'{}'", cell.replace('\'', "''")),
        (Key | To(_) | Whole | Money, _) => write!(sql, "{cell}"),
    };
}

/// The days from 1970-01-01 to a date such as 2021-01-31, in the calendar that everybody counts in.
fn days(date: &str) -> i64 {
    let mut parts = date.split('-').map(|part| part.parse::<i64>().unwrap_or_default());
    let mut part = || parts.next().unwrap_or_default();
    let (year, month, day) = (part(), part(), part());
    // A year that begins in March has its leap day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day
        - 719_469
}
