//! Waiters that are matched to the connection that comes back: who is preferred, and what it may cost
//! the others.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is how a test fails"
)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_facade::{
    Acquire, BuildError, Builder, Pool, PooledConnection, Priority, Profile, Request,
};
use pool_testkit::fake::{FakeBackend, FakeManager};

/// How often a waiter may be passed.
const MOST_SKIPS: usize = 8;

type Lease = PooledConnection<FakeManager>;
type Waiting<'a> = Pin<Box<Acquire<'a, FakeManager>>>;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn builder(backend: &FakeBackend, max: u32) -> Builder<FakeManager> {
    Pool::builder(backend.manager())
        .idle_timeout(None)
        .max_lifetime(None)
        .validate_on_acquire(false)
        .max_size(max)
        .initial_size(max)
}

async fn pool_of(size: u32) -> Pool<FakeManager> {
    let builder = builder(&FakeBackend::new(), size).match_waiters(true);
    builder.build().await.unwrap()
}

/// The connection of a request, if it was served.
fn poll(request: &mut Waiting<'_>) -> Option<Lease> {
    let mut cx = Context::from_waker(Waker::noop());
    match request.as_mut().poll(&mut cx) {
        Poll::Ready(served) => Some(served.unwrap()),
        Poll::Pending => None,
    }
}

fn waiting(request: Acquire<'_, FakeManager>) -> Waiting<'_> {
    let mut request = Box::pin(request);
    assert!(poll(&mut request).is_none(), "something was idle");
    request
}

/// A request for a connection with this label.
fn wish(pool: &Pool<FakeManager>, label: u32) -> Request<'_, FakeManager> {
    pool.request().profile(Profile::new(1).label(label))
}

fn wishing(pool: &Pool<FakeManager>, label: u32) -> Waiting<'_> {
    waiting(wish(pool, label).acquire())
}

/// Takes what is idle, for a request that may have any label.
async fn any(pool: &Pool<FakeManager>) -> Lease {
    wish(pool, 0).acquire().await.unwrap()
}

fn back(mut lease: Lease, label: u32) {
    PooledConnection::set_label(&mut lease, label);
    drop(lease);
}

/// Who was served of those who wait, by its place among them; it leaves them.
fn served<'a>(waiters: &mut Vec<Waiting<'a>>) -> (usize, Lease) {
    let mut found = waiters.iter_mut().enumerate();
    let (at, lease) = found
        .find_map(|(at, waiter)| Some((at, poll(waiter)?)))
        .expect("somebody is served");
    drop(waiters.remove(at));
    (at, lease)
}

