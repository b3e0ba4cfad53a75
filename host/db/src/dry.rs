//! Planning without a database: for tools, and for tests of what apps may send.

use std::sync::Arc;

use host_core::access::ModelGrants;
use host_core::manifest::Manifest;
use host_store::Owner;

use crate::catalog::Catalog;
use crate::catalog::access::Others;
use crate::dialect::Dialect;
use crate::error::{DbError, SchemaError};
use crate::plan::plan;
use crate::raw::Database;
use crate::shape;

/// An app's models for a database that isn't there.
#[derive(Debug)]
pub struct DryRun {
    catalog: Catalog,
    owner: Arc<Owner>,
}

impl DryRun {
    /// Reads the models, and with `grants` those of `others`. Errors are about what the database couldn't do.
    pub fn new(
        manifest: &Manifest,
        database: Database,
        others: Vec<Manifest>,
        grants: ModelGrants,
    ) -> Result<Self, SchemaError> {
        let dialect = match database {
            Database::Sqlite => Dialect::Sqlite,
            Database::Postgresql => Dialect::Postgres,
            Database::Mariadb => Dialect::Mariadb,
        };
        let catalog = Catalog::new(manifest, dialect, &Others { manifests: others, grants })?;
        Ok(Self { catalog, owner: Owner::of_nothing(&manifest.name) })
    }

    /// Plans a shape and throws the plan away.
    pub fn plan(&self, shape: &[u8]) -> Result<(), DbError> {
        plan(&self.catalog, &self.owner, &shape::parse(shape)?).map(drop)
    }
}
