//! The second wall: each app's statements run with rights on its own tables alone, whatever the planner wrote.
//!
//! PostgreSQL: the host's login owns all tables; each app has a role without a login of its own, which has rights on the
//! app's tables, and the host's connections act as that role while they work for the app. MariaDB, which has no such thing
//! for a session that several share: each app has an account, and connections log in with it.
//!
//! For SQL that an app writes itself acting as a role is no wall, since SQL can go back to the login's own. So on PostgreSQL a
//! role whose app may do that can log in, and such statements have connections of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::datum::{Datum, Type};
use crate::error::StoreError;
use crate::owner::{Owner, Statement};
use crate::rights::Rights;
use crate::server::Server;
use crate::server::connection::Connection;
use crate::server::target::{ServerKind, Wall};

/// What an app may do with its tables. Making and changing them is the host's.
const RIGHTS: &str = "SELECT, INSERT, UPDATE, DELETE";

/// Where the logins of apps have their passwords: in a table of the host's, so that several hosts share them.
const MARIADB_ACCOUNTS: &str = "CREATE TABLE IF NOT EXISTS `bandstand__account` (`name` varchar(80) NOT NULL PRIMARY KEY, \
    `password` varchar(64) NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin";
/// What was granted to whom. MariaDB doesn't tell it to a login that may grant but not read the server's own tables.
const MARIADB_GRANTED: &str = "CREATE TABLE IF NOT EXISTS `bandstand__granted` (`name` varchar(80) NOT NULL, `table` varchar(64) NOT NULL, \
    PRIMARY KEY (`name`, `table`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin";
/// The rights on other apps' tables that an account has, to see whether they are others now.
const MARIADB_SHARED: &str = "CREATE TABLE IF NOT EXISTS `bandstand__shared` (`name` varchar(80) NOT NULL, `table` varchar(64) NOT NULL, \
    `rights` longtext NOT NULL, PRIMARY KEY (`name`, `table`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin";
const POSTGRES_ACCOUNTS: &str =
    "CREATE TABLE IF NOT EXISTS \"bandstand__account\" (\"name\" text PRIMARY KEY, \"password\" text NOT NULL)";

