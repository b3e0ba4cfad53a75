//! The store on PostgreSQL and MariaDB: the wall, deadlines, connections that are taken away, a server that goes and comes.

// A test says what it expects by unwrapping.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod load;
mod outages;
mod unknown;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use host_core::name::AppId;
use host_store::{
    Constraint, Datum, Effort, Isolation, Owner, Pace, Pause, Server, ServerConfig, Statement, Store, StoreConfig,
    StoreError, Target, Type, Wall,
};
use test_servers::Kind;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn config(url: &str) -> ServerConfig {
    ServerConfig { connections: 4, wall: Wall::Require, ..ServerConfig::new(Target::parse(url).unwrap()) }
}

/// A store with the apps `a` and `b`, which have a table `t` each.
async fn open(server: ServerConfig) -> (Arc<Store>, Arc<Owner>, Arc<Owner>) {
    open_with(StoreConfig::server(server)).await
}

async fn open_with(config: StoreConfig) -> (Arc<Store>, Arc<Owner>, Arc<Owner>) {
    let store = Store::open(config).unwrap();
    let mut owners = Vec::new();
    for name in ["a", "b"] {
        let table = format!("{name}__t");
        let owner = store.owner(&AppId::new(name).unwrap(), [table.clone()]);
        let on = store.server().unwrap();
        let mut connection = on.host_connection(soon()).await.unwrap();
        let create = format!("CREATE TABLE {table} (id integer PRIMARY KEY, n integer)");
        run(&mut connection, &Statement::of_host(create)).await.unwrap();
        connection.begin(Isolation::Statement);
        on.admit(&mut connection, &owner, false).await.unwrap();
        connection.commit().await.unwrap();
        owners.push(owner);
    }
    let b = owners.pop().unwrap();
    (store, owners.pop().unwrap(), b)
}

async fn run(connection: &mut host_store::Connection, statement: &Statement) -> Result<u64, StoreError> {
    connection.run(statement, &[], |_| Ok::<_, StoreError>(())).await
}

async fn as_app(server: &Server, owner: &Arc<Owner>, sql: &str) -> Result<u64, StoreError> {
    let mut connection = server.connection(owner, soon()).await?;
    run(&mut connection, &Statement::of_app(owner, sql)).await
}

async fn count(server: &Server, owner: &Arc<Owner>) -> Result<i64, StoreError> {
    let mut connection = server.connection(owner, soon()).await?;
    let mut number = -1;
    let ask = Statement::of_app(owner, format!("SELECT count(*) FROM {}__t", owner.app()));
    let take = |row: &host_store::Cells<'_>| {
        number = row.get(0)?.as_integer().unwrap();
        Ok::<_, StoreError>(())
    };
    connection.run(&ask, &[], take).await?;
    Ok(number)
}

/// A statement that takes a second.
fn sleep(kind: Kind) -> &'static str {
    match kind {
        Kind::Postgres => "SELECT pg_sleep(1)",
        Kind::Mariadb => "SELECT sleep(1)",
    }
}

async fn the_wall(kind: Kind) {
    let (store, a, b) = open(config(&kind.shared().database())).await;
    let server = store.server().unwrap();
    as_app(server, &a, "INSERT INTO a__t (id, n) VALUES (1, 1)").await.unwrap();
    as_app(server, &b, "INSERT INTO b__t (id, n) VALUES (1, 2)").await.unwrap();
    let host_table = match kind {
        Kind::Postgres => "SELECT rolpassword FROM pg_authid",
        Kind::Mariadb => "SELECT password FROM bandstand__account",
    };
    for sql in [
        "SELECT n FROM b__t",
        "SELECT n FROM a__t WHERE n IN (SELECT n FROM b__t)",
        "INSERT INTO a__t (id, n) SELECT 7, n FROM b__t",
        "UPDATE b__t SET n = 5",
        "DELETE FROM b__t",
        "DROP TABLE a__t",
        "ALTER TABLE a__t ADD COLUMN x integer",
        "CREATE TABLE a__new (id integer)",
        host_table,
    ] {
        let refused = as_app(server, &a, sql).await;
        assert!(matches!(refused, Err(StoreError::Denied(_))), "{sql}: {refused:?}");
    }
    assert_eq!((count(server, &a).await, count(server, &b).await), (Ok(1), Ok(1)));
    // A connection that worked for one app has the other one's rights when it works for that.
    for _ in 0..6 {
        assert_eq!((count(server, &a).await, count(server, &b).await), (Ok(1), Ok(1)));
        assert!(as_app(server, &b, "SELECT n FROM a__t").await.is_err());
    }
    // Also inside a transaction that was rolled back: the role must not go with it.
    let mut connection = server.connection(&a, soon()).await.unwrap();
    connection.begin(Isolation::Transaction);
    run(&mut connection, &Statement::of_app(&a, "DELETE FROM a__t")).await.unwrap();
    connection.rollback().await;
    assert!(run(&mut connection, &Statement::of_app(&a, "SELECT n FROM b__t")).await.is_err());
    drop(connection);
    assert_eq!(count(server, &a).await, Ok(1));
}

