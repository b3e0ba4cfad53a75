//! `bandstand routes`: every address of a site.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use host_engine::RouteInfo;

use crate::apps::Apps;
use crate::config::Override;
use crate::plugins::Plugins;
use crate::serve::in_runtime;
use crate::site::Folder;
use crate::terminal::{self, BOLD};

/// `bandstand routes [DIR]`.
pub(crate) fn run(path: &Path, overrides: &[Override]) -> Result<()> {
    let folder = Folder::read(path, overrides)?;
    let routes = in_runtime(async {
        let opened = folder.open_without_database()?;
        Apps::new(opened.clone(), folder.app_files()).load().await;
        let dir = &folder.config.plugins.dir;
        let mut plugins = Plugins::new(folder.at(dir), folder.shown(dir), opened.clone());
        // What is being written this moment isn't waited for.
        plugins.scan(Instant::now() + Duration::from_secs(1)).await;
        anyhow::Ok(opened.site.routes())
    })?;
    if routes.is_empty() {
        terminal::note("the site has no apps");
    }
    print(&routes);
    Ok(())
}

fn print(routes: &[RouteInfo]) {
    let path = |route: &RouteInfo| route.path.clone();
    let methods = |route: &RouteInfo| route.methods.join(",");
    let width = |column: &dyn Fn(&RouteInfo) -> String, head: &str| {
        routes.iter().map(|route| column(route).chars().count()).max().unwrap_or(0).max(head.len())
    };
    let (first, second) = (width(&path, "path"), width(&methods, "methods"));
    if !routes.is_empty() {
        anstream::println!("{BOLD}{:first$}  {:second$}  name{BOLD:#}", "path", "methods");
    }
    for route in routes {
        let name = route.name.clone().unwrap_or_else(|| format!("({})", route.app));
        anstream::println!("{:first$}  {:second$}  {name}", path(route), methods(route));
    }
}
