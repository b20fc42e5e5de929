//! Runs a model under loom, or as an ordinary test with real threads.

use std::time::Duration;

#[cfg(pool_loom)]
pub(crate) use loom::{future::block_on, thread};

#[cfg(not(pool_loom))]
pub(crate) use std::thread;

/// Something that loom finds if it leaks.
#[cfg(pool_loom)]
pub(crate) type TrackedInner = loom::alloc::Track<()>;
#[cfg(not(pool_loom))]
pub(crate) type TrackedInner = ();

/// Something whose leak is a failure of the model.
pub(crate) struct Tracked {
    _inner: TrackedInner,
}

impl Tracked {
    pub(crate) fn new() -> Self {
        #[cfg(pool_loom)]
        let inner = loom::alloc::Track::new(());
        #[cfg(not(pool_loom))]
        let inner = ();
        Self { _inner: inner }
    }
}

/// Runs `body` in all the orders that the bounds of loom's environment variables allow.
pub(crate) fn model(name: &str, body: impl Fn() + Send + Sync + 'static) {
    run(name, None, body);
}

/// A model with four threads: too big for more than two preemptions, whatever is asked for.
pub(crate) fn wide_model(name: &str, body: impl Fn() + Send + Sync + 'static) {
    run(name, Some(2), body);
}

fn report(name: &str, iterations: usize, took: Duration) {
    eprintln!(
        "model {name}: {iterations} iterations, {:.2} s",
        took.as_secs_f64()
    );
}

#[cfg(pool_loom)]
fn run(name: &str, bound: Option<usize>, body: impl Fn() + Send + Sync + 'static) {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let iterations = Arc::new(AtomicUsize::new(0));
    let counted = iterations.clone();
    let mut builder = loom::model::Builder::new();
    if bound.is_some() {
        builder.preemption_bound = bound;
    }
    #[expect(clippy::disallowed_methods, reason = "the time a model takes is real")]
    let begun = std::time::Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        body();
    });
    report(name, iterations.load(Ordering::Relaxed), begun.elapsed());
}

#[cfg(not(pool_loom))]
fn run(name: &str, _bound: Option<usize>, body: impl Fn() + Send + Sync + 'static) {
    const ROUNDS: usize = 100;

    #[expect(clippy::disallowed_methods, reason = "the time a model takes is real")]
    let begun = std::time::Instant::now();
    for _ in 0..ROUNDS {
        body();
    }
    report(name, ROUNDS, begun.elapsed());
}

/// Runs a future by parking the thread.
#[cfg(not(pool_loom))]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake};

    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}
