//! What a session cannot have is refused by name, with what to do instead.

use pool_multiplex::{Error, SessionOptions};

use crate::house::{House, number};

async fn refusal(name: &str, value: &str) -> String {
    let house = House::new(1).await;
    let mut session = house.session();
    match session.set(name, value).await {
        Err(error @ Error::Refused { .. }) => error.to_string(),
        other => panic!("{name} = {value}: {other:?}"),
    }
}

#[tokio::test]
async fn pragmas_of_the_file_and_of_the_process_are_refused_by_name() {
    for name in [
        "journal_mode",
        "locking_mode",
        "page_size",
        "case_sensitive_like",
        "writable_schema",
        "soft_heap_limit",
        "user_version",
        "table_info",
    ] {
        let said = refusal(name, "1").await;
        assert!(said.contains(name), "{said}");
    }
    assert!(
        refusal("journal_mode", "wal")
            .await
            .contains("journal_mode() on the manager")
    );
}

#[tokio::test]
async fn unknown_names_and_values_that_are_none_are_refused_before_anything_runs() {
    let said = refusal("cache_sise", "1").await;
    assert!(said.contains("\"cache_sise\""), "{said}");
    refusal("cache_size = 1; DROP TABLE t; --", "1").await;
    refusal("cache_size", "1; DROP TABLE t").await;
    refusal("foreign_keys", "banana").await;
    refusal("app.it's", "1").await;
    refusal("app.", "1").await;
    refusal("app.id", &"x".repeat(4097)).await;
}

#[tokio::test]
async fn a_value_is_never_read_as_sql() {
    let house = House::new(2).await;
    let mut session = house.session();
    let nasty = "'; DROP TABLE t; --\"\0";
    session.set("app.id", nasty).await.expect("set");
    house
        .sessions
        .create()
        .expect("another")
        .attach()
        .await
        .expect("a connection");
    let seen: String = session
        .query_row("SELECT session_value('app.id')", (), |row| row.get(0))
        .await
        .expect("a value");
    assert_eq!(seen, nasty);
    assert_eq!(
        number(&mut session, "SELECT count(*) FROM t")
            .await
            .expect("it is there"),
        0
    );
}

#[tokio::test]
async fn what_sqlite_ignores_in_a_transaction_is_refused_there() {
    let house = House::new(1).await;
    let mut session = house.session();
    let mut transaction = session.transaction().await.expect("begun");
    for name in ["foreign_keys", "synchronous", "temp_store"] {
        let outcome = transaction.set(name, "1").await;
        assert!(
            matches!(outcome, Err(Error::InTransaction)),
            "{name}: {outcome:?}"
        );
    }
    transaction
        .set("defer_foreign_keys", "on")
        .await
        .expect("set");
    let seen = transaction.get("defer_foreign_keys").await.expect("get");
    assert_eq!(seen.as_deref(), Some("1"));
    transaction.rollback().await.expect("rolled back");
    let outcome = session.set("defer_foreign_keys", "on").await;
    assert!(matches!(outcome, Err(Error::NoTransaction)), "{outcome:?}");
}

#[tokio::test]
async fn deferred_foreign_keys_never_reach_the_next_session() {
    let house = House::new(1).await;
    let (mut a, mut b) = (house.session(), house.session());
    // Compiled and not run: it is in force, and no commit has taken it back.
    a.call(|c| c.prepare("PRAGMA defer_foreign_keys = ON").map(drop))
        .await
        .expect("compiled");
    assert_eq!(
        number(&mut b, "PRAGMA defer_foreign_keys")
            .await
            .expect("one"),
        0
    );
}

#[tokio::test]
async fn temp_store_is_refused_while_it_would_drop_tables() {
    let house = House::new(1).await;
    let mut session = house.session();
    session
        .execute_batch("CREATE TEMP TABLE x (n)")
        .await
        .expect("a table");
    let outcome = session.set("temp_store", "memory").await;
    assert!(matches!(outcome, Err(Error::Refused { .. })), "{outcome:?}");
    session
        .execute_batch("DROP TABLE x")
        .await
        .expect("dropped");
    session.set("temp_store", "memory").await.expect("set");
    assert_eq!(
        number(&mut session, "PRAGMA temp_store")
            .await
            .expect("one"),
        2
    );
}

#[tokio::test]
async fn a_baseline_that_cannot_be_had_is_an_error_of_the_first_call() {
    let house = House::new(1).await;
    for (name, value) in [("journal_mode", "wal"), ("cache_size", "much")] {
        let options = SessionOptions::new()
            .setting("busy_timeout", "9")
            .setting(name, value);
        let mut session = house.sessions.create_with(options).expect("a session");
        let outcome = session.execute("INSERT INTO t VALUES (1)", ()).await;
        match outcome {
            Err(Error::Prelude(error)) => assert!(error.to_string().contains(name), "{error}"),
            other => panic!("{other:?}"),
        }
    }
    let mut next = house.session();
    assert_eq!(
        number(&mut next, "SELECT count(*) FROM t")
            .await
            .expect("nothing ran"),
        0
    );
    assert_eq!(
        number(&mut next, "PRAGMA busy_timeout")
            .await
            .expect("put back"),
        5000
    );
    assert_eq!(house.pool.status().opened, 1, "the connection went on");
}

#[tokio::test]
async fn what_cannot_be_followed_costs_the_connection() {
    let house = House::new(1).await;
    let mut session = house.session();
    for (at, sql) in [
        "PRAGMA case_sensitive_like = ON",
        "PRAGMA temp.cache_size = 5",
        "PRAGMA mmap_size = 0",
    ]
    .into_iter()
    .enumerate()
    {
        session.execute_batch(sql).await.expect(sql);
        assert_eq!(house.sessions.statistics().tainted, at as u64 + 1, "{sql}");
        assert_eq!(
            number(&mut session, "SELECT 'a' LIKE 'A'")
                .await
                .expect("one"),
            1,
            "{sql}"
        );
    }
    session
        .raw(|c| c.busy_timeout(std::time::Duration::from_millis(3)))
        .await
        .expect("raw");
    assert_eq!(
        number(&mut session, "PRAGMA busy_timeout")
            .await
            .expect("one"),
        5000
    );
    assert_eq!(house.pool.status().opened, 5);
}
