//! Closures that panic.

use pool_core::{Condition, ErrorClass};
use pool_sqlite::{Error, SqliteManager};

#[tokio::test]
async fn a_panic_reaches_the_caller_and_frees_file_and_thread() {
    let manager = SqliteManager::in_memory().expect("a manager");
    let mut conn = manager.open().await.expect("a connection");
    conn.execute_batch("CREATE TABLE t (n); BEGIN; INSERT INTO t VALUES (1)")
        .await
        .expect("an open transaction");

    let error = conn
        .call(|_| -> rusqlite::Result<()> { panic!("out of cheese: {}", 42) })
        .await
        .expect_err("the closure panics");
    assert!(
        matches!(&error, Error::Panicked { message, .. } if message == "out of cheese: 42"),
        "{error}"
    );
    assert_eq!(error.class(), ErrorClass::Connection);
    assert_eq!(conn.condition(), Condition::Broken);
    assert_eq!(manager.open_connections(), 0, "the file is closed");

    let refused = conn.ping().await.expect_err("the thread has ended");
    assert!(matches!(refused, Error::Ended), "{refused}");
    conn.close().await.expect("nothing is left to close");

    let mut other = manager.open().await.expect("another connection");
    let rows: i64 = other
        .call(|c| c.query_row("SELECT count(*) FROM t", [], |row| row.get(0)))
        .await
        .expect("the transaction's lock is gone");
    assert_eq!(rows, 0, "the transaction was rolled back");
}
