//! Threads and files of closed connections. One test, because it counts what the process has.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pool_sqlite::{SqliteConnection, SqliteManager};
use tempfile::TempDir;

fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    // A thread may end while it is looked at.
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("sqlite-")).count()
}

fn files(folder: &Path) -> usize {
    let open = fs::read_dir("/proc/self/fd").expect("Linux");
    let targets = open.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(folder)).count()
}

async fn open(manager: &SqliteManager) -> Vec<SqliteConnection> {
    let mut opened = Vec::new();
    for _ in 0..8 {
        opened.push(manager.open().await.expect("a connection"));
    }
    assert_eq!(threads(), 8);
    opened
}

/// A thread that has said its last word takes a moment to go.
async fn until_no_thread_is_left() {
    let gone = async {
        while threads() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(20), gone).await;
    gone.expect("the threads must end");
}

#[tokio::test]
async fn closed_and_dropped_connections_leave_no_thread_and_no_file() {
    let folder = TempDir::new().expect("a folder");
    let manager = SqliteManager::new(folder.path().join("a.db")).expect("a manager");

    for conn in open(&manager).await {
        conn.close().await.expect("SQLite agrees");
    }
    assert_eq!(manager.open_connections(), 0);
    assert_eq!(files(folder.path()), 0);
    until_no_thread_is_left().await;

    drop(open(&manager).await);
    until_no_thread_is_left().await;
    assert_eq!(manager.open_connections(), 0);
    assert_eq!(files(folder.path()), 0);

    let mut conn = manager.open().await.expect("a connection");
    let panic = conn.call(|_| -> rusqlite::Result<()> { panic!("on purpose") });
    panic.await.expect_err("the closure panics");
    assert_eq!(files(folder.path()), 0);
    until_no_thread_is_left().await;

    let mut opening = Box::pin(manager.open());
    tokio::select! {
        biased;
        _ = &mut opening => {}
        () = std::future::ready(()) => {}
    }
    drop(opening);
    until_no_thread_is_left().await;
    assert_eq!(files(folder.path()), 0);
}
