//! What a session has set is there on whatever connection it runs.

use pool_multiplex::SessionOptions;

use crate::house::{House, connection, number, variable};

#[tokio::test]
async fn pragmas_and_values_follow_a_session_to_another_connection() {
    let house = House::new(2).await;
    let mut a = house.session();
    assert_eq!(&*a.set("cache_size", "-777").await.expect("set"), "-777");
    assert_eq!(&*a.set("Synchronous", "FULL").await.expect("set"), "2");
    assert_eq!(&*a.set("foreign_keys", "off").await.expect("set"), "0");
    a.set("app.id", "42").await.expect("set");
    for _ in 0..4 {
        house.swap(&mut a).await;
        assert_eq!(
            number(&mut a, "PRAGMA cache_size").await.expect("one"),
            -777
        );
        assert_eq!(number(&mut a, "PRAGMA synchronous").await.expect("one"), 2);
        assert_eq!(number(&mut a, "PRAGMA foreign_keys").await.expect("one"), 0);
        assert_eq!(variable(&mut a, "app.id").await.as_deref(), Some("42"));
    }
    let cache = a.get("cache_size").await.expect("get");
    assert_eq!(cache.as_deref(), Some("-777"));
}

#[tokio::test]
async fn another_session_on_the_same_connection_sees_what_was_opened() {
    let house = House::new(1).await;
    let (mut a, mut b) = (house.session(), house.session());
    let opened = number(&mut b, "PRAGMA cache_size").await.expect("one");
    a.set("cache_size", "17").await.expect("set");
    a.set("app.id", "a").await.expect("set");
    assert_eq!(variable(&mut a, "app.id").await.as_deref(), Some("a"));
    assert_eq!(variable(&mut b, "app.id").await, None);
    assert_eq!(
        number(&mut b, "PRAGMA cache_size").await.expect("one"),
        opened
    );
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), 17);
    assert_eq!(connection(&a), connection(&b));
}

#[tokio::test]
async fn a_plain_lease_never_sees_what_a_session_has_set() {
    let house = House::new(1).await;
    let mut a = house.session();
    for round in 0..3 {
        a.set("cache_size", "17").await.expect("set");
        a.set("query_only", "on").await.expect("set");
        a.set("app.id", "a").await.expect("set");
        assert_eq!(variable(&mut a, "app.id").await.as_deref(), Some("a"));
        let mut lease = house.pool.acquire().await.expect("a lease");
        let seen = lease
            .call(|c| {
                c.execute("INSERT INTO t VALUES (1)", [])?;
                c.query_row(
                    "SELECT session_value('app.id'), (SELECT * FROM pragma_cache_size)",
                    [],
                    |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, i64>(1)?)),
                )
            })
            .await
            .expect("a plain write");
        assert_eq!(seen.0, None, "round {round}");
        assert_ne!(seen.1, 17, "round {round}");
    }
}

#[tokio::test]
async fn a_pragma_in_the_sql_of_a_closure_is_followed_too() {
    let house = House::new(2).await;
    let mut a = house.session();
    a.execute_batch("PRAGMA recursive_triggers = ON; PRAGMA cache_size(55)")
        .await
        .expect("two pragmas");
    house.swap(&mut a).await;
    assert_eq!(
        number(&mut a, "PRAGMA recursive_triggers")
            .await
            .expect("one"),
        1
    );
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), 55);
}

#[tokio::test]
async fn a_cached_statement_that_changes_a_setting_is_seen_each_time_it_runs() {
    let house = House::new(1).await;
    let (mut a, mut b) = (house.session(), house.session());
    for session in [&mut a, &mut b] {
        session
            .call(|c| {
                c.prepare_cached("PRAGMA cache_size = -4321")?
                    .execute([])
                    .map(drop)
            })
            .await
            .expect("a pragma");
        let set = session
            .base()
            .look(|state| state.wanted().get("cache_size").cloned());
        assert_eq!(set.expect("a look").as_deref(), Some("-4321"));
    }
    let mut c = house.session();
    assert_ne!(
        number(&mut c, "PRAGMA cache_size").await.expect("one"),
        -4321
    );
}

#[tokio::test]
async fn a_reset_goes_back_to_what_the_session_began_with() {
    let house = House::new(2).await;
    let options = SessionOptions::new()
        .setting("cache_size", "-300")
        .setting("foreign_keys", "off")
        .setting("app.id", "first");
    let mut a = house.sessions.create_with(options).expect("a session");
    assert_eq!(
        number(&mut a, "PRAGMA cache_size").await.expect("one"),
        -300
    );
    a.set("cache_size", "-900").await.expect("set");
    a.set("app.id", "second").await.expect("set");
    a.set("app.other", "x").await.expect("set");
    a.reset("cache_size").await.expect("reset");
    house.swap(&mut a).await;
    assert_eq!(
        number(&mut a, "PRAGMA cache_size").await.expect("one"),
        -300
    );
    assert_eq!(variable(&mut a, "app.id").await.as_deref(), Some("second"));
    a.reset_all().await.expect("reset");
    house.swap(&mut a).await;
    assert_eq!(number(&mut a, "PRAGMA foreign_keys").await.expect("one"), 0);
    assert_eq!(variable(&mut a, "app.id").await.as_deref(), Some("first"));
    assert_eq!(variable(&mut a, "app.other").await, None);
}

#[tokio::test]
async fn a_reset_without_a_baseline_goes_back_to_what_was_opened() {
    let house = House::new(1).await;
    let mut a = house.session();
    let opened = number(&mut a, "PRAGMA busy_timeout").await.expect("one");
    a.set("busy_timeout", "7").await.expect("set");
    assert_eq!(number(&mut a, "PRAGMA busy_timeout").await.expect("one"), 7);
    a.reset("busy_timeout").await.expect("reset");
    assert_eq!(
        number(&mut a, "PRAGMA busy_timeout").await.expect("one"),
        opened
    );
    assert_eq!(house.sessions.statistics().settings, 0);
}

#[tokio::test]
async fn a_session_alone_replays_nothing() {
    let house = House::new(4).await;
    let mut a = house.session();
    a.set("cache_size", "-777").await.expect("set");
    for _ in 0..20 {
        number(&mut a, "SELECT 1").await.expect("one");
    }
    let seen = house.sessions.statistics();
    assert_eq!(seen.replayed_settings, 0);
}

#[tokio::test]
async fn a_view_can_look_at_a_session_value() {
    let house = House::new(1).await;
    let (mut a, mut b) = (house.session(), house.session());
    a.execute_batch(
        "INSERT INTO t VALUES (1), (2), (2);
         CREATE VIEW mine AS SELECT n FROM t WHERE n = CAST(session_value('app.tenant') AS INTEGER)",
    )
    .await
    .expect("a view");
    a.set("app.tenant", "1").await.expect("set");
    b.set("app.tenant", "2").await.expect("set");
    b.set("trusted_schema", "off").await.expect("set");
    for _ in 0..2 {
        assert_eq!(
            number(&mut a, "SELECT count(*) FROM mine")
                .await
                .expect("one"),
            1
        );
        assert_eq!(
            number(&mut b, "SELECT count(*) FROM mine")
                .await
                .expect("two"),
            2
        );
    }
}
