//! What stands where on the page: by what one looks for, not by file.
//!
//! A new method finds its place by its type and by what it gives; a new type or function must be named here.

/// A part of the page.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) intro: &'static str,
    pub(super) subjects: &'static [Subject],
}

/// A table with a heading of its own.
pub(super) struct Subject {
    pub(super) title: &'static str,
    pub(super) intro: &'static str,
    pub(super) picks: &'static [Pick],
}

/// What a table lists. The more it says, the earlier it takes its part: methods by their names first, what is left of a type last.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pick {
    /// These methods of a type or trait.
    Methods(&'static str, &'static [&'static str]),
    /// These functions.
    Functions(&'static [&'static str]),
    /// All methods of a trait that give this.
    Giving(&'static str, &'static str),
    /// All methods of a trait that are for such subjects.
    Of(&'static str, &'static [&'static str]),
    /// All other methods of a type that ask the database, or that don't.
    Asking(&'static str, bool),
    /// A type: what it is, what it can be, and its other methods.
    Type(&'static str),
}

use Pick::{Asking, Functions, Giving, Methods, Of, Type};

/// Traits that say what a method is for, and how the page says it.
pub(super) const SUBJECTS: &[(&str, &str)] = &[
    ("Text", "texts"),
    ("Numeric", "numbers"),
    ("Ordered", "ordered kinds"),
    ("Dated", "dates, datetimes"),
    ("Timed", "times, datetimes"),
    ("Truncated", "dates, times, datetimes"),
    ("Document", "JSON"),
    ("Summed", "numbers, durations"),
    ("Averaged", "numbers"),
    ("bool", "booleans"),
    ("Date", "dates"),
    ("DateTime", "datetimes"),
];

const fn subject(title: &'static str, picks: &'static [Pick]) -> Subject {
    Subject { title, intro: "", picks }
}

pub(super) static OUTLINE: &[Section] = &[
    Section {
        title: "Building a set",
        intro: "A set says which rows, in which order. Each method gives another set, and nothing is asked of the database.",
        subjects: &[
            Subject {
                title: "Which rows",
                intro: "",
                picks: &[
                    Type("QuerySet"),
                    Methods("Model", &["objects"]),
                    Methods("QuerySet", &["filter", "exclude", "none", "distinct", "distinct_on", "limit", "offset"]),
                    Asking("QuerySet", false),
                ],
            },
            subject("Several sets", &[Methods("QuerySet", &["union", "union_all", "intersection", "difference"])]),
            subject("Trees", &[Methods("QuerySet", &["descendants_of", "ancestors_of"])]),
        ],
    },
    Section {
        title: "Conditions",
        intro: "What `filter`, `exclude`, `having` and `when` take. A condition is joined with others by operators: `a & b` (both), `a | b` (one at least), \
                `a ^ b` (an odd number of them), `!a`.",
        subjects: &[
            subject("Of a field or an expression", &[Giving("PerRow", "Q")]),
            subject("Lists of conditions", &[Type("Q")]),
            subject("With other queries", &[Functions(&["exists", "outer"]), Type("Outer")]),
        ],
    },
    Section {
        title: "Ordering",
        intro: "",
        subjects: &[
            subject("The order of a set", &[Methods("QuerySet", &["order_by", "reverse"])]),
            subject("By a field or an expression", &[Giving("PerRow", "Order"), Type("Order")]),
        ],
    },
    Section {
        title: "Relations",
        intro: "A foreign key `author` of `Book` is `Book::AUTHOR` in a query and `book.author().await?` in a row; its way back, `related_name = \"books\"`, is \
                `Author::BOOKS` and `author.books()`. Rows that were fetched together load their relations together.",
        subjects: &[
            subject("Related rows along with a set", &[Methods("QuerySet", &["select_related", "prefetch_related"])]),
            subject("A foreign key in a query", &[Type("Related")]),
            subject("The way back in a query", &[Type("Reverse")]),
            subject("A foreign key in a row", &[Type("ForeignKey"), Type("OneToOne"), Type("Row")]),
            subject("Many-to-many", &[Type("Many"), Type("ManyToMany")]),
        ],
    },
    Section {
        title: "Computing: expressions and functions",
        intro: "Methods of fields, expressions and aggregates, which may follow each other: `Book::TITLE.trim().lower()`. What they make stands wherever a field does. \
                Where the subject may be NULL, so may the result: then it is an `Option`, though the table doesn't say so.",
        subjects: &[
            Subject {
                title: "Operators",
                intro: "`+` and `-` are for numbers, durations, dates (with a number of days) and datetimes (with a `Duration`); a date `-` a date is days, a datetime `-` a datetime a `Duration`. `*`, `/` and `%` are for numbers. Arithmetic on \
                        whole numbers has the type of its left side. A division of whole numbers drops the remainder, that of decimals is an `f64`; by zero it is NULL, so \
                        `/` and `%` give an `Option`. What is on the right may be a value or an expression; a value on the left is `value(1) - Book::COPIES`.",
                picks: &[Functions(&["value"])],
            },
            subject("Texts", &[Of("Term", &["Text"])]),
            subject("Numbers", &[Of("Term", &["Numeric"])]),
            subject("Dates and times", &[Of("Term", &["Dated", "Timed", "Truncated", "Date", "DateTime"])]),
            subject("Units of `trunc`", &[Type("Unit")]),
            subject("JSON documents", &[Of("Term", &["Document"])]),
            subject("Any value", &[Type("Term")]),
            subject("Functions without a field", &[Functions(&["now", "uuid4", "uuid7", "random", "pi", "subquery"])]),
            subject("Choices", &[Functions(&["case"]), Type("Cases"), Type("Case")]),
        ],
    },
    Section {
        title: "Aggregates",
        intro: "One value of many rows: of a whole set, of each row's related rows, or of groups.",
        subjects: &[
            subject("What is computed", &[Functions(&["count"]), Giving("PerRow", "Aggregate")]),
            subject("An aggregate narrowed down", &[Type("Aggregate")]),
            subject("Of which rows", &[Methods("QuerySet", &["aggregate", "annotate", "group_by"])]),
            subject("Rows with what was computed", &[Type("Annotated")]),
            subject("Groups of rows", &[Type("Grouped"), Type("Groups")]),
        ],
    },
    Section {
        title: "Windows",
        intro: "A value of the rows around each row, for `annotate` and `order_by`: `rank().over(partition_by(Book::GENRE).order_by(Book::PRICE.desc()))`.",
        subjects: &[
            subject(
                "Functions over a window",
                &[
                    Functions(&["row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile"]),
                    Giving("PerRow", "WindowFunction"),
                    Type("WindowFunction"),
                ],
            ),
            subject("The window itself", &[Functions(&["window", "partition_by"]), Type("Window")]),
            subject("Where a frame begins and ends", &[Type("Edge")]),
        ],
    },
    Section {
        title: "Reading",
        intro: "These ask the database, so they are awaited. All may fail as `all` does.",
        subjects: &[
            subject(
                "Rows of a set",
                &[
                    Methods(
                        "QuerySet",
                        &[
                            "all",
                            "first",
                            "last",
                            "first_or_404",
                            "latest",
                            "earliest",
                            "get",
                            "get_or_404",
                            "one",
                            "in_bulk",
                        ],
                    ),
                    Asking("QuerySet", true),
                ],
            ),
            subject("Answers about a set", &[Methods("QuerySet", &["count", "exists", "contains", "explain"])]),
            subject(
                "Columns instead of rows",
                &[Methods("QuerySet", &["values", "dates", "datetimes"]), Type("Values")],
            ),
            subject("Piece by piece", &[Methods("QuerySet", &["iterator"]), Type("Iter"), Type("ValuesIter")]),
            subject("For the page", &[Methods("QuerySet", &["defer"]), Type("Deferred")]),
        ],
    },
    Section {
        title: "Writing",
        intro: "",
        subjects: &[
            subject("One row", &[Type("Model")]),
            subject(
                "New rows",
                &[Methods(
                    "QuerySet",
                    &["create", "create_with", "get_or_create", "update_or_create", "bulk_create", "bulk_create_with"],
                )],
            ),
            subject("Rows that are there", &[Methods("QuerySet", &["update", "bulk_update", "delete"])]),
            subject("What an update writes", &[Type("Field"), Type("Assignment")]),
            subject("Where a row is there already", &[Type("OnConflict")]),
        ],
    },
    Section {
        title: "Transactions and locks",
        intro: "",
        subjects: &[
            subject("All or nothing", &[Functions(&["transaction", "durable_transaction", "on_commit"])]),
            subject("Once for each key", &[Functions(&["once", "once_key"])]),
            subject("Locks on rows", &[Methods("QuerySet", &["select_for_update"]), Type("Lock")]),
        ],
    },
    Section {
        title: "SQL of one's own",
        intro: "The module `bandstand::db::raw`, for an app that was granted `db-raw`. The how-to has [examples](../how-to/query.md#sql-of-your-own).",
        subjects: &[subject("Statements", &[Functions(&["fetch", "rows", "execute", "returning", "dialect"])])],
    },
    Section {
        title: "Models",
        intro: "What fields are made of, and the rules that stand beside them in `#[model(…)]`. The options of fields are in [the SDK's reference](sdk.md#models).",
        subjects: &[
            subject("Keys", &[Type("Id")]),
            subject("Fields of a few values", &[Type("Choices")]),
            subject("Paths of files", &[Type("FilePath"), Type("ImagePath")]),
            subject("Indexes", &[Type("Index")]),
            subject("Constraints", &[Type("Constraint")]),
        ],
    },
];
