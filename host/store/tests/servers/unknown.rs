//! Writes whose answer is lost: never taken for done, never for undone.

use std::time::{Duration, Instant};

use host_store::{Connection, Datum, Isolation, Server, Statement, StoreError, Type};
use test_servers::{Cut, Kind, Proxy};

use crate::{as_app, config, count, open, run, soon};

/// Whether a client's bytes end a transaction. `READ COMMITTED` in other commands isn't that.
fn commits(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|part| part == b"COMMIT\0") || bytes.ends_with(b"COMMIT")
}

async fn numbers(server: &Server, sql: &str, taken: Option<&str>) -> Result<Vec<i64>, StoreError> {
    let mut connection = server.host_connection(soon()).await?;
    let mut numbers = Vec::new();
    let take = |row: &host_store::Cells<'_>| {
        numbers.push(row.get(0)?.as_integer().unwrap_or(-1));
        Ok::<_, StoreError>(())
    };
    let taken: Vec<Datum<'_>> = taken.into_iter().map(|text| Datum::Text(text.as_bytes())).collect();
    let types: Vec<Type> = taken.iter().map(|_| Type::Text).collect();
    connection.run(&Statement::of_host(sql).taking(types), &taken, take).await?;
    Ok(numbers)
}

pub(crate) async fn a_commit_that_is_cut_off(kind: Kind) {
    let proxy = Proxy::to(kind.shared());
    let (store, a, _) = open(config(&proxy.url(&kind.shared().database()))).await;
    let server = store.server().unwrap();
    let mut there = 0;
    for (at, cut) in [Cut::Before, Cut::After, Cut::After, Cut::Before].into_iter().enumerate() {
        let begun = async |sql: &str| -> Connection {
            let mut connection = server.connection(&a, soon()).await.unwrap();
            connection.begin(Isolation::Transaction);
            run(&mut connection, &Statement::of_app(&a, sql)).await.unwrap();
            connection
        };
        let mut connection = begun(&format!("INSERT INTO a__t (id, n) VALUES ({at}, 1)")).await;
        proxy.cut(cut, commits);
        let outcome = connection.commit().await;
        assert!(matches!(outcome, Err(StoreError::UnknownOutcome(_))), "{cut:?}: {outcome:?}");
        assert!(!proxy.waits());
        drop(connection);
        there += i64::from(cut == Cut::After);
        assert_eq!(count(server, &a).await, Ok(there), "{cut:?}");
        // Where nothing was written there is nothing to be in doubt about.
        let mut connection = begun("SELECT n FROM a__t").await;
        proxy.close_all();
        assert_eq!(connection.commit().await, Ok(()));
        drop(connection);
        assert_eq!(as_app(server, &a, "UPDATE a__t SET n = n + 1").await.map(|_| ()), Ok(()), "all works afterwards");
    }
}

/// A statement that is a transaction by itself. The words in its value mark it on its way.
pub(crate) async fn a_write_that_is_cut_off(kind: Kind) {
    let proxy = Proxy::to(kind.shared());
    let (store, ..) = open(config(&proxy.url(&kind.shared().database()))).await;
    let server = store.server().unwrap();
    numbers(server, "CREATE TABLE note (words varchar(40))", None).await.unwrap();
    let place = if kind == Kind::Postgres { "$1" } else { "?" };
    let insert = Statement::of_host(format!("INSERT INTO note (words) VALUES ({place})")).taking([Type::Text]);
    let ask = format!("SELECT count(*) FROM note WHERE words = {place}");
    for (at, cut) in [Cut::Before, Cut::After, Cut::Before, Cut::After].into_iter().enumerate() {
        let words = format!("cut here {at}");
        let mark = words.clone().into_bytes();
        proxy.cut(cut, move |bytes| bytes.windows(mark.len()).any(|part| part == mark));
        let mut connection = server.host_connection(soon()).await.unwrap();
        let outcome = connection.run(&insert, &[Datum::Text(words.as_bytes())], |_| Ok::<_, StoreError>(())).await;
        assert!(matches!(outcome, Err(StoreError::UnknownOutcome(_))), "{cut:?}: {outcome:?}");
        assert!(!proxy.waits());
        drop(connection);
        let there = i64::from(cut == Cut::After);
        assert_eq!(numbers(server, &ask, Some(&words)).await, Ok(vec![there]), "{cut:?}: done once or not at all");
    }
}

