//! Dates and times. Input is what a context holds: microseconds since 1970, or text as RFC 3339 has it; none is empty.

use minijinja::{Environment, Error, Value};

use crate::dates::{self, Moment};
use crate::scope::Scope;

pub(super) fn add(env: &mut Environment<'static>) {
    env.add_filter("date", |value: &Value, format: Option<&str>| formatted(value, format.unwrap_or("N j, Y")));
    env.add_filter("time", |value: &Value, format: Option<&str>| formatted(value, format.unwrap_or("P")));
    env.add_filter("datetime", |value: &Value, format: Option<&str>| formatted(value, format.unwrap_or("N j, Y, P")));
    env.add_filter("timesince", |value: &Value, now: Option<&Value>| distance(value, now, false));
    env.add_filter("timeuntil", |value: &Value, now: Option<&Value>| distance(value, now, true));
    env.add_filter("naturaltime", naturaltime);
}

fn moment(value: &Value) -> Result<Option<Moment>, Error> {
    let empty = value.is_none() || value.is_undefined() || value.as_str() == Some("");
    if empty { Ok(None) } else { Moment::from_value(value).map(Some) }
}

fn formatted(value: &Value, format: &str) -> Result<String, Error> {
    moment(value)?.map_or_else(|| Ok(String::new()), |moment| dates::format(moment, format))
}

fn now(given: Option<&Value>) -> Result<Moment, Error> {
    match given {
        Some(value) => Moment::from_value(value),
        None => Moment::from_micros(Scope::current()?.facts.now),
    }
}

fn distance(value: &Value, given: Option<&Value>, until: bool) -> Result<String, Error> {
    let Some(moment) = moment(value)? else { return Ok(String::new()) };
    let now = now(given)?;
    Ok(if until { dates::between(now, moment) } else { dates::between(moment, now) })
}

/// `3 minutes ago`, `2 weeks from now`.
fn naturaltime(value: &Value) -> Result<String, Error> {
    let Some(moment) = moment(value)? else { return Ok(String::new()) };
    let now = now(None)?;
    let seconds = now.seconds() - moment.seconds();
    let (past, magnitude) = (seconds >= 0, seconds.unsigned_abs());
    let amount = match magnitude {
        0 => return Ok("now".into()),
        1 => "a second".into(),
        2..60 => format!("{magnitude} seconds"),
        60..120 => "a minute".into(),
        120..3_600 => format!("{} minutes", magnitude / 60),
        3_600..7_200 => "an hour".into(),
        7_200..86_400 => format!("{} hours", magnitude / 3_600),
        _ if past => dates::between(moment, now),
        _ => dates::between(now, moment),
    };
    Ok(format!("{amount} {}", if past { "ago" } else { "from now" }))
}
