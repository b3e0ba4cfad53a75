//! What makes one value of many rows, also of the rows around each row.

use rusqlite::Result;
use rusqlite::functions::{Aggregate, Context, FunctionFlags, WindowAggregate};

use super::{OWN, Registry, float};

/// Numbers so far: how many, their mean, and the sum of the squares of their distances to it (Welford).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    fn add(&mut self, number: f64) {
        self.count += 1.0;
        let before = number - self.mean;
        self.mean += before / self.count;
        self.squares += before * (number - self.mean);
    }

    fn remove(&mut self, number: f64) {
        if self.count <= 1.0 {
            *self = Self::default();
            return;
        }
        let after = number - self.mean;
        self.count -= 1.0;
        self.mean -= after / self.count;
        self.squares = (self.squares - after * (number - self.mean)).max(0.0);
    }
}

#[derive(Debug, Clone, Copy)]
struct Measure {
    /// Of a sample instead of all there is.
    sample: bool,
    /// The square root of it.
    root: bool,
}

impl Measure {
    fn of(self, spread: &Spread) -> Option<f64> {
        let by = if self.sample { spread.count - 1.0 } else { spread.count };
        let variance = (by > 0.0).then(|| spread.squares / by)?;
        Some(if self.root { variance.sqrt() } else { variance }).filter(|number| number.is_finite())
    }
}

impl Aggregate<Spread, Option<f64>> for Measure {
    fn init(&self, _context: &mut Context<'_>) -> Result<Spread> {
        Ok(Spread::default())
    }

    fn step(&self, context: &mut Context<'_>, spread: &mut Spread) -> Result<()> {
        if let Some(number) = float(context, 0) {
            spread.add(number);
        }
        Ok(())
    }

    fn finalize(&self, _context: &mut Context<'_>, spread: Option<Spread>) -> Result<Option<f64>> {
        Ok(spread.and_then(|spread| self.of(&spread)))
    }
}

impl WindowAggregate<Spread, Option<f64>> for Measure {
    fn value(&self, spread: Option<&mut Spread>) -> Result<Option<f64>> {
        Ok(spread.and_then(|spread| self.of(spread)))
    }

    fn inverse(&self, context: &mut Context<'_>, spread: &mut Spread) -> Result<()> {
        if let Some(number) = float(context, 0) {
            spread.remove(number);
        }
        Ok(())
    }
}

pub(super) fn register(registry: &Registry<'_>) -> Result<()> {
    for (name, sample, root) in
        [("var_pop", false, false), ("var_samp", true, false), ("stddev_pop", false, true), ("stddev_samp", true, true)]
    {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
        let name = format!("{OWN}{name}");
        registry.connection.create_window_function(name.as_str(), 1, flags, Measure { sample, root })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn numbers_are_spread_around_their_mean() {
        let of = |function: &str| {
            format!("(SELECT round(bandstand_{function}(column1), 6) FROM (VALUES (2), (4), (4), (NULL), (6)))")
        };
        check(&[
            (&of("var_pop"), "2.0"),
            (&of("var_samp"), "2.666667"),
            (&of("stddev_pop"), "1.414214"),
            ("(SELECT bandstand_stddev_samp(column1) FROM (VALUES (2)))", "NULL"),
            ("(SELECT bandstand_stddev_pop(column1) FROM (VALUES (2)))", "0.0"),
            ("(SELECT bandstand_var_pop(column1) FROM (VALUES (NULL)))", "NULL"),
            (
                "(SELECT group_concat(v) FROM (SELECT bandstand_var_pop(column1) OVER \
                 (ORDER BY column1 ROWS 1 PRECEDING) AS v FROM (VALUES (1), (3), (7))))",
                "'0.0,1.0,4.0'",
            ),
        ]);
    }
}
