//! What every adapter must keep, asked through a composed pool.
//!
//! The pool's own tests run over a scripted fake; an adapter's own tests run without a pool. What
//! users get is both together, and the promises that matter most (nobody shares a connection, no
//! transaction survives its user, no connection is left behind) hold only if pool and adapter
//! agree on who does what. So the rules are written once, against a [`Subject`], and each adapter
//! runs them all. They believe neither pool nor adapter: identities and counts come from the
//! backend, by a way of its own.
//!
//! An adapter's test file implements [`Subject`] and names the optional rules that its backend can
//! be asked about:
//!
//! ```ignore
//! pool_testkit::conformance_suite!(MySubject; killed_connection_is_replaced);
//! ```
//!
//! That makes one test per rule. Each gets a subject of its own and ends within [`LIMIT`].

mod closing;
mod connecting;
mod leases;
mod support;
mod users;

use std::future::Future;
use std::time::Duration;

use pool_core::Manager;

pub use closing::{
    close_leaves_no_connection, detached_connection_works_and_its_place_is_free,
    idle_connections_close_after_idle_timeout, last_handle_dropped_leaves_no_connection,
    opened_less_closed_is_what_the_backend_counts, reopen_replaces_every_connection,
};
pub use connecting::{
    killed_connection_is_replaced, permanent_connect_error_reaches_waiters_at_once,
    transient_connect_error_is_retried_and_told,
};
pub use leases::{
    at_most_max_size_connections_as_the_backend_counts, cancelled_waiter_passes_the_connection_on,
    dropped_call_closes_the_connection, lease_dropped_by_a_panic_is_closed,
    leases_are_exclusive_by_the_backends_identity, unmarked_dropped_call_never_meets_the_next_user,
};
pub use users::{
    no_session_state_reaches_the_next_user, statement_cache_outlives_the_lease,
    transaction_left_open_is_gone_for_the_next_user,
};

/// What a subject's manager opens.
pub type Conn<S> = <<S as Subject>::Manager as Manager>::Connection;
/// What a subject's calls fail with.
pub type Failure<S> = <<S as Subject>::Manager as Manager>::Error;

/// How long a rule may take. Most take milliseconds; a machine under load gets its time.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A backend of one test, and how to talk to it. Its methods panic where a test would.
pub trait Subject: Sized + Send + Sync + 'static {
    /// The adapter's manager.
    type Manager: Manager;

    /// Whether the backend counts a connection for a moment after it was closed in an orderly way,
    /// because the end of a process follows the end of its socket, say.
    const LINGERS: bool = false;

    /// A backend that no other test uses, or that tells this test's connections from others.
    fn start() -> impl Future<Output = Self>;

    /// A manager whose connections [`open_now`](Self::open_now) counts.
    fn manager(&self) -> Self::Manager;

    /// How many connections the backend itself counts.
    fn open_now(&self) -> impl Future<Output = usize> + Send;

    /// The backend's name for a connection; no two have the same within a test.
    fn identity(conn: &Conn<Self>) -> u64;

    /// A cheap round trip.
    fn ping(conn: &mut Conn<Self>) -> impl Future<Output = Result<(), Failure<Self>>> + Send;

    /// A call that lasts until it is cancelled, or for half a minute.
    fn slow(conn: &mut Conn<Self>) -> impl Future<Output = Result<(), Failure<Self>>> + Send;

    /// Begins a transaction and writes in it, without an end.
    fn begin(conn: &mut Conn<Self>) -> impl Future<Output = ()> + Send;

    /// How many of these writes are to be seen on a connection. None is ever committed.
    fn written(conn: &mut Conn<Self>) -> impl Future<Output = usize> + Send;

    /// Leaves every kind of session state that the backend knows, and tells how many kinds.
    fn leave_residue(conn: &mut Conn<Self>) -> impl Future<Output = usize> + Send;

    /// The kinds that are there.
    fn residue(conn: &mut Conn<Self>) -> impl Future<Output = Vec<String>> + Send;
}

/// A backend that can end a connection by itself.
pub trait Killable: Subject {
    /// Ends the connection with that identity, from outside.
    fn kill(&self, identity: u64) -> impl Future<Output = ()>;
}

/// An adapter whose connects can be made to fail for good.
pub trait Refusing: Subject {
    /// A manager whose connects fail with a permanent error.
    fn refused(&self) -> Self::Manager;
}

/// An adapter whose backend can be away.
pub trait Unreachable: Subject {
    /// A manager whose connects fail at once, with an error that may pass.
    fn unreachable(&self) -> Self::Manager;
}

/// An adapter that keeps prepared statements.
pub trait Caching: Subject {
    /// Runs a statement of its own through the cache. Whether the statement was there already.
    fn cached(conn: &mut Conn<Self>) -> impl Future<Output = bool> + Send;
}

/// Runs a rule within [`LIMIT`]. Called by what [`conformance_suite!`](crate::conformance_suite)
/// makes.
///
/// # Panics
///
/// When the rule is broken, or not decided within the limit.
pub async fn decide(rule: impl Future<Output = ()>) {
    let decided = tokio::time::timeout(LIMIT, rule).await;
    assert!(decided.is_ok(), "not decided within {LIMIT:?}");
}

/// Makes a test of each rule for a [`Subject`](crate::conformance::Subject): of those that all
/// keep, and of those named after the semicolon. Needs tokio's macros and its runtime of many
/// threads.
#[macro_export]
macro_rules! conformance_suite {
    ($subject:ty; $($optional:ident),* $(,)?) => {
        $crate::conformance_suite! { @tests $subject;
            leases_are_exclusive_by_the_backends_identity,
            at_most_max_size_connections_as_the_backend_counts,
            dropped_call_closes_the_connection,
            lease_dropped_by_a_panic_is_closed,
            cancelled_waiter_passes_the_connection_on,
            transaction_left_open_is_gone_for_the_next_user,
            no_session_state_reaches_the_next_user,
            idle_connections_close_after_idle_timeout,
            close_leaves_no_connection,
            last_handle_dropped_leaves_no_connection,
            detached_connection_works_and_its_place_is_free,
            reopen_replaces_every_connection,
            opened_less_closed_is_what_the_backend_counts,
            $($optional,)*
        }
    };
    (@tests $subject:ty; $($rule:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let subject = <$subject as $crate::conformance::Subject>::start().await;
                $crate::conformance::decide($crate::conformance::$rule(subject)).await;
            }
        )*
    };
}
