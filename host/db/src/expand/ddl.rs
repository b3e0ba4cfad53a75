//! Tables, columns, indexes and keys as each database wants them written.

use super::{Change, names};
use crate::catalog::{Catalog, Column, Constraint, Rule, Table};
use crate::dialect::{Dialect, literal};
use crate::kind::Kind;

/// The host's own table: each app's manifest as it was last expanded.
pub(crate) fn own_table(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "CREATE TABLE IF NOT EXISTS \"bandstand__app\" \
             (\"name\" TEXT PRIMARY KEY, \"manifest\" TEXT NOT NULL) STRICT, WITHOUT ROWID"
        }
        Dialect::Postgres => {
            "CREATE TABLE IF NOT EXISTS \"bandstand__app\" (\"name\" text PRIMARY KEY, \"manifest\" text NOT NULL)"
        }
        Dialect::Mariadb => {
            "CREATE TABLE IF NOT EXISTS `bandstand__app` (`name` varchar(64) NOT NULL PRIMARY KEY, \
             `manifest` longtext NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin"
        }
    }
}

/// Keeps a manifest, in place of the one before.
pub(super) fn remember(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "INSERT INTO \"bandstand__app\" (\"name\", \"manifest\") VALUES (?, ?) \
             ON CONFLICT (\"name\") DO UPDATE SET \"manifest\" = excluded.\"manifest\""
        }
        Dialect::Postgres => {
            "INSERT INTO \"bandstand__app\" (\"name\", \"manifest\") VALUES ($1, $2) \
             ON CONFLICT (\"name\") DO UPDATE SET \"manifest\" = excluded.\"manifest\""
        }
        Dialect::Mariadb => {
            "INSERT INTO `bandstand__app` (`name`, `manifest`) VALUES (?, ?) \
             ON DUPLICATE KEY UPDATE `manifest` = VALUES(`manifest`)"
        }
    }
}

/// Asks for an app's manifest.
pub(super) fn recall(dialect: Dialect) -> String {
    let quote = |name| dialect.quote(name);
    let text = format!("SELECT {} FROM {} WHERE {} = ?", quote("manifest"), quote("bandstand__app"), quote("name"));
    dialect.number(text)
}

/// A column's type, as the database itself shows it.
pub(crate) fn column_type(dialect: Dialect, kind: Kind) -> String {
    let word = match dialect {
        Dialect::Sqlite => match kind {
            Kind::Float => "REAL",
            Kind::Binary | Kind::Uuid => "BLOB",
            kind if kind.is_text() || kind == Kind::Json => "TEXT",
            _ => "INTEGER",
        },
        Dialect::Postgres => match kind {
            Kind::SmallInteger | Kind::PositiveSmallInteger => "smallint",
            Kind::Integer | Kind::PositiveInteger => "integer",
            Kind::Float => "double precision",
            Kind::Decimal { digits, places } => return format!("numeric({digits},{places})"),
            Kind::Boolean => "boolean",
            Kind::Binary => "bytea",
            Kind::Date => "date",
            Kind::Time => "time without time zone",
            Kind::DateTime => "timestamp with time zone",
            Kind::Uuid => "uuid",
            Kind::Json => "jsonb",
            kind if kind.is_text() => "text",
            _ => "bigint",
        },
        Dialect::Mariadb => match kind {
            Kind::SmallInteger | Kind::PositiveSmallInteger => "smallint",
            Kind::Integer | Kind::PositiveInteger => "int",
            Kind::Float => "double",
            Kind::Decimal { digits, places } => return format!("decimal({digits},{places})"),
            Kind::Boolean => "tinyint",
            Kind::Binary => "longblob",
            Kind::Date => "date",
            Kind::Time => "time(6)",
            Kind::DateTime => "datetime(6)",
            Kind::Uuid => "binary(16)",
            Kind::Json => "longtext",
            kind if kind.is_text() => match kind.max_length() {
                Some(most) if most <= MAX_VARCHAR => return format!("varchar({most})"),
                _ => "longtext",
            },
            _ => "bigint",
        },
    };
    word.to_owned()
}

/// Characters of the longest text that lies in the row itself. All columns of a row share 65,535 bytes.
const MAX_VARCHAR: u32 = 255;

