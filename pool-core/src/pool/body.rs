//! What lies in a slot, and how a lease finds its way home.

use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::mutant::mutant;
use crate::queue::{self, Kind, Queue};
use crate::request::RequestInfo;
use crate::status::ConnectionInfo;
use crate::{CloseReason, Manager, Token};

use super::Inner;

/// The queue's view of a pool over `M`.
pub(crate) struct Slots<M>(std::marker::PhantomData<M>);

impl<M: Manager> Kind for Slots<M> {
    type Value = Body<M>;
    type Face = Face;
    type Anchor = Arc<Inner<M>>;

    #[inline]
    fn label(face: &Face) -> u32 {
        face.label()
    }
}

pub(crate) type Loan<M> = queue::Loan<Slots<M>>;
pub(crate) type Berth<M> = queue::Berth<Slots<M>>;

/// A connection and what only its holder may see and change.
pub(crate) struct Body<M: Manager> {
    pub(crate) conn: M::Connection,
    pub(crate) home: Home<M>,
    pub(crate) id: u64,
    pub(crate) epoch: u64,
    pub(crate) created: Instant,
    /// The revision of the queue at which it was last looked at closely and found in order.
    pub(crate) seen: u64,
    /// Until when it may be given out without a close look, on the coarse clock: before it is too
    /// old or was unused for too long.
    pub(crate) good_until: u64,
    /// When it may no longer be given out, on the coarse clock.
    pub(crate) expires: u64,
    /// Since when it is known to work, on the coarse clock.
    pub(crate) fresh: u64,
    /// Until when a check that was made for a request that left counts for the next in line, on the
    /// coarse clock; 0 if none was.
    pub(crate) vouched: u64,
    /// What closes it when it comes back, whatever else is true. `InFlight` while a round trip is
    /// under way.
    pub(crate) doom: Option<CloseReason>,
    pub(crate) request: Option<Arc<RequestInfo>>,
    /// A caller leases it, and whoever keeps books was told so. Never set in a pool where nobody
    /// does.
    pub(crate) lent: bool,
    /// What the admission gave the request that leases it, if it was asked. Means nothing unless
    /// `lent`.
    pub(crate) token: Option<Token>,
}

/// What everybody may read of a slot. Plain facts for snapshots and maintenance; whoever acts on
/// them takes the slot first and looks again.
#[derive(Debug)]
pub(crate) struct Face {
    pub(crate) id: AtomicU64,
    /// Since when it is idle, on the coarse clock.
    pub(crate) idle_since: AtomicU64,
    pub(crate) expires: AtomicU64,
    /// When keepalive last asked, on the coarse clock.
    pub(crate) asked: AtomicU64,
    /// Since when it is leased, on the coarse clock.
    pub(crate) leased_since: AtomicU64,
    site: AtomicPtr<Location<'static>>,
    /// The last connection in this slot that was to be closed when it comes back. By its id, which
    /// only grows: whoever evicts may meet the next connection, and must not mean that.
    evicted: AtomicU64,
    /// A successor is being opened.
    pub(crate) succeeded: AtomicBool,
    /// Leases of the connection so far. Written by its holder alone.
    uses: AtomicU64,
    /// Errors so far, its users' and those of checks and resets.
    errors: AtomicU32,
    /// What state was left on the connection on purpose; 0 for none. Written by its holder alone.
    label: AtomicU32,
}

impl Default for Face {
    fn default() -> Self {
        Self {
            id: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            expires: AtomicU64::new(u64::MAX),
            asked: AtomicU64::new(0),
            leased_since: AtomicU64::new(0),
            site: AtomicPtr::new(ptr::null_mut()),
            evicted: AtomicU64::new(0),
            succeeded: AtomicBool::new(false),
            uses: AtomicU64::new(0),
            errors: AtomicU32::new(0),
            label: AtomicU32::new(0),
        }
    }
}

impl Face {
    /// Has the connection closed when it comes back, if it is in this slot still.
    pub(crate) fn evict(&self, id: u64) {
        self.evicted.fetch_max(id, Ordering::Relaxed);
    }

    /// Whether the connection is to be closed.
    #[inline]
    pub(crate) fn is_evicted(&self, id: u64) -> bool {
        self.evicted.load(Ordering::Relaxed) == id
    }

    /// Notes who leases the slot. Relaxed: a snapshot may be a moment old.
    #[inline(always)]
    pub(crate) fn lease(&self, site: &'static Location<'static>, now: u64) {
        self.site
            .store(ptr::from_ref(site).cast_mut(), Ordering::Relaxed);
        self.leased_since.store(now, Ordering::Relaxed);
        let uses = self.uses.load(Ordering::Relaxed);
        self.uses.store(uses + 1, Ordering::Relaxed);
    }

    /// Leases so far, a present one included.
    pub(crate) fn uses(&self) -> u64 {
        self.uses.load(Ordering::Relaxed)
    }

    /// Errors so far.
    pub(crate) fn errors(&self) -> u32 {
        self.errors.load(Ordering::Relaxed)
    }

    /// The connection's label.
    pub(crate) fn label(&self) -> u32 {
        self.label.load(Ordering::Relaxed)
    }

    /// Labels the connection. Whoever holds it next has taken it from the holder by an Acquire.
    pub(crate) fn set_label(&self, label: u32) {
        self.label.store(label, Ordering::Relaxed);
    }

    /// Counts an error.
    pub(crate) fn note_error(&self) {
        let errors = self.errors.load(Ordering::Relaxed);
        self.errors
            .store(errors.saturating_add(1), Ordering::Relaxed);
    }

