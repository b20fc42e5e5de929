//! Contestants whose type is forgotten, for all that is not a hot loop.
//!
//! Every scenario for every contestant, each with its tasks, is some hundred thousand functions, most
//! of them tokio's, compiled once a task. Where a pool's speed is measured that is how it has to be: a
//! program that uses a pool has it compiled for itself, too. Where connections are counted, or waits
//! of milliseconds are taken, an allocation and a call through a table for each acquire do not show,
//! so there an [`Entrant`] makes a [`Pool`], and the scenario is compiled once.
//!
//! Dropping, panicking and blocking are passed on as they are: a future that is boxed is dropped in
//! the middle of a connect just as one that is not.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::backend::Conn;
use super::contestant::{About, Contestant, Setup};

/// A future whose type is forgotten.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A contestant as a value.
#[derive(Clone, Copy, Debug)]
pub struct Entrant {
    /// What is known about it.
    pub about: About,
    build: for<'a> fn(&'a Setup) -> Boxed<'a, Pool>,
}

impl Entrant {
    /// `C` as a value.
    #[must_use]
    pub const fn of<C: Contestant>() -> Self {
        Self {
            about: About::of::<C>(),
            build: |setup| Box::pin(async move { Pool::of(C::build(setup).await) }),
        }
    }

    /// Makes a pool; see [`Contestant::build`].
    pub async fn build(&self, setup: &Setup) -> Pool {
        (self.build)(setup).await
    }
}

/// The pool of a contestant. Clones are the same pool.
#[derive(Clone)]
pub struct Pool(Arc<dyn Lends>);

/// What is left of a [`Contestant`] when its type is forgotten.
trait Lends: Send + Sync {
    fn about(&self) -> About;
    fn lend(&self) -> Boxed<'_, Option<Lease<'_>>>;
}

impl<C: Contestant> Lends for C {
    fn about(&self) -> About {
        About::of::<C>()
    }

    fn lend(&self) -> Boxed<'_, Option<Lease<'_>>> {
        Box::pin(async move {
            let lease = self.acquire().await?;
            Some(Lease(Box::new(Held::<C>(lease))))
        })
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.about().name)
    }
}

impl Pool {
    /// A pool that is there already.
    #[must_use]
    pub fn of<C: Contestant>(pool: C) -> Self {
        Self(Arc::new(pool))
    }

    /// What is known about the contestant.
    #[must_use]
    pub fn about(&self) -> About {
        self.0.about()
    }

    /// A connection, or `None` when the deadline has passed.
    pub fn acquire(&self) -> Boxed<'_, Option<Lease<'_>>> {
        self.0.lend()
    }
}

/// What an acquire gives; gives the connection back when dropped.
pub struct Lease<'a>(Box<dyn Lent<'a> + 'a>);

/// What is left of a contestant's lease.
trait Lent<'a>: Send {
    fn touch(&mut self);
    fn conn(&mut self) -> &mut Conn;
    fn release(self: Box<Self>) -> Boxed<'a, ()>;
    fn discard(self: Box<Self>);
}

/// A lease that remembers whose it is.
struct Held<'a, C: Contestant>(C::Lease<'a>);

impl<'a, C: Contestant> Lent<'a> for Held<'a, C> {
    fn touch(&mut self) {
        C::touch(&mut self.0);
    }

    fn conn(&mut self) -> &mut Conn {
        C::conn(&mut self.0)
    }

    fn release(self: Box<Self>) -> Boxed<'a, ()> {
        Box::pin(C::release(self.0))
    }

    fn discard(self: Box<Self>) {
        C::discard(self.0);
    }
}

impl fmt::Debug for Lease<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

impl Lease<'_> {
    /// Uses the connection.
    pub fn touch(&mut self) {
        self.0.touch();
    }

    /// The connection.
    pub fn conn(&mut self) -> &mut Conn {
        self.0.conn()
    }

    /// Ends the lease; see [`Contestant::release`].
    pub async fn release(self) {
        self.0.release().await;
    }

    /// Ends a lease whose connection has broken; see [`Contestant::discard`].
    pub fn discard(self) {
        self.0.discard();
    }
}