/// The type with what a new column needs besides.
pub(super) fn declared_type(dialect: Dialect, kind: Kind) -> String {
    let word = column_type(dialect, kind);
    match dialect {
        Dialect::Postgres if kind.is_text() => format!("{word} COLLATE \"C\""),
        Dialect::Mariadb if kind == Kind::Json => "json".into(),
        Dialect::Mariadb if kind.is_text() => format!("{word} COLLATE utf8mb4_nopad_bin"),
        _ => word,
    }
}

/// What the table itself checks. Arithmetic can leave a kind's range, so the database has to look as well; lengths of texts
/// can't change inside the database, so they are checked on the way in alone.
fn check(dialect: Dialect, kind: Kind, column: &str) -> Option<String> {
    match (dialect, kind) {
        (Dialect::Sqlite, kind) => sqlite_check(kind, column),
        (Dialect::Postgres | Dialect::Mariadb, kind) if kind.range().is_some_and(|(least, _)| least == 0) => match kind
        {
            Kind::Time if dialect == Dialect::Mariadb => {
                Some(format!("{column} >= '00:00:00' AND {column} < '24:00:00'"))
            }
            Kind::Time => Some(format!("{column} < '24:00:00'")),
            // The type is as narrow as the kind, and goes below zero.
            _ => Some(format!("{column} >= 0")),
        },
        // Its types are as narrow as the kinds.
        (Dialect::Postgres, _) => None,
        (Dialect::Mariadb, Kind::Boolean) => Some(format!("{column} IN (0, 1)")),
        (Dialect::Mariadb, _) => None,
    }
}

fn sqlite_check(kind: Kind, column: &str) -> Option<String> {
    if let Some((least, most)) = kind.range() {
        return Some(format!("{column} BETWEEN {least} AND {most}"));
    }
    match kind {
        Kind::Boolean => Some(format!("{column} IN (0, 1)")),
        Kind::Uuid => Some(format!("length({column}) = 16")),
        Kind::Decimal { digits, .. } => {
            let most = 10_i128.pow(u32::from(digits)) - 1;
            Some(format!("{column} BETWEEN -{most} AND {most}"))
        }
        _ => None,
    }
}

/// Makes a table. Foreign keys come later where they can't name a table that isn't there yet.
pub(super) fn create(catalog: &Catalog, table: &Table) -> Change {
    let dialect = catalog.dialect;
    let mut parts: Vec<String> = table.columns.iter().map(|column| definition(catalog, table, column)).collect();
    if dialect != Dialect::Sqlite {
        parts.extend(table.columns.iter().filter_map(|column| named_check(dialect, table, column)));
    }
    if !table.columns.iter().any(|column| column.kind == Kind::Auto) {
        let name = dialect.quote(&names::primary(dialect, table));
        parts.push(format!("CONSTRAINT {name} PRIMARY KEY ({})", table.key_list("")));
    }
    parts.extend(checks(dialect, table).into_iter().map(|(_, check)| check));
    let end = match dialect {
        Dialect::Sqlite => " STRICT",
        Dialect::Postgres => "",
        Dialect::Mariadb => " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin",
    };
    Change {
        sql: format!("CREATE TABLE {} ({}){end}", table.quoted(), parts.join(", ")),
        line: format!("create the table of model `{}`", table.model),
        trouble: "it can't be made".into(),
    }
}

/// The manifest's checks of a table: their names and definitions.
pub(super) fn checks(dialect: Dialect, table: &Table) -> Vec<(String, String)> {
    let check = |constraint: &Constraint| {
        let Rule::Check(inline) = &constraint.rule else { return None };
        let name = names::check(dialect, table, constraint)?;
        let definition = format!("CONSTRAINT {} CHECK ({})", dialect.quote(&name), inline.sql);
        Some((name, definition))
    };
    table.constraints.iter().filter_map(check).collect()
}

/// Adds a check to a table that is there.
pub(super) fn add_check(table: &Table, definition: &str) -> Change {
    Change {
        sql: format!("ALTER TABLE {} ADD {definition}", table.quoted()),
        line: format!("check the rows of model `{}` for what is newly declared", table.model),
        trouble: "rows that are there already don't fulfil it; change or delete them first".into(),
    }
}

/// Drops a check that is no longer declared.
pub(super) fn drop_check(dialect: Dialect, table: &Table, name: &str) -> Change {
    Change {
        sql: format!("ALTER TABLE {} DROP CONSTRAINT {}", table.quoted(), dialect.quote(name)),
        line: format!("drop the check `{name}` of model `{}`, which is no longer declared", table.model),
        trouble: "it can't be dropped".into(),
    }
}