/// What the operator takes back is gone with the next start.
async fn rights_that_are_withdrawn(kind: Kind) {
    let url = kind.shared().database();
    let (store, ..) = open(config(&url)).await;
    let admit = async |store: &Arc<Store>, tables: &[&str]| {
        let owner = store.owner(&AppId::new("a").unwrap(), tables.iter().map(|table| (*table).to_owned()));
        let on = store.server().unwrap();
        let mut connection = on.host_connection(soon()).await.unwrap();
        connection.begin(Isolation::Statement);
        on.admit(&mut connection, &owner, false).await.unwrap();
        connection.commit().await.unwrap();
        as_app(on, &owner, "SELECT id FROM legacy").await
    };
    let mut connection = store.server().unwrap().host_connection(soon()).await.unwrap();
    run(&mut connection, &Statement::of_host("CREATE TABLE legacy (id integer)")).await.unwrap();
    drop(connection);
    assert_eq!(admit(&store, &["a__t", "legacy"]).await.map(drop), Ok(()));
    if kind == Kind::Mariadb {
        // As where the database came from another server: it remembers rights of an account that isn't there.
        let accounts = "SELECT concat('DROP USER ', quote(user), '@', quote(host)) FROM mysql.user WHERE user IN \
            (SELECT name FROM `{}`.bandstand__account)";
        let database = store.server().unwrap().server().target.database().to_owned();
        let drop = kind.shared().administer(&accounts.replace("{}", &database));
        drop.lines().for_each(|drop| _ = kind.shared().administer(drop));
    }
    let again = Store::open(StoreConfig::server(config(&url))).unwrap();
    let refused = admit(&again, &["a__t"]).await;
    assert!(matches!(refused, Err(StoreError::Denied(_))), "{refused:?}");
}

/// Whoever asks may run where nothing can be sent.
async fn stopping_from_anywhere(kind: Kind) {
    let (store, a, _) = open(config(&kind.shared().database())).await;
    let stopped = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut connection = store.server().unwrap().connection(&a, soon()).await.unwrap();
            connection.until(Instant::now() + Duration::from_millis(50));
            run(&mut connection, &Statement::of_app(&a, sleep(kind))).await
        })
    });
    assert_eq!(stopped.join().unwrap(), Err(StoreError::Timeout));
}

/// PostgreSQL looks up from a search in one text only when it is through. Until then the app has used up its share.
#[tokio::test]
async fn a_server_that_does_not_hear() {
    let kind = Kind::Postgres;
    let (store, a, b) = open(config(&kind.shared().database())).await;
    let server = store.server().unwrap();
    let deaf = "SELECT strpos(repeat('a', 1000000), 'b' || repeat('a', 15000))";
    let deaf = async || {
        let mut connection = server.connection(&a, soon()).await.unwrap();
        connection.until(Instant::now() + Duration::from_millis(50));
        run(&mut connection, &Statement::of_app(&a, deaf)).await
    };
    let (first, second) = tokio::join!(deaf(), deaf());
    let database = server.server().target.database();
    let working = || {
        let ask = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND state = 'active' AND query LIKE '%strpos%' AND query NOT LIKE '%pg_stat%'"
        );
        kind.shared().administer(&ask).trim().to_owned()
    };
    loop {
        let before = working();
        let third = server.connection(&a, Instant::now() + Duration::from_millis(20)).await;
        if before != "2" || working() != "2" {
            break;
        }
        assert!(matches!(third, Err(StoreError::Busy(_))), "two work for the app, and half of four is two");
        assert_eq!(count(server, &b).await, Ok(0));
    }
    for stopped in [first, second] {
        assert!(matches!(stopped, Err(StoreError::Timeout)), "{stopped:?}");
    }
    assert_eq!(count(server, &a).await, Ok(0));
}

