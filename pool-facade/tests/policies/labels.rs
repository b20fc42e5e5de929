//! Connections that carry state on purpose: whoever knows about it gets them as they are, and nobody
//! else meets it.

use std::sync::{Arc, Mutex};

use pool_facade::{
    Builder, Candidate, Candidates, Hook, Placement, Pool, PooledConnection, Profile, RequestInfo,
};
use pool_testkit::fake::{Action, FakeBackend, FakeManager, Gate, Step};

use super::doorman::{Doorman, ms, poll_once};
use super::house::{Lease, builder};

const LABEL: u32 = 7;

/// A pool of one connection that is idle and has a label.
async fn labelled_by(
    backend: &FakeBackend,
    change: impl FnOnce(Builder<FakeManager>) -> Builder<FakeManager>,
) -> Pool<FakeManager> {
    let builder = builder(backend, 1).initial_size(1u32);
    let pool = change(builder).build().await.unwrap();
    drop(leave_label(&pool).await);
    pool
}

async fn labelled(backend: &FakeBackend) -> Pool<FakeManager> {
    labelled_by(backend, |builder| builder).await
}

/// One who knows about labels.
async fn session(pool: &Pool<FakeManager>) -> Lease {
    let request = pool.request().profile(Profile::new(1).label(LABEL));
    request.acquire().await.unwrap()
}

async fn leave_label(pool: &Pool<FakeManager>) -> Lease {
    let mut lease = session(pool).await;
    PooledConnection::set_label(&mut lease, LABEL);
    lease
}

fn label(lease: &Lease) -> u32 {
    PooledConnection::candidate(lease).label
}

/// It came after one reset.
fn assert_reset(backend: &FakeBackend, lease: &Lease) {
    assert_eq!(label(lease), 0, "with the state of another");
    assert_eq!(backend.counts().reset, 1);
}

#[tokio::test(start_paused = true)]
async fn plain_acquire_gets_a_labelled_connection_after_a_reset() {
    let backend = FakeBackend::new();
    let pool = labelled(&backend).await;
    assert_reset(&backend, &pool.acquire().await.unwrap());
    assert_eq!(pool.status().opened, 1, "that one, and no other");
}

#[tokio::test(start_paused = true)]
async fn try_acquire_has_a_labelled_connection_reset_and_finds_it_later() {
    let backend = FakeBackend::new();
    let pool = labelled(&backend).await;
    assert!(pool.try_acquire().is_none());
    tokio::time::sleep(ms(10)).await;
    assert_reset(&backend, &pool.try_acquire().expect("it is clean"));
}

