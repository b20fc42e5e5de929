//! Close with a deadline, and the end of the last handle: nothing is left behind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use pool_facade::{BuildError, Builder, Error, Evict, Hook, Pool, PooledConnection};
use pool_testkit::fake::{Action, FakeBackend, FakeConn, FakeManager, Gate, Step};
use pool_testkit::spawn::CountingSpawn;
use tokio::task::JoinSet;

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

/// What must be gone at the end: tasks, connections, memory.
struct Remains {
    backend: FakeBackend,
    spawn: CountingSpawn,
    memory: Weak<()>,
}

impl Remains {
    /// A pool, and what it must not leave behind.
    fn of(backend: &FakeBackend) -> (Builder<FakeManager>, Self) {
        let spawn = CountingSpawn::tokio();
        let token = Arc::new(());
        let memory = Arc::downgrade(&token);
        let builder = Pool::builder(backend.manager())
            .idle_timeout(None)
            .max_lifetime(None)
            .spawner(Arc::new(spawn.clone()))
            // Lives as long as the memory of the pool.
            .after_connect(Hook::new(move |_, _| {
                let _ = &token;
                Ok(())
            }));
        let remains = Self {
            backend: backend.clone(),
            spawn,
            memory,
        };
        (builder, remains)
    }

    /// Waits for the last task; then nothing is left but what handles keep.
    async fn assert_no_work(&self) {
        self.spawn.until(|counts| counts.alive() == 0).await;
        let counts = self.backend.counts();
        assert_eq!((counts.open, counts.connecting), (0, 0), "{counts:?}");
        assert_eq!(counts.opened, counts.closed);
    }

    async fn assert_nothing(&self) {
        self.assert_no_work().await;
        assert!(self.memory.upgrade().is_none(), "memory is left");
    }
}

#[tokio::test(start_paused = true)]
async fn close_ends_waits_at_once_refuses_newcomers_and_may_be_repeated() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    let pool = builder.max_size(2u32).build().await.unwrap();
    let leases = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let mut waiters = JoinSet::new();
    for _ in 0..50 {
        let pool = pool.clone();
        waiters.spawn(async move { timed(pool.acquire()).await.0.map(drop) });
    }
    pass(100).await;
    assert_eq!(pool.status().waiting, 50);
    let closing = tokio::task::spawn({
        let pool = pool.clone();
        async move { pool.close(ms(5000)).await }
    });
    let (ends, took) = timed(waiters.join_all()).await;
    assert_eq!(took, 0, "not at their deadlines");
    assert!(ends.iter().all(|end| matches!(end, Err(Error::Closed))));
    assert!(pool.is_closed());
    assert!(matches!(pool.acquire().await, Err(Error::Closed)));
    assert!(pool.try_acquire().is_none());
    assert!(!closing.is_finished(), "two leases are out");
    drop(leases);
    let (report, took) = timed(closing).await;
    assert!(report.unwrap().is_complete());
    assert!(
        took < 50,
        "it does not wait for longer than it must: {took} ms"
    );
    assert!(pool.close(Duration::ZERO).await.is_complete());
    assert_eq!(pool.status().size, 0);
    assert_eq!(backend.counts().closed_orderly, 2);
    remains.assert_no_work().await;
    drop(pool);
    remains.assert_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn close_names_who_holds_connections_where_they_asked_and_for_how_long() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    let pool = builder.max_size(3u32).build().await.unwrap();
    let first = pool.acquire().await.unwrap();
    let first_line = line!() - 1;
    pass(2000).await;
    let second = pool.request().user("bob").acquire().await.unwrap();
    let second_line = line!() - 1;
    drop(pool.acquire().await.unwrap());
    let (report, took) = timed(pool.close(ms(1000))).await;
    assert!((1000..1050).contains(&took), "{took} ms");
    assert!(!report.is_complete());
    assert_eq!(report.still_closing, 0);
    let mut held: Vec<_> = report
        .still_held
        .iter()
        .map(|holder| {
            assert!(holder.site.file().ends_with("closing.rs"));
            let secs = (holder.held_for.as_secs_f64()).round();
            (holder.connection, holder.site.line(), secs)
        })
        .collect();
    held.sort_by_key(|held| held.0);
    let id = |lease| PooledConnection::info(lease).id;
    assert_eq!(
        held,
        [
            (id(&first), first_line, 3.0),
            (id(&second), second_line, 1.0)
        ]
    );
    let text = report.still_held[0].to_string();
    assert!(text.contains("closing.rs:"), "{text}");
    first.work().await.unwrap();
    drop((first, second));
    remains.assert_no_work().await;
    assert!(pool.close(Duration::ZERO).await.is_complete());
    drop(pool);
    remains.assert_nothing().await;
}