async fn without_a_wall(kind: Kind) {
    let url = kind.shared().database();
    let target = Target::parse(&url).unwrap();
    let plain = kind.shared().url(("plain", "plain password"), target.database());
    for (wall, good) in [(Wall::Require, false), (Wall::Prefer, true), (Wall::Off, true)] {
        let store = Store::open(StoreConfig::server(ServerConfig { wall, ..config(&plain) })).unwrap();
        let server = store.server().unwrap();
        let mut connection = server.host_connection(soon()).await.unwrap();
        let looked = server.look_at_wall(&mut connection).await;
        assert_eq!(looked.is_ok(), good, "{wall:?}: {looked:?}");
        if let Err(error) = looked {
            assert!(error.to_string().contains("plain") && !error.to_string().contains("plain password"), "{error}");
        }
    }
}

/// What was stopped costs no new login, and the stop hits nobody else.
#[tokio::test]
async fn who_was_stopped_is_used_again() {
    let (store, a, b) = open(ServerConfig { connections: 2, ..config(&Kind::Postgres.shared().database()) }).await;
    let server = store.server().unwrap();
    let (mut processes, mut stopped) = (HashSet::new(), 0);
    for round in 0..200_u64 {
        let mut connection = server.connection(&a, soon()).await.unwrap();
        if round % 2 == 0 {
            connection.begin(Isolation::Transaction);
            run(&mut connection, &Statement::of_app(&a, "INSERT INTO a__t (id) VALUES (7)")).await.unwrap();
        }
        let which = Statement::of_app(&a, "SELECT pg_backend_pid()::bigint");
        let seen = |row: &host_store::Cells<'_>| {
            processes.insert(row.get(0)?.as_integer());
            Ok::<_, StoreError>(())
        };
        connection.run(&which, &[], seen).await.unwrap();
        // Some are through just when they are stopped.
        connection.until(Instant::now() + Duration::from_millis(2));
        let nap = format!("SELECT pg_sleep({})", 0.002 + 0.002 * (round / 2 % 10) as f64);
        match run(&mut connection, &Statement::of_app(&a, nap)).await {
            Err(StoreError::Timeout) => {
                assert!(connection.is_over());
                stopped += 1;
            }
            other => assert_eq!(other.map(drop), Ok(())),
        }
        drop(connection);
        assert_eq!(count(server, &b).await, Ok(0), "round {round}");
        assert_eq!(count(server, &a).await, Ok(0), "what was stopped is undone");
    }
    assert!(stopped > 50, "{stopped} were stopped");
    assert!(processes.len() <= 2, "{processes:?}");
}

