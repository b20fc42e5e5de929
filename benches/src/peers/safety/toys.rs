//! A plain pool that can be made wrong in one way at a time, so that each scenario is seen to notice.

use std::collections::VecDeque;
use std::future::pending;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::peers::backend::Conn;
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// What is wrong with a toy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Nothing.
    Nothing,
    /// An acquire that is dropped when its turn has come keeps its place for ever.
    LosesOnCancel,
    /// A connection whose check is cut short is closed.
    ThrowsAway,
    /// It has room for one connection too many.
    OneOver,
    /// Who finds it exhausted waits for ever.
    NeverWakes,
    /// It gives broken connections to the next.
    KeepsBroken,
    /// A broken connection takes its place along.
    LosesBroken,
    /// It turns callers away when it is exhausted.
    Refuses,
    /// It blocks the thread.
    Blocks,
    /// It panics.
    Panics,
}

/// Names a [`Wrong`] as a type.
pub(super) trait Flaw: Clone + Send + Sync + 'static {
    const WRONG: Wrong;
}

/// Types that name the ways to be wrong.
macro_rules! flaws {
    ($($name:ident)*) => {
        $(
            #[derive(Clone, Debug)]
            pub(super) struct $name;
            impl Flaw for $name {
                const WRONG: Wrong = Wrong::$name;
            }
        )*
    };
}

flaws! { Nothing LosesOnCancel ThrowsAway OneOver NeverWakes KeepsBroken LosesBroken Refuses Blocks Panics }

/// The pool.
#[derive(Clone, Debug)]
pub(super) struct Toy<F> {
    shared: Arc<Shared>,
    flaw: PhantomData<F>,
}

#[derive(Debug)]
struct Shared {
    setup: Setup,
    permits: Semaphore,
    idle: Mutex<VecDeque<Conn>>,
}

impl Shared {
    fn give_back(&self, conn: Option<Conn>) {
        if let Some(conn) = conn {
            self.idle().push_back(conn);
        }
        self.permits.add_permits(1);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<Conn>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the pool, given back when dropped, with the connection if there is one.
#[derive(Debug)]
pub(super) struct Place<F: Flaw> {
    shared: Arc<Shared>,
    conn: Option<Conn>,
    ready: bool,
    flaw: PhantomData<F>,
}

impl<F: Flaw> Place<F> {
    /// Checks the connection or opens one.
    async fn fill(&mut self) {
        if F::WRONG == Wrong::LosesOnCancel {
            tokio::task::yield_now().await;
        }
        match &self.conn {
            Some(conn) if self.shared.setup.check => conn.check().await,
            Some(_) => {}
            None => self.conn = Some(self.shared.setup.backend.open().await),
        }
        self.ready = true;
    }
}

impl<F: Flaw> Drop for Place<F> {
    fn drop(&mut self) {
        let broken = self.conn.as_ref().is_some_and(Conn::is_broken);
        match F::WRONG {
            Wrong::LosesBroken if broken => return,
            Wrong::LosesOnCancel if !self.ready => return,
            Wrong::ThrowsAway if !self.ready => self.conn = None,
            Wrong::KeepsBroken => {}
            _ if broken => self.conn = None,
            _ => {}
        }
        self.shared.give_back(self.conn.take());
    }
}

impl<F: Flaw> Contestant for Toy<F> {
    const NAME: &'static str = "toy";
    const VERSION: &'static str = "0";
    const GROUP: Group = Group::Peer;
    const LACKS: Lacks = Lacks {
        deadline: true,
        ..Lacks::NOTHING
    };
    const REMARKS: &'static [&'static str] = &[];

    type Lease<'a> = Place<F>;
    type Refused = ();

    async fn build(setup: &Setup) -> Self {
        let open = if setup.full { setup.size } else { 0 };
        let places = setup.size + usize::from(F::WRONG == Wrong::OneOver);
        let idle = (0..open).map(|_| setup.backend.open_at_once()).collect();
        Self {
            shared: Arc::new(Shared {
                setup: setup.clone(),
                permits: Semaphore::new(places),
                idle: Mutex::new(idle),
            }),
            flaw: PhantomData,
        }
    }

    async fn request(&self) -> Result<Place<F>, ()> {
        let shared = &self.shared;
        match F::WRONG {
            Wrong::Panics => panic!("a toy that is meant to panic"),
            Wrong::Blocks => thread::sleep(Duration::from_secs(3)),
            Wrong::NeverWakes if shared.permits.available_permits() == 0 => pending().await,
            Wrong::Refuses if shared.permits.available_permits() == 0 => return Err(()),
            _ => {}
        }
        let permit = shared.permits.acquire().await.map_err(drop)?;
        permit.forget();
        let mut place = Place {
            shared: Arc::clone(shared),
            conn: shared.idle().pop_front(),
            ready: false,
            flaw: PhantomData,
        };
        place.fill().await;
        Ok(place)
    }

    fn conn(lease: &mut Place<F>) -> &mut Conn {
        lease.conn.as_mut().expect("a place that is lent is filled")
    }
}
