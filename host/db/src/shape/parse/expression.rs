//! Expressions: functions, choices, aggregates, windows.

use super::super::json::Node;
use super::super::words::find;
use super::super::{
    Aggregate, AggregateFunction, Arithmetic, Choice, DatePart, Edge, Expr, Frame, JsonResult, JsonStep, MAX_ARGUMENTS,
    MAX_JSON_STEPS, MAX_WINDOWS, Nulls, Operand, Order, Part, Path, Ranked, Unit, Window, WindowFunction, Zone,
};
use super::{Members, Place, Reader, check_steps, kind, list, object, sound, truth};
use crate::dialect::functions::{self, Function};
use crate::error::DbError;

/// What an expression can begin with, besides functions, aggregates and what else has a table of its own.
const WORDS: [&str; 9] = ["case", "cast", "concat", "round", "extract", "trunc", "exists", "subquery", "window"];

/// What a window can begin with, besides aggregates and ranks.
const WINDOW_WORDS: [&str; 6] = ["ntile", "lag", "lead", "first_value", "last_value", "nth_value"];

/// The entries of a list after its first.
type Parts = std::vec::IntoIter<Node>;

fn words_of<T>(all: &'static [(&'static str, T)]) -> impl Iterator<Item = &'static str> + Clone {
    all.iter().map(|(word, _)| *word)
}

/// Everything that a window can begin with besides aggregates.
fn window_words() -> impl Iterator<Item = &'static str> + Clone {
    words_of(Ranked::ALL).chain(WINDOW_WORDS)
}

/// Everything that an expression can begin with.
fn words() -> impl Iterator<Item = &'static str> + Clone {
    words_of(Arithmetic::ALL)
        .chain(words_of(Choice::ALL))
        .chain(WORDS)
        .chain(words_of(DatePart::ALL))
        .chain(words_of(JsonResult::ALL))
        .chain(words_of(AggregateFunction::ALL))
        .chain(functions::ALL.iter().map(|function| function.word))
}

