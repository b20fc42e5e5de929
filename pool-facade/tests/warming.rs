//! Warm-up: done before anybody gets a new connection, bounded, and refused as a whole when it makes
//! no sense.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_facade::{
    Builder, CloseReason, Error, ErrorClass, Event, Observer, OnFailure, Pool, WarmUp,
};
use pool_testkit::fake::{Action, FakeBackend, FakeManager, Step};

fn pool(backend: &FakeBackend, plan: WarmUp) -> Builder<FakeManager> {
    Pool::builder(backend.manager())
        .max_size(1u32)
        .warm_up(plan)
}

fn plan() -> WarmUp {
    WarmUp::new().prepare("SELECT 1")
}

/// The connections that were kept cold.
#[derive(Default)]
struct Cold(Mutex<Vec<u64>>);

impl Observer for Cold {
    fn event(&self, event: &Event<'_>) {
        if let Event::WarmUpFailed { connection, .. } = event {
            self.0
                .lock()
                .expect("no test panics there")
                .push(*connection);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn new_connection_is_warmed_up_once_before_anybody_gets_it() {
    let backend = FakeBackend::new();
    let pool = pool(&backend, plan()).build().await.unwrap();
    for _ in 0..3 {
        drop(pool.acquire().await.unwrap());
        assert_eq!(backend.counts().warmed_up, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn connection_whose_warm_up_failed_is_closed_unless_it_is_to_be_kept() {
    let backend = FakeBackend::new();
    backend.script(Step::WarmUp, [Action::fail(ErrorClass::Harmless)]);
    let strict = pool(&backend, plan()).build().await.unwrap();
    drop(strict.acquire().await.unwrap());
    let status = strict.status();
    assert_eq!((status.connect_failures, status.opened), (1, 1));

    let (backend, cold) = (FakeBackend::new(), Arc::new(Cold::default()));
    backend.script(Step::WarmUp, [Action::fail(ErrorClass::Harmless)]);
    let plan = plan().on_failure(OnFailure::Keep);
    let builder = pool(&backend, plan).observer(Arc::clone(&cold) as _);
    let lenient = builder.build().await.unwrap();
    drop(lenient.acquire().await.unwrap());
    assert_eq!(lenient.status().connect_failures, 0);
    assert_eq!(*cold.0.lock().unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn kept_or_not_a_connection_that_died_in_its_warm_up_is_given_to_nobody() {
    let backend = FakeBackend::new();
    backend.script(Step::WarmUp, [Action::break_connection()]);
    let plan = plan().on_failure(OnFailure::Keep);
    let pool = pool(&backend, plan).build().await.unwrap();
    assert!(pool.acquire().await.unwrap().is_alive());
    assert_eq!(pool.status().connect_failures, 1);
}

#[tokio::test(start_paused = true)]
async fn warm_up_past_its_limit_costs_the_connection_and_says_so() {
    let backend = FakeBackend::new();
    backend.rule(Step::WarmUp, |_| Action::hang());
    let plan = plan()
        .within(Duration::from_millis(300))
        .on_failure(OnFailure::Keep);
    let pool = pool(&backend, plan)
        .acquire_timeout(Duration::from_secs(2))
        .build()
        .await
        .unwrap();
    let error = pool.acquire().await.unwrap_err();
    let Error::Timeout { cause, .. } = &error else {
        panic!("{error}")
    };
    let text = cause.as_ref().expect("it is known").to_string();
    assert!(text.contains("300ms"), "{text}");
    let status = pool.status();
    assert!(status.connect_failures > 1);
    assert_eq!(status.closed_by(CloseReason::Invalid), 0);
    assert_eq!(backend.counts().open, status.size as u64);
}

#[tokio::test(start_paused = true)]
async fn plan_that_makes_no_sense_is_refused_as_a_whole_and_shows_no_statement() {
    let plan = WarmUp::new()
        .execute(" ")
        .prepare("SELECT 'secret\0'")
        .within(Duration::ZERO);
    let error = pool(&FakeBackend::new(), plan).build().await.unwrap_err();
    let text = error.to_string();
    for part in ["statement 1 to execute", "NUL", "limit"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("secret"));

    let eternal = WarmUp::new().prepare("secret").within(Duration::MAX);
    assert!(!format!("{eternal:?}").contains("secret"));
    let error = pool(&FakeBackend::new(), eternal)
        .build()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("limit"), "{error}");
}