/// Drops a foreign key that the database shall no longer look after.
pub(super) fn drop_key(dialect: Dialect, table: &Table, name: &str) -> Change {
    let word = if dialect == Dialect::Mariadb { "FOREIGN KEY" } else { "CONSTRAINT" };
    Change {
        sql: format!("ALTER TABLE {} DROP {word} {}", table.quoted(), dialect.quote(name)),
        line: format!("drop the foreign key `{name}` of model `{}`, which is no longer declared", table.model),
        trouble: "it can't be dropped".into(),
    }
}

/// Drops a column that only an index needed which is gone.
pub(super) fn drop_hidden(dialect: Dialect, table: &Table, name: &str) -> Change {
    Change {
        sql: format!("ALTER TABLE {} DROP COLUMN {}", table.quoted(), dialect.quote(name)),
        line: format!("drop what an index of model `{}` needed which is no longer declared", table.model),
        trouble: "it can't be dropped".into(),
    }
}

/// Adds a column.
pub(super) fn add(catalog: &Catalog, table: &Table, column: &Column) -> Change {
    let dialect = catalog.dialect;
    let mut sql = format!("ALTER TABLE {} ADD COLUMN {}", table.quoted(), definition(catalog, table, column));
    if dialect != Dialect::Sqlite
        && let Some(check) = named_check(dialect, table, column)
    {
        sql.push_str(", ADD ");
        sql.push_str(&check);
    }
    Change {
        sql,
        line: format!("add the field `{}` to model `{}`", column.field, table.model),
        trouble: "its default isn't allowed by its own check".into(),
    }
}

fn named_check(dialect: Dialect, table: &Table, column: &Column) -> Option<String> {
    let check = check(dialect, column.kind, column.quoted())?;
    Some(format!("CONSTRAINT {} CHECK ({check})", dialect.quote(&names::range(dialect, table, column))))
}

fn definition(catalog: &Catalog, table: &Table, column: &Column) -> String {
    let dialect = catalog.dialect;
    let name = column.quoted();
    if column.kind == Kind::Auto {
        // A key that was given away is never given again, so an old link can't lead to a new row.
        return match dialect {
            Dialect::Sqlite => format!("{name} INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL"),
            Dialect::Postgres => format!("{name} bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"),
            Dialect::Mariadb => format!("{name} bigint NOT NULL AUTO_INCREMENT PRIMARY KEY"),
        };
    }
    let mut sql = format!("{name} {}", declared_type(dialect, column.kind));
    if let Some(generated) = &column.generated {
        let word = if generated.stored { "STORED" } else { "VIRTUAL" };
        sql.push_str(&format!(" GENERATED ALWAYS AS ({}) {word}", generated.inline.sql));
    }
    if must(dialect, column) {
        sql.push_str(" NOT NULL");
    }
    match (&column.default, &column.db_default) {
        (Some(default), _) => sql.push_str(&format!(" DEFAULT ({})", literal::write(dialect, column.kind, default))),
        (None, Some(default)) => sql.push_str(&format!(" DEFAULT ({})", default.inline.sql)),
        (None, None) => {}
    }
    if dialect == Dialect::Sqlite {
        if let Some(check) = named_check(dialect, table, column) {
            sql.push(' ');
            sql.push_str(&check);
        }
        if let (Some(target), true) = (column.target, column.constrained) {
            let target = &catalog.tables[target];
            sql.push_str(&format!(
                " CONSTRAINT {} REFERENCES {} ({}) DEFERRABLE INITIALLY DEFERRED",
                dialect.quote(&names::key(dialect, table, column)),
                target.quoted(),
                target.key_list("")
            ));
        }
    }
    sql
}

/// Whether the column is declared to have a value. MariaDB says so of no column that is generated.
pub(super) fn must(dialect: Dialect, column: &Column) -> bool {
    !column.null && (dialect != Dialect::Mariadb || column.generated.is_none())
}

/// Adds a foreign key to a table that is there. `None` where keys stand in the column's definition.
pub(super) fn key(catalog: &Catalog, table: &Table, column: &Column) -> Option<Change> {
    let dialect = catalog.dialect;
    let target = &catalog.tables[column.target.filter(|_| column.constrained)?];
    let deferred = match dialect {
        Dialect::Sqlite => return None,
        Dialect::Postgres => " DEFERRABLE INITIALLY DEFERRED",
        // It has no deferred keys: what may point nowhere for a while is looked at by the host, see `host_store`.
        Dialect::Mariadb => "",
    };
    Some(Change {
        sql: format!(
            "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}){deferred}",
            table.quoted(),
            dialect.quote(&names::key(dialect, table, column)),
            column.quoted(),
            target.quoted(),
            target.key_list("")
        ),
        line: format!("let `{}` of model `{}` point to `{}`", column.field, table.model, target.model),
        trouble: "rows that are there already point to rows that don't exist; change or delete them first".into(),
    })
}