#[tokio::test(start_paused = true)]
async fn waiters_are_served_in_strict_order_unless_matching_is_asked_for() {
    let pool = builder(&FakeBackend::new(), 1).build().await.unwrap();
    let mut lease = any(&pool).await;
    let mut waiters: Vec<_> = (1..=8).map(|label| wishing(&pool, label)).collect();
    for left in (0..8).rev() {
        back(lease, 8);
        let (at, next) = served(&mut waiters);
        assert_eq!((at, waiters.len()), (0, left));
        lease = next;
    }
    let status = pool.status();
    assert_eq!((status.matched, status.skipped), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn connection_goes_to_the_first_who_wishes_for_its_label_and_else_to_the_first_in_line() {
    let pool = pool_of(1).await;
    let mut lease = any(&pool).await;
    let mut waiters: Vec<_> = (1..=8).map(|label| wishing(&pool, label)).collect();
    waiters.push(wishing(&pool, 3));
    // The eighth, the first of two, what nobody wishes for, and what only the first does.
    for (label, expected) in [(8, 7), (3, 2), (99, 0), (2, 0), (7, 3), (3, 3)] {
        back(lease, label);
        let (at, next) = served(&mut waiters);
        assert_eq!(at, expected, "label {label}");
        assert_eq!(PooledConnection::candidate(&next).label, label);
        lease = next;
    }
    let status = pool.status();
    assert_eq!((status.matched, status.skipped), (5, 15));
    assert_eq!(status.longest_skip, 3);
}

#[tokio::test(start_paused = true)]
async fn ninth_in_line_is_not_looked_at() {
    let pool = pool_of(1).await;
    let lease = any(&pool).await;
    let mut waiters: Vec<_> = (1..=9).map(|label| wishing(&pool, label)).collect();
    back(lease, 9);
    let (at, lease) = served(&mut waiters);
    assert_eq!(at, 0, "the ninth was preferred");
    back(lease, 9);
    assert_eq!(served(&mut waiters).0, 7, "it is the eighth now");
}

#[tokio::test(start_paused = true)]
async fn plain_requests_wish_for_a_connection_without_a_label() {
    let backend = FakeBackend::new();
    let builder = builder(&backend, 2).match_waiters(true);
    let pool = builder.build().await.unwrap();
    let [labelled, clean] = [any(&pool).await, any(&pool).await];
    let mut waiters = vec![waiting(pool.acquire()), wishing(&pool, 7)];
    back(labelled, 7);
    let (at, session) = served(&mut waiters);
    assert_eq!(at, 1, "what one wants, the other would have to reset");
    waiters.push(wishing(&pool, 7));
    back(clean, 0);
    let (at, _plain) = served(&mut waiters);
    assert_eq!(at, 0);
    drop(session);
    assert_eq!(backend.counts().reset, 0);
}

#[tokio::test(start_paused = true)]
async fn waiter_is_passed_eight_times_and_then_served_before_anybody_else() {
    let pool = pool_of(1).await;
    let mut lease = any(&pool).await;
    let mut first = wishing(&pool, 1);
    for times in 0..MOST_SKIPS {
        let mut others = vec![wishing(&pool, 2)];
        back(lease, 2);
        lease = served(&mut others).1;
        assert_eq!(usize::from(pool.status().longest_skip), times + 1);
    }
    let mut other = wishing(&pool, 2);
    back(lease, 2);
    let lease = poll(&mut first).expect("it was passed often enough");
    assert!(poll(&mut other).is_none());
    assert_eq!(PooledConnection::candidate(&lease).label, 2);
}

#[tokio::test(start_paused = true)]
async fn waiter_is_not_passed_more_often_in_all_if_its_hand_off_was_revoked() {
    let pool = pool_of(1).await;
    let mut lease = any(&pool).await;
    let mut first = wishing(&pool, 1);
    for _ in 0..MOST_SKIPS {
        let mut others = vec![wishing(&pool, 2)];
        back(lease, 2);
        lease = served(&mut others).1;
    }
    back(lease, 2);
    // Nobody collects it, and it goes to one who came later.
    let later = async { wish(&pool, 2).acquire().await.unwrap() };
    let lease = later.await;
    assert_eq!(pool.status().revoked, 1);
    assert!(poll(&mut first).is_none(), "it joins again");
    let mut other = wishing(&pool, 2);
    back(lease, 2);
    assert!(poll(&mut other).is_none(), "passed a ninth time");
    assert!(poll(&mut first).is_some());
}

#[tokio::test(start_paused = true)]
async fn waiter_whose_deadline_is_near_is_not_passed() {
    let pool = pool_of(1).await;
    let lease = any(&pool).await;
    let mut waiters = vec![
        waiting(wish(&pool, 1).within(ms(200)).acquire()),
        wishing(&pool, 2),
    ];
    back(lease, 2);
    assert_eq!(served(&mut waiters).0, 0, "passed shortly before its end");
}

/// Near is measured in hand-offs: where each takes two seconds, half a minute is.
#[tokio::test(start_paused = true)]
async fn waiter_is_not_passed_where_so_many_hand_offs_could_take_all_its_time() {
    for (held, expected) in [(ms(2000), 0), (ms(100), 1)] {
        let pool = pool_of(1).await;
        let lease = any(&pool).await;
        let mut waiters = vec![wishing(&pool, 1), wishing(&pool, 2)];
        tokio::time::sleep(held).await;
        back(lease, 2);
        assert_eq!(served(&mut waiters).0, expected, "held for {held:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiters_of_another_priority_are_not_passed_by_those_who_came_too_late_for_that() {
    let pool = pool_of(1).await;
    let lease = any(&pool).await;
    let high = |label| waiting(wish(&pool, label).priority(Priority::High).acquire());
    let normal = wishing(&pool, 5);
    // More urgent by 400 ms: the first of these comes before the other, the second after it.
    tokio::time::sleep(ms(300)).await;
    let early = high(1);
    tokio::time::sleep(ms(200)).await;
    let late = high(2);
    let mut waiters = vec![normal, early, late];
    back(lease, 2);
    let (at, lease) = served(&mut waiters);
    assert_eq!(at, 1, "one of another priority was passed");
    back(lease, 2);
    let (at, lease) = served(&mut waiters);
    assert_eq!(at, 0, "whose turn it is comes before who wishes for it");
    back(lease, 9);
    assert_eq!(served(&mut waiters).0, 0);
}

#[tokio::test(start_paused = true)]
async fn wishes_keep_to_their_waiters_when_the_line_grows_and_closes_its_gaps() {
    let pool = pool_of(1).await;
    let mut lease = any(&pool).await;
    let mut waiters: Vec<_> = (0..12).map(|label| wishing(&pool, label)).collect();
    for _ in 0..4 {
        back(lease, 99);
        lease = served(&mut waiters).1;
    }
    // The line turns round in its memory, loses some in the middle, and outgrows it.
    waiters.extend((12..16).map(|label| wishing(&pool, label)));
    waiters.drain(1..8).for_each(drop);
    waiters.extend((16..60).map(|label| wishing(&pool, label)));
    let mut labels: Vec<u32> = [4].into_iter().chain(12..60).collect();
    // By turns the second and the first, so that nobody is passed often.
    for turn in 0..labels.len() {
        let at = usize::from(turn % 2 == 0 && labels.len() > 1);
        back(lease, labels.remove(at));
        let (found, next) = served(&mut waiters);
        assert_eq!(found, at, "the wish of another, before {labels:?}");
        lease = next;
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_passed_more_than_eight_times_in_a_random_crowd() {
    for seed in 0..20 {
        let pool = pool_of(4).await;
        Crowd::new(&pool, seed).await.run(2000);
        let status = pool.status();
        assert_eq!((status.waiting, status.leased), (0, 0));
    }
}

/// Requests for random labels that come and go, and a count of its own of who was passed.
struct Crowd<'a> {
    pool: &'a Pool<FakeManager>,
    chance: fastrand::Rng,
    leases: Vec<Lease>,
    /// In the order in which they came, each with how often it was passed.
    waiters: Vec<(Waiting<'a>, usize)>,
    passed: u64,
    longest: usize,
}

impl<'a> Crowd<'a> {
    async fn new(pool: &'a Pool<FakeManager>, seed: u64) -> Self {
        let mut leases = Vec::new();
        for _ in 0..4 {
            leases.push(any(pool).await);
        }
        Self {
            pool,
            chance: fastrand::Rng::with_seed(seed),
            leases,
            waiters: Vec::new(),
            passed: 0,
            longest: 0,
        }
    }

    fn run(mut self, steps: usize) {
        for _ in 0..steps {
            match self.chance.u8(0..16) {
                0 if !self.waiters.is_empty() => {
                    let at = self.chance.usize(0..self.waiters.len());
                    drop(self.waiters.remove(at));
                }
                _ if self.waiters.len() < self.chance.usize(2..20) => {
                    let wish = self.chance.u32(1..8);
                    self.waiters.push((wishing(self.pool, wish), 0));
                }
                _ => self.hand_on(),
            }
        }
        while !self.waiters.is_empty() {
            self.hand_on();
        }
        let status = self.pool.status();
        assert_eq!(
            (status.skipped, status.longest_skip.into()),
            (self.passed, self.longest)
        );
        assert!(status.matched * 2 > status.handed_off, "{status:?}");
        assert!(self.longest <= MOST_SKIPS, "{}", self.longest);
    }

    /// One comes back, and exactly one is served.
    fn hand_on(&mut self) {
        let lease = self
            .leases
            .swap_remove(self.chance.usize(0..self.leases.len()));
        back(lease, self.chance.u32(1..8));
        let mut found = self.waiters.iter_mut().enumerate();
        let (at, lease) = found
            .find_map(|(at, (waiter, _))| Some((at, poll(waiter)?)))
            .expect("somebody is served");
        drop(self.waiters.remove(at));
        for (_, passes) in &mut self.waiters[..at] {
            *passes += 1;
            self.passed += 1;
            self.longest = self.longest.max(*passes);
        }
        self.leases.push(lease);
    }
}

#[tokio::test]
async fn two_ways_to_pass_others_are_not_had_together() {
    let backend = FakeBackend::new();
    let both = builder(&backend, 1).match_waiters(true).fair_queue(false);
    let Err(BuildError::Config(error)) = both.build().await else {
        panic!("it was built")
    };
    let [problem] = error.problems() else {
        panic!("{error}")
    };
    assert!(
        problem.contains("match_waiters") && problem.contains("fair_queue"),
        "{problem}"
    );
}