impl Server {
    /// Says at the start whether apps will have rights of their own. `connection` has the host's.
    pub async fn look_at_wall(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let ask = match (self.server().wall, self.kind()) {
            (Wall::Off, _) => return Ok(()),
            (_, ServerKind::Postgres) => {
                "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = current_user AND (rolcreaterole OR rolsuper)"
            }
            (_, ServerKind::Mariadb) => {
                "SELECT 1 FROM information_schema.user_privileges WHERE privilege_type = 'CREATE USER' \
                 AND grantee = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')"
            }
        };
        let mut may = false;
        let found = |_: &crate::Cells<'_>| {
            may = true;
            Ok::<_, StoreError>(())
        };
        connection.run(&Statement::of_host(ask), &[], found).await?;
        if may { Ok(()) } else { self.without_wall("") }
    }

    fn without_wall(&self, app: &str) -> Result<(), StoreError> {
        let (right, how) = match self.kind() {
            ServerKind::Postgres => ("may not make roles", "ALTER ROLE … CREATEROLE"),
            ServerKind::Mariadb => {
                ("may not make accounts", "GRANT CREATE USER ON *.* and the database WITH GRANT OPTION")
            }
        };
        let target = &self.server().target;
        let problem = format!(
            "the login {} at {} {right}, so apps have no rights of their own there: the planner is the only wall between them \
             ({how} gives it the right; `wall` in [database] says whether it must have it)",
            target.user,
            target.kind.word()
        );
        if self.server().wall == Wall::Require {
            return Err(StoreError::Config(problem));
        }
        tracing::warn!(app, "{problem}");
        Ok(())
    }

    /// Gives the app rights on its tables, and lets what it runs from now on have no others. `connection` has the host's
    /// rights; on PostgreSQL a transaction is open on it. With `raw` the app may write SQL itself, for which it gets a login.
    ///
    /// Errors: [`StoreError::Config`] where it can't have one.
    pub async fn admit(&self, connection: &mut Connection, owner: &Arc<Owner>, raw: bool) -> Result<(), StoreError> {
        self.give_rights(connection, owner, raw).await?;
        if raw && owner.login().is_none() {
            return Err(StoreError::Config(format!(
                "the capability `db-raw` needs a login of the app's own at {}: let `wall` in [database] be on and the login {} \
                 make roles, or don't grant `db-raw`",
                self.kind().word(),
                self.server().target.user
            )));
        }
        Ok(())
    }

    async fn give_rights(&self, connection: &mut Connection, owner: &Arc<Owner>, raw: bool) -> Result<(), StoreError> {
        if self.server().wall == Wall::Off {
            return Ok(());
        }
        let admitted = match self.kind() {
            ServerKind::Postgres => {
                connection.first("SAVEPOINT wall");
                let role: Arc<str> = name(self.server().target.database(), owner, 63).into();
                let mut result = grant_postgres(connection, owner, &role).await;
                if result.is_ok() {
                    result = let_in(connection, owner, &role, raw).await;
                }
                if result.is_ok() {
                    owner.acts_as(role);
                } else {
                    connection.first("ROLLBACK TO SAVEPOINT wall");
                }
                connection.first("RELEASE SAVEPOINT wall");
                result
            }
            ServerKind::Mariadb => {
                let account: Arc<str> = name(self.server().target.database(), owner, 80).into();
                let granted = grant_mariadb(connection, owner, &account).await;
                granted.map(|password| owner.logs_in(account, password.into()))
            }
        };
        match admitted {
            Err(StoreError::Denied(text)) => {
                tracing::debug!(app = %owner.app(), text, "the server refused rights for an app");
                self.without_wall(owner.app().as_str())
            }
            result => result,
        }
    }
}

/// `bandstand__site__polls`: roles and accounts are those of the whole server, which may have databases of several sites.
fn name(database: &str, owner: &Owner, most: usize) -> String {
    use sha2::{Digest, Sha256};
    // No app's name has two underscores in a row, so no two sites' apps are called the same here.
    let whole = format!("bandstand__{database}__{}", owner.app());
    let plain = whole.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if plain && whole.len() <= most {
        return whole;
    }
    let hash = hex::encode(&Sha256::digest(&whole)[..8]);
    // An app's name has at most 30 characters of those that fit.
    format!("bandstand__{hash}__{}", owner.app())
}

async fn run(connection: &mut Connection, sql: String) -> Result<(), StoreError> {
    connection.run(&Statement::of_host(sql), &[], |_| Ok::<_, StoreError>(())).await.map(drop)
}

async fn texts(connection: &mut Connection, sql: &str, param: &str) -> Result<Vec<String>, StoreError> {
    let mut texts = Vec::new();
    let ask = Statement::of_host(sql).taking([Type::Text]);
    let take = |row: &crate::Cells<'_>| {
        texts.push(row.get(0)?.as_text().unwrap_or_default().to_owned());
        Ok::<_, StoreError>(())
    };
    connection.run(&ask, &[Datum::Text(param.as_bytes())], take).await?;
    Ok(texts)
}

/// Where the host's tables lie, quoted.
async fn schema(connection: &mut Connection) -> Result<String, StoreError> {
    let schema = texts(connection, "SELECT quote_ident(current_schema()) WHERE $1 = ''", "").await?.pop();
    schema.ok_or_else(|| {
        StoreError::Config(
            "the host's login has no schema to make tables in: give its `search_path` one that exists".into(),
        )
    })
}