impl Reader {
    pub(super) fn expr(&mut self, node: Node, place: &Place<'_>, depth: usize) -> Result<Expr, DbError> {
        let parts = match node {
            Node::List(parts) => parts,
            other => return self.operand(other, place).map(Expr::Operand),
        };
        let deeper = self.deeper(depth, place)?;
        let mut parts = parts.into_iter();
        let word = match parts.next() {
            Some(Node::Text(word)) => word,
            _ => return Err(place.error("an expression is an operand, or a list that begins with a function's name")),
        };
        self.count_call(place)?;
        let word = word.as_str();
        if let Some(arithmetic) = find(Arithmetic::ALL, word) {
            let pair = <[Expr; 2]>::try_from(self.several(parts, place, deeper)?);
            let Ok([left, right]) = pair else {
                return Err(place.error(format_args!("`{word}` takes two expressions: [\"{word}\", left, right]")));
            };
            return Ok(Expr::Arithmetic(arithmetic, Box::new(left), Box::new(right)));
        }
        if let Some(choice) = find(Choice::ALL, word) {
            let several = self.several(parts, place, deeper)?;
            match choice {
                Choice::Nullif if several.len() != 2 => return Err(place.error("`nullif` takes two expressions")),
                _ if several.is_empty() => {
                    return Err(place.error(format_args!("`{word}` takes 1 to {MAX_ARGUMENTS} expressions")));
                }
                _ => return Ok(Expr::Choice(choice, several)),
            }
        }
        if let Some(function) = find(AggregateFunction::ALL, word) {
            if self.own_fields {
                return Err(place.error("a manifest's expressions are about one row; an aggregate is about many"));
            }
            return self.aggregate(function, parts, place, deeper).map(|of| Expr::Aggregate(Box::new(of)));
        }
        if let Some(part) = find(DatePart::ALL, word) {
            let (of, zone) = self.of_time(parts, 1, place, deeper)?;
            return Ok(Expr::DatePart(part, of, zone));
        }
        if let Some(result) = find(JsonResult::ALL, word) {
            return self.json(result, parts, place, deeper);
        }
        match word {
            "case" => self.case(parts, place, deeper),
            "cast" => match (parts.next(), parts.next(), parts.next()) {
                (Some(of), Some(to), None) => {
                    let of = self.expr(of, &Place::Entry(place, 1), deeper)?;
                    Ok(Expr::Cast(Box::new(of), kind(to, &Place::Entry(place, 2))?))
                }
                _ => Err(place.error("`cast` takes an expression and a kind: [\"cast\", expression, \"integer\"]")),
            },
            "concat" => match self.several(parts, place, deeper)? {
                several if several.is_empty() => {
                    Err(place.error(format_args!("`concat` takes 1 to {MAX_ARGUMENTS} expressions")))
                }
                several => Ok(Expr::Concat(several)),
            },
            "round" => {
                let of =
                    parts.next().ok_or_else(|| place.error("`round` takes an expression and a number of places"))?;
                let of = self.expr(of, &Place::Entry(place, 1), deeper)?;
                let places = match (parts.next(), parts.next()) {
                    (None, _) => Some(0),
                    (Some(Node::Integer(places)), None) => i32::try_from(places).ok(),
                    _ => None,
                };
                match places.filter(|places| (-15..=15).contains(places)) {
                    Some(places) => Ok(Expr::Round(Box::new(of), places)),
                    None => Err(Place::Entry(place, 2).error("a number of places is a whole number from -15 to 15")),
                }
            }
            "extract" => {
                let part = self.word(parts.next(), Part::ALL, &Place::Entry(place, 1))?;
                let (of, zone) = self.of_time(parts, 2, place, deeper)?;
                Ok(Expr::Extract(part, of, zone))
            }
            "trunc" => {
                let unit = self.word(parts.next(), Unit::ALL, &Place::Entry(place, 1))?;
                let (of, zone) = self.of_time(parts, 2, place, deeper)?;
                Ok(Expr::Trunc(unit, of, zone))
            }
            "exists" | "subquery" => {
                let (Some(node), None) = (parts.next(), parts.next()) else {
                    return Err(place.error(format_args!("`{word}` takes one shape")));
                };
                let nested = Box::new(self.nested(node, &Place::Entry(place, 1))?);
                Ok(if word == "exists" { Expr::Exists(nested) } else { Expr::Subquery(nested) })
            }
            "window" => self.window(parts, place, deeper),
            other => match Function::find(other) {
                Some(function) => self.call(function, parts, place, deeper),
                None if window_words().any(|word| word == other) => Err(place
                    .error(format_args!("`{other}` is about the rows around: [\"window\", [\"{other}\", …], {{…}}]"))),
                None => Err(Place::Entry(place, 0).unknown(other, words())),
            },
        }
    }

    fn several(&mut self, parts: Parts, place: &Place<'_>, depth: usize) -> Result<Vec<Expr>, DbError> {
        if parts.len() > MAX_ARGUMENTS {
            let problem = format!("{} expressions; the most is {MAX_ARGUMENTS}", parts.len());
            return Err(place.error(problem).with("limit", MAX_ARGUMENTS));
        }
        parts.enumerate().map(|(at, node)| self.expr(node, &Place::Entry(place, at + 1), depth)).collect()
    }

