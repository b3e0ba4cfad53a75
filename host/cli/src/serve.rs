//! `bandstand serve`: a site for its visitors.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use host_server::Server;
use notify::{RecursiveMode, Watcher};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::apps::Apps;
use crate::config::Override;
use crate::dev::sources::tells_of_content;
use crate::lock;
use crate::plugins::Plugins;
use crate::site::{Folder, Opened, Purpose};
use crate::terminal::{self, BOLD, DIM};

/// `bandstand serve [DIR]`.
pub(crate) fn run(path: &Path, overrides: &[Override]) -> Result<()> {
    let folder = Folder::read(path, overrides)?;
    let config = folder.config_text();
    let _lock = lock::shared(&folder)?;
    in_runtime(async {
        let opened = folder.open(Purpose::Serve)?;
        let server = Server::new(folder.config.server.clone(), opened.site.clone())?;
        // Another process on the address is the likeliest mistake: it is found before anything is compiled.
        let listeners = listen(&server)?;
        let mut apps = Apps::new(opened.clone(), folder.app_files());
        apps.load().await;
        let following = tokio::spawn(apps.follow());
        let plugins = watch_plugins(&folder, opened.clone());
        let mut first = plugins.first;
        // What lies there at the start runs before the first visitor comes.
        let _ = (&mut first).await;
        print_addresses(&folder, &listeners)?;
        tokio::select! {
            () = finish(server.serve(listeners, stopped())) => {}
            () = watch_config(&folder, config) => {}
        }
        plugins.task.abort();
        following.abort();
        Ok(())
    })
}

/// Time between two looks whether the configuration was changed.
const LOOK: Duration = Duration::from_secs(2);

/// Says so when the configuration is changed: an operator who takes something away must not believe that it is gone.
async fn watch_config(folder: &Folder, mut known: Option<String>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let now = folder.config_text();
        // While it is written anew it may be missing for a moment.
        if now.is_some() && now != known {
            known = now;
            tracing::warn!(
                "bandstand.toml was changed: it is read at the start, so restart the host for what it says now"
            );
        }
    }
}

/// Runs `work` on threads of its own.
pub(crate) fn in_runtime<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start threads")?;
    let result = runtime.block_on(work);
    // What can't be cancelled, such as a compiler at work, must not keep an operator waiting.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// Listens where the configuration says.
pub(crate) fn listen<S: host_core::http::Site>(server: &Server<S>) -> Result<Vec<TcpListener>> {
    server.bind().map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!(
                "{error}; another program is there, perhaps another host: choose another address with --bind"
            )
        }
        std::io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!("{error}; ports below 1024 need a right of their own: choose another with --bind")
        }
        _ => anyhow::anyhow!(error),
    })
}

/// The least time between a change in the plugins folder and the scan for it.
const SCAN_PAUSE: Duration = Duration::from_millis(50);

/// A task that keeps the plugins folder and the site the same.
pub(crate) struct PluginsTask {
    /// Done when the folder has been looked at for the first time.
    pub(crate) first: oneshot::Receiver<()>,
    /// The task itself.
    pub(crate) task: tokio::task::JoinHandle<()>,
}

/// Begins to watch the plugins folder.
pub(crate) fn watch_plugins(folder: &Folder, opened: Opened) -> PluginsTask {
    let (dir, shown) = (folder.at(&folder.config.plugins.dir), folder.shown(&folder.config.plugins.dir));
    let mut plugins = Plugins::new(dir.clone(), shown, opened);
    let (done, first) = oneshot::channel();
    let task = tokio::spawn(async move {
        let (sender, mut changes) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // The scan opens and reads the folder itself: what tells of that alone would make it scan for ever.
            if event.is_ok_and(|event| tells_of_content(&event.kind)) {
                // One that waits says as much as two.
                let _ = sender.try_send(());
            }
        })
        .ok();
        let mut done = Some(done);
        let mut watched = false;
        loop {
            let began = Instant::now();
            let wait = plugins.scan(began).await;
            if wait >= Duration::from_secs(1)
                && let Some(done) = done.take()
            {
                let _ = done.send(());
            }
            // The folder may come later; until then, looking every two seconds has to do.
            if !watched && let Some(watcher) = &mut watcher {
                watched = watcher.watch(&dir, RecursiveMode::NonRecursive).is_ok();
            }
            tokio::select! {
                change = changes.recv() => match change {
                    // A file that is being copied tells of each part: a few scans a second are enough.
                    Some(()) => tokio::time::sleep(SCAN_PAUSE).await,
                    None => tokio::time::sleep(wait).await,
                },
                () = tokio::time::sleep(wait) => {}
            }
        }
    });
    PluginsTask { first, task }
}

/// Done at the first Ctrl-C, SIGTERM or SIGHUP, as when its terminal is closed.
pub(crate) async fn stopped() {
    wait_for_signal().await;
    terminal::note("Stopping: requests under way may finish (Ctrl-C again cuts them)");
}

async fn wait_for_signal() {
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    match signals {
        [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        }
        _ => drop(tokio::signal::ctrl_c().await),
    }
}

/// Serves until the end, or until somebody asks a second time for it.
pub(crate) async fn finish(serving: impl Future<Output = host_server::Drained>) {
    let second = async {
        wait_for_signal().await;
        wait_for_signal().await;
    };
    tokio::select! {
        _ = serving => {}
        () = second => terminal::note("Cut"),
    }
}

/// Prints where the site is.
pub(crate) fn print_addresses(folder: &Folder, listeners: &[TcpListener]) -> Result<()> {
    let name = &folder.config.site.name;
    anstream::eprintln!("\n  {BOLD}{name}{BOLD:#} is at");
    for listener in listeners {
        let address = listener.local_addr().context("can't tell the address")?;
        anstream::eprintln!("    {BOLD}{}{BOLD:#}", url(address));
    }
    anstream::eprintln!("  {DIM}Ctrl-C stops it{DIM:#}\n");
    Ok(())
}

fn url(address: SocketAddr) -> String {
    // An address that means all of a machine's isn't one to visit.
    if address.ip().is_unspecified() {
        format!("http://localhost:{}/ (and every other address of this machine)", address.port())
    } else {
        format!("http://{address}/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_can_be_visited() {
        assert_eq!(url(([127, 0, 0, 1], 8000).into()), "http://127.0.0.1:8000/");
        assert!(url(([0, 0, 0, 0], 80).into()).starts_with("http://localhost:80/"));
        assert_eq!(url("[::1]:80".parse().expect("an address")), "http://[::1]:80/");
    }
}
