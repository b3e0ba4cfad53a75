//! All templates of a site.

use std::sync::{Arc, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};
use cap_std::fs::Dir;
use host_core::context::RequestId;
use host_core::name::AppId;
use host_core::reverse::Reverse;
use host_store::CodeCache;
use host_templates_sandbox::{Failure, Kind};
use http::StatusCode;
use parking_lot::Mutex;

use crate::config::TemplateConfig;
use crate::error::{TemplateError, TemplateErrors};
use crate::names::{check_app_name, shown};
use crate::page::Answers;
use crate::sandbox::Sandbox;
use crate::set::AppTemplates;
use crate::site;

/// The templates of a site: its own, and the door for those of its apps.
pub struct Templates {
    dir: Option<Dir>,
    /// What was read from the folder last.
    site: ArcSwap<Vec<(String, String)>>,
    shared: Arc<Shared>,
    /// The site's own pages.
    own: AppTemplates,
    apps: Mutex<Vec<Weak<AppTemplates>>>,
}

/// What all sets of a site have in common.
pub(crate) struct Shared {
    pub(crate) config: TemplateConfig,
    /// In a box of its own: a swap works on thin pointers.
    reverse: ArcSwapOption<Arc<dyn Reverse>>,
}

impl Shared {
    /// Answers for pages that belong to no request's app.
    pub(crate) fn answers(&self) -> Answers {
        Answers { reverse: self.reverse.load().as_deref().cloned(), ..Answers::default() }
    }
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Templates").field("site", &self.own).finish_non_exhaustive()
    }
}

impl Templates {
    /// Opens the site's templates with the default limits. `dir` is the site's `templates/`, if it has one.
    ///
    /// Errors: all that is wrong with them, with file, line and source.
    pub fn open(dir: Option<Dir>) -> Result<Arc<Self>, TemplateErrors> {
        Self::open_with(TemplateConfig::default(), dir)
    }

    /// The same with limits of one's own.
    pub fn open_with(config: TemplateConfig, dir: Option<Dir>) -> Result<Arc<Self>, TemplateErrors> {
        let site = dir.as_ref().map(site::read).transpose()?.unwrap_or_default();
        let shared = Arc::new(Shared { config, reverse: ArcSwapOption::empty() });
        let own = AppTemplates::new(None, Vec::new(), &site, shared.clone()).map_err(TemplateErrors)?;
        Ok(Arc::new(Self { dir, site: ArcSwap::from_pointee(site), shared, own, apps: Mutex::default() }))
    }

    /// Says where the engine's machine code is kept, so that only the first process compiles it. To be called before the
    /// first templates are opened.
    pub fn keep_engine_in(cache: Arc<CodeCache>) {
        Sandbox::keep_in(cache);
    }

    /// Where `url` leads on error pages. The engine sets it with every new table.
    pub fn set_reverse(&self, reverse: Arc<dyn Reverse>) {
        self.shared.reverse.store(Some(Arc::new(reverse)));
    }

    /// Compiles and checks the templates of an app: names such as `polls/index.html`, and texts.
    ///
    /// Errors: all of them at once, with file, line and source, also names of templates, filters, tests and functions
    /// that don't exist, and names outside of the app's folder.
    pub fn for_app(&self, app: &AppId, files: Vec<(String, String)>) -> Result<Arc<AppTemplates>, Vec<TemplateError>> {
        let error =
            |message: String| TemplateError { app: Some(app.clone()), failure: Failure::new(Kind::Syntax, message) };
        let mut errors = Vec::new();
        let total: usize = files.iter().map(|(_, text)| text.len()).sum();
        if files.len() > site::MAX_FILES || total > site::MAX_TOTAL {
            return Err(vec![error(format!(
                "{} templates with {total} bytes; the most are {} with {}",
                files.len(),
                site::MAX_FILES,
                site::MAX_TOTAL
            ))]);
        }
        for (at, (name, text)) in files.iter().enumerate() {
            if let Err(problem) = check_app_name(app, name) {
                errors.push(error(format!("template `{}`: {problem}", shown(name))));
            }
            if text.len() > site::MAX_FILE {
                errors.push(error(format!("template `{}`: larger than {} bytes", shown(name), site::MAX_FILE)));
            }
            if files[..at].iter().any(|(other, _)| other == name) {
                errors.push(error(format!("template `{}`: it is there twice", shown(name))));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let templates = Arc::new(AppTemplates::new(Some(app.clone()), files, &self.site.load(), self.shared.clone())?);
        let mut apps = self.apps.lock();
        apps.retain(|known| known.strong_count() > 0);
        apps.push(Arc::downgrade(&templates));
        Ok(templates)
    }

    /// Reads the site's folder again and gives it to all apps. On an error everything stays as it was, except apps for
    /// which the new ones fit.
    pub fn reload(&self) -> Result<(), TemplateErrors> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let site = site::read(dir)?;
        self.own.renew(&site).map_err(TemplateErrors)?;
        self.site.store(Arc::new(site.clone()));
        let apps: Vec<Arc<AppTemplates>> = self.apps.lock().iter().filter_map(Weak::upgrade).collect();
        let errors: Vec<TemplateError> = apps.iter().filter_map(|app| app.renew(&site).err()).flatten().collect();
        if errors.is_empty() { Ok(()) } else { Err(TemplateErrors(errors)) }
    }

    /// The site's page for an error that belongs to no app; see [`AppTemplates::render_error`].
    pub fn render_error(&self, status: StatusCode, message: &str, id: RequestId) -> String {
        self.own.render_error(status, message, id)
    }
}
