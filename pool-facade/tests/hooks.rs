//! Code of the user after a connect, before a lease and after it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_facade::{Builder, CloseReason, Error, Hook, Phase, Pool, Refused};
use pool_testkit::fake::{FakeBackend, FakeConn, FakeManager, Gate};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Moves the paused time, and lets the tasks of the pool run meanwhile.
async fn pass(millis: u64) {
    tokio::time::sleep(ms(millis)).await;
}

/// Milliseconds that `work` took.
async fn timed<T>(work: impl Future<Output = T>) -> (T, u128) {
    let begun = tokio::time::Instant::now();
    let value = work.await;
    (value, begun.elapsed().as_millis())
}

fn pool(backend: &FakeBackend) -> Builder<FakeManager> {
    Pool::builder(backend.manager())
        .idle_timeout(None)
        .max_lifetime(None)
        .max_size(1u32)
}

/// What hooks were called, with the connection's number and its uses so far.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Call>>>);

type Call = (&'static str, u64, u64);

impl Calls {
    fn hook(&self, name: &'static str) -> Hook<FakeConn> {
        let calls = self.clone();
        Hook::new(move |conn: &mut FakeConn, info| {
            assert_eq!(conn.pool_id(), info.id);
            calls.note((name, info.id, info.uses));
            Ok(())
        })
    }

    fn waiting_hook(&self, name: &'static str) -> Hook<FakeConn> {
        let calls = self.clone();
        Hook::asynchronous(move |conn: &mut FakeConn, info| {
            let calls = calls.clone();
            Box::pin(async move {
                pass(20).await;
                conn.work().await.map_err(|e| Refused::new(e.to_string()))?;
                calls.note((name, info.id, info.uses));
                Ok(())
            })
        })
    }

    fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.lock().expect("nothing panics under it"))
    }

    fn note(&self, call: Call) {
        self.0.lock().expect("nothing panics under it").push(call);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    AfterConnect,
    BeforeAcquire,
    AfterRelease,
}

const POINTS: [At; 3] = [At::AfterConnect, At::BeforeAcquire, At::AfterRelease];

/// What a hook does to the connection with the number 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Refuse,
    RefuseLater,
    Panic,
    PanicLater,
    Hang,
}

impl Deed {
    fn hook(self) -> Hook<FakeConn> {
        match self {
            Self::Refuse => Hook::new(|_, info| match info.id {
                1 => Err(Refused::new("not this one")),
                _ => Ok(()),
            }),
            Self::Panic => Hook::new(|_, info| {
                assert!(info.id > 1, "the test says so");
                Ok(())
            }),
            _ => Hook::asynchronous(move |_, info| {
                Box::pin(async move {
                    if info.id > 1 {
                        return Ok(());
                    }
                    pass(10).await;
                    match self {
                        Self::Hang => std::future::pending().await,
                        Self::PanicLater => panic!("the test says so"),
                        _ => Err(Refused::new("not this one")),
                    }
                })
            }),
        }
    }
}

