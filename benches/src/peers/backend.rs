//! What all pools open connections to: nothing, but it counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The far end of all connections of one pool, and what it has seen.
#[derive(Debug, Default)]
pub struct Backend {
    /// How long a connect takes.
    pub connect: Duration,
    /// How long a check takes.
    pub check: Duration,
    opened: AtomicUsize,
    alive: AtomicUsize,
    most_alive: AtomicUsize,
    connecting: AtomicUsize,
    most_connecting: AtomicUsize,
    checks: AtomicUsize,
}

/// A connection: some eighty bytes, as a small driver's would be, that say when they are gone.
#[derive(Debug)]
pub struct Conn {
    /// Something to touch, so that a lease does what a lease does.
    pub touched: u64,
    broken: bool,
    payload: [u64; 8],
    backend: Arc<Backend>,
}

/// One more under way, until dropped.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Backend {
    /// One whose connects and checks take no time.
    #[must_use]
    pub fn immediate() -> Arc<Self> {
        Arc::default()
    }

    /// One whose connects and checks take their time.
    #[must_use]
    pub fn slow(connect: Duration, check: Duration) -> Arc<Self> {
        Arc::new(Self {
            connect,
            check,
            ..Self::default()
        })
    }

    /// Opens a connection; takes [`connect`](Self::connect).
    pub async fn open(self: &Arc<Self>) -> Conn {
        let now = self.connecting.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_connecting.fetch_max(now, Ordering::Relaxed);
        let _under_way = UnderWay(&self.connecting);
        if !self.connect.is_zero() {
            tokio::time::sleep(self.connect).await;
        }
        self.open_at_once()
    }

    /// Opens a connection without waiting.
    pub fn open_at_once(self: &Arc<Self>) -> Conn {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let now = self.alive.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_alive.fetch_max(now, Ordering::Relaxed);
        Conn {
            touched: 0,
            broken: false,
            payload: [0; 8],
            backend: Arc::clone(self),
        }
    }

    /// Connections opened so far.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    /// Connections that exist.
    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }

    /// The most that ever existed at a time.
    pub fn most_alive(&self) -> usize {
        self.most_alive.load(Ordering::Relaxed)
    }

    /// The most connects at a time.
    pub fn most_connecting(&self) -> usize {
        self.most_connecting.load(Ordering::Relaxed)
    }

    /// Checks so far.
    pub fn checks(&self) -> usize {
        self.checks.load(Ordering::Relaxed)
    }
}

impl Conn {
    /// Asks the far end; takes [`check`](Backend::check).
    pub async fn check(&self) {
        self.backend.checks.fetch_add(1, Ordering::Relaxed);
        if !self.backend.check.is_zero() {
            tokio::time::sleep(self.backend.check).await;
        }
    }

    /// Uses the connection.
    #[inline]
    pub fn touch(&mut self) {
        self.touched += 1;
        std::hint::black_box(&mut self.payload);
    }

    /// The far end hangs up: from here on the connection counts as gone, whatever the pool does with
    /// what is left of it.
    pub fn break_off(&mut self) {
        if !std::mem::replace(&mut self.broken, true) {
            self.backend.alive.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether the far end has hung up.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        if self.broken {
            return;
        }
        self.backend.alive.fetch_sub(1, Ordering::Relaxed);
    }
}