async fn deadlines(kind: Kind) {
    let (store, a, b) = open(config(&kind.shared().database())).await;
    let server = store.server().unwrap();
    let slow = Statement::of_app(&a, sleep(kind));
    let mut connection = server.connection(&a, soon()).await.unwrap();
    connection.until(Instant::now() + Duration::from_millis(50));
    let began = Instant::now();
    assert_eq!(run(&mut connection, &slow).await, Err(StoreError::Timeout));
    assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
    assert!(connection.is_over());
    drop(connection);
    // Whoever loses interest stops it as well: nothing of it goes on at the server.
    for _ in 0..8 {
        let mut connection = server.connection(&a, soon()).await.unwrap();
        let lost = tokio::time::timeout(Duration::from_millis(20), run(&mut connection, &slow)).await;
        assert!(lost.is_err());
    }
    let running = match kind {
        Kind::Postgres => {
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid()"
        }
        Kind::Mariadb => {
            "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%sleep(1)%' AND id <> connection_id()"
        }
    };
    let database = server.server().target.database().to_owned();
    let running = running.replace("current_database()", &format!("'{database}'"));
    let end = Instant::now() + Duration::from_millis(600);
    while !matches!(kind.shared().administer(&running).trim(), "0") {
        assert!(Instant::now() < end, "they still run");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((count(server, &a).await, count(server, &b).await), (Ok(0), Ok(0)));
}

async fn transactions_that_are_left(kind: Kind) {
    let (store, a, _) = open(config(&kind.shared().database())).await;
    let server = store.server().unwrap();
    let insert = Statement::of_app(&a, "INSERT INTO a__t (id, n) VALUES (1, 1)");
    for _ in 0..10 {
        let mut connection = server.connection(&a, soon()).await.unwrap();
        connection.begin(Isolation::Statement);
        run(&mut connection, &insert).await.unwrap();
        drop(connection);
        // The next one waits for the row lock at most until the first one is rolled back.
        assert_eq!(count(server, &a).await, Ok(0));
    }
    let twice = server.connection(&a, soon()).await.unwrap();
    drop(twice);
    as_app(server, &a, "INSERT INTO a__t (id, n) VALUES (1, 1)").await.unwrap();
    let again = as_app(server, &a, "INSERT INTO a__t (id, n) VALUES (1, 1)").await;
    assert!(matches!(again, Err(StoreError::Constraint { kind: Constraint::Unique, .. })), "{again:?}");
}

async fn rows_that_nobody_wants(kind: Kind) {
    let (store, a, _) = open(config(&kind.shared().database())).await;
    let server = store.server().unwrap();
    let many = match kind {
        Kind::Postgres => "SELECT g FROM generate_series(1, 3000000) g",
        Kind::Mariadb => "SELECT seq FROM seq_1_to_3000000",
    };
    let mut connection = server.host_connection(soon()).await.unwrap();
    let mut taken = 0;
    let result = connection
        .run(&Statement::of_host(many), &[], |_| {
            taken += 1;
            if taken == 5 { Err(StoreError::Cancelled) } else { Ok(()) }
        })
        .await;
    assert_eq!((result, taken), (Err(StoreError::Cancelled), 5));
    drop(connection);
    assert_eq!(count(server, &a).await, Ok(0));
}

async fn rows_that_are_taken_slowly(kind: Kind) {
    let (store, a, b) = open(config(&kind.shared().database())).await;
    let server = store.server().unwrap();
    let fill = match kind {
        Kind::Postgres => "INSERT INTO a__t (id, n) SELECT g, g FROM generate_series(1, 3000) g",
        Kind::Mariadb => "INSERT INTO a__t (id, n) SELECT seq, seq FROM seq_1_to_3000",
    };
    run(&mut server.host_connection(soon()).await.unwrap(), &Statement::of_host(fill)).await.unwrap();
    // Whatever the portions are in which they come, all of them do.
    let mut connection = server.connection(&a, soon()).await.unwrap();
    for most in [0, 1, 63, 64, 65, 191, 192, 193, 448, 3_000] {
        let read = Statement::of_app(&a, format!("SELECT id FROM a__t WHERE id <= {most} ORDER BY id"));
        let mut ids = Vec::new();
        let take = |row: &host_store::Cells<'_>| {
            ids.push(row.get(0)?.as_integer().unwrap());
            let pause: Pause = Box::pin(tokio::task::yield_now());
            Ok::<_, StoreError>(Some(pause))
        };
        connection.run_pausing(&read, &[], take).await.unwrap();
        assert_eq!(ids, (1..=most).collect::<Vec<_>>());
    }
    // A row that is refused ends it, and the connection goes on outside of any transaction.
    let read = Statement::of_app(&a, "SELECT id FROM a__t ORDER BY id");
    let mut taken = 0;
    let refuse = |_: &host_store::Cells<'_>| {
        taken += 1;
        if taken == 70 { Err(StoreError::Cancelled) } else { Ok(None) }
    };
    assert_eq!(connection.run_pausing(&read, &[], refuse).await, Err(StoreError::Cancelled));
    run(&mut connection, &Statement::of_app(&a, "DELETE FROM a__t WHERE id > 2000")).await.unwrap();
    assert_eq!(count(server, &a).await, Ok(2_000));
    drop(connection);
    // Nor does it reach what isn't the app's.
    let mut connection = server.connection(&b, soon()).await.unwrap();
    let foreign = Statement::of_app(&b, "SELECT id FROM a__t");
    let refused = connection.run_pausing(&foreign, &[], |_| Ok::<_, StoreError>(None)).await;
    assert!(matches!(refused, Err(StoreError::Denied(_))), "{refused:?}");
    drop(connection);
    // What is left unread costs the server next to nothing: the same few connections serve all of them.
    let mut processes = HashSet::new();
    for _ in 0..30 {
        let mut connection = server.connection(&a, soon()).await.unwrap();
        if kind == Kind::Postgres {
            let ask = Statement::of_app(&a, "SELECT pg_backend_pid()");
            let take = |row: &host_store::Cells<'_>| {
                processes.insert(row.get(0)?.as_integer().unwrap());
                Ok::<_, StoreError>(())
            };
            connection.run(&ask, &[], take).await.unwrap();
        }
        let mut taken = 0;
        let take = |_: &host_store::Cells<'_>| {
            taken += 1;
            let pause: Pause = Box::pin(std::future::pending());
            Ok::<_, StoreError>((taken == 10).then_some(pause))
        };
        let left = tokio::time::timeout(Duration::from_millis(20), connection.run_pausing(&read, &[], take)).await;
        assert!(left.is_err() && taken == 10, "{taken}");
    }
    assert!(processes.len() <= server.server().connections, "{processes:?}");
    as_app(server, &a, "DELETE FROM a__t").await.unwrap();
    assert_eq!(count(server, &a).await, Ok(0));
}