    pub(super) fn word<T: Copy>(
        &self,
        node: Option<Node>,
        all: &'static [(&'static str, T)],
        place: &Place<'_>,
    ) -> Result<T, DbError> {
        match node {
            Some(Node::Text(word)) => find(all, &word).ok_or_else(|| place.unknown(&word, words_of(all))),
            _ => Err(place.error(format_args!("is one of {}", words_of(all).collect::<Vec<_>>().join(", ")))),
        }
    }

    fn call(
        &mut self,
        function: &'static Function,
        parts: Parts,
        place: &Place<'_>,
        depth: usize,
    ) -> Result<Expr, DbError> {
        let arguments = self.several(parts, place, depth)?;
        let (least, most) = function.arguments();
        if !(least..=most).contains(&arguments.len()) {
            let many = if least == most { least.to_string() } else { format!("{least} to {most}") };
            let problem = format!("`{}` takes {many} expressions, not {}", function.word, arguments.len());
            return Err(place.error(problem));
        }
        Ok(Expr::Call(function, arguments))
    }

    fn case(&mut self, mut parts: Parts, place: &Place<'_>, depth: usize) -> Result<Expr, DbError> {
        let wrong = || place.error("`case` takes a list of pairs: [\"case\", [[condition, expression], …], otherwise]");
        let (Some(Node::List(pairs)), otherwise, None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        if pairs.is_empty() || pairs.len() > MAX_ARGUMENTS {
            return Err(place
                .error(format_args!("`case` takes 1 to {MAX_ARGUMENTS} pairs"))
                .with("limit", MAX_ARGUMENTS));
        }
        let place_of = Place::Entry(place, 1);
        let mut whens = Vec::with_capacity(pairs.len());
        for (at, pair) in pairs.into_iter().enumerate() {
            let place = Place::Entry(&place_of, at);
            let Node::List(pair) = pair else { return Err(wrong()) };
            let Ok([condition, value]) = <[Node; 2]>::try_from(pair) else { return Err(wrong()) };
            let condition = self.condition(condition, &Place::Entry(&place, 0), depth)?;
            whens.push((condition, self.expr(value, &Place::Entry(&place, 1), depth)?));
        }
        let otherwise = otherwise.map(|node| self.expr(node, &Place::Entry(place, 2), depth)).transpose()?;
        Ok(Expr::Case(whens, otherwise.map(Box::new)))
    }

    /// The rest of what is about a date or a time: an expression and perhaps a zone.
    fn of_time(
        &mut self,
        mut parts: Parts,
        at: usize,
        place: &Place<'_>,
        depth: usize,
    ) -> Result<(Box<Expr>, Option<Zone>), DbError> {
        let (Some(of), options, None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(place.error("takes a date or a time, and perhaps {\"tz\": \"Europe/Berlin\"}"));
        };
        let of = Box::new(self.expr(of, &Place::Entry(place, at), depth)?);
        let Some(options) = options else { return Ok((of, None)) };
        let place = Place::Entry(place, at + 1);
        let mut options = object(options, &place)?;
        let zone = options.take("tz").map(|node| zone(node, &Place::Member(&place, "tz"))).transpose()?;
        options.end("the options", &["tz"], &place)?;
        Ok((of, zone))
    }

    fn json(&mut self, result: JsonResult, mut parts: Parts, place: &Place<'_>, depth: usize) -> Result<Expr, DbError> {
        let Some(of) = parts.next() else {
            return Err(place.error(format_args!("`{}` takes an expression of kind json", result.word())));
        };
        let of = Box::new(self.expr(of, &Place::Entry(place, 1), depth)?);
        if parts.len() > MAX_JSON_STEPS {
            let problem = format!("more than {MAX_JSON_STEPS} steps into a document");
            return Err(place.error(problem).with("limit", MAX_JSON_STEPS));
        }
        let step = |(at, node)| {
            let place = Place::Entry(place, at + 2);
            match node {
                Node::Text(key) => Ok(JsonStep::Key(sound(key, &place)?)),
                Node::Integer(index) if i32::try_from(index).is_ok() => Ok(JsonStep::Index(index)),
                _ => Err(place.error("a step into a document is a member's name or an element's number")),
            }
        };
        let steps = parts.enumerate().map(step).collect::<Result<_, _>>()?;
        Ok(Expr::Json(result, of, steps))
    }

    fn aggregate(
        &mut self,
        function: AggregateFunction,
        mut parts: Parts,
        place: &Place<'_>,
        depth: usize,
    ) -> Result<Aggregate, DbError> {
        let of = match parts.next() {
            None | Some(Node::Null) if function == AggregateFunction::Count => None,
            None | Some(Node::Null) => {
                let word = function.word();
                return Err(place.error(format_args!("`{word}` takes an expression: [\"{word}\", expression]")));
            }
            Some(node) => Some(self.expr(node, &Place::Entry(place, 1), depth)?),
        };
        let mut aggregate = Aggregate {
            function,
            of,
            distinct: false,
            filter: Vec::new(),
            separator: None,
            order: Vec::new(),
            sample: false,
        };
        if function == AggregateFunction::StringAgg {
            let separator =
                parts.next().ok_or_else(|| place.error("`string_agg` takes an expression and what stands between"))?;
            aggregate.separator = match self.operand(separator, &Place::Entry(place, 2))? {
                operand @ (Operand::Hole(..) | Operand::Literal(super::super::Literal::Text(_))) => {
                    Some(Expr::Operand(operand))
                }
                _ => return Err(Place::Entry(place, 2).error("what stands between texts is a string or a hole")),
            };
        }
        match (parts.next(), parts.next()) {
            (None, _) => {}
            (Some(options @ Node::Object(_)), None) => {
                let at = if aggregate.separator.is_some() { 3 } else { 2 };
                self.options(&mut aggregate, options, &Place::Entry(place, at), depth)?;
            }
            _ => return Err(place.error("an aggregate takes an expression and an object of options")),
        }
        if aggregate.distinct && aggregate.of.is_none() {
            return Err(place.error("`distinct` needs an expression whose values are counted once"));
        }
        Ok(aggregate)
    }

    fn options(
        &mut self,
        aggregate: &mut Aggregate,
        node: Node,
        place: &Place<'_>,
        depth: usize,
    ) -> Result<(), DbError> {
        let mut options = object(node, place)?;
        aggregate.distinct = truth(options.take("distinct"), place)?;
        if let Some(node) = options.take("filter") {
            aggregate.filter = self.conditions(node, &Place::Member(place, "filter"), depth)?;
        }
        match aggregate.function {
            AggregateFunction::StringAgg => {
                if let Some(node) = options.take("order") {
                    aggregate.order = self.order(node, &Place::Member(place, "order"), depth)?;
                }
                options.end("string_agg", &["distinct", "filter", "order"], place)
            }
            AggregateFunction::Stddev | AggregateFunction::Variance => {
                aggregate.sample = truth(options.take("sample"), place)?;
                options.end(aggregate.function.word(), &["distinct", "filter", "sample"], place)
            }
            _ => match options.0.first() {
                None => Ok(()),
                Some(_) => Err(place.error("the options are `distinct` (true or false) and `filter` (a list)")),
            },
        }
    }

    fn window(&mut self, mut parts: Parts, place: &Place<'_>, depth: usize) -> Result<Expr, DbError> {
        if self.own_fields {
            return Err(place.error("a manifest's expressions are about one row; a window is about many"));
        }
        self.windows += 1;
        if self.windows > MAX_WINDOWS {
            let problem = format!("more than {MAX_WINDOWS} windows; ask in several shapes");
            return Err(place.error(problem).with("limit", MAX_WINDOWS));
        }
        let (Some(Node::List(function)), options, None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(
                place.error("`window` takes a function and options: [\"window\", [\"rank\"], {\"order\": […]}]")
            );
        };
        let function = self.window_function(function, &Place::Entry(place, 1), depth)?;
        let place = Place::Entry(place, 2);
        let mut options = match options {
            Some(options) => object(options, &place)?,
            None => Members(Vec::new()),
        };
        let partition = match options.take("partition") {
            None => Vec::new(),
            Some(node) => {
                let place = Place::Member(&place, "partition");
                let expr = |(at, node)| self.expr(node, &Place::Entry(&place, at), depth);
                list(node, &place)?.into_iter().enumerate().map(expr).collect::<Result<_, _>>()?
            }
        };
        let order = match options.take("order") {
            None => Vec::new(),
            Some(node) => self.order(node, &Place::Member(&place, "order"), depth)?,
        };
        if partition.len() > MAX_ARGUMENTS || order.len() > MAX_ARGUMENTS {
            let problem = format!("a window has at most {MAX_ARGUMENTS} expressions in `partition` and in `order`");
            return Err(place.error(problem).with("limit", MAX_ARGUMENTS));
        }
        let frame = match options.take("frame") {
            None | Some(Node::Null) => None,
            Some(node) => Some(frame(node, &Place::Member(&place, "frame"))?),
        };
        options.end("window", &["partition", "order", "frame"], &place)?;
        Ok(Expr::Window(Box::new(Window { function, partition, order, frame })))
    }

    fn window_function(
        &mut self,
        parts: Vec<Node>,
        place: &Place<'_>,
        depth: usize,
    ) -> Result<WindowFunction, DbError> {
        let mut parts = parts.into_iter();
        let Some(Node::Text(word)) = parts.next() else {
            return Err(place.error("is a function such as [\"rank\"] or an aggregate"));
        };
        if let Some(function) = find(AggregateFunction::ALL, &word) {
            let aggregate = self.aggregate(function, parts, place, depth)?;
            return Ok(WindowFunction::Aggregate(Box::new(aggregate)));
        }
        if let Some(ranked) = find(Ranked::ALL, &word) {
            return match parts.next() {
                None => Ok(WindowFunction::Ranked(ranked)),
                Some(_) => Err(place.error(format_args!("`{word}` takes nothing"))),
            };
        }
        let of = |reader: &mut Self, node: Option<Node>| {
            let node = node.ok_or_else(|| place.error(format_args!("`{word}` takes an expression")))?;
            reader.expr(node, &Place::Entry(place, 1), depth).map(Box::new)
        };
        let function = match word.as_str() {
            "ntile" => WindowFunction::Ntile(count(parts.next(), 1, &Place::Entry(place, 1))?),
            "lag" | "lead" => {
                let of = of(self, parts.next())?;
                let by = match parts.next() {
                    None => 1,
                    by => count(by, 0, &Place::Entry(place, 2))?,
                };
                let default = match parts.next() {
                    None | Some(Node::Null) => None,
                    Some(node) => Some(Box::new(self.expr(node, &Place::Entry(place, 3), depth)?)),
                };
                WindowFunction::Beside { lag: word == "lag", of, by, default }
            }
            "first_value" => WindowFunction::First(of(self, parts.next())?),
            "last_value" => WindowFunction::Last(of(self, parts.next())?),
            "nth_value" => {
                let of = of(self, parts.next())?;
                WindowFunction::Nth(of, count(parts.next(), 1, &Place::Entry(place, 2))?)
            }
            other => {
                let known = window_words().chain(words_of(AggregateFunction::ALL));
                return Err(Place::Entry(place, 0).unknown(other, known));
            }
        };
        match parts.next() {
            None => Ok(function),
            Some(_) => Err(place.error(format_args!("`{word}` takes less than that"))),
        }
    }

    /// `"-votes"`, `"question.pub_date"`, `[expression, "desc"]` or `{"e": expression, "desc": …, "nulls": …}`.
    pub(super) fn order(&mut self, node: Node, place: &Place<'_>, depth: usize) -> Result<Vec<Order>, DbError> {
        let entry = |(at, node)| self.ordered(node, &Place::Entry(place, at), depth);
        list(node, place)?.into_iter().enumerate().map(entry).collect()
    }

    fn ordered(&mut self, node: Node, place: &Place<'_>, depth: usize) -> Result<Order, DbError> {
        match node {
            Node::Text(text) => {
                let (descending, dotted) = text.strip_prefix('-').map_or((false, text.as_str()), |rest| (true, rest));
                let path: Path = dotted.split('.').map(str::to_owned).collect();
                check_steps(&path, place)?;
                Ok(Order { of: Expr::field(path), descending, nulls: None })
            }
            Node::List(pair) => {
                let direction = match pair.last() {
                    Some(Node::Text(word)) if pair.len() == 2 && word == "desc" => Some(true),
                    Some(Node::Text(word)) if pair.len() == 2 && word == "asc" => Some(false),
                    _ => None,
                };
                match (pair.into_iter().next(), direction) {
                    (Some(of), Some(descending)) => {
                        let of = self.expr(of, &Place::Entry(place, 0), depth)?;
                        Ok(Order { of, descending, nulls: None })
                    }
                    _ => Err(place.error("is an expression and a direction: [expression, \"desc\"]")),
                }
            }
            Node::Object(members) => {
                let mut members = Members(members);
                let of = members.take("e").ok_or_else(|| place.error("`e` is missing: {\"e\": expression}"))?;
                let of = self.expr(of, &Place::Member(place, "e"), depth)?;
                let descending = truth(members.take("desc"), &Place::Member(place, "desc"))?;
                let nulls = match members.take("nulls") {
                    None | Some(Node::Null) => None,
                    nulls => Some(self.word(nulls, Nulls::ALL, &Place::Member(place, "nulls"))?),
                };
                members.end("order", &["e", "desc", "nulls"], place)?;
                Ok(Order { of, descending, nulls })
            }
            other => Err(place.error(format_args!("is {}, not a string such as \"-votes\"", other.name()))),
        }
    }
}

