//! Records of a real server's answers.

use super::Said;
use crate::server::{open, poll_once};
use crate::watch::{Look, Parameter, Record, Status, Tag};
use std::pin::pin;
use tokio::join;

fn tags(record: &Record) -> Vec<&[Tag]> {
    record
        .answers
        .iter()
        .map(|answer| &answer.tags[..])
        .collect()
}

#[tokio::test]
async fn commit_of_a_failed_transaction_is_recorded_as_a_rollback() {
    let conn = open().await;
    let exchange = conn.exchange();
    let (begin, query, commit) = join!(
        conn.run("BEGIN; SET work_mem = '7MB'"),
        conn.run("SELECT 1; SELECT 1/0; SELECT 2"),
        conn.run("COMMIT"),
    );
    assert!(begin.is_ok() && query.is_err());
    assert!(commit.is_ok(), "the driver says that the COMMIT went well");
    let Said { look, record, .. } = exchange.recorded().await;
    assert_eq!(look, Look::Settled(Status::Idle));
    assert_eq!(
        tags(&record),
        [
            &[Tag::Begin, Tag::Set][..],
            &[Tag::Select],
            &[Tag::Rollback]
        ]
    );
    let failure = record.answers[1].failure.as_ref().unwrap();
    assert_eq!((&failure.code, &failure.routine[..]), (b"22012", "int4div"));
    let statuses: Vec<_> = record.answers.iter().map(|answer| answer.status).collect();
    assert_eq!(
        statuses,
        [Status::Transaction, Status::Failed, Status::Idle]
    );
}

/// The error comes first, and the record must not be read without the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_of_a_failed_request_is_complete_without_another_one() {
    let conn = open().await;
    for _ in 0..300 {
        let before = conn.wire_counts().requests;
        let exchange = conn.exchange();
        conn.run("SET work_mem = '8MB'; SELECT nonsense")
            .await
            .unwrap_err();
        let Said { look, record, .. } = exchange.recorded().await;
        assert_eq!(look, Look::Settled(Status::Idle));
        assert_eq!(record.answers.len(), 1);
        assert_eq!(record.answers[0].status, Status::Idle);
        assert_eq!(conn.wire_counts().requests, before + 1);
    }
}

#[tokio::test]
async fn reported_parameters_are_recorded_with_the_servers_own_spelling() {
    let conn = open().await;
    let exchange = conn.exchange();
    conn.run("SET datestyle = 'german'; SET application_name = 'a'; SET work_mem = '5MB'")
        .await
        .unwrap();
    let record = exchange.recorded().await.record;
    let told: Vec<_> = record.answers[0]
        .parameters
        .iter()
        .map(|parameter: &Parameter| (&parameter.name[..], parameter.value.as_deref()))
        .collect();
    assert!(
        told.contains(&("DateStyle", Some("German, DMY"))),
        "{told:?}"
    );
    assert!(told.contains(&("application_name", Some("a"))), "{told:?}");
    assert_eq!(told.len(), 2);
}

#[tokio::test]
async fn closing_of_statements_is_not_recorded() {
    let conn = open().await;
    let statement = conn.prepare("SELECT 1").await.unwrap();
    conn.run("").await.unwrap();
    let exchange = conn.exchange();
    drop(statement);
    conn.execute("SELECT 2", &[]).await.unwrap();
    let record = exchange.recorded().await.record;
    // The statement is prepared, and then run.
    assert_eq!(tags(&record), [&[][..], &[Tag::Select]]);
}

#[tokio::test]
async fn a_record_ends_with_its_exchange_and_the_next_one_begins_empty() {
    let conn = open().await;
    drop(conn.exchange());
    conn.run("SELECT 1").await.unwrap();
    let exchange = conn.exchange();
    let record = exchange.recorded().await.record;
    assert_eq!(record, Record::default());
    let exchange = conn.exchange();
    conn.run("").await.unwrap();
    let record = exchange.finished().await.record;
    assert_eq!(tags(&record), [&[Tag::Empty][..]]);
}

#[tokio::test]
async fn a_lost_connection_ends_the_wait_and_keeps_what_was_answered() {
    let conn = open().await;
    let exchange = conn.exchange();
    conn.run("SELECT 1").await.unwrap();
    conn.run("SELECT pg_terminate_backend(pg_backend_pid())")
        .await
        .unwrap_err();
    let Said { look, record, .. } = exchange.recorded().await;
    assert_eq!(look, Look::Lost);
    assert_eq!(tags(&record), [&[Tag::Select][..]]);
    assert!(conn.answered().await.is_err());
}

#[tokio::test]
async fn an_answer_that_nobody_awaits_is_waited_for() {
    let conn = open().await;
    let exchange = conn.exchange();
    {
        let mut dropped = pin!(conn.run("BEGIN; SELECT pg_sleep(0.05)"));
        poll_once(&mut dropped);
    }
    let Said { look, record, .. } = exchange.recorded().await;
    assert_eq!(look, Look::Settled(Status::Transaction));
    assert_eq!(tags(&record), [&[Tag::Begin, Tag::Select][..]]);
}

#[tokio::test]
async fn copy_is_recorded_as_one_request() {
    use futures_util::SinkExt;
    let conn = open().await;
    conn.run("CREATE TEMP TABLE copied (a int)").await.unwrap();
    let copy = conn.prepare("COPY copied FROM STDIN").await.unwrap();
    let exchange = conn.exchange();
    let mut sink = pin!(conn.copy_in::<_, &'static [u8]>(&copy).await.unwrap());
    sink.send(&b"1\n2\n"[..]).await.unwrap();
    sink.as_mut().finish().await.unwrap();
    let record = exchange.recorded().await.record;
    assert_eq!(tags(&record), [&[Tag::Other][..]]);
}

#[tokio::test]
async fn a_pipeline_is_one_turn_and_every_message_is_counted() {
    let conn = open().await;
    let statement = conn.prepare("SELECT 1").await.unwrap();
    conn.run("").await.unwrap();
    let before = conn.wire_counts();
    let (begin, query, commit) = join!(
        conn.run("BEGIN"),
        conn.query_typed("SELECT 2", &[]),
        conn.run("COMMIT"),
    );
    assert!(begin.is_ok() && query.is_ok() && commit.is_ok());
    let after = conn.wire_counts();
    assert_eq!(after.turns - before.turns, 1);
    assert_eq!(after.requests - before.requests, 3);
    assert_eq!(after.queries - before.queries, 2);
    assert_eq!(
        (after.parses, after.binds, after.executes, after.syncs),
        (
            before.parses + 1,
            before.binds + 1,
            before.executes + 1,
            before.syncs + 1
        )
    );
    conn.query(&statement, &[]).await.unwrap();
    assert_eq!(conn.wire_counts().parses, after.parses);
}