/// Work of the pool that hangs when the pool is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hanging {
    Connect,
    Check,
    CheckOnReturn,
    Keepalive,
    Reset,
    HookAfterConnect,
    HookBeforeAcquire,
    HookAfterRelease,
}

impl Hanging {
    const ALL: [Self; 8] = [
        Self::Connect,
        Self::Check,
        Self::CheckOnReturn,
        Self::Keepalive,
        Self::Reset,
        Self::HookAfterConnect,
        Self::HookBeforeAcquire,
        Self::HookAfterRelease,
    ];

    /// A hook that hangs from the second connection on, if it is this one.
    fn hook(self, which: Self) -> Hook<FakeConn> {
        Hook::asynchronous(move |_, info| {
            Box::pin(async move {
                if self == which && info.id > 1 {
                    std::future::pending::<()>().await;
                }
                Ok(())
            })
        })
    }

    fn start(self, backend: &FakeBackend) {
        match self {
            Self::Connect => backend.rule(Step::Connect, |_| Action::hang()),
            Self::Check | Self::CheckOnReturn | Self::Keepalive => {
                backend.rule(Step::Validate, |_| Action::hang());
            }
            Self::Reset => backend.rule(Step::Reset, |_| Action::hang()),
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn close_does_not_wait_for_connects_checks_resets_or_hooks_that_hang() {
    for hanging in Hanging::ALL {
        let backend = FakeBackend::new();
        let (builder, remains) = Remains::of(&backend);
        let pool = builder
            .max_size(2u32)
            .validate_on_return(hanging == Hanging::CheckOnReturn)
            .keepalive((hanging == Hanging::Keepalive).then_some(ms(700)))
            .after_connect(hanging.hook(Hanging::HookAfterConnect))
            .before_acquire(hanging.hook(Hanging::HookBeforeAcquire))
            .after_release(hanging.hook(Hanging::HookAfterRelease))
            .build()
            .await
            .unwrap();
        let first = pool.acquire().await.unwrap();
        if !matches!(
            hanging,
            Hanging::Connect | Hanging::HookAfterConnect | Hanging::HookBeforeAcquire
        ) {
            let second = pool.acquire().await.unwrap();
            hanging.start(&backend);
            if hanging == Hanging::Reset {
                second.dirty();
            }
        }
        hanging.start(&backend);
        pass(1000).await;
        let mut waiters = JoinSet::new();
        for _ in 0..3 {
            let pool = pool.clone();
            waiters.spawn(async move { timed(pool.acquire()).await.0.map(drop) });
        }
        pass(100).await;
        let status = pool.status();
        let busy = status.connecting + status.checking + status.resetting;
        assert_eq!(busy, 1, "{hanging:?}: {status:?}");
        drop(first);
        let (report, took) = timed(pool.close(ms(3000))).await;
        assert!(report.is_complete(), "{hanging:?}: {report:?}");
        assert!(took < 50, "{hanging:?}: {took} ms");
        let (ends, took) = timed(waiters.join_all()).await;
        assert_eq!(took, 0, "{hanging:?}");
        let refused = |end: &Result<(), _>| matches!(end, Err(Error::Closed));
        assert!(ends.iter().filter(|end| refused(end)).count() >= 2);
        drop(pool);
        remains.assert_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn close_gives_up_on_orderly_ends_that_hang_and_says_so() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    let pool = builder
        .max_size(3u32)
        .initial_size(3u32)
        .close_timeout(ms(60_000))
        .build()
        .await
        .unwrap();
    backend.rule(Step::Close, |_| Action::hang());
    let (report, took) = timed(pool.close(ms(2000))).await;
    assert!((2000..2050).contains(&took), "{took} ms");
    assert_eq!((report.still_closing, report.still_held.len()), (3, 0));
    let ((), took) = timed(remains.assert_no_work()).await;
    assert_eq!(took, 0, "they are dropped now");
    assert_eq!(pool.status().size, 0);
}

#[tokio::test(start_paused = true)]
async fn each_orderly_end_has_its_own_limit() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    let pool = builder
        .max_size(3u32)
        .initial_size(3u32)
        .close_timeout(ms(300))
        .build()
        .await
        .unwrap();
    backend.script(Step::Close, [Action::hang(), Action::panic()]);
    let (report, took) = timed(pool.close(ms(5000))).await;
    assert!(report.is_complete());
    assert!((300..350).contains(&took), "{took} ms");
    remains.assert_no_work().await;
}

#[tokio::test(start_paused = true)]
async fn pool_is_closed_even_if_nobody_waits_for_the_close() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    let pool = builder
        .max_size(2u32)
        .initial_size(2u32)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    let mut closing = Box::pin(pool.close(ms(60_000)));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(closing.as_mut().poll(&mut cx).is_pending());
    drop(closing);
    assert!(pool.is_closed());
    pass(10).await;
    assert_eq!(backend.counts().open, 1, "the idle one has gone");
    drop(lease);
    remains.assert_no_work().await;
}

#[tokio::test(start_paused = true)]
async fn closes_at_the_same_time_all_end() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    let pool = builder.initial_size(1u32).build().await.unwrap();
    let lease = pool.acquire().await.unwrap();
    let mut closes = JoinSet::new();
    for within in [100u64, 1000, 10_000, 10_000] {
        let pool = pool.clone();
        closes.spawn(async move { (within, pool.close(ms(within)).await.is_complete()) });
    }
    pass(2000).await;
    drop(lease);
    let mut ends = closes.join_all().await;
    ends.sort_unstable();
    assert_eq!(
        ends,
        [(100, false), (1000, false), (10_000, true), (10_000, true)]
    );
    remains.assert_no_work().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn close_under_load_leaves_nothing_whenever_it_comes() {
    for round in 0..50u64 {
        let backend = FakeBackend::new();
        let (builder, remains) = Remains::of(&backend);
        let pool = builder.max_size(5u32).build().await.unwrap();
        let served = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..50 {
            let (pool, served) = (pool.clone(), Arc::clone(&served));
            tasks.spawn(async move {
                loop {
                    let lease = match pool.acquire().await {
                        Ok(lease) => lease,
                        Err(Error::Closed) => return,
                        Err(error) => panic!("{error}"),
                    };
                    let claim = lease.own();
                    if lease.id() % 3 == 0 {
                        lease.dirty();
                    }
                    tokio::task::yield_now().await;
                    drop(claim);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while served.load(Ordering::Relaxed) < round * 20 {
            tokio::task::yield_now().await;
        }
        let report = pool.close(Duration::from_secs(10)).await;
        assert!(report.is_complete(), "{report:?}");
        tasks.join_all().await;
        let status = pool.status();
        assert_eq!((status.size, status.waiting), (0, 0));
        assert_eq!(status.opened, status.closed);
        assert!(backend.counts().peak_total <= 5);
        remains.assert_no_work().await;
        drop(pool);
        remains.assert_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn evict_and_reopen_while_connects_hang_keep_the_maximum_and_lose_no_waiter() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    let gate = Gate::new();
    let pool = builder
        .max_size(4u32)
        .connect_timeout(ms(60_000))
        .acquire_timeout(ms(60_000))
        .build()
        .await
        .unwrap();
    backend.rule(Step::Connect, {
        let gate = gate.clone();
        move |_| Action::gate(&gate)
    });
    let mut waiters = JoinSet::new();
    for _ in 0..12 {
        let pool = pool.clone();
        waiters.spawn(async move { pool.acquire().await.map(drop) });
    }
    gate.until_waiting(4).await;
    for _ in 0..10 {
        pool.reopen();
        assert_eq!(pool.evict(Evict::All), 0);
        pass(100).await;
        assert_eq!(pool.status().size, 4);
    }
    gate.open();
    let ends = waiters.join_all().await;
    assert!(ends.iter().all(Result::is_ok));
    assert!(backend.counts().peak_total <= 4);
    assert!(pool.close(ms(1000)).await.is_complete());
    drop(pool);
    remains.assert_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn build_that_is_dropped_or_fails_leaves_nothing() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    let gate = Gate::new();
    backend.script(Step::Connect, [Action::succeed(), Action::gate(&gate)]);
    let building = tokio::task::spawn(builder.initial_size(2u32).build());
    gate.until_waiting(1).await;
    building.abort();
    assert!(building.await.unwrap_err().is_cancelled());
    remains.assert_nothing().await;

    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    backend.script(Step::Connect, [Action::succeed()]);
    backend.rule(Step::Connect, |_| Action::hang());
    let built = builder
        .initial_size(3u32)
        .acquire_timeout(ms(500))
        .build()
        .await;
    assert!(matches!(built, Err(BuildError::Connect { wanted: 3, .. })));
    drop(built);
    remains.assert_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn initial_connects_that_hang_end_with_the_last_handle() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    backend.rule(Step::Connect, |_| Action::hang());
    let pool = builder.min_size(3u32).build().await.unwrap();
    pass(10).await;
    assert_eq!(pool.status().connecting, 3);
    drop(pool);
    remains.assert_nothing().await;
    assert_eq!(backend.counts().opened, 0);
}

#[tokio::test(start_paused = true)]
async fn last_handle_closes_idle_connections_before_its_drop_returns() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    let pool = builder
        .max_size(5u32)
        .initial_size(5u32)
        .build()
        .await
        .unwrap();
    let other = pool.clone();
    let weak = pool.downgrade();
    drop(pool);
    assert_eq!(backend.counts().open, 5, "another handle is left");
    drop(weak.upgrade().expect("another handle is left"));
    drop(other);
    assert_eq!(backend.counts().open, 0);
    assert!(weak.upgrade().is_none());
    remains.assert_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn leases_outlive_the_pool_and_their_connections_end_with_them() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    let pool = builder
        .max_size(4u32)
        .initial_size(4u32)
        .build()
        .await
        .unwrap();
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(pool.acquire().await.unwrap());
    }
    let weak = pool.downgrade();
    drop(pool);
    assert_eq!(backend.counts().open, 3);
    assert!(weak.upgrade().is_none(), "the count never rises from zero");
    pass(1000).await;
    assert_eq!(
        remains.spawn.counts().alive(),
        0,
        "no task waits for leases"
    );
    leases[0].work().await.unwrap();
    leases[1].dirty();
    assert_eq!(PooledConnection::info(&leases[2]).uses, 1);
    while let Some(lease) = leases.pop() {
        assert!(remains.memory.upgrade().is_some());
        drop(lease);
        assert_eq!(backend.counts().open, leases.len() as u64, "at once");
    }
    drop(weak);
    remains.assert_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn detached_connection_frees_the_memory_of_a_pool_that_has_gone() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    let pool = builder.build().await.unwrap();
    let lease = pool.acquire().await.unwrap();
    drop(pool);
    let own = PooledConnection::detach(lease);
    assert!(remains.memory.upgrade().is_none());
    own.work().await.unwrap();
    drop(own);
    remains.assert_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn last_handle_ends_connects_checks_resets_and_closes_under_way() {
    for step in [Step::Connect, Step::Validate, Step::Reset, Step::Close] {
        let backend = FakeBackend::new();
        let (builder, remains) = Remains::of(&backend);
        let pool = builder
            .max_size(2u32)
            .keepalive(ms(500))
            .close_timeout(ms(60_000))
            .connect_timeout(ms(60_000))
            .build()
            .await
            .unwrap();
        drop(pool.acquire().await.unwrap());
        backend.rule(step, |_| Action::hang());
        match step {
            Step::Connect => {
                let _lease = pool.acquire().await.unwrap();
                assert!(pool.try_acquire().is_none());
            }
            Step::Validate => pass(700).await,
            Step::Reset => pool.acquire().await.unwrap().dirty(),
            _ => PooledConnection::discard(pool.acquire().await.unwrap()),
        }
        pass(10).await;
        let status = pool.status();
        let busy = status.connecting + status.checking + status.resetting + status.closing;
        assert_eq!(busy, 1, "{step:?}: {status:?}");
        drop(pool);
        let (_, took) = timed(remains.assert_nothing()).await;
        assert_eq!(took, 0, "{step:?}");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime can be had")
}

#[test]
fn lease_may_come_back_after_its_runtime_and_its_pool_have_gone() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    let runtime = runtime();
    let (pool, lease, dirty) = runtime.block_on(async {
        let pool = builder.build().await.unwrap();
        let (lease, dirty) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        (pool, lease, dirty)
    });
    drop(runtime);
    assert_eq!(remains.spawn.counts().alive(), 0);
    dirty.dirty();
    drop(dirty);
    assert_eq!(backend.counts().open, 1, "nobody is left to reset it");
    drop(pool);
    std::thread::spawn(move || drop(lease)).join().unwrap();
    assert_eq!(backend.counts().open, 0);
    assert!(remains.memory.upgrade().is_none());
}

#[test]
fn pool_may_be_closed_on_another_runtime_than_its_first() {
    let backend = FakeBackend::new();
    let (builder, remains) = Remains::of(&backend);
    let first = runtime();
    let pool = first.block_on(builder.initial_size(3u32).build()).unwrap();
    drop(first);
    let report = runtime().block_on(pool.close(Duration::from_secs(10)));
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(backend.counts().closed_orderly, 3);
    drop(pool);
    assert_eq!(remains.spawn.counts().alive(), 0);
    assert!(remains.memory.upgrade().is_none());
}
