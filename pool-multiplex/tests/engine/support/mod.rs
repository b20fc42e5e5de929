//! A server of sessions that does what a test says, and pools in front of it.

mod backend;
mod manager;
mod server;

pub(crate) use backend::{Backend, Op, Values};
pub(crate) use manager::{Fake, FakeError, Reply};
pub(crate) use server::{Ran, Server, Turn};

use pool_core::{Builder, Pool};
use pool_multiplex::{Error, Session, SessionConfig, SessionPool, Sessions, Work};
use std::time::Duration;
use tokio::task::JoinHandle;

/// What an operation of a fake session gives.
pub(crate) type Outcome = Result<Reply, Error<FakeError>>;

/// A pool of so many connections.
pub(crate) fn builder(server: &Server, size: u32) -> Builder<Fake> {
    let builder = Pool::builder(server.manager());
    builder.max_size(size).seed(1)
}

/// Sessions on so many connections.
pub(crate) async fn sessions(server: &Server, size: u32) -> Sessions<Fake> {
    sessions_with(server, size, SessionConfig::new().session_timeout(None)).await
}

/// The same, with these settings.
pub(crate) async fn sessions_with(
    server: &Server,
    size: u32,
    config: SessionConfig,
) -> Sessions<Fake> {
    let pool = builder(server, size).extension(config).build().await;
    pool.expect("nothing is opened yet").sessions()
}

/// Runs one operation of which nothing is known before.
pub(crate) async fn run(session: &mut Session<Fake>, op: Op) -> Outcome {
    session.run(op, Work::default()).await
}

/// The same for one that must succeed.
pub(crate) async fn ok(session: &mut Session<Fake>, op: Op) -> Reply {
    run(session, op)
        .await
        .expect("the script says nothing else")
}

/// Sets `name` to `value`.
pub(crate) fn set(name: &str, value: &str) -> Op {
    Op::Set(name.into(), value.into())
}

/// Settings as a server has them.
pub(crate) fn settings<const N: usize>(pairs: [(&str, &str); N]) -> Values {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    pairs.into_iter().map(owned).collect()
}

/// Lets background tasks run to where they wait.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Lets so much time pass.
#[expect(
    clippy::disallowed_methods,
    reason = "the time of these tests is the paused one of tokio"
)]
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Runs a task beside this one.
#[expect(
    clippy::disallowed_methods,
    reason = "it is one of the test's own, not of the pool"
)]
pub(crate) fn beside<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(task)
}