#[tokio::test(start_paused = true)]
async fn request_without_a_profile_is_a_plain_one_whatever_else_it_says() {
    let backend = FakeBackend::new();
    let pool = labelled(&backend).await;
    let request = pool.request().user("somebody").tag("a", "b");
    assert_reset(&backend, &request.acquire().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn request_whose_profile_says_nothing_of_labels_is_a_plain_one() {
    let backend = FakeBackend::new();
    let pool = labelled(&backend).await;
    let request = pool
        .request()
        .profile(Profile::new(1).statement(2).class(3));
    assert_reset(&backend, &request.acquire().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn plain_waiter_that_is_handed_a_labelled_connection_gets_it_after_a_reset() {
    let backend = FakeBackend::new();
    let pool = labelled(&backend).await;
    let lease = session(&pool).await;
    let mut waiter = Box::pin(pool.acquire());
    assert!(poll_once(waiter.as_mut()).is_none());
    drop(lease);
    assert_reset(&backend, &waiter.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn nor_does_a_check_make_a_labelled_connection_fit_for_everybody() {
    let backend = FakeBackend::new();
    let pool = labelled(&backend).await;
    tokio::time::sleep(ms(10_000)).await;
    // Checked for one who knows the label, and who leaves it as it is.
    assert_eq!(label(&session(&pool).await), LABEL);
    assert_eq!(backend.counts().validated, 1);
    // For one who has gone when the check is over.
    tokio::time::sleep(ms(10_000)).await;
    let gate = Gate::new();
    backend.script(Step::Validate, [Action::gate(&gate)]);
    let mut gone = Box::pin(session(&pool));
    assert!(poll_once(gone.as_mut()).is_none());
    drop(gone);
    gate.open();
    tokio::time::sleep(ms(10)).await;
    assert_eq!(backend.counts().reset, 0);
    assert_reset(&backend, &pool.acquire().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn nor_do_checks_in_the_background_nor_hooks_and_checks_on_return() {
    let backend = FakeBackend::new();
    let pool = labelled_by(&backend, |builder| {
        builder
            .keepalive(ms(200))
            .validate_on_return(true)
            .after_release(Hook::new(|_, _| Ok(())))
            .before_acquire(Hook::new(|_, _| Ok(())))
    })
    .await;
    tokio::time::sleep(ms(2000)).await;
    assert!(backend.counts().validated > 2, "{:?}", backend.counts());
    assert_eq!(label(&session(&pool).await), LABEL);
    assert_eq!(backend.counts().reset, 0);
    tokio::time::sleep(ms(10)).await;
    assert_reset(&backend, &pool.acquire().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn nor_are_policies_a_way_round() {
    let backend = FakeBackend::new();
    let doorman = Arc::new(Doorman::default());
    let pool = labelled_by(&backend, |builder| {
        builder
            .admission(Arc::clone(&doorman) as _)
            .placement(Arc::new(Stubborn))
    })
    .await;
    assert!(pool.try_acquire().is_none());
    tokio::time::sleep(ms(10)).await;
    assert_reset(&backend, &pool.acquire().await.unwrap());
    doorman.assert_balanced();
}

/// Wants the first slot, whatever is in it.
struct Stubborn;

impl Placement for Stubborn {
    fn choose(&self, _: &RequestInfo, _: &Candidates<'_>) -> Option<u32> {
        Some(0)
    }
}

#[tokio::test(start_paused = true)]
async fn request_whose_profile_knows_labels_gets_a_labelled_connection_as_it_is() {
    let backend = FakeBackend::new();
    let pool = labelled(&backend).await;
    for profile in [
        Profile::new(1).label(LABEL),
        Profile::new(2).label(0),
        Profile::new(3).label(8),
    ] {
        let lease = pool.request().profile(profile).acquire().await.unwrap();
        assert_eq!(label(&lease), LABEL, "{profile:?}");
        let mut waiter = Box::pin(pool.request().profile(profile).acquire());
        assert!(poll_once(waiter.as_mut()).is_none());
        drop(lease);
        assert_eq!(
            label(&waiter.await.unwrap()),
            LABEL,
            "{profile:?}, handed over"
        );
    }
    assert_eq!(backend.counts().reset, 0);
}

#[tokio::test(start_paused = true)]
async fn reset_takes_the_label_off() {
    let backend = FakeBackend::new();
    let pool = labelled(&backend).await;
    let lease = session(&pool).await;
    lease.dirty();
    drop(lease);
    tokio::time::sleep(ms(10)).await;
    assert_reset(&backend, &session(&pool).await);
}

#[tokio::test(start_paused = true)]
async fn label_does_not_survive_its_connection() {
    let backend = FakeBackend::new();
    let pool = labelled(&backend).await;
    let lease = session(&pool).await;
    let slot = PooledConnection::candidate(&lease).slot;
    PooledConnection::discard(lease);
    let next = PooledConnection::candidate(&session(&pool).await);
    assert_eq!((next.slot, next.label), (slot, 0), "it survived");
}

#[tokio::test(start_paused = true)]
async fn holder_may_take_the_label_off_and_nothing_is_reset_then() {
    let backend = FakeBackend::new();
    let pool = labelled(&backend).await;
    let mut lease = session(&pool).await;
    PooledConnection::set_label(&mut lease, 0);
    drop(lease);
    assert!(pool.try_acquire().is_some());
    assert_eq!(backend.counts().reset, 0);
}

/// Notes what it is told about statements, and which labels it is shown.
#[derive(Default)]
struct Books(Mutex<Vec<(Candidate, Option<u32>, bool)>>, Mutex<Vec<u32>>);

impl Placement for Books {
    fn choose(&self, _: &RequestInfo, idle: &Candidates<'_>) -> Option<u32> {
        let mut shown = self.1.lock().unwrap();
        *shown = idle.iter().map(|idle| idle.label).collect();
        idle.iter()
            .find(|idle| idle.label == LABEL)
            .map(|idle| idle.slot)
    }

    fn cached(&self, connection: Candidate, statement: u32) {
        self.0
            .lock()
            .unwrap()
            .push((connection, Some(statement), true));
    }

    fn uncached(&self, connection: Candidate, statement: Option<u32>) {
        self.0.lock().unwrap().push((connection, statement, false));
    }
}

#[tokio::test(start_paused = true)]
async fn placement_is_told_what_is_cached_where_and_shown_the_labels() {
    let backend = FakeBackend::new();
    let books = Arc::new(Books::default());
    let builder = builder(&backend, 3).initial_size(3u32);
    let pool = builder
        .placement(Arc::clone(&books) as _)
        .build()
        .await
        .unwrap();
    let held = [session(&pool).await, session(&pool).await];
    drop(leave_label(&pool).await);
    drop(held);
    let lease = session(&pool).await;
    assert_eq!(label(&lease), LABEL, "it chose by the label");
    let mut shown = books.1.lock().unwrap().clone();
    shown.sort_unstable();
    assert_eq!(shown, [0, 0, LABEL]);
    let connection = PooledConnection::candidate(&lease);
    PooledConnection::note_cached(&lease, 5);
    PooledConnection::note_uncached(&lease, Some(5));
    PooledConnection::note_uncached(&lease, None);
    let told = std::mem::take(&mut *books.0.lock().unwrap());
    let expected = [(Some(5), true), (Some(5), false), (None, false)];
    assert_eq!(
        told,
        expected.map(|(statement, cached)| (connection, statement, cached))
    );
}
