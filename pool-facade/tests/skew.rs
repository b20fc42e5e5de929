//! Bounded skew: a return may prefer those who wait on its own thread, and how far that goes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pool_facade::{Acquire, Pool, PooledConnection};
use pool_testkit::fake::{FakeBackend, FakeManager};
use tokio::runtime::Handle;

/// Most that came later and may pass.
const MAX_SKEW: usize = 64;

type Waiting<'a> = Pin<Box<Acquire<'a, FakeManager>>>;

async fn pool_of_two(fair: bool) -> Pool<FakeManager> {
    Pool::builder(FakeBackend::new().manager())
        .max_size(2u32)
        .initial_size(2u32)
        .fair_queue(fair)
        .build()
        .await
        .expect("the settings are good")
}

/// The connection of a request, if it was served.
fn poll(request: &mut Waiting<'_>) -> Option<PooledConnection<FakeManager>> {
    match request
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(served) => Some(served.expect("nothing ends the wait but a connection")),
        Poll::Pending => None,
    }
}

/// A request that waits in the queue.
fn waiting(pool: &Pool<FakeManager>) -> Waiting<'_> {
    let mut request = Box::pin(pool.acquire());
    assert!(poll(&mut request).is_none(), "something was idle");
    request
}

/// Has two wait on threads of their own, of which one at least has another home than this one if
/// there are two homes, then many on this thread; returns on this thread until all are served.
/// How many that came later passed the one who was passed most.
async fn most_passes(fair: bool) -> usize {
    let pool = &pool_of_two(fair).await;
    let first = pool.acquire().await.expect("idle");
    let _other = pool.acquire().await.expect("idle");
    let runtime = &Handle::current();
    let on_a_thread = || {
        let queue_up = || {
            let _inside = runtime.enter();
            waiting(pool)
        };
        std::thread::scope(|scope| scope.spawn(queue_up).join().expect("it does not panic"))
    };
    let mut requests = vec![on_a_thread(), on_a_thread()];
    requests.extend((0..2 * MAX_SKEW).map(|_| waiting(pool)));
    // By the order in which they came.
    let mut left: Vec<_> = requests.into_iter().enumerate().collect();
    let (mut lease, mut most) = (first, 0);
    let mut served = Vec::new();
    while !left.is_empty() {
        drop(lease);
        let found = left
            .iter_mut()
            .enumerate()
            .find_map(|(at, (_, request))| poll(request).map(|lease| (at, lease)));
        let (at, next) = found.expect("somebody is served");
        let (came, _) = left.remove(at);
        most = most.max(served.iter().filter(|other| **other > came).count());
        served.push(came);
        lease = next;
    }
    most
}

/// The only test in its binary: threads get their homes one after the other, and the two early ones
/// must get theirs with no other thread in between.
#[tokio::test(start_paused = true)]
async fn in_strict_order_nobody_is_passed_and_with_bounded_skew_by_64_at_most() {
    assert_eq!(most_passes(true).await, 0, "strict order");
    let homes = std::thread::available_parallelism().map_or(1, usize::from);
    let expected = if homes > 1 { MAX_SKEW } else { 0 };
    assert_eq!(most_passes(false).await, expected, "bounded skew");
}