/// A number of rows around a row, which stands in the statement itself.
fn count(node: Option<Node>, least: i64, place: &Place<'_>) -> Result<i64, DbError> {
    match node {
        Some(Node::Integer(number)) if (least..=1_000_000).contains(&number) => Ok(number),
        _ => Err(place.error(format_args!("is a whole number from {least} to 1000000"))),
    }
}

fn frame(node: Node, place: &Place<'_>) -> Result<Frame, DbError> {
    let wrong = || place.error("is [\"rows\" or \"range\", start, end]: null, \"unbounded\" or a number of rows");
    let Node::List(parts) = node else { return Err(wrong()) };
    let Ok([Node::Text(mode), start, end]) = <[Node; 3]>::try_from(parts) else { return Err(wrong()) };
    let range = match mode.as_str() {
        "rows" => false,
        "range" => true,
        _ => return Err(wrong()),
    };
    let edge = |node, default| match node {
        Node::Null => Ok(default),
        Node::Text(word) if word == "unbounded" => Ok(Edge::Unbounded),
        Node::Integer(by) if (-1_000_000_000..=1_000_000_000).contains(&by) => Ok(Edge::Offset(by)),
        _ => Err(wrong()),
    };
    let frame = Frame { range, start: edge(start, Edge::Unbounded)?, end: edge(end, Edge::Offset(0))? };
    if let (Edge::Offset(start), Edge::Offset(end)) = (frame.start, frame.end)
        && start > end
    {
        return Err(place.error("the frame ends before it begins"));
    }
    Ok(frame)
}

fn zone(node: Node, place: &Place<'_>) -> Result<Zone, DbError> {
    let Node::Text(name) = node else {
        return Err(place.error(format_args!("is {}, not a time zone's name", node.name())));
    };
    let plain = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-/".contains(&b));
    match jiff::tz::db().get(&name) {
        // The name as the database spells it.
        Ok(zone) if plain => Ok(Zone(zone.iana_name().unwrap_or(&name).to_owned())),
        _ => Err(place.error(format_args!(
            "`{}` is no time zone of the IANA database, such as Europe/Berlin",
            super::shown(&name)
        ))),
    }
}
