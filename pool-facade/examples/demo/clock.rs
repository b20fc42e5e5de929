//! Time and tasks of the demo: an application may take both from the runtime directly.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) async fn sleep(length: Duration) {
    tokio::time::sleep(length).await;
}

pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(task)
}
