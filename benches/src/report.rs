//! The table in `docs/reference/performance.md`.

use std::fmt::Write;

use crate::load::{Measured, Plan, Sample};
use crate::servers::Machine;
use crate::wall::Wall;

/// The goals: what, of which server, as a ratio to which baseline.
const GOALS: [(&str, &str, &str, &str, f64); 6] = [
    ("hello", "Bandstand, reused", "hello", "hyper alone", 0.55),
    ("hello", "Bandstand, fresh", "hello", "hyper alone", 0.25),
    ("row", "Bandstand, reused", "row", "axum + rusqlite", 0.5),
    ("row", "Bandstand, fresh", "row", "axum + rusqlite", 0.2),
    ("beside a spinner", "Bandstand, reused", "hello", "Bandstand, reused", 0.9),
    ("beside a spinner", "Bandstand, fresh", "hello", "Bandstand, fresh", 0.9),
];

fn median(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn find<'a>(results: &'a [Measured], server: &str, what: &str) -> Option<&'a Measured> {
    results.iter().find(|measured| measured.server == server && measured.what == what)
}

/// The median over the rounds of the ratio within each round.
fn ratio(results: &[Measured], (what, server): (&str, &str), (base_what, base): (&str, &str)) -> Option<f64> {
    let (measured, baseline) = (find(results, server, what)?, find(results, base, base_what)?);
    let mut ratios: Vec<f64> = measured.samples.iter().zip(&baseline.samples).map(|(a, b)| a.rate / b.rate).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
}

pub(crate) fn render(plan: &Plan, machine: &Machine, results: &[Measured], wall: Option<&Wall>) -> String {
    let mut text = String::from("# Performance\n\n");
    let pinned = if machine.pins.is_some() { "one for the server, one for the load" } else { "shared" };
    // Writing to a string can't fail.
    let _ = writeln!(
        text,
        "Written by `cargo xtask bench -- --write docs/reference/performance.md`. wrk with {} connections, {} s, the median of {} \
         rounds; {} ({} cores, {pinned}). Ratios are made within a round and carry over to other machines; \
         absolute numbers don't. *Fresh* makes a new instance for each request (the default), *reused* keeps instances (`reuse.count`), *shared* lets several requests into one (`reuse.concurrency`). *Fortunes* is a page of twelve rows whose query is left for the page; *fetched*, the same page from rows that the app fetched.\n",
        plan.connections, plan.seconds, plan.rounds, machine.processor, machine.cores
    );
    text.push_str("| what | server | requests/s | processor µs per request | p99 µs |\n|---|---|---:|---:|---:|\n");
    for what in ["hello", "row", "fortunes", "fortunes, fetched", "beside a spinner"] {
        for measured in results.iter().filter(|measured| measured.what == what) {
            let _ = writeln!(
                text,
                "| {what} | {} | {:.0} | {:.1} | {:.0} |",
                measured.server,
                median(&measured.samples, |sample| sample.rate),
                median(&measured.samples, |sample| sample.cpu_micros),
                median(&measured.samples, |sample| sample.p99_micros),
            );
        }
    }
    text.push_str("\n| ratio | goal | measured |\n|---|---:|---:|\n");
    for (what, server, base_what, base, goal) in GOALS {
        if let Some(ratio) = ratio(results, (what, server), (base_what, base)) {
            let mark = if ratio >= goal { "" } else { " (missed)" };
            let _ = writeln!(text, "| {server}, {what} ÷ {base}, {base_what} | ≥ {goal:.2} | {ratio:.2}{mark} |");
        }
    }
    for server in ["Bandstand, reused", "Bandstand, fresh"] {
        if let Some(ratio) = ratio(results, ("fortunes", server), ("fortunes, fetched", server)) {
            let _ = writeln!(text, "| {server}, fortunes ÷ fortunes, fetched by the app | | {ratio:.2} |");
        }
    }
    for server in ["wasmtime serve, wasi:http 0.2", "wasmtime serve, wasi:http 0.3"] {
        let ours = if server.ends_with("0.2") { "Bandstand, fresh" } else { "Bandstand, reused" };
        if let Some(ratio) = ratio(results, ("hello", ours), ("hello", server)) {
            let _ = writeln!(text, "| {ours}, hello ÷ {server}, hello | | {ratio:.2} |");
        }
    }
    if let Some(wall) = wall {
        let _ = write!(
            text,
            "\n## A query's way through the wall\n\nThe same queries asked by an app inside its sandbox, and by Rust code on the host's side of the \
             contract, on one core; microseconds, the least of {} rounds. What the wall costs is the difference: building the shape in the app, \
             crossing twice, copying, reading the rows.\n\n\
             | what | inside | on the host | the wall | goal |\n|---|---:|---:|---:|---:|\n\
             | one row of two cells, by its key | {:.2} | {:.2} | {:.2} | ≤ 3{} |\n\
             | each further cell | {:.3} | {:.3} | {:.3} | |\n\
             | a plan, when a shape comes for the first time | | {:.1} | | |\n",
            plan.rounds,
            wall.inside.query,
            wall.host.query,
            wall.inside.query - wall.host.query,
            if wall.inside.query - wall.host.query <= 3.0 { "" } else { " (missed)" },
            wall.inside.cell,
            wall.host.cell,
            wall.inside.cell - wall.host.cell,
            wall.plan,
        );
    }
    text.push_str(
        "\nThe time in the spinner's rows includes what two endless loops burnt on idle priority, so its processor \
         column says nothing about the good app.\n",
    );
    text
}
