use crate::support::{exists, open, until};
use pool_core::{Condition, ErrorClass, Manager};
use tokio::runtime::Handle;

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn no_task_is_left_after_close() {
    let (manager, conn) = open().await;
    assert_eq!(tasks(), 1);
    manager.close(conn).await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn no_task_is_left_after_drop() {
    let (_, conn) = open().await;
    drop(conn);
    until("the task has ended", || async { tasks() == 0 }).await;
}

#[tokio::test]
async fn no_task_is_left_when_close_is_given_up() {
    let (manager, conn) = open().await;
    {
        let mut closing = std::pin::pin!(manager.close(conn));
        crate::support::poll_once(&mut closing);
    }
    until("the task has ended", || async { tasks() == 0 }).await;
}

#[tokio::test]
async fn closed_connection_ends_its_back_end() {
    let (manager, conn) = open().await;
    let observer = manager.open().await.unwrap();
    let pid = conn.process_id();
    manager.close(conn).await;
    until("the back end has ended", || async {
        !exists(&observer, pid).await
    })
    .await;
}

#[tokio::test]
async fn process_id_is_the_back_ends() {
    let (_, conn) = open().await;
    let row = conn
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i32>(0), conn.process_id());
}

#[tokio::test]
async fn terminated_back_end_makes_the_connection_broken() {
    let (manager, mut conn) = open().await;
    let observer = manager.open().await.unwrap();
    let pid = conn.process_id();
    observer
        .query("SELECT pg_terminate_backend($1)", &[&pid])
        .await
        .unwrap();
    let error = manager.validate(&mut conn).await.unwrap_err();
    assert_eq!(manager.classify(&error), ErrorClass::Connection);
    assert_eq!(manager.condition(&mut conn), Condition::Broken);
}

#[tokio::test]
async fn validate_is_one_empty_query() {
    let (manager, mut conn) = open().await;
    let before = conn.requests();
    manager.validate(&mut conn).await.unwrap();
    assert_eq!(conn.requests(), before + 1);
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
}

#[tokio::test]
async fn idle_connection_whose_back_end_is_killed_is_broken_without_being_asked() {
    let manager = crate::support::manager();
    let (cx, vitals) = crate::support::watched_connect();
    let mut conn = manager.connect(&cx).await.unwrap();
    let observer = manager.open().await.unwrap();
    let pid = conn.process_id();
    observer
        .query("SELECT pg_terminate_backend($1)", &[&pid])
        .await
        .unwrap();
    while manager.condition(&mut conn) != Condition::Broken {
        tokio::task::yield_now().await;
    }
    let pulse = vitals.pulse();
    assert_eq!(pulse.errors.of(ErrorClass::Connection), 1);
    assert_eq!((pulse.outstanding, pulse.answered), (0, 0));
}
