//! Which idle connection a request gets: the choice is honoured where it can be, and changes
//! nothing else.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pool_facade::{
    Builder, Candidate, Candidates, OnSuspend, Placement, Pool, PooledConnection, RequestInfo,
};
use pool_testkit::fake::{FakeBackend, FakeManager};

use super::doorman::{Doorman, hush, poll_once};

fn builder(backend: &FakeBackend, size: u32) -> Builder<FakeManager> {
    Pool::builder(backend.manager())
        .idle_timeout(None)
        .max_lifetime(None)
        .validate_on_acquire(false)
        .max_size(size)
        .initial_size(size)
}

/// What is told to a placement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Acquired(Option<Arc<str>>, Candidate),
    Released(Option<Arc<str>>, Candidate),
}

type Choice = dyn Fn(&Candidates<'_>) -> Option<u32> + Send + Sync;

/// Chooses as the test says, and notes everything.
struct Scripted {
    choice: Mutex<Arc<Choice>>,
    asked: AtomicU64,
    told: Mutex<Vec<Told>>,
}

impl Scripted {
    fn new(choice: impl Fn(&Candidates<'_>) -> Option<u32> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            choice: Mutex::new(Arc::new(choice)),
            asked: AtomicU64::new(0),
            told: Mutex::default(),
        })
    }

    fn set(&self, choice: impl Fn(&Candidates<'_>) -> Option<u32> + Send + Sync + 'static) {
        *self.choice.lock().unwrap() = Arc::new(choice);
    }

    fn asked(&self) -> u64 {
        self.asked.swap(0, Ordering::Relaxed)
    }

    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

impl Placement for Scripted {
    fn choose(&self, _: &RequestInfo, candidates: &Candidates<'_>) -> Option<u32> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let choice = Arc::clone(&self.choice.lock().unwrap());
        choice(candidates)
    }

    fn acquired(&self, request: &RequestInfo, connection: Candidate) {
        let told = Told::Acquired(request.user.clone(), connection);
        self.told.lock().unwrap().push(told);
    }

    fn released(&self, request: &RequestInfo, connection: Candidate) {
        let told = Told::Released(request.user.clone(), connection);
        self.told.lock().unwrap().push(told);
    }
}

#[tokio::test(start_paused = true)]
async fn choice_is_honoured_whenever_it_is_idle() {
    let backend = FakeBackend::new();
    let wanted = Arc::new(AtomicU64::new(0));
    let wish = Arc::clone(&wanted);
    let placement = Scripted::new(move |idle| {
        let wish = wish.load(Ordering::Relaxed);
        let slots = 0..40u32;
        let mut found = slots.filter_map(|slot| idle.find(slot));
        found.find(|idle| idle.connection == wish).map(|c| c.slot)
    });
    let pool = builder(&backend, 40)
        .placement(Arc::clone(&placement) as _)
        .build()
        .await
        .unwrap();
    let mut chance = fastrand::Rng::with_seed(17);
    let mut held: Vec<PooledConnection<FakeManager>> = Vec::new();
    let mut honoured = 0;
    for round in 0..4000 {
        while held.len() > chance.usize(0..39) {
            drop(held.swap_remove(chance.usize(0..held.len())));
        }
        let wish = chance.u64(1..=40);
        wanted.store(wish, Ordering::Relaxed);
        let idle = held.iter().all(|lease| lease.pool_id() != wish);
        let lease = match round % 3 {
            0 => pool.acquire().await.unwrap(),
            1 => pool.request().user("u").acquire().await.unwrap(),
            _ => pool.try_acquire().expect("one is idle"),
        };
        assert_eq!(lease.pool_id() == wish, idle);
        assert_eq!(placement.asked(), 1, "its first answer was good");
        honoured += u32::from(idle);
        held.push(lease);
    }
    assert!(honoured > 500, "{honoured}");
}

#[tokio::test(start_paused = true)]
async fn candidates_are_at_most_eight_each_idle_and_any_other_idle_one_can_be_found() {
    let backend = FakeBackend::new();
    let seen = Arc::new(Mutex::new((Vec::new(), BTreeSet::new())));
    let see = Arc::clone(&seen);
    let placement = Scripted::new(move |idle| {
        let listed: Vec<_> = idle.iter().collect();
        let found = (0..100).filter_map(|slot| idle.find(slot));
        let found: BTreeSet<_> = found.map(|idle| (idle.slot, idle.connection)).collect();
        *see.lock().unwrap() = (listed, found);
        None
    });
    let pool = builder(&backend, 20)
        .placement(placement as _)
        .build()
        .await
        .unwrap();
    let mut held = Vec::new();
    let mut ids = BTreeSet::new();
    for round in 0..20usize {
        held.push(pool.acquire().await.unwrap());
        let (listed, found) = std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(found.len(), 20 - round);
        assert_eq!(listed.len(), found.len().min(Candidates::MOST));
        let distinct: BTreeSet<_> = listed.iter().map(|c| (c.slot, c.connection)).collect();
        assert_eq!(distinct.len(), listed.len());
        assert!(distinct.is_subset(&found), "{distinct:?} {found:?}");
        let taken = held[round].pool_id();
        assert_eq!(listed[0].connection, taken, "the first is what any means");
        assert!(found.iter().all(|(_, id)| !ids.contains(id)));
        ids.insert(taken);
    }
}

#[tokio::test(start_paused = true)]
async fn nonsense_and_choices_that_are_gone_end_in_any_connection_after_three_questions() {
    let backend = FakeBackend::new();
    let lent = Arc::new(AtomicU64::new(0));
    let slot = Arc::clone(&lent);
    let placement = Scripted::new(|_| Some(u32::MAX));
    let pool = builder(&backend, 4)
        .placement(Arc::clone(&placement) as _)
        .build()
        .await
        .unwrap();
    let first = pool.acquire().await.unwrap();
    assert_eq!(placement.asked(), 3);
    let [Told::Acquired(_, taken)] = placement.told()[..] else {
        panic!("one lease began")
    };
    slot.store(u64::from(taken.slot), Ordering::Relaxed);
    for nonsense in [4, 61, 62, 63, 64, 1 << 31, taken.slot] {
        placement.set(move |_| Some(nonsense));
        let lease = pool.acquire().await.unwrap();
        assert_ne!(lease.pool_id(), first.pool_id());
        assert_eq!(placement.asked(), 3, "{nonsense}");
        drop(lease);
        assert!(pool.try_acquire().is_some(), "{nonsense}");
        assert_eq!(placement.asked(), 3, "{nonsense}");
    }
}

#[tokio::test(start_paused = true)]
async fn policy_is_not_asked_while_anybody_waits_and_the_order_of_service_stays() {
    let backend = FakeBackend::new();
    let placement = Scripted::new(|idle| idle.iter().last().map(|last| last.slot));
    let pool = builder(&backend, 2)
        .placement(Arc::clone(&placement) as _)
        .build()
        .await
        .unwrap();
    let held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    assert_eq!(placement.asked(), 2);
    assert!(pool.try_acquire().is_none());
    let mut waiters: Vec<_> = (0..6).map(|_| Box::pin(pool.acquire())).collect();
    for waiter in &mut waiters {
        assert!(poll_once(waiter.as_mut()).is_none());
    }
    drop(held);
    // Two were handed over; a newcomer finds nothing idle and takes nothing.
    assert!(pool.try_acquire().is_none());
    for waiter in &mut waiters {
        let lease = poll_once(waiter.as_mut()).expect("it is its turn");
        drop(lease.unwrap());
    }
    pool.suspend(OnSuspend::Wait);
    assert!(poll_once(Box::pin(pool.acquire()).as_mut()).is_none());
    assert_eq!(placement.asked(), 0);
    pool.resume();
    drop(pool.acquire().await.unwrap());
    assert_eq!(placement.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn books_are_told_of_each_lease_once_with_slot_connection_and_request() {
    hush();
    let backend = FakeBackend::new();
    let placement = Scripted::new(|_| None);
    let pool = builder(&backend, 1)
        .placement(Arc::clone(&placement) as _)
        .build()
        .await
        .unwrap();
    let lease = |connection| Candidate::new(0, connection);
    let (acquired, released) = (Told::Acquired, Told::Released);
    let alice = Some(Arc::<str>::from("alice"));
    let held = pool.request().user("alice").acquire().await.unwrap();
    assert_eq!(placement.told(), [acquired(alice.clone(), lease(1))]);
    // Handed over, and to one who leaves.
    let mut leaves = Box::pin(pool.acquire());
    let mut stays = Box::pin(pool.acquire());
    assert!(poll_once(leaves.as_mut()).is_none() && poll_once(stays.as_mut()).is_none());
    drop(held);
    drop(leaves);
    assert_eq!(placement.told(), [released(alice, lease(1))]);
    let held = stays.await.unwrap();
    PooledConnection::discard(held);
    let told = placement.told();
    assert_eq!(told, [acquired(None, lease(1)), released(None, lease(1))]);
    // What is looked at by others is nobody's lease.
    let held = pool.acquire().await.unwrap();
    let second = lease(held.pool_id());
    drop(held);
    pool.retain(|_, _| true);
    let refused = catch_unwind(AssertUnwindSafe(|| pool.retain(|_, _| panic!("planned"))));
    assert!(refused.is_err());
    let told = placement.told();
    assert_eq!(told, [acquired(None, second), released(None, second)]);
    let held = pool.try_acquire();
    drop(held.or(pool.acquire().await.ok()).expect("it is opened"));
    assert_eq!(placement.told().len(), 2);
}

/// Panics wherever it may.
#[derive(Default)]
struct Nervous {
    choosing: AtomicBool,
}

impl Placement for Nervous {
    fn choose(&self, _: &RequestInfo, _: &Candidates<'_>) -> Option<u32> {
        assert!(!self.choosing.load(Ordering::Relaxed), "planned");
        None
    }

    fn acquired(&self, _: &RequestInfo, _: Candidate) {
        panic!("planned");
    }

    fn released(&self, _: &RequestInfo, _: Candidate) {
        panic!("planned");
    }
}

#[tokio::test(start_paused = true)]
async fn panicking_choice_ends_its_request_with_nothing_held_and_panicking_books_are_contained() {
    hush();
    let backend = FakeBackend::new();
    let (doorman, nervous) = (Arc::new(Doorman::default()), Arc::new(Nervous::default()));
    let pool = builder(&backend, 1)
        .admission(Arc::clone(&doorman) as _)
        .placement(Arc::clone(&nervous) as _)
        .build()
        .await
        .unwrap();
    for _ in 0..3 {
        drop(pool.acquire().await.unwrap());
    }
    nervous.choosing.store(true, Ordering::Relaxed);
    let mut acquire = Box::pin(pool.acquire());
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(acquire.as_mut()))).is_err());
    drop(acquire);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(pool.try_acquire()))).is_err());
    let status = pool.status();
    assert_eq!((status.idle, status.leased, status.opened), (1, 0, 1));
    doorman.assert_balanced();
    nervous.choosing.store(false, Ordering::Relaxed);
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.status().opened, 1, "no panic cost a connection");
}