async fn many_rows_in_one_flight(kind: Kind) {
    let (store, a, _) = open(config(&kind.shared().database())).await;
    let server = store.server().unwrap();
    let sql = match kind {
        Kind::Postgres => "INSERT INTO a__t (id, n) VALUES ($1, $2) RETURNING id",
        Kind::Mariadb => "INSERT INTO a__t (id, n) VALUES (?, ?) RETURNING id",
    };
    let insert = Statement::of_app(&a, sql).taking([Type::Integer, Type::Integer]);
    let rows: Vec<[Datum<'_>; 2]> = (0..500).map(|n| [Datum::Integer(n), Datum::Null]).collect();
    let rows: Vec<&[Datum<'_>]> = rows.iter().map(|row| &row[..]).collect();
    let mut connection = server.connection(&a, soon()).await.unwrap();
    connection.begin(Isolation::Statement);
    let mut ids = Vec::new();
    let take = |row: &host_store::Cells<'_>| {
        ids.push(row.get(0)?.as_integer().unwrap());
        Ok::<_, StoreError>(())
    };
    assert_eq!(connection.run_all(&insert, &rows, take).await, Ok(500));
    assert_eq!(ids, (0..500).collect::<Vec<_>>());
    connection.commit().await.unwrap();
    // One that fails in the middle fails all of them.
    connection.begin(Isolation::Statement);
    let again: Vec<[Datum<'_>; 2]> = (495..505).rev().map(|n| [Datum::Integer(n), Datum::Null]).collect();
    let again: Vec<&[Datum<'_>]> = again.iter().map(|row| &row[..]).collect();
    let failed = connection.run_all(&insert, &again, |_| Ok::<_, StoreError>(())).await;
    assert!(matches!(failed, Err(StoreError::Constraint { kind: Constraint::Unique, .. })), "{failed:?}");
    connection.rollback().await;
    drop(connection);
    assert_eq!(count(server, &a).await, Ok(500));
}

async fn a_server_that_goes_and_comes(kind: Kind) {
    let own = test_servers::Server::start(kind);
    let (store, a, _) = open(config(&own.database())).await;
    let server = store.server().unwrap();
    as_app(server, &a, "INSERT INTO a__t (id, n) VALUES (1, 1)").await.unwrap();
    let mut open = server.connection(&a, soon()).await.unwrap();
    open.begin(Isolation::Transaction);
    run(&mut open, &Statement::of_app(&a, "DELETE FROM a__t")).await.unwrap();
    own.stop();
    // What was under way had no effect: it says so and not more.
    let lost = run(&mut open, &Statement::of_app(&a, "DELETE FROM a__t")).await;
    assert!(matches!(lost, Err(StoreError::Busy(_))), "{lost:?}");
    drop(open);
    for _ in 0..3 {
        let away = count(server, &a).await;
        assert!(matches!(away, Err(StoreError::Busy(_))), "{away:?}");
    }
    own.go();
    let end = Instant::now() + Duration::from_secs(5);
    while let Err(away) = count(server, &a).await {
        assert!(matches!(away, StoreError::Busy(_)), "{away:?}");
        assert!(Instant::now() < end, "without a restart of the host");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count(server, &a).await, Ok(1));
    // Connections that were idle when it went and came are no trouble for whoever gets them.
    own.stop();
    own.go();
    assert_eq!(count(server, &a).await, Ok(1));
    as_app(server, &a, "INSERT INTO a__t (id, n) VALUES (2, 2)").await.unwrap();
}

async fn a_crowd_of_one_app(kind: Kind) {
    let (store, a, b) = open(config(&kind.shared().database())).await;
    let server = store.server().unwrap();
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(server.connection(&a, soon()).await.unwrap());
    }
    let refused = server.connection(&a, Instant::now() + Duration::from_millis(30)).await;
    assert!(matches!(refused, Err(StoreError::Busy(_))));
    assert_eq!(count(server, &b).await, Ok(0), "the other half is for others");
    drop(held);
    assert_eq!(count(server, &a).await, Ok(0));
}

/// A statement that takes so many milliseconds.
fn sleep_for(kind: Kind, ms: u32) -> String {
    match kind {
        Kind::Postgres => format!("SELECT pg_sleep({}::float8 / 1000)", ms),
        Kind::Mariadb => format!("SELECT sleep({} / 1000)", ms),
    }
}

async fn what_is_slow_takes_turns(kind: Kind) {
    let server = ServerConfig { connections: 8, ..config(&kind.shared().database()) };
    let (store, a, b) = open_with(StoreConfig { slow_statements: 1, ..StoreConfig::server(server) }).await;
    let server = store.server().unwrap();
    let (slow, quick) = (Pace::of_statement(), Pace::of_statement());
    let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = async |owner: &Arc<Owner>, pace: &Arc<Pace>, sql: &str, deadline: Instant| {
        let turn = owner.turns().take(pace.effort(), None, deadline).await?;
        let mut connection = server.connection(owner, deadline).await?;
        connection.takes(turn);
        most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
        let done = run(&mut connection, &Statement::of_app(owner, sql).paced(Some(pace.clone()))).await;
        running.fetch_sub(1, SeqCst);
        done.map(drop)
    };
    let sql = sleep_for(kind, 100);
    let together = (0..4).map(|_| work(&a, &slow, &sql, soon()));
    assert_eq!(futures::future::join_all(together).await, vec![Ok(()); 4]);
    assert_eq!((most.load(SeqCst), slow.effort()), (1, Effort::Slow));
    // What was quick before needs no turn, nor does another app wait for this one's.
    // On a busy machine it may look slow at first.
    for _ in 0..200 {
        work(&a, &quick, "SELECT 1", soon()).await.unwrap();
        if quick.effort() == Effort::Quick {
            break;
        }
    }
    assert_eq!(quick.effort(), Effort::Quick);
    let turn = a.turns().take(slow.effort(), None, soon()).await.unwrap();
    work(&a, &quick, "SELECT 1", soon()).await.unwrap();
    work(&b, &slow, &sql, soon()).await.unwrap();
    let refused = work(&a, &slow, &sql, Instant::now() + Duration::from_millis(20)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Busy(_)) && refused.to_string().contains("slow_statements"), "{refused}");
    drop(turn);
    work(&a, &slow, &sql, soon()).await.unwrap();
}

/// What was slow in a transaction makes the next ones wait for turns, and they keep them.
async fn slow_transactions_take_turns(kind: Kind) {
    let server = ServerConfig { connections: 8, ..config(&kind.shared().database()) };
    let store = StoreConfig {
        slow_statements: 1,
        transaction_total_ms: 20_000,
        transaction_idle_ms: 20_000,
        ..StoreConfig::server(server)
    };
    let (store, a, _) = open_with(store).await;
    let server = store.server().unwrap();
    let begin = async |patience| {
        let deadline = Instant::now() + Duration::from_millis(patience);
        let turn = a.turns().take(a.transactions().effort(), None, deadline).await?;
        let beside = turn.beside();
        server.transaction(&a, turn, deadline).await.map(|transaction| (transaction, beside))
    };
    let (slow, beside) = begin(10_000).await.unwrap();
    run(&mut slow.enter().await.unwrap(), &Statement::of_app(&a, sleep_for(kind, 200))).await.unwrap();
    assert!(beside.upgrade().is_none(), "until it is seen to be slow it needs no turn");
    drop(slow);
    let (first, beside) = begin(10_000).await.unwrap();
    assert!(matches!(begin(20).await, Err(StoreError::Busy(_))));
    // What its borrower does beside it doesn't wait for it.
    drop(beside.upgrade().unwrap().take(Effort::Slow, None, soon()).await.unwrap());
    drop(first);
    while beside.upgrade().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..40 {
        let (quick, _) = begin(10_000).await.unwrap();
        run(&mut quick.enter().await.unwrap(), &Statement::of_app(&a, "SELECT n FROM a__t")).await.unwrap();
    }
    let together = futures::future::join_all((0..3).map(|_| begin(10_000))).await;
    assert!(together.iter().all(Result::is_ok), "they need no turn any more");
}

/// A stop that comes when its statement is done already must not hit the next one on that connection.
async fn a_stop_that_comes_late(kind: Kind) {
    let (store, a, b) = open(ServerConfig { connections: 2, ..config(&kind.shared().database()) }).await;
    let server = store.server().unwrap();
    let (short, next) = (sleep_for(kind, 20), sleep_for(kind, 10));
    let (short, next) = (Statement::of_app(&a, short), Statement::of_app(&b, next));
    for at in 0..60 {
        let mut connection = server.connection(&a, soon()).await.unwrap();
        // Around the moment at which it is done.
        connection.until(Instant::now() + Duration::from_micros(20_000 + 30 * at));
        let _ = run(&mut connection, &short).await;
        drop(connection);
        let mut connection = server.connection(&b, soon()).await.unwrap();
        assert_eq!(run(&mut connection, &next).await.map(drop), Ok(()), "round {at}");
    }
}

#[test]
fn a_server_that_is_not_there_is_said_at_the_start() {
    for (url, word) in [
        ("postgres://me:secret@127.0.0.1:1/site", "PostgreSQL at 127.0.0.1:1"),
        ("mariadb://me:secret@127.0.0.1:1/site", "MariaDB at 127.0.0.1:1"),
        ("postgres://me:secret@localhost/site?socket=/nowhere", "/nowhere"),
    ] {
        let error = Store::open(StoreConfig::server(config(url))).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("[database]") && !error.contains("secret"), "{error}");
    }
    for kind in [Kind::Postgres, Kind::Mariadb] {
        let url = kind.shared().database().replace("site%20password", "wrong");
        let error = Store::open(StoreConfig::server(config(&url))).unwrap_err().to_string();
        assert!(error.contains("user site can't be used"), "{error}");
    }
}

