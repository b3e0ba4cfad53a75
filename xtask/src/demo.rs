//! `cargo demo`: from a fresh checkout to a site with polls in the browser.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::run::{ensure_wasm_target, root, step, target_dir};
use crate::{guests, http};

/// How to run the demo.
#[derive(Args)]
pub(crate) struct Options {
    /// Where to serve it
    #[arg(long, default_value = "127.0.0.1:8000")]
    bind: SocketAddr,
    /// Stop as soon as every page has answered: a test of the demo itself
    #[arg(long)]
    check: bool,
}

/// Apps of the demo: the example's name and where its component goes in the site.
const APPS: [(&str, &str); 2] = [("polls", "apps/polls.wasm"), ("hello", "plugins/hello.wasm")];

/// What the first visitor finds: a question and its choices.
const QUESTIONS: [(&str, &[&str]); 3] = [
    (
        "What would you sandbox first?",
        &["The plugin nobody remembers installing", "My own code", "The office coffee machine"],
    ),
    (
        "Which part of a framework do you miss most elsewhere?",
        &["The admin", "Migrations", "The documentation", "The forms"],
    ),
    ("What should play on the bandstand tonight?", &["A brass band", "A string quartet", "One very loud accordion"]),
];

/// How long the host may take to answer for the first time: it compiles two components before.
const START: Duration = Duration::from_secs(120);

/// Makes the demo on a free port, tries its pages and stops it.
pub(crate) fn check() -> Result<()> {
    let bind = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).context("a free port")?;
    run(&Options { bind, check: true })
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let site = root().join("demo");
    step("1/4 Building the host (some minutes the first time)");
    ensure_wasm_target()?;
    let target = target_dir()?;
    drop(guests::bandstand(&target)?);

    step("2/4 Building the apps polls and hello");
    let names: Vec<String> = APPS.iter().map(|(name, _)| (*name).to_owned()).collect();
    guests::run(&names)?;

    step("3/4 Making the site demo/");
    let first = !site.join("data").exists();
    copy_missing(&root().join("examples/site"), &site)?;
    for (name, place) in APPS {
        replace(&target.join(format!("guests/{name}.wasm")), &site.join(place))?;
    }

    step("4/4 Starting the host");
    let command =
        guests::bandstand(&target)?.args(["serve", "demo", "--log", "warn", "--bind", &options.bind.to_string()]);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't wait for signals")?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::catch().context("can't wait for signals")?
    };
    let mut host = Host(command.into_command().spawn().context("can't start the host")?);
    host.wait_until_ready(options.bind)?;
    if first {
        fill(options.bind)?;
    }
    announce(options.bind);
    if options.check {
        try_pages(options.bind)?;
        host.stop()?;
    }
    let status = runtime.block_on(signals.pass_on_until_end_of(&mut host))?;
    ensure!(status.success(), "the host ended with {status}");
    Ok(())
}

/// The signals that end the demo. The terminal sends Ctrl-C to the host as well, so this task has nothing to do but to
/// wait until the host has finished its requests; any other end must be handed on.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn pass_on_until_end_of(&mut self, host: &mut Host) -> Result<ExitStatus> {
        loop {
            if let Some(status) = host.0.try_wait().context("can't wait for the host")? {
                return Ok(status);
            }
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => host.stop()?,
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
    }
}

struct Host(Child);

impl Host {
    fn wait_until_ready(&mut self, address: SocketAddr) -> Result<()> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().context("can't look after the host")? {
                bail!("the host ended with {status}; what it said stands above");
            }
            match http::get(address, "/polls/") {
                Ok(answer) if answer.status == 200 => return Ok(()),
                Ok(answer) if begun.elapsed() > START => bail!("/polls/ answers {} instead of 200", answer.status),
                Err(error) if begun.elapsed() > START => return Err(error.context("the host doesn't answer")),
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn stop(&self) -> Result<()> {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).context("can't stop the host")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Where the demo fails, no host stays behind; one that has ended already doesn't mind.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn fill(address: SocketAddr) -> Result<()> {
    for (question, choices) in QUESTIONS {
        let mut fields = vec![("question_text", question)];
        fields.extend(choices.iter().map(|choice| ("choice", *choice)));
        let answer = http::post_form(address, "/polls/ask/", &fields)?;
        ensure!(
            matches!(answer.status, 200..=399),
            "asking a question was answered {}:\n{}",
            answer.status,
            answer.text
        );
    }
    Ok(())
}

fn try_pages(address: SocketAddr) -> Result<()> {
    let polls = http::get(address, "/polls/")?;
    for (question, _) in QUESTIONS {
        ensure!(polls.text.contains(question), "/polls/ doesn't show `{question}`:\n{}", polls.text);
    }
    for path in ["/polls/1/", "/hello/", "/static/polls/style.css"] {
        let answer = http::get(address, path)?;
        ensure!(answer.status == 200, "{path} answers {}:\n{}", answer.status, answer.text);
    }
    Ok(())
}

fn announce(address: SocketAddr) {
    use anstyle::{AnsiColor, Style};
    const LINK: Style = AnsiColor::Cyan.on_default().underline();
    anstream::eprintln!(
        "\n  The demo runs:\n\n    Polls, with a model and votes   {LINK}http://{address}/polls/{LINK:#}\n    Ask something yourself          \
         {LINK}http://{address}/polls/ask/{LINK:#}\n    Hello, a plugin                 {LINK}http://{address}/hello/{LINK:#}\n\n  Its files \
         are in demo/. Drop a component into demo/plugins/, or delete one, and look again.\n  Ctrl-C stops it.\n"
    );
}

/// Copies a folder, leaving alone what is there: the visitor may have changed it.
fn copy_missing(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("can't make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("can't list {}", from.display()))? {
        let entry = entry?;
        let (source, place) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_missing(&source, &place)?;
        } else if !place.exists() {
            fs::copy(&source, &place).with_context(|| format!("can't write {}", place.display()))?;
        }
    }
    Ok(())
}

fn replace(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).with_context(|| format!("can't make {}", parent.display()))?;
    }
    // Beside the place and renamed: a host that watches the folder never sees half of a file.
    let new = to.with_extension("new");
    fs::copy(from, &new)
        .and_then(|_| fs::rename(&new, to))
        .with_context(|| format!("can't put {} to {}", from.display(), to.display()))
}