/// Drops a table that is empty, makes it anew, and lets its keys go on after `last`.
pub(super) fn anew(catalog: &Catalog, table: &Table, last: Option<i64>) -> Vec<Change> {
    let dialect = catalog.dialect;
    let line = format!("make the table of model `{}`, which is empty, anew", table.model);
    let step = |sql: String| Change { sql, line: line.clone(), trouble: "it can't be made".into() };
    let mut changes = Vec::new();
    match dialect {
        Dialect::Sqlite => changes.push(step(format!("DROP TABLE {}", table.quoted()))),
        // The keys that point here go with it and are made again below.
        Dialect::Postgres => changes.push(step(format!("DROP TABLE {} CASCADE", table.quoted()))),
        Dialect::Mariadb => {
            changes.push(step("SET foreign_key_checks = 0".into()));
            changes.push(step(format!("DROP TABLE {}", table.quoted())));
        }
    }
    changes.push(step(create(catalog, table).sql));
    if let (Some(last), Some(Kind::Auto)) = (last, table.single_key().map(|key| table.columns[key].kind)) {
        let (name, key) = (table.quoted(), table.key_list(""));
        changes.push(step(match dialect {
            // The table's name is one that the catalog made, of letters, digits and underscores.
            Dialect::Sqlite => format!("INSERT INTO sqlite_sequence (name, seq) VALUES ('{}', {last})", table.name),
            Dialect::Postgres => {
                format!("ALTER TABLE {name} ALTER COLUMN {key} RESTART WITH {}", last.saturating_add(1))
            }
            Dialect::Mariadb => format!("ALTER TABLE {name} AUTO_INCREMENT = {}", last.saturating_add(1)),
        }));
    }
    if dialect == Dialect::Mariadb {
        changes.push(step("SET foreign_key_checks = 1".into()));
    }
    changes
}

/// Brings a column that is there to the wanted type where that loses nothing: a text that may be longer than before.
pub(super) fn lengthen(dialect: Dialect, table: &Table, column: &Column, known: &str) -> Option<Change> {
    let wanted = column_type(dialect, column.kind);
    if dialect != Dialect::Mariadb || !column.kind.is_text() || !is_longer(&wanted, known) {
        return None;
    }
    let null = if column.null { "NULL" } else { "NOT NULL" };
    let default = match &column.default {
        Some(default) => format!(" DEFAULT ({})", literal::write(dialect, column.kind, default)),
        None => String::new(),
    };
    let declared = declared_type(dialect, column.kind);
    Some(Change {
        sql: format!("ALTER TABLE {} MODIFY COLUMN {} {declared} {null}{default}", table.quoted(), column.quoted()),
        line: format!("let the field `{}` of model `{}` hold longer texts", column.field, table.model),
        trouble: "it can't be changed".into(),
    })
}

fn is_longer(wanted: &str, known: &str) -> bool {
    let length = |shown: &str| match shown.strip_prefix("varchar(").and_then(|rest| rest.strip_suffix(')')) {
        Some(digits) => digits.parse().unwrap_or(u64::MAX),
        None => u64::MAX,
    };
    length(wanted) > length(known)
}

/// Whether a column of the type `known` holds what one of the wanted type would hold. Lengths of texts are checked on the
/// way in.
pub(super) fn fits(dialect: Dialect, kind: Kind, known: &str) -> bool {
    let text = |shown: &str| shown.starts_with("varchar(") || shown == "longtext";
    column_type(dialect, kind) == known || dialect == Dialect::Mariadb && kind.is_text() && text(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_only_grow() {
        assert!(is_longer("varchar(20)", "varchar(10)") && is_longer("longtext", "varchar(10)"));
        assert!(!is_longer("varchar(10)", "varchar(20)") && !is_longer("longtext", "longtext"));
        assert!(fits(Dialect::Mariadb, Kind::Text, "varchar(3)") && !fits(Dialect::Mariadb, Kind::Text, "bigint"));
    }
}
