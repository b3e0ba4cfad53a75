//! The load: wrk, on a core of its own, one candidate after the other.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::servers::{Candidate, Machine, Server};

/// How to measure.
pub(crate) struct Plan {
    pub(crate) seconds: u32,
    pub(crate) rounds: usize,
    pub(crate) connections: u32,
    pub(crate) only: Option<String>,
}

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Requests per second.
    pub(crate) rate: f64,
    /// The server's processor time for one request, in microseconds.
    pub(crate) cpu_micros: f64,
    /// The 99th percentile of the latency, in microseconds.
    pub(crate) p99_micros: f64,
}

/// All samples of one candidate on one path.
pub(crate) struct Measured {
    pub(crate) server: &'static str,
    pub(crate) what: &'static str,
    pub(crate) samples: Vec<Sample>,
}

/// Spinners that run beside a good app: twice as many as the server has cores.
const SPINNERS: usize = 2;

/// wrk's script: another row each time, and a summary that a program can read.
const SCRIPT: &str = r#"
local path = os.getenv("BENCH_PATH")
local at = 0
request = function()
  at = at % 10000 + 1
  return wrk.format("GET", (path:gsub("{}", tostring(at))))
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.duration,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(99.0)))
end
"#;

/// Measures all candidates in turn, round by round, so that a change of the machine's mood meets all of them.
pub(crate) fn measure(plan: &Plan, machine: &Machine, candidates: Vec<Candidate>) -> Result<Vec<Measured>> {
    let script = tempfile::NamedTempFile::with_suffix(".lua").context("wrk's script")?;
    script.as_file().write_all(SCRIPT.as_bytes())?;
    let mut all: Vec<Measured> = Vec::new();
    for round in 1..=plan.rounds {
        for candidate in &candidates {
            let wanted = |what: &str| plan.only.as_ref().is_none_or(|only| what.contains(only.as_str()));
            if !candidate.paths.iter().any(|(what, _)| wanted(what)) {
                continue;
            }
            let server = candidate.start(machine)?;
            for (what, path) in candidate.paths.iter().filter(|(what, _)| wanted(what)) {
                // The first second fills caches and pools.
                run(plan, machine, &server, script.path(), path, 1)?;
                let spinners = (*what == "beside a spinner").then(|| Spinners::start(&server));
                let sample = run(plan, machine, &server, script.path(), path, plan.seconds)
                    .with_context(|| format!("{}, {what}", candidate.name))?;
                drop(spinners);
                eprintln!(
                    "round {round}: {:<30} {what:<18} {:>9.0}/s {:>7.1} µs processor {:>8.0} µs p99",
                    candidate.name, sample.rate, sample.cpu_micros, sample.p99_micros
                );
                match all.iter_mut().find(|known| known.server == candidate.name && known.what == *what) {
                    Some(known) => known.samples.push(sample),
                    None => all.push(Measured { server: candidate.name, what, samples: vec![sample] }),
                }
            }
        }
    }
    Ok(all)
}

fn run(plan: &Plan, machine: &Machine, server: &Server, script: &Path, path: &str, seconds: u32) -> Result<Sample> {
    let before = server.cpu()?;
    let output = machine
        .pinned(Path::new("wrk"), true)
        .args(["-t1", &format!("-c{}", plan.connections), &format!("-d{seconds}s"), "-s"])
        .arg(script)
        .arg(format!("http://{}", server.address))
        .env("BENCH_PATH", path)
        .output()
        .context("starting wrk")?;
    let cpu = server.cpu()?.saturating_sub(before);
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text
        .lines()
        .find_map(|line| line.strip_prefix("RESULT "))
        .with_context(|| format!("wrk said: {text}"))?
        .split(' ')
        .filter_map(|number| number.parse().ok())
        .collect();
    let &[requests, micros, errors, p99] = numbers.as_slice() else { anyhow::bail!("wrk said: {text}") };
    ensure!(errors == 0.0 && requests > 0.0, "{errors} of {requests} requests to {path} failed");
    Ok(Sample { rate: requests / (micros / 1e6), cpu_micros: cpu.as_micros() as f64 / requests, p99_micros: p99 })
}

/// Requests to an endless loop, again and again, until dropped.
struct Spinners {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Spinners {
    fn start(server: &Server) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let address = server.address;
        let threads = (0..SPINNERS)
            .map(|_| {
                let stop = stop.clone();
                std::thread::spawn(move || {
                    while !stop.load(Relaxed) {
                        let Ok(mut stream) = TcpStream::connect(address) else { return };
                        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                        let request = "GET /hostile/spin/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
                        if stream.write_all(request.as_bytes()).is_ok() {
                            let _ = std::io::Read::read(&mut stream, &mut [0; 1024]);
                        }
                    }
                })
            })
            .collect();
        Self { stop, threads }
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            // A spinner that panicked has nothing to say.
            let _ = thread.join();
        }
    }
}
