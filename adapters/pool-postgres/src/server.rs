//! A real server for the tests of what the outside does not see: the one behind
//! `POOL_POSTGRES_URL`, or one of this process's own.

use crate::connection::PostgresConnection;
use crate::manager::PostgresManager;
use pool_testkit::postgres::{PrivateServer, ServerOptions};
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Waker};

pub(crate) fn url() -> &'static str {
    static URL: OnceLock<(String, Option<PrivateServer>)> = OnceLock::new();
    let start = || match std::env::var("POOL_POSTGRES_URL") {
        Ok(url) => (url, None),
        Err(_) => {
            let server = PrivateServer::start(&ServerOptions::new()).unwrap();
            (server.url(), Some(server))
        }
    };
    &URL.get_or_init(start).0
}

pub(crate) fn manager() -> PostgresManager {
    PostgresManager::new(url()).unwrap()
}

pub(crate) async fn open() -> PostgresConnection {
    manager().open().await.unwrap()
}

/// Polls once and leaves the rest.
pub(crate) fn poll_once<F: Future>(future: &mut Pin<&mut F>) {
    let poll = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending());
}