fn with(builder: Builder<FakeManager>, at: At, hook: Hook<FakeConn>) -> Builder<FakeManager> {
    match at {
        At::AfterConnect => builder.after_connect(hook),
        At::BeforeAcquire => builder.before_acquire(hook),
        At::AfterRelease => builder.after_release(hook),
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_run_at_their_points_in_their_order_whether_they_wait_or_not() {
    let backend = FakeBackend::new();
    let calls = Calls::default();
    let pool = pool(&backend)
        .after_connect(calls.waiting_hook("connect a"))
        .after_connect(calls.hook("connect b"))
        .before_acquire(calls.hook("acquire a"))
        .before_acquire(calls.waiting_hook("acquire b"))
        .after_release(calls.waiting_hook("release a"))
        .after_release(calls.hook("release b"))
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    assert_eq!(
        calls.take(),
        [
            ("connect a", 1, 0),
            ("connect b", 1, 0),
            ("acquire a", 1, 0),
            ("acquire b", 1, 0)
        ]
    );
    drop(lease);
    assert_eq!(calls.take(), [], "never within the drop");
    pass(100).await;
    assert_eq!(calls.take(), [("release a", 1, 1), ("release b", 1, 1)]);
    let lease = pool.acquire().await.unwrap();
    assert_eq!(calls.take(), [("acquire a", 1, 1), ("acquire b", 1, 1)]);
    drop(lease);
}

#[tokio::test(start_paused = true)]
async fn hook_may_change_the_connection_before_its_user_sees_it() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .before_acquire(Hook::new(|conn: &mut FakeConn, _| {
            conn.begin();
            Ok(())
        }))
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    assert!(lease.in_transaction());
}

#[tokio::test(start_paused = true)]
async fn connection_that_a_hook_refuses_panics_about_or_hangs_on_is_closed_and_the_pool_goes_on() {
    let deeds = [
        Deed::Refuse,
        Deed::RefuseLater,
        Deed::Panic,
        Deed::PanicLater,
        Deed::Hang,
    ];
    for (at, deed) in POINTS
        .into_iter()
        .flat_map(|at| deeds.map(|deed| (at, deed)))
    {
        let backend = FakeBackend::new();
        let limits = pool(&backend)
            .acquire_timeout(ms(1000))
            .connect_timeout(ms(300))
            .reset_timeout(ms(300));
        let pool = with(limits, at, deed.hook()).build().await.unwrap();
        let (first, took) = timed(pool.acquire()).await;
        match (at, deed) {
            (At::BeforeAcquire, Deed::Hang) => {
                let Err(Error::Timeout { phase, .. }) = first else {
                    panic!("{first:?}")
                };
                assert_eq!(phase, Phase::Checking);
                assert!((1000..1020).contains(&took), "{took} ms");
            }
            (At::AfterConnect, Deed::Hang) => {
                assert_eq!(first.unwrap().id(), 2);
                assert!((300..500).contains(&took), "{took} ms");
            }
            (At::AfterRelease, _) => assert_eq!(first.unwrap().id(), 1),
            _ => assert_eq!(first.unwrap().id(), 2, "{at:?} {deed:?}"),
        }
        let (second, took) = timed(pool.acquire()).await;
        assert_eq!(second.unwrap().id(), 2, "{at:?} {deed:?}");
        assert!(took < 320, "{took} ms");
        pass(400).await;
        let status = pool.status();
        assert_eq!((status.size, status.idle), (1, 1), "{at:?} {deed:?}");
        let refused = match at {
            At::AfterConnect => status.connect_failures,
            _ => status.closed_by(CloseReason::Hook),
        };
        assert_eq!(refused, 1, "{at:?} {deed:?}");
        assert_eq!(backend.counts().peak_total, 1);
        assert_eq!(backend.counts().open, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn later_hooks_do_not_see_a_connection_that_an_earlier_one_refused() {
    for at in POINTS {
        let backend = FakeBackend::new();
        let calls = Calls::default();
        let builder = with(pool(&backend), at, Deed::Refuse.hook());
        let pool = with(builder, at, calls.hook("later"))
            .build()
            .await
            .unwrap();
        for _ in 0..2 {
            drop(pool.acquire().await.unwrap());
            pass(100).await;
        }
        let calls = calls.take();
        assert!(calls.iter().all(|(_, id, _)| *id == 2), "{at:?} {calls:?}");
        assert!(!calls.is_empty(), "{at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn refusal_after_connect_is_the_cause_in_the_error() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .acquire_timeout(ms(500))
        .after_connect(Hook::new(|_, _| Err(Refused::new("wrong schema version"))))
        .build()
        .await
        .unwrap();
    let error = pool.acquire().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("wrong schema version"), "{text}");
    assert_eq!(backend.counts().open, 0);
    assert!(pool.status().connect_failures >= 2, "it was tried again");
}

#[tokio::test(start_paused = true)]
async fn pool_whose_connections_are_all_refused_before_acquire_ends_by_the_deadline() {
    let backend = FakeBackend::new();
    let refusals = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&refusals);
    let pool = pool(&backend)
        .acquire_timeout(ms(500))
        .before_acquire(Hook::asynchronous(move |_, _| {
            let count = Arc::clone(&count);
            Box::pin(async move {
                pass(10).await;
                count.fetch_add(1, Ordering::Relaxed);
                Err(Refused::new("none will do"))
            })
        }))
        .build()
        .await
        .unwrap();
    let (refused, took) = timed(pool.acquire()).await;
    assert!(matches!(refused, Err(Error::Timeout { .. })), "{refused:?}");
    assert!((500..520).contains(&took), "{took} ms");
    assert!(
        refusals.load(Ordering::Relaxed) > 1,
        "it went on with the next"
    );
}

#[tokio::test(start_paused = true)]
async fn hook_goes_on_when_its_caller_has_gone_and_the_connection_is_kept() {
    let backend = FakeBackend::new();
    let calls = Calls::default();
    let pool = pool(&backend)
        .before_acquire(calls.waiting_hook("acquire"))
        .build()
        .await
        .unwrap();
    let other = pool.clone();
    let asking = tokio::task::spawn(async move { drop(other.acquire().await) });
    pass(5).await;
    assert_eq!(pool.status().checking, 1);
    asking.abort();
    pass(100).await;
    assert_eq!(calls.take(), [("acquire", 1, 0)], "it ran to its end");
    assert_eq!((pool.status().idle, pool.status().closed), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn hook_after_release_runs_after_the_reset_and_not_for_what_is_closed() {
    let backend = FakeBackend::new();
    let calls = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&calls);
    let pool = pool(&backend)
        .after_release(Hook::new(move |conn: &mut FakeConn, _| {
            conn.assert_clean();
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }))
        .build()
        .await
        .unwrap();
    pool.acquire().await.unwrap().leave("something");
    let lease = pool.acquire().await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    backend.kill(lease.id());
    drop(lease);
    drop(pool.acquire().await.unwrap());
    pass(10).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert_eq!(pool.status().closed_by(CloseReason::Broken), 1);
}

#[tokio::test(start_paused = true)]
async fn waiter_gets_a_connection_only_after_its_hook_after_release() {
    let backend = FakeBackend::new();
    let gate = Gate::new();
    let (hold, held) = (gate.clone(), FakeBackend::new());
    held.rule(pool_testkit::fake::Step::Connect, move |_| {
        pool_testkit::fake::Action::gate(&hold)
    });
    let manager = held.manager();
    let pool = pool(&backend)
        .after_release(Hook::asynchronous(move |_, _| {
            let manager = manager.clone();
            Box::pin(async move {
                drop(manager.open().await);
                Ok(())
            })
        }))
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    let other = pool.clone();
    let waiter = tokio::task::spawn(async move { other.acquire().await.unwrap().id() });
    pass(10).await;
    drop(lease);
    gate.until_waiting(1).await;
    pass(100).await;
    assert!(!waiter.is_finished());
    gate.open();
    assert_eq!(waiter.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn try_acquire_runs_hooks_that_do_not_wait() {
    let backend = FakeBackend::new();
    let calls = Calls::default();
    let pool = pool(&backend)
        .initial_size(1u32)
        .before_acquire(calls.hook("acquire"))
        .build()
        .await
        .unwrap();
    drop(pool.try_acquire().expect("the hook does not wait"));
    assert_eq!(calls.take(), [("acquire", 1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn without_hooks_a_return_needs_no_task() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).initial_size(1u32).build().await.unwrap();
    for _ in 0..100 {
        // Nothing is awaited in between: the connection is back when the drop returns.
        drop(pool.try_acquire().expect("it is back already"));
    }
}
