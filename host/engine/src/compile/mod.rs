//! From a component to machine code: in a bounded child process, whose output `host_store::CodeCache` keeps.

mod worker;

pub use worker::compile_worker;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use crate::config::CompileConfig;
use crate::guest_log;

/// The most machine code that is taken from the child, in bytes: about ten times what a Python component needs.
const MAX_CODE: u64 = 512 << 20;

/// Compiles one component at a time.
pub(crate) struct Compiler {
    worker: PathBuf,
    config: CompileConfig,
    gate: Semaphore,
}

impl Compiler {
    pub(crate) fn new(worker: PathBuf, config: CompileConfig) -> Self {
        Self { worker, config, gate: Semaphore::new(1) }
    }

    /// Compiles `component` in a child process. The error is a sentence for the operator.
    pub(crate) async fn compile(&self, component: &[u8]) -> Result<Vec<u8>, String> {
        let _one = self.gate.acquire().await.map_err(|e| e.to_string())?;
        // The environment is empty so that nothing of the operator's leaks into a process that works on foreign bytes.
        let mut child = tokio::process::Command::new(&self.worker)
            .arg("compile-worker")
            .arg(self.config.memory_bytes.to_string())
            .arg(self.config.cpu_s.to_string())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| format!("could not be compiled: starting {} failed: {e}", self.worker.display()))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let talk = async {
            let write = async {
                if let Some(mut stdin) = stdin {
                    // A worker that died doesn't read on; its exit tells why.
                    let _ = stdin.write_all(component).await;
                    let _ = stdin.shutdown().await;
                }
            };
            let read = async {
                let mut code = Vec::new();
                if let Some(stdout) = stdout {
                    let _ = stdout.take(MAX_CODE + 1).read_to_end(&mut code).await;
                }
                code
            };
            let complain = async {
                let mut text = Vec::new();
                if let Some(stderr) = stderr {
                    let _ = stderr.take(16 << 10).read_to_end(&mut text).await;
                }
                String::from_utf8_lossy(&text).trim().to_owned()
            };
            let ((), code, complaint) = tokio::join!(write, read, complain);
            (code, complaint, child.wait().await)
        };
        let timeout = Duration::from_secs(self.config.wall_s);
        let Ok((code, complaint, status)) = tokio::time::timeout(timeout, talk).await else {
            return Err(format!("took more than {} s to compile", self.config.wall_s));
        };
        let status = status.map_err(|e| format!("could not be compiled: {e}"))?;
        if status.success() {
            if code.len() as u64 > MAX_CODE {
                return Err(format!("compiles to more than {} MiB of machine code", MAX_CODE >> 20));
            }
            return Ok(code);
        }
        Err(self.explain(status, &complaint))
    }

    fn explain(&self, status: std::process::ExitStatus, complaint: &str) -> String {
        use std::os::unix::process::ExitStatusExt;
        // It may quote names from the file.
        let complaint = guest_log::clean(complaint);
        match (status.code(), status.signal()) {
            (Some(worker::REFUSED), _) => format!("is not a valid component: {complaint}"),
            (_, Some(libc::SIGXCPU | libc::SIGKILL)) => {
                format!("took more than {} s of processor time to compile", self.config.cpu_s)
            }
            (_, Some(libc::SIGABRT | libc::SIGSEGV | libc::SIGBUS)) => {
                format!("needed more than {} MiB of memory to compile", self.config.memory_bytes >> 20)
            }
            _ => format!("could not be compiled ({status}): {complaint}"),
        }
    }
}
