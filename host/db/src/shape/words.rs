//! The words of shapes, each list of them an enum.

/// Makes an enum of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of_word:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$of_word])* $variant,)* }

        impl $name {
            pub(crate) const ALL: &'static [(&'static str, $name)] = &[$(($word, $name::$variant),)*];

            #[allow(dead_code, reason = "not every list of words is asked for its words")]
            pub(crate) fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }
    };
}

/// What a word means in a list of them.
pub(super) fn find<T: Copy>(all: &[(&'static str, T)], word: &str) -> Option<T> {
    all.iter().find(|(known, _)| *known == word).map(|(_, found)| *found)
}

words! {
    /// What is done with two numbers, dates or times.
    Arithmetic {
        Add = "add",
        Sub = "sub",
        Mul = "mul",
        Div = "div",
        Mod = "mod",
    }
}

words! {
    /// One value of several.
    Choice {
        /// The first that isn't NULL.
        Coalesce = "coalesce",
        /// NULL where both are equal, else the first.
        Nullif = "nullif",
        /// The largest that isn't NULL.
        Greatest = "greatest",
        /// The smallest that isn't NULL.
        Least = "least",
    }
}

words! {
    /// A part of a date or a time.
    Part {
        Year = "year",
        Month = "month",
        Day = "day",
        Hour = "hour",
        Minute = "minute",
        Second = "second",
        Quarter = "quarter",
        Week = "week",
        WeekDay = "week_day",
        IsoWeekDay = "iso_week_day",
        IsoYear = "iso_year",
        Microsecond = "microsecond",
    }
}

impl Part {
    /// Whether it is a part of a time of day.
    pub(crate) fn is_of_time(self) -> bool {
        matches!(self, Part::Hour | Part::Minute | Part::Second | Part::Microsecond)
    }
}

words! {
    /// What a date or a time is cut to the beginning of.
    Unit {
        Year = "year",
        Quarter = "quarter",
        Month = "month",
        Week = "week",
        Day = "day",
        Hour = "hour",
        Minute = "minute",
        Second = "second",
    }
}

impl Unit {
    /// Whether it is a part of a time of day.
    pub(crate) fn is_of_time(self) -> bool {
        matches!(self, Unit::Hour | Unit::Minute | Unit::Second)
    }
}

words! {
    /// What is taken of a datetime.
    DatePart {
        Date = "date",
        Time = "time",
    }
}

words! {
    /// What is wanted of a place in a JSON document.
    JsonResult {
        Json = "json",
        Text = "json_text",
        Length = "json_length",
    }
}

words! {
    /// What makes one value of many.
    AggregateFunction {
        Count = "count",
        Sum = "sum",
        Avg = "avg",
        Min = "min",
        Max = "max",
        StringAgg = "string_agg",
        Stddev = "stddev",
        Variance = "variance",
        BoolAnd = "bool_and",
        BoolOr = "bool_or",
    }
}

words! {
    /// A row's place among the others.
    Ranked {
        RowNumber = "row_number",
        Rank = "rank",
        DenseRank = "dense_rank",
        PercentRank = "percent_rank",
        CumeDist = "cume_dist",
    }
}

words! {
    /// Where NULLs go.
    Nulls {
        First = "first",
        Last = "last",
    }
}

words! {
    /// How the rows of two shapes are put together.
    Combination {
        Union = "union",
        UnionAll = "union_all",
        Intersect = "intersect",
        Except = "except",
    }
}

words! {
    /// What becomes of a query that meets a locked row.
    Wait {
        Block = "block",
        Nowait = "nowait",
        SkipLocked = "skip_locked",
    }
}
