//! The servers that are measured, and the machine that they run on.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::baseline;

/// How long a server may take to answer for the first time.
const START: Duration = Duration::from_secs(60);

/// What the numbers hang on.
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    /// The core of the server and that of the load, where there are two.
    pub(crate) pins: Option<(usize, usize)>,
}

impl Machine {
    pub(crate) fn look() -> Result<Self> {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = text
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or_else(|| "unknown".into(), |(_, name)| name.trim().to_owned());
        let cores = std::thread::available_parallelism()?.get();
        let tool =
            |name: &str| Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        ensure!(tool("wrk").is_ok(), "wrk isn't installed; Debian's package is called `wrk`");
        let pins = (cores > 1 && tool("taskset").is_ok()).then_some((0, 1));
        Ok(Self { processor, cores, pins })
    }

    /// A command on the core `pin` of the two.
    pub(crate) fn pinned(&self, program: &Path, load: bool) -> Command {
        match self.pins {
            Some((server, client)) => {
                let mut command = Command::new("taskset");
                command.arg("-c").arg(if load { client } else { server }.to_string()).arg(program);
                command
            }
            None => Command::new(program),
        }
    }
}

/// One server and how to start it.
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    pub(crate) address: SocketAddr,
    /// What is measured: the comparison's name and the path.
    pub(crate) paths: Vec<(&'static str, String)>,
    /// A path that is posted to once, before.
    prepare: Option<&'static str>,
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Candidate {
    pub(crate) fn start(&self, machine: &Machine) -> Result<Server> {
        let mut command = machine.pinned(&self.program, false);
        command.args(&self.arguments);
        // With one core of its own a second worker would only be in the way.
        command.env("TOKIO_WORKER_THREADS", "1");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("starting {}", self.program.display()))?;
        let mut server = Server { child, address: self.address };
        let begun = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{} ended with {status}", self.name);
            }
            ensure!(begun.elapsed() < START, "{} doesn't listen", self.name);
            std::thread::sleep(Duration::from_millis(50));
        }
        if let Some(path) = self.prepare {
            post(self.address, path).with_context(|| format!("preparing {}", self.name))?;
        }
        Ok(server)
    }
}

impl Server {
    /// Processor time so far, of all its threads.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold spaces; what follows may not.
        let (_, rest) = text.rsplit_once(')').context("the kernel's line")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It was started here, and nothing else waits for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server whose queries are looked at one by one.
pub(crate) fn wall(bandstand: &Path, guests: &Path, scratch: &Path) -> Result<Candidate> {
    site("Bandstand, reused", "{ count = 1000000 }", bandstand, guests, &scratch.join("wall"))
}

/// What a server answers to a GET, as one request on a connection of its own would.
pub(crate) fn get(stream: &mut TcpStream, path: &str) -> Result<String> {
    use std::io::{Read, Write};
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4 << 10];
    loop {
        let read = stream.read(&mut chunk)?;
        ensure!(read > 0, "{path}: the server hung up");
        answer.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&answer);
        // All measured pages are short and have a length.
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        ensure!(head.starts_with("HTTP/1.1 200"), "{path} answered: {}", head.lines().next().unwrap_or_default());
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Ok(body.to_owned());
        }
    }
}