pub(crate) async fn a_read_that_is_cut_off_runs_again(kind: Kind) {
    let proxy = Proxy::to(kind.shared());
    let (store, a, _) = open(config(&proxy.url(&kind.shared().database()))).await;
    let server = store.server().unwrap();
    let place = if kind == Kind::Postgres { "$1" } else { "?" };
    let ask = format!("SELECT char_length({place})");
    for cut in [Cut::Before, Cut::After] {
        proxy.cut(cut, |bytes| bytes.windows(8).any(|part| part == b"cut here"));
        assert_eq!(numbers(server, &ask, Some("cut here")).await, Ok(vec![8]));
        assert!(!proxy.waits());
    }
    // What comes first in a transaction as well: nothing of it is done before its commit.
    for cut in [Cut::Before, Cut::After] {
        let mut connection = server.connection(&a, soon()).await.unwrap();
        connection.begin(Isolation::Transaction);
        proxy.cut(cut, |bytes| bytes.windows(5).any(|part| part == b"BEGIN" || part == b"START"));
        let insert = format!("INSERT INTO a__t (id, n) VALUES ({}, 1)", cut as i32);
        assert_eq!(run(&mut connection, &Statement::of_app(&a, insert)).await, Ok(1));
        assert!(!proxy.waits());
        connection.commit().await.unwrap();
    }
    assert_eq!(count(server, &a).await, Ok(2));
    // What comes later doesn't: it would be another transaction.
    let mut connection = server.connection(&a, soon()).await.unwrap();
    connection.begin(Isolation::Transaction);
    run(&mut connection, &Statement::of_app(&a, "DELETE FROM a__t")).await.unwrap();
    proxy.close_all();
    let lost = run(&mut connection, &Statement::of_app(&a, "SELECT n FROM a__t")).await;
    assert!(matches!(lost, Err(StoreError::Busy(_))), "{lost:?}");
    assert!(connection.is_over());
    drop(connection);
    assert_eq!(count(server, &a).await, Ok(2));
}

/// The deadline comes while the server works: what it says afterwards must be true.
pub(crate) async fn a_write_that_was_stopped_is_undone_or_unknown(kind: Kind) {
    let (store, a, _) = open(config(&kind.shared().database())).await;
    let server = store.server().unwrap();
    let slow = match kind {
        Kind::Postgres => "INSERT INTO a__t (id, n) SELECT $1, 1 FROM pg_sleep(0.06)",
        Kind::Mariadb => "INSERT INTO a__t (id, n) SELECT ?, sleep(0.06)",
    };
    let slow = Statement::of_app(&a, slow).taking([Type::Integer]);
    let (mut done, mut undone, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for id in 0..30 {
        let mut connection = server.connection(&a, soon()).await.unwrap();
        // Around the time that it takes.
        connection.until(Instant::now() + Duration::from_millis(45 + id as u64));
        match connection.run(&slow, &[Datum::Integer(id)], |_| Ok::<_, StoreError>(())).await {
            Ok(_) => done.push(id),
            Err(StoreError::Timeout) => undone.push(id),
            Err(StoreError::UnknownOutcome(_)) => unknown.push(id),
            Err(error) => panic!("{error:?}"),
        }
    }
    println!("{kind:?}: done {}, undone {}, unknown {}", done.len(), undone.len(), unknown.len());
    let there = numbers(server, "SELECT id FROM a__t ORDER BY id", None).await.unwrap();
    assert!(done.iter().all(|id| there.contains(id)), "{done:?} of {there:?}");
    assert!(!undone.iter().any(|id| there.contains(id)), "{undone:?} of {there:?}");
}