    /// When it was last given out or came back.
    pub(crate) fn used(&self) -> u64 {
        let leased = self.leased_since.load(Ordering::Relaxed);
        leased.max(self.idle_since.load(Ordering::Relaxed))
    }

    /// Where the present, or else the last, lease was asked for.
    pub(crate) fn site(&self) -> Option<&'static Location<'static>> {
        let site = self.site.load(Ordering::Relaxed);
        // SAFETY: null, or written by `lease` from a `&'static`.
        unsafe { site.cast_const().as_ref() }
    }

    /// Readies the face for a new connection.
    pub(crate) fn renew<M: Manager>(&self, body: &Body<M>, now: u64) {
        self.id.store(body.id, Ordering::Relaxed);
        self.idle_since.store(now, Ordering::Relaxed);
        self.expires.store(body.expires, Ordering::Relaxed);
        self.asked.store(now, Ordering::Relaxed);
        self.succeeded.store(false, Ordering::Relaxed);
        self.uses.store(0, Ordering::Relaxed);
        self.errors.store(0, Ordering::Relaxed);
        if !mutant(220) {
            self.label.store(0, Ordering::Relaxed);
        }
    }
}

/// `Body::seen` of a connection that was never looked at.
pub(crate) const NEVER_SEEN: u64 = u64::MAX;
/// A bypass window that never ends. Small enough to be added to any time.
pub(crate) const ENDLESS: u64 = 1 << 62;

impl<M: Manager> Body<M> {
    /// Notes that it worked at `now`.
    #[inline(always)]
    pub(crate) fn worked(&mut self, now: u64, bypass: u64) {
        self.fresh = now;
        self.good_until = self.would_be_good_until(now, bypass);
    }

    #[inline(always)]
    pub(crate) fn would_be_good_until(&self, now: u64, bypass: u64) -> u64 {
        (now + bypass).min(self.expires)
    }

    /// Marks it as lost should what is under way never end; false if it was lost already.
    pub(crate) fn begin(&mut self) -> bool {
        let first = self.doom.is_none();
        self.doom.get_or_insert(CloseReason::InFlight);
        first
    }

    /// What was under way has ended well.
    pub(crate) fn finish(&mut self) {
        if self.doom == Some(CloseReason::InFlight) {
            self.doom = None;
        }
    }

    /// Has it closed when it comes back.
    pub(crate) fn condemn(&mut self, reason: CloseReason) {
        if matches!(self.doom, None | Some(CloseReason::InFlight)) {
            self.doom = Some(reason);
        }
    }

    pub(crate) fn info(&self, face: &Face, now: u64) -> ConnectionInfo {
        let inner = self.home.inner();
        let opened = inner.coarse.millis_at(self.created);
        let idle = now.saturating_sub(face.idle_since.load(Ordering::Relaxed));
        ConnectionInfo {
            id: self.id,
            epoch: self.epoch,
            created: self.created,
            age: Duration::from_millis(now.saturating_sub(opened)),
            uses: face.uses(),
            errors: face.errors(),
            idle: Duration::from_millis(idle),
        }
    }
}

/// The way from a connection back to its pool, without a reference count: a slot that is lent keeps
/// its pool's memory alive.
pub(crate) struct Home<M: Manager>(NonNull<Inner<M>>);

// SAFETY: stands for a shared reference to an `Inner`, which is `Send` and `Sync`.
unsafe impl<M: Manager> Send for Home<M> {}
// SAFETY: as above.
unsafe impl<M: Manager> Sync for Home<M> {}

impl<M: Manager> Clone for Home<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Manager> Copy for Home<M> {}

impl<M: Manager> Home<M> {
    pub(crate) fn of(inner: &Arc<Inner<M>>) -> Self {
        // SAFETY: the pointer of an `Arc` is never null.
        Self(unsafe { NonNull::new_unchecked(Arc::as_ptr(inner).cast_mut()) })
    }

    /// The pool. For holders of a slot: what is lent keeps the memory.
    #[inline(always)]
    pub(crate) fn inner(&self) -> &Inner<M> {
        // SAFETY: a `Home` lies in a slot's value. While the slot is lent, a handle or the queue's
        // anchor holds the `Arc` (see `queue`, "Memory"). Whoever gives the slot up first takes a
        // reference by `strong`, or touches nothing afterwards.
        unsafe { self.0.as_ref() }
    }

    /// The queue, for whoever gives the slot up without a reference.
    pub(crate) fn queue(&self) -> NonNull<Queue<Slots<M>>> {
        // SAFETY: the pointer comes from an `Arc` that is alive, as for `inner`.
        unsafe { NonNull::new_unchecked(&raw mut (*self.0.as_ptr()).queue) }
    }

    /// A reference that outlasts the slot. For holders of a slot.
    pub(crate) fn strong(&self) -> Arc<Inner<M>> {
        // SAFETY: the pointer comes from an `Arc` that is alive, as for `inner`.
        unsafe {
            Arc::increment_strong_count(self.0.as_ptr());
            Arc::from_raw(self.0.as_ptr())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Face;

    #[test]
    fn an_eviction_is_of_one_connection_and_is_not_undone_by_that_of_an_earlier_one() {
        let face = Face::default();
        face.evict(7);
        assert!(face.is_evicted(7));
        assert!(!face.is_evicted(8), "the next one in the slot");
        face.evict(8);
        face.evict(7);
        assert!(face.is_evicted(8));
    }
}
