//! A session goes on in another pool, with all that is not a connection's.

use crate::support::{begin, is_free, pid, run, sessions, set_up, show, show_elsewhere, user};
use pool_multiplex::transfer::{Exporter, Keys, TransferError, UnixSeconds};
use pool_multiplex::{PinReason, SessionOptions, Sessions};
use pool_postgres::{PostgresManager, Session, SessionError};

const NOW: UnixSeconds = UnixSeconds(1_000_000);

fn keys() -> Keys {
    Keys::new(1, [7; 32]).unwrap()
}

fn import(sessions: &Sessions<PostgresManager>, blob: &[u8]) -> Result<Session, SessionError> {
    sessions.import(blob, &keys(), NOW)
}

#[tokio::test]
async fn settings_role_statements_and_defaults_arrive_in_another_pool() {
    set_up(
        "DROP SCHEMA IF EXISTS travels CASCADE; CREATE SCHEMA travels; \
         CREATE TABLE travels.t AS SELECT 'of travels' AS v; GRANT USAGE ON SCHEMA travels TO PUBLIC; \
         GRANT SELECT ON travels.t TO PUBLIC",
    )
    .await;
    let (here, there) = (sessions(1).await, sessions(2).await);
    let options = SessionOptions::new().setting("work_mem", "3MB");
    let mut a = here.create_with(options).unwrap();
    run(
        &mut a,
        "SET work_mem = '9MB'; SET app.id = 'żółć'; SET datestyle = 'German'",
    )
    .await;
    run(&mut a, "SET search_path = travels").await;
    run(
        &mut a,
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    )
    .await;
    a.set_role("pg_monitor").await.unwrap();
    for _ in 0..2 {
        let row = a.query_one("SELECT v FROM t WHERE $1", &[&true]).await;
        assert_eq!(row.unwrap().get::<_, &str>(0), "of travels");
    }
    let before = pid(&mut a).await;
    let blob = a.export(&Exporter::new(), &keys(), NOW).unwrap();
    assert_eq!(here.statistics().exported, 1);
    let mut b = import(&there, blob.as_bytes()).unwrap();
    let statements = b.inner().look(|state| {
        let of = |statement: &str| {
            let mut all = state.statements().iter();
            all.any(|(known, _)| known.text() == statement)
        };
        of("SELECT v FROM t WHERE $1")
    });
    assert!(statements.unwrap());
    let row = b.query_one("SELECT v FROM t WHERE $1", &[&true]).await;
    assert_eq!(row.unwrap().get::<_, &str>(0), "of travels");
    assert_ne!(pid(&mut b).await, before);
    for (name, value) in [
        ("work_mem", "9MB"),
        ("app.id", "żółć"),
        ("DateStyle", "German, DMY"),
        ("search_path", "travels"),
        ("transaction_read_only", "on"),
    ] {
        assert_eq!(show_elsewhere(&mut b, name).await, value);
    }
    assert_eq!(user(&mut b).await, "pg_monitor");
    b.reset("work_mem").await.unwrap();
    assert_eq!(show(&mut b, "work_mem").await, "3MB");
    let error = import(&there, blob.as_bytes()).unwrap_err();
    assert!(matches!(error, SessionError::Transfer(_)), "{error:?}");
}

#[tokio::test]
async fn an_export_is_refused_with_all_reasons_and_the_session_is_unharmed() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.set("app.id", "a").await.unwrap();
    run(
        &mut a,
        "CREATE TEMP TABLE stays (); SELECT pg_advisory_lock(5757)",
    )
    .await;
    run(&mut a, "DECLARE stays CURSOR WITH HOLD FOR SELECT 1").await;
    begin(&mut a).await;
    run(&mut a, "SELECT 1").await;
    let (mut a, error) = a.export(&Exporter::new(), &keys(), NOW).unwrap_err();
    match error {
        SessionError::Transfer(TransferError::NotExportable { reasons }) => {
            let reasons: Vec<_> = reasons.iter().collect();
            let expected = [
                PinReason::Transaction,
                PinReason::TemporaryObject,
                PinReason::HeldCursor,
                PinReason::AdvisoryLock,
            ];
            assert_eq!(reasons, expected);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(show(&mut a, "app.id").await, "a");
    a.commit().await.unwrap();
    run(&mut a, "FETCH ALL FROM stays").await;
    run(&mut a, "DISCARD ALL").await;
    assert!(is_free(&a));
    // A transaction that the server knows nothing of is one all the same.
    begin(&mut a).await;
    let (mut a, error) = a.export(&Exporter::new(), &keys(), NOW).unwrap_err();
    assert!(matches!(error, SessionError::Transfer(_)), "{error:?}");
    a.rollback().await.unwrap();
    assert!(a.export(&Exporter::new(), &keys(), NOW).is_ok());
}

#[tokio::test]
async fn a_blob_is_for_the_same_user_and_database_alone() {
    let sessions = sessions(1).await;
    let a = sessions.create().unwrap();
    let blob = a.export(&Exporter::new(), &keys(), NOW).unwrap();
    let other = crate::support::url().replacen("postgres@", "somebody@", 1);
    let others = crate::support::sessions_at(&other, 1).await;
    let error = import(&others, blob.as_bytes()).unwrap_err();
    assert!(matches!(error, SessionError::Transfer(_)), "{error:?}");
    let mut tampered = blob.as_bytes().to_vec();
    tampered[60] ^= 1;
    let error = import(&sessions, &tampered).unwrap_err();
    assert!(matches!(error, SessionError::Transfer(_)), "{error:?}");
    import(&sessions, blob.as_bytes()).unwrap();
}
