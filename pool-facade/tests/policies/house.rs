//! A pool whose policy of health does what the test says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_facade::{
    Builder, Candidate, CloseReason, ErrorClass, Event, Finding, HealthPolicy, Observer, Order,
    Orders, Pool, PooledConnection, Subject,
};
use pool_testkit::fake::{FakeBackend, FakeManager};

use super::doorman::ms;

/// Orders what the test says, and notes what it is shown and told.
#[derive(Default)]
pub(crate) struct Puppet(pub(crate) Mutex<Strings>);

#[derive(Default)]
pub(crate) struct Strings {
    pub(crate) orders: Vec<Order>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) seen: Vec<Subject>,
    pub(crate) told: Vec<String>,
    pub(crate) reviews: u32,
    pub(crate) panics: bool,
}

impl Puppet {
    pub(crate) fn order(&self, order: Order) {
        self.0.lock().unwrap().orders.push(order);
    }

    pub(crate) fn seen(&self) -> Vec<Subject> {
        self.0.lock().unwrap().seen.clone()
    }

    pub(crate) fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().told)
    }

    pub(crate) fn tell(&self, text: String) {
        self.0.lock().unwrap().told.push(text);
    }
}

impl HealthPolicy for Puppet {
    fn review(&self, _: Duration, subjects: &[Subject], orders: &mut Orders) -> Option<Duration> {
        let mut strings = self.0.lock().unwrap();
        strings.reviews += 1;
        strings.seen = subjects.to_vec();
        for order in strings.orders.drain(..) {
            orders.push(order);
        }
        for finding in strings.findings.drain(..) {
            orders.tell(finding);
        }
        let panics = strings.panics;
        drop(strings);
        assert!(!panics, "planned");
        Some(ms(10))
    }

    fn check_limit(&self) -> Option<Duration> {
        Some(ms(700))
    }

    fn max_checks(&self) -> usize {
        2
    }

    fn checked(&self, _: Duration, connection: Candidate, took: Duration, passed: bool) {
        let verdict = if passed { "passed" } else { "failed" };
        let took = took.as_millis();
        self.tell(format!("{} {verdict} in {took}", connection.connection));
    }

    fn connected(&self, _: Duration, _: Duration, outcome: Result<Candidate, ErrorClass>) {
        self.tell(match outcome {
            Ok(connection) => format!("{} opened", connection.connection),
            Err(class) => format!("connect failed: {class:?}"),
        });
    }

    fn closed(&self, _: Duration, last: &Subject, reason: CloseReason) {
        self.tell(format!(
            "{} {}",
            last.connection.connection,
            reason.as_str()
        ));
    }
}

/// The events about health.
#[derive(Default)]
pub(crate) struct Ear(Mutex<Vec<String>>);

impl Observer for Ear {
    fn event(&self, event: &Event<'_>) {
        let text = match event {
            Event::Quarantined { connection } => format!("{connection} quarantined"),
            Event::Cleared { connection } => format!("{connection} cleared"),
            Event::Flushed { epoch } => format!("flushed to {epoch}"),
            Event::Found(finding) => format!("{}: {}", finding.part, finding.text),
            _ => return,
        };
        self.0.lock().unwrap().push(text);
    }
}

impl Ear {
    pub(crate) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

pub(crate) type Lease = PooledConnection<FakeManager>;

pub(crate) struct House {
    pub(crate) backend: FakeBackend,
    pub(crate) puppet: Arc<Puppet>,
    pub(crate) ear: Arc<Ear>,
    pub(crate) pool: Pool<FakeManager>,
}

/// Time for two reviews, and for what follows from them.
pub(crate) async fn settle() {
    tokio::time::sleep(ms(25)).await;
}

pub(crate) fn builder(backend: &FakeBackend, max: u32) -> Builder<FakeManager> {
    Pool::builder(backend.manager())
        .idle_timeout(None)
        .max_lifetime(None)
        .max_size(max)
}

impl House {
    pub(crate) async fn with(max: u32, initial: u32) -> Self {
        let (backend, puppet, ear) = (FakeBackend::new(), Arc::default(), Arc::default());
        let pool = builder(&backend, max)
            .initial_size(initial)
            .health(Arc::clone(&puppet) as _)
            .observer(Arc::clone(&ear) as _)
            .build()
            .await
            .unwrap();
        let house = Self {
            backend,
            puppet,
            ear,
            pool,
        };
        settle().await;
        house.puppet.told();
        house
    }

    pub(crate) async fn order(&self, order: Order) {
        self.puppet.order(order);
        settle().await;
    }

    pub(crate) async fn lease(&self) -> Lease {
        self.pool.acquire().await.unwrap()
    }

    /// The connection with this number.
    pub(crate) fn candidate(&self, connection: u64) -> Candidate {
        let seen = self.puppet.seen();
        let found = seen.iter().find(|s| s.connection.connection == connection);
        found.expect("it is open").connection
    }

    pub(crate) fn closed(&self, reason: CloseReason) -> u64 {
        self.pool.status().closed_by(reason)
    }
}

pub(crate) fn number(lease: &Lease) -> u64 {
    PooledConnection::info(lease).id
}
