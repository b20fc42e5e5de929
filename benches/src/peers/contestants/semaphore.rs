//! The best plain construction that waits: tokio's semaphore for the places, crossbeam's queue for
//! what is in them.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{FOREIGN_DEADLINE, fill, within};
use crate::peers::backend::{Backend, Conn};
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// Semaphore and queue.
#[derive(Clone, Debug)]
pub struct SemaphoreQueue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Semaphore,
    idle: ArrayQueue<Conn>,
    deadline: Option<Duration>,
    backend: Arc<Backend>,
}

/// A connection and its place.
#[derive(Debug)]
pub struct Lease<'a> {
    inner: &'a Inner,
    conn: Option<Conn>,
    // Given back after the connection is.
    _place: SemaphorePermit<'a>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            let kept = self.inner.idle.push(conn);
            kept.expect("there are no more connections than places");
        }
    }
}

impl Contestant for SemaphoreQueue {
    const NAME: &'static str = "semaphore + queue";
    const VERSION: &'static str = "tokio 1.54.1, crossbeam-queue 0.3.14";
    const GROUP: Group = Group::Limit;
    const LACKS: Lacks = Lacks {
        checking: true,
        ..Lacks::NOTHING
    };
    const REMARKS: &'static [&'static str] = &[
        FOREIGN_DEADLINE,
        "no check, no lifetime, no idle timeout, no reset, no statistics",
    ];

    type Lease<'a> = Lease<'a>;

    async fn build(setup: &Setup) -> Self {
        let pool = Self(Arc::new(Inner {
            places: Semaphore::new(setup.size),
            idle: ArrayQueue::new(setup.size),
            deadline: setup.deadline,
            backend: Arc::clone(&setup.backend),
        }));
        if setup.full {
            fill(&pool, setup.size).await;
        }
        pool
    }

    async fn acquire(&self) -> Option<Lease<'_>> {
        let inner = &*self.0;
        let place = within(inner.deadline, inner.places.acquire()).await?;
        let place = place.expect("the semaphore is never closed");
        let conn = match inner.idle.pop() {
            Some(conn) => conn,
            None => inner.backend.open().await,
        };
        Some(Lease {
            inner,
            conn: Some(conn),
            _place: place,
        })
    }

    fn conn<'l>(lease: &'l mut Lease<'_>) -> &'l mut Conn {
        lease
            .conn
            .as_mut()
            .expect("a lease has its connection until it ends")
    }

    fn discard(mut lease: Lease<'_>) {
        lease.conn = None;
    }
}
