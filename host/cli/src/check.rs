//! `bandstand check`: what is wrong with a site, before its visitors find out.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use host_core::manifest::Manifest;
use host_core::name::AppId;
use host_engine::{LoadError, Report, Source, Step};

use crate::config::Override;
use crate::plugins;
use crate::problem::{Problem, Problems};
use crate::serve::in_runtime;
use crate::site::{Folder, Opened, Purpose};
use crate::terminal::{self, BOLD, DIM};

/// `bandstand check [DIR]`. Returns whether all is well.
pub(crate) fn run(path: &Path, overrides: &[Override]) -> Result<bool> {
    let folder = match Folder::read(path, overrides) {
        Ok(folder) => folder,
        Err(error) => match error.downcast::<Problems>() {
            Ok(Problems(problems)) => return Ok(report(&problems)),
            Err(error) => return Err(error),
        },
    };
    in_runtime(async {
        let mut checker = Checker::default();
        match folder.open(Purpose::Look) {
            Err(error) => checker.problems.push(Problem::new(
                "site.E001",
                folder.path.display().to_string(),
                format!("{error:#}"),
            )),
            Ok(opened) => checker.check(&folder, &opened).await,
        }
        Ok(report(&checker.problems))
    })
}

/// Prints the problems, numbered. Returns whether there are none but warnings.
fn report(problems: &[Problem]) -> bool {
    let warnings = problems.iter().filter(|problem| problem.is_warning()).count();
    let wrong = problems.len() - warnings;
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    match (wrong, warnings) {
        (0, 0) => terminal::step("Checked", "nothing is wrong"),
        (0, _) => {
            terminal::step("Checked", &format!("nothing is wrong, but look at {}:\n", count(warnings, "warning")))
        }
        (_, 0) => terminal::error(&format!("the check found {}:\n", count(wrong, "problem"))),
        _ => terminal::error(&format!(
            "the check found {} and {}:\n",
            count(wrong, "problem"),
            count(warnings, "warning")
        )),
    }
    for (at, problem) in problems.iter().enumerate() {
        anstream::println!("{BOLD}{}.{BOLD:#} {problem}\n", at + 1);
    }
    wrong == 0
}

/// A component to look at.
struct Entry {
    origin: String,
    source: Source,
    /// Its section, where it isn't a plugin.
    key: Option<AppId>,
}

impl Entry {
    async fn check(&self, opened: &Opened, known: &[Manifest]) -> Result<Report, LoadError> {
        let source = self.source.clone();
        match &self.key {
            Some(key) => opened.site.check(source, |app| opened.config.decide_app(key, app), known).await,
            None => opened.site.check(source, opened.decide_plugin(), known).await,
        }
    }
}

#[derive(Default)]
struct Checker {
    problems: Vec<Problem>,
    /// The file that each name, and each mount, belongs to.
    names: BTreeMap<AppId, String>,
    mounts: BTreeMap<String, AppId>,
}

impl Checker {
    async fn check(&mut self, folder: &Folder, opened: &Opened) {
        let entries = self.entries(folder);
        let mut reports = Vec::new();
        for entry in &entries {
            reports.push(entry.check(opened, &[]).await);
        }
        let known: Vec<Manifest> = reports.iter().flatten().map(|report| report.manifest.clone()).collect();
        for (entry, report) in entries.iter().zip(reports) {
            let report = match report {
                // The other app may be one that the database doesn't know yet.
                Ok(report) if !report.schema.refused.is_empty() => entry.check(opened, &known).await,
                report => report,
            };
            self.note(&entry.origin, report);
        }
        self.check_sections(folder);
    }

    /// The components of the apps and those in the plugins folder, as far as they can be read.
    fn entries(&mut self, folder: &Folder) -> Vec<Entry> {
        let mut entries = Vec::new();
        for file in folder.app_files() {
            let origin = file.shown.display().to_string();
            match file.read() {
                Ok(bytes) => {
                    let source = Source { name: file.name.to_string(), origin: origin.clone(), bytes: bytes.into() };
                    entries.push(Entry { origin, source, key: Some(file.name) });
                }
                Err(error) => self.problems.push(Problem::new("app.E001", origin, format!("{error:#}"))),
            }
        }
        let dir = &folder.config.plugins.dir;
        let files = plugins::read_all(&folder.at(dir), &folder.shown(dir)).unwrap_or_else(|reason| {
            self.problems.push(Problem::new("site.E002", folder.shown(dir).display().to_string(), reason));
            Default::default()
        });
        for (origin, file) in files {
            match file {
                Err(reason) => self.problems.push(Problem::new("app.E001", origin, reason)),
                Ok(plugin) => {
                    let source = Source { name: plugin.name, origin: origin.clone(), bytes: plugin.bytes };
                    entries.push(Entry { origin, source, key: None });
                }
            }
        }
        entries
    }

    /// Sections that no component belongs to: what they say of limits and grants holds for nobody.
    fn check_sections(&mut self, folder: &Folder) {
        if self.problems.iter().any(|problem| !problem.is_warning()) {
            // It may be the one that couldn't be looked at.
            return;
        }
        for name in folder.config.apps.keys().filter(|name| !self.names.contains_key(*name)) {
            let place = folder.shown(Path::new("bandstand.toml")).display().to_string();
            let message = format!("[apps.{name}] is about no app of the site: no component calls itself `{name}`");
            let problem = Problem::new("config.W001", place, message);
            let near = host_core::name::nearest(name.as_str(), self.names.keys().map(AppId::as_str));
            self.problems.push(match near {
                Some(near) => problem.hint(format!("did you mean [apps.{near}]?")),
                None => problem.hint("remove the section, or put the component into the plugins folder"),
            });
        }
    }

    fn note(&mut self, origin: &str, checked: Result<Report, LoadError>) {
        let report = match checked {
            Ok(report) => report,
            Err(error) => {
                let problem = Problem::new(id(error.step), error.origin, error.message);
                self.problems.push(match error.hint {
                    Some(hint) => problem.hint(hint),
                    None => problem,
                });
                return;
            }
        };
        let loaded = report.loaded;
        if let Some(other) = self.names.insert(loaded.app.clone(), origin.to_owned()) {
            let message = format!("is called `{}`, and so is {other}", loaded.app);
            self.problems.push(Problem::new("app.E005", origin, message).hint("remove one of the two files"));
            return;
        }
        if let Some(other) = self.mounts.insert(loaded.mount.clone(), loaded.app.clone()) {
            let message = format!("is mounted at {}, and so is the app {other}", loaded.mount);
            let hint = format!("set another `mount` under [apps.{}] in bandstand.toml", loaded.app);
            self.problems.push(Problem::new("app.E010", origin, message).hint(hint));
            return;
        }
        anstream::println!("{BOLD}{}{BOLD:#} at {} {DIM}{origin}{DIM:#}", loaded.app, loaded.mount);
        let quota = report.quota.to_string();
        if !quota.is_empty() {
            anstream::println!("    quota: {quota}");
        }
        for line in report.schema.steps {
            anstream::println!("    database: {line}");
        }
        for why in report.schema.refused {
            self.problems.push(Problem::new("app.W001", origin, why));
        }
    }
}

/// The stable id of what a step of loading finds.
fn id(step: Step) -> &'static str {
    match step {
        Step::File => "app.E001",
        Step::Compile => "app.E002",
        Step::Link => "app.E003",
        Step::Describe => "app.E004",
        Step::Name => "app.E005",
        Step::Config => "app.E006",
        Step::Grant => "app.E007",
        Step::Templates => "app.E008",
        Step::Schema => "app.E009",
        Step::Routes => "app.E010",
    }
}
