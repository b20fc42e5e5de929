//! What policies of health see of a connection to a real server.

use crate::support::{manager, poll_once, until, url, watched_connect};
use pool_core::{ErrorClass, Manager};
use pool_postgres::PostgresManager;
use pool_testkit::proxy::{FaultProxy, Mode};
use std::net::SocketAddr;
use std::time::Duration;

/// A proxy in front of the server, and a manager that goes through it.
pub(crate) async fn through_a_proxy() -> (FaultProxy, PostgresManager) {
    let url = url();
    let (before, rest) = url.rsplit_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    let server: SocketAddr = tokio::net::lookup_host(address)
        .await
        .unwrap()
        .next()
        .unwrap();
    let proxy = FaultProxy::start(server).await.unwrap();
    let manager = PostgresManager::new(&format!("{before}@{}/{name}", proxy.address())).unwrap();
    (proxy, manager)
}

#[tokio::test]
async fn query_is_outstanding_while_it_runs_and_heard_of_when_it_is_answered() {
    let (cx, vitals) = watched_connect();
    let conn = manager().connect(&cx).await.unwrap();
    assert_eq!(vitals.pulse().answered, 0, "the startup is no request");
    conn.query("SELECT pg_sleep(0.1)", &[]).await.unwrap();
    let prepared_and_run = vitals.pulse();
    assert_eq!(
        (prepared_and_run.answered, prepared_and_run.outstanding),
        (2, 0)
    );
    assert!(prepared_and_run.reply_took >= Duration::from_millis(90));
    {
        let mut slow = std::pin::pin!(conn.query("SELECT pg_sleep(0.1)", &[]));
        poll_once(&mut slow);
        until("the query is out", || async {
            vitals.pulse().outstanding == 1
        })
        .await;
        assert_eq!(vitals.pulse().kind, prepared_and_run.reply_kind);
        slow.await.unwrap();
    }
    conn.query("SELECT 1/0", &[]).await.unwrap_err();
    // The driver tells of an error before the reply has ended.
    until("the reply is complete", || async {
        vitals.pulse().outstanding == 0
    })
    .await;
    let errors = vitals.pulse().errors;
    assert_eq!(errors.of(ErrorClass::Harmless), 1);
    assert_eq!(errors.of(ErrorClass::Connection), 0);
}

#[tokio::test]
async fn connection_that_is_held_owes_an_answer_and_its_sibling_does_not() {
    let (proxy, manager) = through_a_proxy().await;
    let (cx, held) = watched_connect();
    let conn = manager.connect(&cx).await.unwrap();
    let (cx, well) = watched_connect();
    let sibling = manager.connect(&cx).await.unwrap();
    let row = conn
        .query_one("SELECT inet_client_port()", &[])
        .await
        .unwrap();
    let port = u16::try_from(row.get::<_, i32>(0)).unwrap();
    let number = proxy.passage_from(port).unwrap().number;
    let before = held.pulse();

    proxy.set_one(number, Mode::BlackHole).unwrap();
    {
        let mut lost = std::pin::pin!(conn.query("SELECT inet_client_port()", &[]));
        poll_once(&mut lost);
        sibling.query("SELECT 1", &[]).await.unwrap();
        until("the query is out", || async {
            held.pulse().outstanding == 1
        })
        .await;
        assert_eq!(held.pulse().kind, before.reply_kind);
        assert_eq!(held.pulse().heard, before.heard);
        assert_eq!(well.pulse().outstanding, 0);
        proxy.set_one(number, Mode::Pass).unwrap();
        lost.await.unwrap();
    }
    assert_eq!(held.pulse().outstanding, 0);
}
