//! The connections of a proxy: which there are, and what is done with each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch;

use super::{Mode, Passage};

/// All connections of a proxy.
#[derive(Debug)]
pub(super) struct Links(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// What is done with the next one.
    mode: Mode,
    /// The number of the last one.
    accepted: u64,
    open: BTreeMap<u64, Arc<Link>>,
}

/// One connection, shared between its two directions and the proxy.
#[derive(Debug)]
pub(super) struct Link {
    client: SocketAddr,
    server_port: OnceLock<u16>,
    mode: watch::Sender<Mode>,
    turns: AtomicU64,
}

/// A connection being served. It leaves the list however it ends.
#[derive(Debug)]
pub(super) struct Open {
    links: Arc<Links>,
    number: u64,
    link: Arc<Link>,
}

/// Where a chunk comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

impl Links {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Inner {
            mode: Mode::Pass,
            accepted: 0,
            open: BTreeMap::new(),
        }))
    }

    pub(super) fn open(self: &Arc<Self>, client: SocketAddr) -> Open {
        let mut inner = self.lock();
        inner.accepted += 1;
        let number = inner.accepted;
        let link = Arc::new(Link {
            client,
            server_port: OnceLock::new(),
            mode: watch::Sender::new(inner.mode),
            turns: AtomicU64::new(0),
        });
        inner.open.insert(number, Arc::clone(&link));
        drop(inner);
        Open {
            links: Arc::clone(self),
            number,
            link,
        }
    }

    pub(super) fn mode(&self) -> Mode {
        self.lock().mode
    }

    pub(super) fn set(&self, mode: Mode) {
        let mut inner = self.lock();
        inner.mode = mode;
        for link in inner.open.values() {
            link.mode.send_replace(mode);
        }
    }

    /// Whether there is such a connection.
    pub(super) fn set_one(&self, number: u64, mode: Mode) -> bool {
        let inner = self.lock();
        let link = inner.open.get(&number);
        link.map(|link| link.mode.send_replace(mode)).is_some()
    }

    pub(super) fn accepted(&self) -> u64 {
        self.lock().accepted
    }

    pub(super) fn list(&self) -> Vec<Passage> {
        let passage = |(number, link): (&u64, &Arc<Link>)| Passage {
            number: *number,
            client: link.client,
            server_port: link.server_port.get().copied(),
            mode: *link.mode.borrow(),
            // Odd while the client has spoken last.
            round_trips: link.turns.load(Ordering::Acquire).div_ceil(2),
        };
        self.lock().open.iter().map(passage).collect()
    }

    /// Consistent between any two of its changes, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    pub(super) fn watch(&self) -> watch::Receiver<Mode> {
        self.mode.subscribe()
    }

    /// The proxy's end of the connection to the server.
    pub(super) fn connected_from(&self, port: u16) {
        let _ = self.server_port.set(port);
    }

    /// Does what lets bytes pass, unless they are to be held by now. A change of the mode waits
    /// until `act` is over, so that nothing passes once it has been made.
    pub(super) fn pass<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let mode = self.mode.borrow();
        matches!(*mode, Mode::Pass | Mode::Delay(_)).then(act)
    }

    /// Notes who speaks. The parity says who did last: the client if it is odd.
    pub(super) fn spoke(&self, side: Side) {
        let parity = match side {
            Side::Client => 1,
            Side::Server => 0,
        };
        let turn = |turns: u64| (turns % 2 != parity).then_some(turns + 1);
        // Fails if it is the same side's turn still.
        let _ = self
            .turns
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, turn);
    }
}

impl Open {
    pub(super) fn link(&self) -> &Link {
        &self.link
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.links.lock().open.remove(&self.number);
    }
}
