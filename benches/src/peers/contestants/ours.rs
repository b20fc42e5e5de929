//! Our pool, as the facade gives it, and variants of it.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use pool_facade::{
    Admission, Admit, Builder, Candidates, Condition, ConnectCtx, Event, Manager, Observer,
    Outcome, Placement, Pool, PooledConnection, RequestInfo, Token,
};

use super::{ALWAYS_A_DEADLINE, TEN_YEARS};
use crate::peers::backend::{Backend, Conn};
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// A way of setting our pool up.
pub trait Configuration: fmt::Debug + Send + Sync + 'static {
    /// As in tables.
    const NAME: &'static str;
    /// What is special about it.
    const REMARKS: &'static [&'static str];

    /// Changes what is special about it.
    fn apply(builder: Builder<Connects>) -> Builder<Connects>;
}

/// As the facade gives it.
#[derive(Debug)]
pub struct Defaults;

impl Configuration for Defaults {
    const NAME: &'static str = "ours";
    const REMARKS: &'static [&'static str] = &[
        ALWAYS_A_DEADLINE,
        "facade defaults: a check of what was idle for 500 ms, idle timeout and lifetime are on",
    ];

    fn apply(builder: Builder<Connects>) -> Builder<Connects> {
        builder
    }
}

/// With waiters of the same worker first, within bounds.
#[derive(Debug)]
pub struct Skewed;

impl Configuration for Skewed {
    const NAME: &'static str = "ours, skewed";
    const REMARKS: &'static [&'static str] =
        &["`fair_queue(false)`: a waiter may be passed by up to 64 that came later"];

    fn apply(builder: Builder<Connects>) -> Builder<Connects> {
        builder.fair_queue(false)
    }
}

/// With all that may be asked and told on the way of a request, none of which does anything.
#[derive(Debug)]
pub struct Hooked;

impl Configuration for Hooked {
    const NAME: &'static str = "ours, with hooks";
    const REMARKS: &'static [&'static str] = &[
        "facade defaults with an observer, an admission and a placement that do nothing with what \
         they are told",
    ];

    fn apply(builder: Builder<Connects>) -> Builder<Connects> {
        builder
            .observer(Arc::new(Indifferent))
            .admission(Arc::new(Indifferent))
            .placement(Arc::new(Indifferent))
    }
}

/// Hears everything, lets everybody in and prefers nothing.
struct Indifferent;

impl Observer for Indifferent {
    fn event(&self, event: &Event<'_>) {
        std::hint::black_box(event);
    }
}

impl Admission for Indifferent {
    fn admit(&self, _: Duration, request: &RequestInfo) -> Admit {
        std::hint::black_box(request);
        Admit::Enter(Token::default())
    }

    fn leave(&self, _: Duration, token: Token, _: Outcome) {
        std::hint::black_box(token);
    }
}

impl Placement for Indifferent {
    fn choose(&self, request: &RequestInfo, _: &Candidates<'_>) -> Option<u32> {
        std::hint::black_box(request);
        None
    }
}

/// Opens connections to a backend.
#[derive(Debug)]
pub struct Connects(Arc<Backend>);

impl Manager for Connects {
    type Connection = Conn;
    type Error = Infallible;

    async fn connect(&self, _cx: &ConnectCtx) -> Result<Conn, Infallible> {
        Ok(self.0.open().await)
    }

    async fn validate(&self, conn: &mut Conn) -> Result<(), Infallible> {
        conn.check().await;
        Ok(())
    }

    fn condition(&self, conn: &mut Conn) -> Condition {
        if conn.is_broken() {
            Condition::Broken
        } else {
            Condition::Clean
        }
    }
}

/// Our pool in one configuration.
pub struct Ours<V> {
    pool: Pool<Connects>,
    configuration: PhantomData<V>,
}

impl<V> Clone for Ours<V> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            configuration: PhantomData,
        }
    }
}

impl<V: Configuration> fmt::Debug for Ours<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(V::NAME)
    }
}

impl<V: Configuration> Contestant for Ours<V> {
    const NAME: &'static str = V::NAME;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const GROUP: Group = Group::Ours;
    const LACKS: Lacks = Lacks {
        no_deadline: true,
        ..Lacks::NOTHING
    };
    const REMARKS: &'static [&'static str] = V::REMARKS;

    type Lease<'a> = PooledConnection<Connects>;
    type Refused = pool_facade::Error<Infallible>;

    async fn build(setup: &Setup) -> Self {
        let size = u32::try_from(setup.size).expect("pools of this harness are small");
        let mut builder = Pool::builder(Connects(Arc::clone(&setup.backend)))
            .max_size(size)
            .initial_size(if setup.full { size } else { 0 })
            .acquire_timeout(setup.deadline.unwrap_or(TEN_YEARS));
        if setup.check {
            builder = builder.validation_bypass(Duration::ZERO);
        }
        if let Some(most) = setup.max_connecting {
            let most = u32::try_from(most).expect("no more connects than connections");
            builder = builder.max_connecting(most);
        }
        let pool = V::apply(builder).build().await;
        Self {
            pool: pool.expect("the settings are valid and every connect succeeds"),
            configuration: PhantomData,
        }
    }

    fn request(&self) -> impl Future<Output = Result<Self::Lease<'_>, Self::Refused>> + Send {
        self.pool.acquire()
    }

    fn conn(lease: &mut PooledConnection<Connects>) -> &mut Conn {
        lease
    }
}
