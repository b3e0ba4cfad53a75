//! What makes one value of many rows.

use super::Dialect;
use crate::kind::Kind;
use crate::plan::Found;
use crate::plan::sql::Sql;
use crate::shape::AggregateFunction;

/// What MariaDB puts between the texts, where only a literal may stand: a code point that no text has. What was asked for
/// takes its place afterwards.
const MARIADB_SEPARATOR: &str = "0xEFB790";

impl Dialect {
    /// The value that is aggregated, as the function takes it.
    pub(crate) fn aggregated(self, function: AggregateFunction, of: &Found) -> Sql {
        match (function, of.kind) {
            (AggregateFunction::Avg | AggregateFunction::Stddev | AggregateFunction::Variance, _) => self.float(of),
            _ => of.sql.clone(),
        }
    }

    /// `of` is what to aggregate, with NULL for what doesn't count and `DISTINCT` in front where that is asked for; `over` the
    /// window that it is aggregated over, or nothing.
    pub(crate) fn aggregate(self, function: AggregateFunction, of: Sql, kind: Kind, sample: bool, over: Sql) -> Sql {
        let sqlite = self == Dialect::Sqlite;
        let template = match function {
            AggregateFunction::Count => "count({0}){1}",
            AggregateFunction::Sum if self == Dialect::Postgres && (kind.is_whole() || kind == Kind::Duration) => {
                "(sum({0}){1})::bigint"
            }
            AggregateFunction::Sum => "sum({0}){1}",
            // Its own adds up squares as well, which leave a float's range long before the values do.
            AggregateFunction::Avg if self == Dialect::Postgres => "(sum({0}){1} / nullif(count({0}){1}, 0))",
            AggregateFunction::Avg => "avg({0}){1}",
            AggregateFunction::Stddev if sqlite && sample => "bandstand_stddev_samp({0}){1}",
            AggregateFunction::Stddev if sqlite => "bandstand_stddev_pop({0}){1}",
            AggregateFunction::Variance if sqlite && sample => "bandstand_var_samp({0}){1}",
            AggregateFunction::Variance if sqlite => "bandstand_var_pop({0}){1}",
            AggregateFunction::Stddev if sample => "stddev_samp({0}){1}",
            AggregateFunction::Stddev => "stddev_pop({0}){1}",
            AggregateFunction::Variance if sample => "var_samp({0}){1}",
            AggregateFunction::Variance => "var_pop({0}){1}",
            AggregateFunction::BoolAnd if self == Dialect::Postgres => "bool_and({0}){1}",
            AggregateFunction::BoolOr if self == Dialect::Postgres => "bool_or({0}){1}",
            AggregateFunction::Min | AggregateFunction::BoolAnd => "min({0}){1}",
            AggregateFunction::Max | AggregateFunction::BoolOr => "max({0}){1}",
            AggregateFunction::StringAgg => "{0}{1}",
        };
        Sql::fill(template, &[of, over])
    }

    /// Texts with something between them, in an order.
    pub(crate) fn string_agg(self, of: Sql, distinct: bool, separator: Sql, order: Vec<Sql>) -> Sql {
        let distinct = if distinct { "DISTINCT " } else { "" };
        let mut ordered = Sql::default();
        if !order.is_empty() {
            ordered.push(" ORDER BY ").list(order);
        }
        let template = match self {
            // Its own takes no DISTINCT with a separator.
            Dialect::Sqlite => "bandstand_join(json_group_array({distinct}{0}{1}), {2})",
            Dialect::Postgres => "string_agg({distinct}{0}, {2}{1})",
            Dialect::Mariadb => "replace(group_concat({distinct}{0}{1} SEPARATOR {separator}), {separator}, {2})",
        };
        let template = template.replace("{distinct}", distinct).replace("{separator}", MARIADB_SEPARATOR);
        Sql::fill(&template, &[of, ordered, separator])
    }
}
