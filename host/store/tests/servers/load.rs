//! A server that goes in the middle of a load and comes back: what was acknowledged is there, what was refused is not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use host_store::{
    Datum, Isolation, Owner, Server, ServerConfig, Statement, Store, StoreConfig, StoreError, Turn, Type,
};
use test_servers::Kind;

use crate::{config, count, open_with, soon};

const TASKS: i64 = 6;

/// What became of the writes, by the number that they wrote.
#[derive(Debug, Default)]
struct Book {
    done: BTreeSet<i64>,
    refused: BTreeSet<i64>,
    unknown: BTreeSet<i64>,
}

struct Writer {
    store: Arc<Store>,
    owner: Arc<Owner>,
    insert: Statement,
}

impl Writer {
    fn server(&self) -> &Server {
        self.store.server().unwrap()
    }

    async fn one(&self, id: i64) -> Result<(), StoreError> {
        let mut connection = self.server().connection(&self.owner, soon()).await?;
        connection.run(&self.insert, &[Datum::Integer(id)], |_| Ok::<_, StoreError>(())).await.map(drop)
    }

    /// Both or none.
    async fn pair(&self, first: i64, second: i64) -> Result<(), StoreError> {
        let transaction = self.server().transaction(&self.owner, Turn::default(), soon()).await?;
        for id in [first, second] {
            let mut inside = transaction.enter().await?;
            inside.run(&self.insert, &[Datum::Integer(id)], |_| Ok::<_, StoreError>(())).await?;
        }
        transaction.finish().await?.commit().await
    }

    /// The same with statements one after another on a connection.
    async fn batch(&self, first: i64, second: i64) -> Result<(), StoreError> {
        let mut connection = self.server().connection(&self.owner, soon()).await?;
        connection.begin(Isolation::Statement);
        for id in [first, second] {
            connection.run(&self.insert, &[Datum::Integer(id)], |_| Ok::<_, StoreError>(())).await?;
        }
        connection.commit().await
    }
}

async fn write(writer: &Writer, task: i64, stop: &AtomicBool) -> (Book, usize) {
    let (mut book, mut errors, mut next) = (Book::default(), 0, task * 10_000_000);
    let mut turn = 0;
    while !stop.load(Ordering::SeqCst) {
        let ids = [next, next + 1];
        next += 2;
        turn += 1;
        let result = match turn % 4 {
            0 => writer.pair(ids[0], ids[1]).await,
            1 => writer.batch(ids[0], ids[1]).await,
            2 => match writer.one(ids[0]).await {
                Ok(()) => {
                    book.done.insert(ids[0]);
                    continue;
                }
                Err(error) => Err(error),
            },
            _ => match count(writer.server(), &writer.owner).await {
                Ok(_) => continue,
                Err(StoreError::Busy(_)) => {
                    errors += 1;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
                Err(error) => panic!("a read: {error:?}"),
            },
        };
        match result {
            Ok(()) => book.done.extend(ids),
            Err(StoreError::Busy(_)) => book.refused.extend(ids),
            Err(StoreError::UnknownOutcome(_)) => book.unknown.extend(ids),
            Err(error) => panic!("a write: {error:?}"),
        }
        if !book.done.contains(&ids[0]) {
            errors += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    (book, errors)
}

async fn under_load(kind: Kind, ends: impl Fn(&test_servers::Server)) {
    let own = test_servers::Server::start(kind);
    let server = ServerConfig { connections: 16, ..config(&own.database()) };
    // The machine may be busier than a transaction's time allows.
    let config =
        StoreConfig { transaction_idle_ms: 10_000, transaction_total_ms: 10_000, ..StoreConfig::server(server) };
    let (store, owner, _) = open_with(config).await;
    let place = if kind == Kind::Postgres { "$1" } else { "?" };
    let insert = format!("INSERT INTO a__t (id, n) VALUES ({place}, 1)");
    let insert = Statement::of_app(&owner, insert).taking([Type::Integer]);
    let writer = Arc::new(Writer { store, owner, insert });
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let (writer, stop) = (writer.clone(), stop.clone());
        tasks.push(tokio::spawn(async move { write(&writer, task, &stop).await }));
    }
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        tokio::task::block_in_place(|| {
            ends(&own);
            own.go();
        });
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    stop.store(true, Ordering::SeqCst);
    let (mut all, mut errors) = (Book::default(), 0);
    for task in tasks {
        let (book, failed) = task.await.unwrap();
        all.done.extend(book.done);
        all.refused.extend(book.refused);
        all.unknown.extend(book.unknown);
        errors += failed;
    }
    println!(
        "{kind:?}: {} done, {} refused, {} unknown, {errors} errors",
        all.done.len(),
        all.refused.len(),
        all.unknown.len()
    );
    assert!(all.done.len() > 100 && errors > 0, "it was in the middle of a load");
    // Nothing has to be started again, and nothing is left over.
    let end = Instant::now() + Duration::from_secs(5);
    while count(writer.server(), &writer.owner).await.is_err() {
        assert!(Instant::now() < end, "it recovers");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for id in 0..50 {
        assert_eq!(writer.one(900_000_000 + id).await, Ok(()));
        assert!(count(writer.server(), &writer.owner).await.is_ok());
    }
    let mut there = BTreeSet::new();
    let mut connection = writer.server().connection(&writer.owner, soon()).await.unwrap();
    let take = |row: &host_store::Cells<'_>| {
        there.insert(row.get(0)?.as_integer().unwrap());
        Ok::<_, StoreError>(())
    };
    connection
        .run(&Statement::of_app(&writer.owner, "SELECT id FROM a__t WHERE id < 900000000"), &[], take)
        .await
        .unwrap();
    let lost: Vec<_> = all.done.difference(&there).collect();
    assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");
    let back: Vec<_> = all.refused.intersection(&there).collect();
    assert!(back.is_empty(), "refused and there: {back:?}");
    let known: BTreeSet<i64> = &all.done | &all.unknown;
    assert!(there.is_subset(&known), "from nowhere: {:?}", there.difference(&known));
    // A pair is there together or not at all; a single write has taken the first of its two numbers.
    for id in all.unknown.iter().filter(|id| *id % 2 == 1 && there.contains(id)) {
        assert!(there.contains(&(id - 1)), "half of a transaction: {id}");
    }
}

pub(crate) async fn a_server_that_is_killed(kind: Kind) {
    under_load(kind, test_servers::Server::kill).await;
}

pub(crate) async fn a_server_that_is_stopped(kind: Kind) {
    under_load(kind, test_servers::Server::stop_gently).await;
}
