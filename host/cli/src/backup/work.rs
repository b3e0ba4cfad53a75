//! Work that takes a while: a bar on the terminal, and an end at Ctrl-C that leaves nothing behind.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use crate::serve::in_runtime;

/// Bytes that are read at once.
pub(crate) const BUFFER: usize = 256 << 10;

/// What is under way.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    stop: Arc<AtomicBool>,
    /// Whether it is too late to stop.
    past: Arc<AtomicBool>,
    plain: bool,
}

impl Work {
    /// Does `work` on a thread of its own. Ctrl-C and SIGTERM end it where it next looks, and it tidies up.
    /// A closed terminal ends it as any program, and `nohup` keeps it from that.
    pub(crate) fn run<T: Send + 'static>(
        plain: bool,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = Self { stop: Arc::default(), past: Arc::default(), plain };
        in_runtime(async {
            let deaf = "can't listen for signals";
            let mut interrupt = signal(SignalKind::interrupt()).context(deaf)?;
            let mut terminate = signal(SignalKind::terminate()).context(deaf)?;
            let mut task = tokio::task::spawn_blocking({
                let this = this.clone();
                move || work(&this)
            });
            let ended = tokio::select! {
                ended = &mut task => ended,
                _ = interrupt.recv() => this.stopped(task).await,
                _ = terminate.recv() => this.stopped(task).await,
            };
            this.told(ended.context("the work broke off")?)
        })
    }

    /// What is told of the end of work.
    pub(crate) fn told<T>(&self, ended: Result<T>) -> Result<T> {
        match ended {
            Err(_) if self.stop.load(Ordering::Relaxed) && !self.past.load(Ordering::Relaxed) => {
                bail!("stopped; everything is as it was before")
            }
            ended => ended,
        }
    }

    async fn stopped<T>(&self, task: tokio::task::JoinHandle<T>) -> Result<T, tokio::task::JoinError> {
        self.stop.store(true, Ordering::Relaxed);
        task.await
    }

    #[cfg(test)]
    pub(crate) fn unseen() -> Self {
        Self { stop: Arc::default(), past: Arc::default(), plain: true }
    }

    /// What is set when the work shall end.
    pub(crate) fn stop(&self) -> &Arc<AtomicBool> {
        &self.stop
    }

    /// Fails where the work shall end.
    pub(crate) fn look(&self) -> io::Result<()> {
        // Not the kind `Interrupted`, which means "try again".
        if self.stop.load(Ordering::Relaxed) { Err(io::Error::other("stopped")) } else { Ok(()) }
    }

    /// The same before names change: from here on Ctrl-C has no say, and whatever fails is told as it is.
    pub(crate) fn last_look(&self) -> io::Result<()> {
        self.look()?;
        self.past.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// A bar for `total` bytes, with a verb in cargo's column. It goes when it is dropped, and isn't there at all where
    /// nobody sits at a terminal.
    pub(crate) fn bar(&self, verb: &str, total: u64) -> Bar<'_> {
        let target = if self.plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let template = "{prefix:>12.cyan.bold} [{wide_bar}] {bytes}/{total_bytes}, {eta} left ";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(verb.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar { bar, work: self }
    }
}

/// A bar that is shown.
pub(crate) struct Bar<'w> {
    bar: ProgressBar,
    work: &'w Work,
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Bar<'_> {
    /// So many bytes more are done. Fails where the work shall end.
    pub(crate) fn pass(&self, bytes: usize) -> io::Result<()> {
        self.bar.inc(bytes as u64);
        self.work.look()
    }

    /// So many are done in all.
    pub(crate) fn set(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// How long the rest takes can't be told.
    pub(crate) fn wait(&self, verb: &str) {
        if let Ok(style) = ProgressStyle::with_template("{prefix:>12.cyan.bold} {spinner} {elapsed}") {
            self.bar.set_style(style);
        }
        self.bar.set_prefix(verb.to_owned());
    }
}

/// Reads on, counts and hashes what it read, moves a bar.
pub(crate) struct Hashing<'b, R> {
    inner: R,
    bar: &'b Bar<'b>,
    hash: Sha256,
    bytes: u64,
}

impl<'b, R: Read> Hashing<'b, R> {
    pub(crate) fn new(inner: R, bar: &'b Bar<'b>) -> Self {
        Self { inner, bar, hash: Sha256::new(), bytes: 0 }
    }

    /// Reads to the end, and tells size and hash.
    pub(crate) fn drained(mut self) -> io::Result<(u64, String)> {
        let mut buffer = vec![0; BUFFER];
        while self.read(&mut buffer)? > 0 {}
        Ok(self.end())
    }

    /// The size and the hash of what was read.
    pub(crate) fn end(self) -> (u64, String) {
        (self.bytes, hex::encode(self.hash.finalize()))
    }
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        self.bar.pass(read)?;
        Ok(read)
    }
}
