//! Why a transaction is over, where several can see and say it.

use std::sync::OnceLock;

use crate::error::StoreError;

/// Nothing, until somebody ends it. The first reason stays.
#[derive(Debug, Default)]
pub(crate) struct Ending(OnceLock<StoreError>);

impl Ending {
    pub(crate) fn set(&self, why: StoreError) {
        let _ = self.0.set(why);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// What is answered from then on.
    pub(crate) fn error(&self) -> StoreError {
        self.0.get().cloned().unwrap_or(StoreError::Closed)
    }
}