/// All want the same, or what they had, or nothing that exists.
struct Greedy(AtomicU64);

impl Placement for Greedy {
    fn choose(&self, _: &RequestInfo, idle: &Candidates<'_>) -> Option<u32> {
        match self.0.fetch_add(1, Ordering::Relaxed) % 4 {
            0 => Some(0),
            1 => idle.iter().last().map(|last| last.slot),
            2 => Some(7),
            _ => idle.find(3).map(|found| found.slot),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn crowd_that_wants_the_same_connection_never_shares_it_and_nobody_starves() {
    let backend = FakeBackend::new();
    let doorman = Arc::new(Doorman::default());
    let pool = builder(&backend, 5)
        .admission(Arc::clone(&doorman) as _)
        .placement(Arc::new(Greedy(AtomicU64::new(0))))
        .build()
        .await
        .unwrap();
    let users: Vec<_> = (0..16u64)
        .map(|user| {
            let pool = pool.clone();
            tokio::task::spawn(async move {
                let mut chance = fastrand::Rng::with_seed(user);
                for _ in 0..500 {
                    let lease = match chance.u8(0..3) {
                        0 => pool.try_acquire(),
                        _ => Some(pool.acquire().await.unwrap()),
                    };
                    let Some(lease) = lease else { continue };
                    // Panics if somebody else has it.
                    let owned = lease.own();
                    if chance.bool() {
                        tokio::task::yield_now().await;
                    }
                    drop(owned);
                }
            })
        })
        .collect();
    for user in users {
        user.await.unwrap();
    }
    doorman.assert_balanced();
    let status = pool.status();
    assert_eq!((status.opened, status.idle, status.waiting), (5, 5, 0));
}
