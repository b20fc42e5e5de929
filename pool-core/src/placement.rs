//! Which of several idle connections a request gets.
//!
//! To the queue all idle connections are alike. To a cache of prepared statements, a transaction's
//! session or a partition they are not. But a preference must never cost anybody else: not the order
//! of those who wait, not a wait where there is something idle, not a lock. So a placement is asked
//! for a *hint*, only where something is idle and nobody waits. The pool confirms it by taking that
//! one connection, which is one compare-and-swap; if somebody else was faster it asks again, a few
//! times, and then takes whatever is there.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::request::RequestInfo;

/// Says which idle connection suits a request best.
///
/// Connections are told apart by [`Candidate::connection`], which is never used again in a pool.
/// [`Candidate::slot`] is dense and is used again: the index into a table of one entry per slot,
/// whose entries hold the number of the connection that they are about.
///
/// # What is promised
///
/// A choice is an optimization and changes nothing else: no connection is given to two, nobody who
/// waits is overtaken (while anybody waits, nothing is idle and no question is asked), and a choice
/// that is no longer idle, or never was, ends in another connection, not in a wait.
/// [`acquired`](Self::acquired) and [`released`](Self::released) come in pairs, one for each lease,
/// also for one that was handed over to a waiter or chosen by nobody.
///
/// # Cancel safety
///
/// Nothing is held while a policy is asked.
///
/// # Panics
///
/// If `choose` panics, so does the request, with nothing held. A panic in the others is contained.
///
/// # Cost
///
/// No allocation and no lock. The candidates are looked up only if they are asked for, at one read of
/// shared memory each. All methods are called from any thread, `released` from a destructor, and
/// must not block. A pool without a placement pays nothing.
///
/// # Examples
///
/// Each user gets the connection of last time, if it is idle:
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex};
/// use pool_core::{Candidate, Candidates, Placement, Pool, RequestInfo};
/// # use pool_core::{ConnectCtx, Manager};
/// # struct Numbers;
/// # impl Manager for Numbers {
/// #     type Connection = u64;
/// #     type Error = std::convert::Infallible;
/// #     async fn connect(&self, cx: &ConnectCtx) -> Result<u64, Self::Error> { Ok(cx.connection_id) }
/// # }
///
/// #[derive(Default)]
/// struct Sticky {
///     last: Mutex<HashMap<Arc<str>, Candidate>>,
/// }
///
/// impl Placement for Sticky {
///     fn choose(&self, request: &RequestInfo, candidates: &Candidates<'_>) -> Option<u32> {
///         let user = request.user.as_ref()?;
///         let last = *self.last.lock().ok()?.get(user)?;
///         (candidates.find(last.slot) == Some(last)).then_some(last.slot)
///     }
///
///     fn released(&self, request: &RequestInfo, connection: Candidate) {
///         if let (Some(user), Ok(mut last)) = (&request.user, self.last.lock()) {
///             last.insert(Arc::clone(user), connection);
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::builder(Numbers).placement(Arc::new(Sticky::default())).build().await?;
/// let one = pool.request().user("one").acquire().await?;
/// let two = pool.request().user("two").acquire().await?;
/// let (first, second) = (*one, *two);
/// drop((one, two));
/// assert_eq!(*pool.request().user("two").acquire().await?, second);
/// assert_eq!(*pool.request().user("one").acquire().await?, first);
/// # Ok(())
/// # }
/// ```
///
/// (A real one would bound what it remembers.)
pub trait Placement: Send + Sync + 'static {
    /// The slot of the connection that suits `request` best, or `None` if any will do. A slot in
    /// which nothing is idle, or that does not exist, counts as a lost race.
    fn choose(&self, request: &RequestInfo, candidates: &Candidates<'_>) -> Option<u32>;

    /// A lease of `connection` begins.
    fn acquired(&self, request: &RequestInfo, connection: Candidate) {
        let _ = (request, connection);
    }

    /// The lease of `connection` is about to end; what becomes of the connection is not decided by
    /// this.
    fn released(&self, request: &RequestInfo, connection: Candidate) {
        let _ = (request, connection);
    }

    /// The holder of `connection` has left a statement in its cache.
    fn cached(&self, connection: Candidate, statement: u32) {
        let _ = (connection, statement);
    }

    /// The holder of `connection` has dropped a statement from its cache, or all of them if none is
    /// named.
    fn uncached(&self, connection: Candidate, statement: Option<u32>) {
        let _ = (connection, statement);
    }
}

/// A connection, and where it lives.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate {
    /// The dense index of its slot, below the pool's `max_size_ceiling`.
    pub slot: u32,
    /// The connection's number.
    pub connection: u64,
    /// What [state it carries](crate::PooledConnection::set_label); 0 for none.
    pub label: u32,
}

impl Candidate {
    /// A connection without a label.
    #[must_use]
    pub const fn new(slot: u32, connection: u64) -> Self {
        Self {
            slot,
            connection,
            label: 0,
        }
    }

    /// With this label.
    #[must_use]
    pub const fn labelled(mut self, label: u32) -> Self {
        self.label = label;
        self
    }
}

/// Two are equal if they are the same connection: the label is what it carried at the moment.
impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        (self.slot, self.connection) == (other.slot, other.connection)
    }
}

impl Eq for Candidate {}

impl Hash for Candidate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.slot, self.connection).hash(state);
    }
}

/// Connections that are idle at the moment: a look at the pool, not a hold on anything.
pub struct Candidates<'a>(Source<'a>);

enum Source<'a> {
    Pool(&'a dyn Idle),
    List(&'a [Candidate]),
}

/// What a pool tells about its idle connections.
pub(crate) trait Idle {
    /// Lists some of them; returns how many.
    fn list(&self, into: &mut [Candidate; Candidates::MOST]) -> usize;
    /// The one in this slot.
    fn find(&self, slot: u32) -> Option<Candidate>;
}

impl<'a> Candidates<'a> {
    /// How many [`iter`](Self::iter) lists at most.
    pub const MOST: usize = 8;

    /// These and no others, for a policy that is tried out without a pool.
    #[must_use]
    pub const fn new(idle: &'a [Candidate]) -> Self {
        Self(Source::List(idle))
    }

    pub(crate) const fn of(pool: &'a dyn Idle) -> Self {
        Self(Source::Pool(pool))
    }

    /// Idle connections, at most [`MOST`](Self::MOST), in the order in which they would be used.
    /// Which they are may change between two calls.
    pub fn iter(&self) -> impl Iterator<Item = Candidate> + use<> {
        let mut found = [Candidate::default(); Self::MOST];
        let count = match self.0 {
            Source::Pool(pool) => pool.list(&mut found),
            Source::List(list) => {
                let count = list.len().min(Self::MOST);
                found[..count].copy_from_slice(&list[..count]);
                count
            }
        };
        found.into_iter().take(count)
    }

    /// The connection in `slot`, if it is idle: for those that `iter` may not list.
    #[must_use]
    pub fn find(&self, slot: u32) -> Option<Candidate> {
        match self.0 {
            Source::Pool(pool) => pool.find(slot),
            Source::List(list) => list.iter().find(|idle| idle.slot == slot).copied(),
        }
    }
}

impl fmt::Debug for Candidates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