async fn grant_postgres(connection: &mut Connection, owner: &Owner, role: &str) -> Result<(), StoreError> {
    let known = texts(connection, "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = $1", role).await?;
    if known.is_empty() {
        run(connection, format!("CREATE ROLE \"{role}\" NOLOGIN NOINHERIT")).await?;
    }
    run(connection, format!("GRANT \"{role}\" TO CURRENT_USER")).await?;
    let schema = schema(connection).await?;
    run(connection, format!("GRANT USAGE ON SCHEMA {schema} TO \"{role}\"")).await?;
    for table in owner.tables() {
        run(connection, format!("GRANT {RIGHTS} ON TABLE \"{table}\" TO \"{role}\"")).await?;
        grant_counters(connection, &table, role).await?;
    }
    let rights = owner.rights();
    for (table, rights) in &rights {
        // Together they are one step: nobody sees what is between.
        run(connection, format!("REVOKE ALL ON TABLE \"{table}\" FROM \"{role}\"")).await?;
        if let Some(clause) = rights.clause(|column| format!("\"{column}\"")) {
            run(connection, format!("GRANT {clause} ON TABLE \"{table}\" TO \"{role}\"")).await?;
        }
        if !rights.insert.is_empty() {
            grant_counters(connection, table, role).await?;
        }
    }
    let may = "SELECT table_name::text FROM information_schema.role_table_grants \
        WHERE grantee = $1 AND table_schema = current_schema() \
        UNION SELECT table_name::text FROM information_schema.role_column_grants \
        WHERE grantee = $1 AND table_schema = current_schema()";
    for table in texts(connection, may, role).await?.iter().filter(|table| is_withdrawn(owner, &rights, table)) {
        run(connection, format!("REVOKE ALL ON TABLE \"{}\" FROM \"{role}\"", table.replace('"', "\"\""))).await?;
    }
    Ok(())
}

/// Lets the role count up the table's keys.
async fn grant_counters(connection: &mut Connection, table: &str, role: &str) -> Result<(), StoreError> {
    let counters = "SELECT quote_ident(c.relname) FROM pg_catalog.pg_class c \
        JOIN pg_catalog.pg_depend d ON d.objid = c.oid AND d.deptype IN ('i', 'a') \
        WHERE c.relkind = 'S' AND d.refobjid = to_regclass(quote_ident($1))";
    for counter in texts(connection, counters, table).await? {
        run(connection, format!("GRANT USAGE, SELECT, UPDATE ON SEQUENCE {counter} TO \"{role}\"")).await?;
    }
    Ok(())
}

/// Whether the operator granted the table once and doesn't any more. Tables of the app's own stay its own: another host may
/// run a version that still has them.
fn is_withdrawn(owner: &Owner, rights: &Rights, table: &str) -> bool {
    !owner.owns(table) && !rights.contains_key(table) && !table.starts_with(&format!("{}__", owner.app()))
}

/// Lets a role log in, or no longer.
async fn let_in(connection: &mut Connection, owner: &Owner, role: &Arc<str>, raw: bool) -> Result<(), StoreError> {
    if raw {
        run(connection, POSTGRES_ACCOUNTS.into()).await?;
        let known = "SELECT \"password\" FROM \"bandstand__account\" WHERE \"name\" = $1";
        let password = password(connection, known, role).await?;
        run(connection, format!("ALTER ROLE \"{role}\" LOGIN PASSWORD '{password}'")).await?;
        // The host's tables may lie in another schema than where a new login looks first.
        let schema = schema(connection).await?;
        run(connection, format!("ALTER ROLE \"{role}\" SET search_path = {schema}")).await?;
        owner.logs_in(role.clone(), password.into());
        return Ok(());
    }
    let may = "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = $1 AND rolcanlogin";
    if !texts(connection, may, role).await?.is_empty() {
        run(connection, format!("ALTER ROLE \"{role}\" NOLOGIN PASSWORD NULL")).await?;
    }
    Ok(())
}

