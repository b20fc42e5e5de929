//! What the benchmarks share: a manager whose connections cost nothing, so that only the pool is
//! measured.

#[cfg(feature = "claims")]
pub mod claims;
#[cfg(any(feature = "peers", feature = "sessions"))]
pub mod collected;
#[cfg(any(feature = "peers", feature = "sessions"))]
pub mod fairness;
#[cfg(any(feature = "peers", feature = "sessions"))]
pub mod latency;
pub mod machine;
#[cfg(any(feature = "peers", feature = "sessions"))]
pub mod outcome;
#[cfg(feature = "peers")]
pub mod peers;
#[cfg(any(feature = "claims", feature = "peers", feature = "sessions"))]
pub mod progress;
pub mod record;
pub mod report;
#[cfg(feature = "sessions")]
pub mod sessions;

use std::convert::Infallible;
use std::future::Future;
use std::task::{Context, Poll, Waker};

use pool_facade::{ConnectCtx, Manager, Pool};

/// Opens connections that are numbers.
#[derive(Debug)]
pub struct Numbers;

impl Manager for Numbers {
    type Connection = u64;
    type Error = Infallible;

    async fn connect(&self, cx: &ConnectCtx) -> Result<u64, Infallible> {
        Ok(cx.connection_id)
    }
}

/// A pool of numbers with default settings but for its size, all connections open.
pub async fn full_pool(size: u32) -> Pool<Numbers> {
    Pool::builder(Numbers)
        .max_size(size)
        .initial_size(size)
        .build()
        .await
        .expect("numbers can always be opened")
}

/// Polls a future that needs no waiting.
pub fn ready<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("had to wait"),
    }
}
