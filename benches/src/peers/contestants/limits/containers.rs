//! Connections in a container, moved out and back.

use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_queue::ArrayQueue;

use super::BARE;
use crate::peers::backend::Conn;
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// crossbeam's queue.
#[derive(Clone, Debug)]
pub struct Queue(Arc<ArrayQueue<Conn>>);

/// The standard library's mutex around a vector.
#[derive(Clone, Debug)]
pub struct LockedVec(Arc<Mutex<Vec<Conn>>>);

/// A connection taken out of `C`.
#[derive(Debug)]
pub struct Taken<'a, C: Container> {
    container: &'a C,
    conn: Option<Conn>,
}

/// Takes one back.
pub trait Container {
    /// Takes `conn` back.
    fn put(&self, conn: Conn);
}

impl<C: Container> Drop for Taken<'_, C> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.container.put(conn);
        }
    }
}

impl<C: Container> Taken<'_, C> {
    fn conn(&mut self) -> &mut Conn {
        self.conn
            .as_mut()
            .expect("a lease has its connection until it ends")
    }
}

impl Container for Queue {
    fn put(&self, conn: Conn) {
        self.0.push(conn).expect("no more comes back than went out");
    }
}

impl Container for LockedVec {
    fn put(&self, conn: Conn) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(conn);
    }
}

impl Contestant for Queue {
    const NAME: &'static str = "queue";
    const VERSION: &'static str = "crossbeam-queue 0.3.14";
    const GROUP: Group = Group::Limit;
    const LACKS: Lacks = BARE;
    const REMARKS: &'static [&'static str] = &["crossbeam's ArrayQueue; does not wait"];

    type Lease<'a> = Taken<'a, Self>;

    async fn build(setup: &Setup) -> Self {
        let idle = ArrayQueue::new(setup.size);
        for _ in 0..setup.size {
            idle.push(setup.backend.open_at_once())
                .expect("there is room for all");
        }
        Self(Arc::new(idle))
    }

    async fn acquire(&self) -> Option<Taken<'_, Self>> {
        let conn = self.0.pop()?;
        Some(Taken {
            container: self,
            conn: Some(conn),
        })
    }

    fn conn<'l>(lease: &'l mut Taken<'_, Self>) -> &'l mut Conn {
        lease.conn()
    }
}

impl Contestant for LockedVec {
    const NAME: &'static str = "mutex + vec";
    const VERSION: &'static str = "std";
    const GROUP: Group = Group::Limit;
    const LACKS: Lacks = BARE;
    const REMARKS: &'static [&'static str] = &["the standard library's mutex; does not wait"];

    type Lease<'a> = Taken<'a, Self>;

    async fn build(setup: &Setup) -> Self {
        let open = |_| setup.backend.open_at_once();
        Self(Arc::new(Mutex::new((0..setup.size).map(open).collect())))
    }

    async fn acquire(&self) -> Option<Taken<'_, Self>> {
        let conn = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()?;
        Some(Taken {
            container: self,
            conn: Some(conn),
        })
    }

    fn conn<'l>(lease: &'l mut Taken<'_, Self>) -> &'l mut Conn {
        lease.conn()
    }
}
