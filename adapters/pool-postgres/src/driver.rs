//! The task that drives a connection.

use crate::transport::Transport;
use crate::watch::{Watch, WatchedStream};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Connection};

type Protocol = Connection<Transport, WatchedStream<Transport>>;

/// Polls the driver's connection so that the [`Watch`] hears of every wake.
pub(crate) struct Driver {
    protocol: Protocol,
    watch: Arc<Watch>,
    waker: Waker,
}

/// The driver's task; dropping it ends the task and closes the socket.
#[derive(Debug)]
pub(crate) struct DriverTask(JoinHandle<()>);

impl Driver {
    pub(crate) fn new(protocol: Protocol, watch: Arc<Watch>) -> Self {
        let waker = Waker::from(Arc::clone(&watch));
        Self {
            protocol,
            watch,
            waker,
        }
    }

    /// Runs the driver once, so that a fresh connection is settled, and then in the background.
    pub(crate) async fn start(mut self, runtime: &Handle) -> DriverTask {
        let mut ended = false;
        std::future::poll_fn(|cx| {
            ended = Pin::new(&mut self).poll(cx).is_ready();
            Poll::Ready(())
        })
        .await;
        #[expect(
            clippy::disallowed_methods,
            reason = "the driver's task belongs to the connection, not to a pool"
        )]
        let task = runtime.spawn(async move {
            if !ended {
                self.await;
            }
        });
        DriverTask(task)
    }
}

impl Future for Driver {
    type Output = ();

    /// Why the connection ended reaches the callers of its requests; the task has nobody to tell.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            protocol,
            watch,
            waker,
        } = &mut *self;
        let poll = |cx: &mut Context<'_>| poll_messages(protocol, watch, cx);
        watch.drive(cx, waker, poll)
    }
}

/// What polling the connection itself does, except that notifications go where they are wanted.
fn poll_messages(protocol: &mut Protocol, watch: &Watch, cx: &mut Context<'_>) -> Poll<()> {
    loop {
        match ready!(protocol.poll_message(cx)) {
            Some(Ok(message)) => pass_on(message, watch),
            Some(Err(_)) | None => return Poll::Ready(()),
        }
    }
}

fn pass_on(message: AsyncMessage, watch: &Watch) {
    match message {
        AsyncMessage::Notification(notification) => watch.notify(notification),
        // Where the driver's own way of polling puts it.
        AsyncMessage::Notice(notice) => log::info!(
            target: "tokio_postgres::connection",
            "{}: {}",
            notice.severity(),
            notice.message()
        ),
        _ => {}
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.watch.end();
    }
}

impl DriverTask {
    /// Ends the task; it is gone when [`finished`](Self::finished) returns.
    pub(crate) fn abort(&self) {
        self.0.abort();
    }

    /// Waits until the task has ended by itself. Dropping the future ends it.
    pub(crate) async fn finished(mut self) {
        // An error says that the task was cancelled or has panicked: it is over in each case.
        let _ = (&mut self.0).await;
    }
}

impl Drop for DriverTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}
