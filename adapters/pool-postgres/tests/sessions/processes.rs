//! A session that goes on in another process of the operating system.

use crate::support::{PostgresPool, pid, sessions, show, url};
use pool_multiplex::SessionPool as _;
use pool_multiplex::transfer::{Exporter, Keys, UnixSeconds};
use pool_postgres::PostgresManager;
use std::process::Command;
use std::time::SystemTime;

const BLOB: &str = "POOL_TEST_SESSION";
const KEY: [u8; 32] = [7; 32];

fn now() -> UnixSeconds {
    SystemTime::now().into()
}

/// This test runs itself: the second time in another process, which is given the blob.
#[tokio::test]
async fn a_session_exported_here_goes_on_in_another_process() {
    match std::env::var(BLOB) {
        Ok(blob) => import(&blob).await,
        Err(_) => export().await,
    }
}

async fn export() {
    let sessions = sessions(2).await;
    let mut session = sessions.create().unwrap();
    session
        .set("app.id", "it's me; \\ \"quoted\"")
        .await
        .unwrap();
    session.set("work_mem", "9MB").await.unwrap();
    session
        .batch("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY")
        .await
        .unwrap();
    let sum = "SELECT $1::int4 + $2::int4";
    session.query(sum, &[&1, &2]).await.unwrap();
    let keys = Keys::new(1, KEY).unwrap();
    let id = session.id();
    let blob = session.export(&Exporter::new(), &keys, now()).unwrap();
    assert!(sessions.resume(id).is_err(), "it has ended here");
    let this = std::env::current_exe().unwrap();
    let child = Command::new(this)
        .args([
            "--exact",
            "processes::a_session_exported_here_goes_on_in_another_process",
        ])
        .env(BLOB, blob.to_text())
        .env("POOL_POSTGRES_URL", url())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

async fn import(text: &str) {
    let manager = PostgresManager::new(url()).unwrap();
    let pool = PostgresPool::builder(manager)
        .max_size(2)
        .build()
        .await
        .unwrap();
    let sessions = pool.sessions();
    let keys = Keys::new(1, KEY).unwrap();
    let mut session = sessions.import_text(text, &keys, now()).unwrap();
    assert!(sessions.import_text(text, &keys, now()).is_err(), "once");
    assert_eq!(show(&mut session, "app.id").await, "it's me; \\ \"quoted\"");
    assert_eq!(show(&mut session, "work_mem").await, "9MB");
    assert_eq!(
        show(&mut session, "default_transaction_isolation").await,
        "serializable"
    );
    let mut tx = session.transaction().await.unwrap();
    assert_eq!(show(&mut tx, "transaction_isolation").await, "serializable");
    assert_eq!(show(&mut tx, "transaction_read_only").await, "on");
    tx.commit().await.unwrap();
    let statements = session
        .inner()
        .look(|state| state.statements().len())
        .unwrap();
    assert!(statements > 0, "its statements have come along");
    pid(&mut session).await;
}
