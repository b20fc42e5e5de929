//! No pool at all.

use std::cell::RefCell;
use std::sync::Arc;

use thread_local::ThreadLocal;

use crate::peers::backend::{Backend, Conn};
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// Gives everybody a connection at once, from a list per thread: what a scenario costs by itself.
#[derive(Clone, Debug)]
pub struct Floor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    idle: ThreadLocal<RefCell<Vec<Conn>>>,
    backend: Arc<Backend>,
}

/// A connection that nobody was asked for.
#[derive(Debug)]
pub struct Lease<'a> {
    inner: &'a Inner,
    conn: Option<Conn>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.inner.idle.get_or_default().borrow_mut().push(conn);
        }
    }
}

impl Contestant for Floor {
    const NAME: &'static str = "no pool";
    const VERSION: &'static str = "thread_local 1.1.10";
    const GROUP: Group = Group::Limit;
    const LACKS: Lacks = Lacks {
        connecting: true,
        checking: true,
        deadline: true,
        discarding: true,
        limit: true,
        ..Lacks::NOTHING
    };
    const REMARKS: &'static [&'static str] = &[
        "what the scenario costs by itself: as many connections as are asked for, a list per thread",
    ];

    type Lease<'a> = Lease<'a>;

    async fn build(setup: &Setup) -> Self {
        Self(Arc::new(Inner {
            idle: ThreadLocal::new(),
            backend: Arc::clone(&setup.backend),
        }))
    }

    async fn acquire(&self) -> Option<Lease<'_>> {
        let idle = self.0.idle.get_or_default().borrow_mut().pop();
        Some(Lease {
            inner: &self.0,
            conn: Some(idle.unwrap_or_else(|| self.0.backend.open_at_once())),
        })
    }

    fn conn<'l>(lease: &'l mut Lease<'_>) -> &'l mut Conn {
        lease
            .conn
            .as_mut()
            .expect("a lease has its connection until it ends")
    }
}