/// The password that the table of accounts has for `name`, a new one where it has none. `known` asks for it.
async fn password(connection: &mut Connection, known: &str, name: &str) -> Result<String, StoreError> {
    if let Some(password) = texts(connection, known, name).await?.pop() {
        return Ok(password);
    }
    let password = hex::encode(rand::random::<[u8; 24]>());
    run(connection, format!("INSERT INTO bandstand__account VALUES ('{name}', '{password}')")).await?;
    Ok(password)
}

/// Returns the account's password.
async fn grant_mariadb(connection: &mut Connection, owner: &Owner, name: &str) -> Result<String, StoreError> {
    run(connection, MARIADB_ACCOUNTS.into()).await?;
    let known = "SELECT `password` FROM `bandstand__account` WHERE `name` = ?";
    let password = password(connection, known, name).await?;
    // From where the host comes, the app's connections come as well.
    let from = "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', -1) WHERE ? = ''";
    let from = texts(connection, from, "").await?.pop().unwrap_or_default().replace(['\'', '\\'], "");
    let account = format!("'{name}'@'{from}'");
    run(connection, format!("CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{password}'")).await?;
    // It may be there from a database that is gone.
    run(connection, format!("ALTER USER {account} IDENTIFIED BY '{password}'")).await?;
    run(connection, MARIADB_GRANTED.into()).await?;
    for table in owner.tables() {
        run(connection, format!("GRANT {RIGHTS} ON `{table}` TO {account}")).await?;
        run(connection, format!("INSERT IGNORE INTO `bandstand__granted` VALUES ('{name}', '{table}')")).await?;
    }
    let granted = "SELECT `table` FROM `bandstand__granted` WHERE `name` = ?";
    let none = Rights::new();
    for table in texts(connection, granted, name).await?.iter().filter(|table| is_withdrawn(owner, &none, table)) {
        revoke_mariadb(connection, "bandstand__granted", name, table, &account).await?;
    }
    share_mariadb(connection, owner, name, &account).await?;
    Ok(password)
}

/// Takes the account's rights on a table away, and out of the table that remembers them.
async fn revoke_mariadb(
    connection: &mut Connection,
    remembered: &str,
    name: &str,
    table: &str,
    account: &str,
) -> Result<(), StoreError> {
    match run(connection, format!("REVOKE ALL PRIVILEGES ON `{table}` FROM {account}")).await {
        // Remembered and not there: the account is younger than the table, as on a server to which the database was moved.
        Err(StoreError::Internal(said)) if said.ends_with("(error 1141)") || said.ends_with("(error 1147)") => {}
        revoked => revoked?,
    }
    run(connection, format!("DELETE FROM `{remembered}` WHERE `name` = '{name}' AND `table` = '{table}'")).await
}

/// Brings the account's rights on other apps' tables to what they are now.
async fn share_mariadb(
    connection: &mut Connection,
    owner: &Owner,
    name: &str,
    account: &str,
) -> Result<(), StoreError> {
    run(connection, MARIADB_SHARED.into()).await?;
    let mut before = BTreeMap::new();
    let known = "SELECT concat(`table`, '=', `rights`) FROM `bandstand__shared` WHERE `name` = ?";
    for line in texts(connection, known, name).await? {
        if let Some((table, rights)) = line.split_once('=') {
            before.insert(table.to_owned(), rights.to_owned());
        }
    }
    let mut now = BTreeMap::new();
    for (table, rights) in owner.rights() {
        if let Some(clause) = rights.clause(|column| format!("`{column}`")) {
            now.insert(table, clause);
        }
    }
    for table in before.keys().filter(|table| before.get(*table) != now.get(*table)) {
        revoke_mariadb(connection, "bandstand__shared", name, table, account).await?;
    }
    for (table, clause) in &now {
        // Each time: the account may be there from a database that is gone, with other rights than are remembered.
        run(connection, format!("GRANT {clause} ON `{table}` TO {account}")).await?;
        run(connection, format!("REPLACE INTO `bandstand__shared` VALUES ('{name}', '{table}', '{clause}')")).await?;
    }
    Ok(())
}