#[test]
fn a_lifetime_has_bounds() {
    for lifetime_s in [0, 31_536_001, u64::MAX] {
        let server = ServerConfig { lifetime_s, ..config("postgres://me@127.0.0.1:1/site") };
        let error = Store::open(StoreConfig::server(server)).unwrap_err().to_string();
        assert!(error.contains("lifetime_s") && error.contains("1 to 31536000"), "{error}");
    }
}

macro_rules! on_both {
    ($($test:ident,)*) => {
        mod postgres {
            $(#[tokio::test] async fn $test() { super::$test(super::Kind::Postgres).await; })*
        }
        mod mariadb {
            $(#[tokio::test] async fn $test() { super::$test(super::Kind::Mariadb).await; })*
        }
    };
}

on_both! {
    the_wall,
    rights_that_are_withdrawn,
    stopping_from_anywhere,
    without_a_wall,
    deadlines,
    transactions_that_are_left,
    rows_that_nobody_wants,
    rows_that_are_taken_slowly,
    many_rows_in_one_flight,
    a_server_that_goes_and_comes,
    a_crowd_of_one_app,
    what_is_slow_takes_turns,
    slow_transactions_take_turns,
    a_stop_that_comes_late,
}

macro_rules! elsewhere_on_both {
    ($($module:ident::$test:ident,)*) => {
        mod postgres_network {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $test() { super::$module::$test(super::Kind::Postgres).await; })*
        }
        mod mariadb_network {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $test() { super::$module::$test(super::Kind::Mariadb).await; })*
        }
    };
}

elsewhere_on_both! {
    outages::connections_that_died_while_they_were_idle,
    outages::connections_that_a_firewall_forgot,
    outages::a_server_that_is_silent_costs_few_requests_their_time,
    outages::replicas_that_are_away_are_passed_over,
    outages::an_old_connection_is_replaced,
    outages::a_statement_that_goes_unheard_gives_its_place_back,
    unknown::a_commit_that_is_cut_off,
    unknown::a_write_that_is_cut_off,
    unknown::a_read_that_is_cut_off_runs_again,
    unknown::a_write_that_was_stopped_is_undone_or_unknown,
    load::a_server_that_is_killed,
    load::a_server_that_is_stopped,
}