fn post(address: SocketAddr, path: &str) -> Result<()> {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{path} answered: {}", answer.lines().next().unwrap_or_default());
    Ok(())
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// All servers, the baselines first.
pub(crate) fn candidates(bandstand: &Path, guests: &Path, scratch: &Path) -> Result<Vec<Candidate>> {
    ensure!(bandstand.exists(), "{} isn't built", bandstand.display());
    let me = std::env::current_exe()?;
    let database = scratch.join("baseline.db");
    baseline::fill(&database)?;
    let mut candidates = Vec::new();
    for (name, kind, paths) in [
        ("hyper alone", "hyper", vec![("hello", "/hello/".into())]),
        ("axum + rusqlite", "axum", vec![("hello", "/hello/".into()), ("row", "/row/{}/".into())]),
    ] {
        let address = free_address()?;
        let arguments = vec!["baseline".into(), kind.into(), address.to_string(), database.display().to_string()];
        candidates.push(Candidate { name, program: me.clone(), arguments, address, paths, prepare: None });
    }
    for (name, count, concurrency) in
        [("Bandstand, fresh", 1, 1), ("Bandstand, reused", 10_000, 1), ("Bandstand, shared", 10_000, 16)]
    {
        let folder = scratch.join(format!("site-{count}-{concurrency}"));
        candidates.push(site(
            name,
            &format!("{{ count = {count}, concurrency = {concurrency} }}"),
            bandstand,
            guests,
            &folder,
        )?);
    }
    candidates.extend(wasmtime_serve(guests)?);
    Ok(candidates)
}

/// A site with the measured app and its bad neighbour.
fn site(name: &'static str, reuse: &str, bandstand: &Path, guests: &Path, folder: &Path) -> Result<Candidate> {
    std::fs::create_dir_all(folder.join("apps"))?;
    for guest in ["bench", "good", "hostile"] {
        let from = guests.join(format!("{guest}.wasm"));
        std::fs::copy(&from, folder.join(format!("apps/{guest}.wasm")))
            .with_context(|| format!("{} isn't built", from.display()))?;
    }
    let address = free_address()?;
    let config = format!(
        "[site]\nname = \"bench\"\n\n[server]\nbind = [\"{address}\"]\n\n\
         [database]\nurl = \"sqlite:data/site.db\"\n\n\
         [apps.bench]\nwasm = \"apps/bench.wasm\"\nmount = \"/bench/\"\ngrants = [\"db\"]\nreuse = {reuse}\n\
         limits = {{ db_statements = 100000, db_rows = 1000000 }}\n\n\
         [apps.hostile]\nwasm = \"apps/hostile.wasm\"\nmount = \"/hostile/\"\ngrants = [\"db\"]\n"
    );
    std::fs::write(folder.join("bandstand.toml"), config)?;
    Ok(Candidate {
        name,
        program: std::path::absolute(bandstand)?,
        // A line for each request would measure the terminal.
        arguments: vec!["serve".into(), folder.display().to_string(), "--log".into(), "error".into()],
        address,
        paths: vec![
            ("hello", "/bench/hello/".into()),
            ("row", "/bench/row/{}/".into()),
            ("fortunes", "/bench/fortunes/".into()),
            ("fortunes, fetched", "/bench/fortunes/fetched/".into()),
            ("beside a spinner", "/bench/hello/".into()),
        ],
        prepare: Some("/bench/fill/"),
    })
}

/// wasmtime's own server with a standard component, where it is installed.
fn wasmtime_serve(guests: &Path) -> Result<Vec<Candidate>> {
    let found = Command::new("wasmtime").arg("--version").stdout(Stdio::piped()).stderr(Stdio::null()).output();
    let Ok(output) = found else {
        eprintln!("wasmtime isn't installed, so it isn't compared");
        return Ok(Vec::new());
    };
    eprintln!("comparing with {}", String::from_utf8_lossy(&output.stdout).trim());
    let mut candidates = Vec::new();
    for (name, guest, options) in [
        ("wasmtime serve, wasi:http 0.2", "wasi-http-02", vec![]),
        ("wasmtime serve, wasi:http 0.3", "wasi-http-03", vec!["-Sp3", "-Wcomponent-model-async"]),
    ] {
        let address = free_address()?;
        let mut arguments = vec!["serve".to_owned(), "-Scli".into()];
        arguments.extend(options.into_iter().map(str::to_owned));
        arguments.push(format!("--addr={address}"));
        arguments.push(guests.join(format!("{guest}.wasm")).display().to_string());
        candidates.push(Candidate {
            name,
            program: "wasmtime".into(),
            arguments,
            address,
            paths: vec![("hello", "/".into())],
            prepare: None,
        });
    }
    Ok(candidates)
}
