//! One value of several.

use super::Dialect;
use crate::plan::sql::Sql;
use crate::shape::Choice;

impl Dialect {
    /// The value that is chosen of several, all of one kind.
    pub(crate) fn choose(self, choice: Choice, mut several: Vec<Sql>) -> Sql {
        // With one alone there is nothing to choose, and databases want two.
        if several.len() == 1
            && let Some(one) = several.pop()
        {
            return one;
        }
        let call = |word: &str, several: Vec<Sql>| {
            let mut sql = Sql::text(format!("{word}("));
            sql.list(several).push(")");
            sql
        };
        match (choice, self) {
            (Choice::Coalesce, _) => call("coalesce", several),
            (Choice::Nullif, _) => call("nullif", several),
            (Choice::Greatest, Dialect::Postgres) => call("greatest", several),
            (Choice::Least, Dialect::Postgres) => call("least", several),
            (Choice::Greatest, Dialect::Sqlite) => call("bandstand_greatest", several),
            (Choice::Least, Dialect::Sqlite) => call("bandstand_least", several),
            // NULL among them makes NULL there, so each place has all of them to fall back on.
            (Choice::Greatest | Choice::Least, Dialect::Mariadb) => {
                let rotated = (0..several.len()).map(|at| {
                    let mut all = several.clone();
                    all.rotate_left(at);
                    call("coalesce", all)
                });
                let word = if choice == Choice::Greatest { "greatest" } else { "least" };
                call(word, rotated.collect())
            }
        }
    }

    /// Texts one after the other. Those that may be NULL are marked.
    pub(crate) fn concat(self, several: Vec<(Sql, bool)>) -> Sql {
        let parts: Vec<Sql> = several
            .into_iter()
            .map(|(sql, null)| if null { Sql::fill("coalesce({0}, '')", &[sql]) } else { sql })
            .collect();
        match self {
            Dialect::Sqlite | Dialect::Postgres => {
                let one = parts.len() == 1;
                let joined = Sql::join(parts, " || ");
                if one { Sql::fill("({0})", &[joined]) } else { joined }
            }
            Dialect::Mariadb => {
                let mut sql = Sql::text("concat(");
                sql.list(parts).push(")");
                sql
            }
        }
    }

    /// A text that an expression made, for a column that holds at most `most` characters.
    pub(crate) fn fitting(self, sql: Sql, most: u32) -> Sql {
        match self {
            Dialect::Sqlite => Sql::fill(&format!("bandstand_fits({{0}}, {most})"), &[sql]),
            // Its columns of texts have no length. What is too long becomes a number out of range, which is an error.
            Dialect::Postgres => Sql::fill(
                &format!(
                    "(CASE WHEN length({{0}}) > {most} THEN left({{0}}, length({{0}}) * 2147483647) ELSE {{0}} END)"
                ),
                &[sql],
            ),
            // Its columns look for themselves.
            Dialect::Mariadb => sql,
        }
    }
}
