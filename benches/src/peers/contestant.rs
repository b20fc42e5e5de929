//! What the harness asks of a pool, and no more.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::backend::{Backend, Conn};
use crate::record::Group;

/// How a pool is to be made.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Most connections.
    pub size: usize,
    /// Open them all before the first acquire.
    pub full: bool,
    /// How long an acquire may take; `None` for ever, where the pool can be told so.
    pub deadline: Option<Duration>,
    /// Ask the far end before every use, where the pool can be told so.
    pub check: bool,
    /// Most connects at a time, where the pool has such a cap; `None` leaves it at its default.
    pub max_connecting: Option<usize>,
    /// Where connections lead.
    pub backend: Arc<Backend>,
}

impl Setup {
    /// A pool of up to `size` connections as most would have it: opened when needed, with a deadline
    /// of 30 s, the common default, and not checked.
    #[must_use]
    pub fn new(size: usize, backend: Arc<Backend>) -> Self {
        Self {
            size,
            full: false,
            deadline: Some(Duration::from_secs(30)),
            check: false,
            max_connecting: None,
            backend,
        }
    }
}

/// What a contestant cannot do, so that scenarios leave it out instead of measuring something else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lacks {
    /// It cannot wait: an acquire on an exhausted pool fails or spins.
    pub waiting: bool,
    /// It does not open connections by itself, or does so without being async.
    pub connecting: bool,
    /// It cannot check a connection before use.
    pub checking: bool,
    /// The deadline of an acquire cannot be switched off.
    pub no_deadline: bool,
    /// The deadline of an acquire cannot be switched on.
    pub deadline: bool,
    /// Its operations block the thread.
    pub asynchrony: bool,
    /// A holder cannot get rid of a connection that broke in its hands.
    pub discarding: bool,
    /// It has no limit: it is no pool.
    pub limit: bool,
}

impl Lacks {
    /// Can do everything.
    pub const NOTHING: Self = Self {
        waiting: false,
        connecting: false,
        checking: false,
        no_deadline: false,
        deadline: false,
        asynchrony: false,
        discarding: false,
        limit: false,
    };
}

/// What is known about a contestant without running it.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// See [`Contestant::NAME`].
    pub name: &'static str,
    /// See [`Contestant::VERSION`].
    pub version: &'static str,
    /// See [`Contestant::GROUP`].
    pub group: Group,
    /// See [`Contestant::LACKS`].
    pub lacks: Lacks,
    /// See [`Contestant::REMARKS`].
    pub remarks: &'static [&'static str],
}

impl About {
    /// About `C`.
    #[must_use]
    pub const fn of<C: Contestant>() -> Self {
        Self {
            name: C::NAME,
            version: C::VERSION,
            group: C::GROUP,
            lacks: C::LACKS,
            remarks: C::REMARKS,
        }
    }
}

/// A pool under measure.
pub trait Contestant: Clone + Send + Sync + 'static {
    /// As in tables.
    const NAME: &'static str;
    /// The crate's version.
    const VERSION: &'static str;
    /// What kind of contestant it is.
    const GROUP: Group;
    /// What it cannot do.
    const LACKS: Lacks;
    /// Settings that could not be made comparable, and other honest remarks.
    const REMARKS: &'static [&'static str];

    /// What an acquire gives; gives the connection back when dropped.
    type Lease<'a>: Send + 'a
    where
        Self: 'a;

    /// Makes a pool.
    fn build(setup: &Setup) -> impl Future<Output = Self> + Send;

    /// A connection, or `None` when the deadline has passed.
    fn acquire(&self) -> impl Future<Output = Option<Self::Lease<'_>>> + Send;

    /// Ends a lease in the way that the pool means it; for all but one pool a plain drop.
    fn release(lease: Self::Lease<'_>) -> impl Future<Output = ()> + Send {
        async move { drop(lease) }
    }

    /// Uses the connection of a lease.
    #[inline]
    fn touch(lease: &mut Self::Lease<'_>) {
        Self::conn(lease).touch();
    }

    /// The connection of a lease.
    fn conn<'l>(lease: &'l mut Self::Lease<'_>) -> &'l mut Conn;

    /// Ends a lease whose connection has [broken](Conn::break_off), in the way that the pool offers:
    /// nobody may be given that connection again. Plainly dropping is the right thing for pools that
    /// ask [`Conn::is_broken`] on every return; those that can do neither
    /// [lack it](Lacks::discarding).
    fn discard(lease: Self::Lease<'_>) {
        drop(lease);
    }
}
