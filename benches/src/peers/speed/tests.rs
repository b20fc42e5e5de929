//! The scenarios notice what is wrong with a pool, and nothing where nothing is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::*;
use crate::peers::backend::{Backend, Conn};
use crate::peers::contestant::{Contestant, Lacks};
use crate::peers::contestants::{Defaults, Ours, Refused};
use crate::peers::scenario::{Round, Scenario};
use crate::record::Group;

/// Sound.
const SOUND: u8 = 0;
/// Has a place too many.
const ONE_OVER: u8 = 1;
/// Forgets a place, once.
const FORGETS: u8 = 2;
/// Does not wake who waits.
const NEVER_WAKES: u8 = 3;
/// Turns callers away.
const REFUSES: u8 = 4;

/// Whoever asks first when a place is free gets it, however long others have waited.
const OVERTAKES: u8 = 5;

/// A pool that opens a connection for each lease, and is wrong in one way.
#[derive(Clone, Debug)]
struct Toy<const WRONG: u8>(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Semaphore,
    backend: Arc<Backend>,
    count: AtomicUsize,
}

/// Its connection goes before its place.
struct Lease<'a, const WRONG: u8> {
    conn: Conn,
    inner: &'a Inner,
    place: Option<SemaphorePermit<'a>>,
}

impl<const WRONG: u8> Drop for Lease<'_, WRONG> {
    fn drop(&mut self) {
        let nth = self.inner.count.fetch_add(1, Ordering::Relaxed);
        if WRONG == FORGETS && nth == 0 {
            self.place
                .take()
                .into_iter()
                .for_each(SemaphorePermit::forget);
        }
    }
}

impl<const WRONG: u8> Contestant for Toy<WRONG> {
    const NAME: &'static str = "toy";
    const VERSION: &'static str = "";
    const GROUP: Group = Group::Peer;
    const LACKS: Lacks = Lacks::NOTHING;
    const REMARKS: &'static [&'static str] = &[];

    type Lease<'a> = Lease<'a, WRONG>;
    type Refused = Refused;

    async fn build(setup: &Setup) -> Self {
        Self(Arc::new(Inner {
            places: Semaphore::new(setup.size + usize::from(WRONG == ONE_OVER)),
            backend: Arc::clone(&setup.backend),
            count: AtomicUsize::new(0),
        }))
    }

    async fn request(&self) -> Result<Lease<'_, WRONG>, Refused> {
        let inner = &*self.0;
        let place = match inner.places.try_acquire() {
            Ok(place) => place,
            Err(_) if WRONG == REFUSES => return Err(Refused),
            Err(_) if WRONG == NEVER_WAKES => std::future::pending().await,
            Err(_) if WRONG == OVERTAKES => loop {
                tokio::task::yield_now().await;
                if let Ok(place) = inner.places.try_acquire() {
                    break place;
                }
            },
            Err(_) => inner.places.acquire().await.map_err(|_| Refused)?,
        };
        Ok(Lease {
            conn: inner.backend.open_at_once(),
            inner,
            place: Some(place),
        })
    }

    fn conn<'l>(lease: &'l mut Lease<'_, WRONG>) -> &'l mut Conn {
        &mut lease.conn
    }
}

fn first<S: Scenario, C: Contestant>() -> Outcome {
    S::run::<C>(&Round {
        variant: 0,
        round: 0,
        quick: true,
        seed: 1,
    })
}

#[track_caller]
fn assert_fault<S: Scenario, const WRONG: u8>(expected: &str) {
    let faults = first::<S, Toy<WRONG>>().faults;
    assert!(
        faults.iter().any(|fault| fault.contains(expected)),
        "{faults:?} and not {expected:?}"
    );
}

#[track_caller]
fn assert_sound<S: Scenario, C: Contestant>() {
    let outcome = first::<S, C>();
    assert_eq!(outcome.faults, [""; 0], "{}", S::NAME);
    assert!(!outcome.stuck && !outcome.values.is_empty(), "{}", S::NAME);
    let mut values = outcome.values.iter();
    assert!(values.all(|value| value.value.is_finite()), "{}", S::NAME);
}

#[test]
fn sound_pools_have_no_faults_in_any_scenario() {
    struct Sound;
    impl Visit for Sound {
        fn visit<S: Scenario>(&mut self) {
            assert_sound::<S, Toy<SOUND>>();
            assert_sound::<S, Ours<Defaults>>();
        }
    }
    each(&mut Sound);
}

#[test]
fn a_connection_over_the_maximum_is_a_fault() {
    assert_fault::<Oversubscribed, ONE_OVER>("maximum");
}

#[test]
fn a_place_that_is_lost_is_a_fault() {
    assert_fault::<Free, FORGETS>("lost capacity");
}

#[test]
fn a_caller_who_is_turned_away_is_a_fault() {
    assert_fault::<Oversubscribed, REFUSES>("refused");
}

#[test]
fn tasks_that_are_never_woken_are_a_fault_and_end_the_contestants_part() {
    assert_fault::<Oversubscribed, NEVER_WAKES>("stalled");
    assert!(first::<Oversubscribed, Toy<NEVER_WAKES>>().stuck);
}

fn wait<C: Contestant>(quantile: &str) -> f64 {
    let outcome = first::<TimedHold, C>();
    let found = outcome.values.iter().find(|value| value.metric == quantile);
    found.expect("timed hold takes it").value
}

#[test]
fn waits_of_a_crowd_are_as_long_as_its_queue() {
    // 256 tasks on 16 connections, each held for at least half a millisecond: whoever joins the
    // queue has some 240 before it, served 16 at a time.
    let median = wait::<Toy<SOUND>>("p50");
    assert!((5e6..2e9).contains(&median), "{median} ns");
}

#[test]
fn whoever_is_never_served_is_seen_in_the_tail() {
    let tail = wait::<Toy<OVERTAKES>>("p99");
    assert!(tail > 60e6, "{tail} ns");
}
