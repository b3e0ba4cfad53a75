//! `bandstand check`: what is wrong with a site, before its visitors find out.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
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
            Ok(opened) => {
                checker.check_apps(&folder, &opened).await;
                checker.check_plugins(&folder, &opened).await;
            }
        }
        Ok(report(&checker.problems))
    })
}

/// Prints the problems, numbered. Returns whether there are none.
fn report(problems: &[Problem]) -> bool {
    match problems.len() {
        0 => terminal::step("Checked", "nothing is wrong"),
        1 => terminal::error("the check found 1 problem:\n"),
        count => terminal::error(&format!("the check found {count} problems:\n")),
    }
    for (at, problem) in problems.iter().enumerate() {
        anstream::println!("{BOLD}{}.{BOLD:#} {problem}\n", at + 1);
    }
    problems.is_empty()
}

#[derive(Default)]
struct Checker {
    problems: Vec<Problem>,
    /// The file that each name, and each mount, belongs to.
    names: BTreeMap<AppId, String>,
    mounts: BTreeMap<String, AppId>,
}

impl Checker {
    async fn check_apps(&mut self, folder: &Folder, opened: &Opened) {
        for file in folder.app_files() {
            let origin = file.shown.display().to_string();
            let bytes = match file.read() {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.problems.push(Problem::new("app.E001", origin, format!("{error:#}")));
                    continue;
                }
            };
            let source = Source { name: file.name.to_string(), origin: origin.clone(), bytes: bytes.into() };
            let config = opened.config.clone();
            let checked = opened.site.check(source, move |app| config.decide_app(&file.name, app)).await;
            self.note(&origin, checked);
        }
    }

    async fn check_plugins(&mut self, folder: &Folder, opened: &Opened) {
        let dir = &folder.config.plugins.dir;
        let files = match plugins::read_all(&folder.at(dir), &folder.shown(dir)) {
            Ok(files) => files,
            Err(reason) => {
                self.problems.push(Problem::new("site.E002", folder.shown(dir).display().to_string(), reason));
                return;
            }
        };
        for (origin, file) in files {
            match file {
                Err(reason) => self.problems.push(Problem::new("app.E001", origin, reason)),
                Ok(plugin) => {
                    let source = Source { name: plugin.name, origin: origin.clone(), bytes: plugin.bytes };
                    let checked = opened.site.check(source, opened.decide_plugin()).await;
                    self.note(&origin, checked);
                }
            }
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
        for line in report.schema {
            anstream::println!("    database: {line}");
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
