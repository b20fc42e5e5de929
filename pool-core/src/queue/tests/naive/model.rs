//! The model itself: what must be so.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Wake, Waker};

use super::super::{Berth, Limits, Loan, Phase, Plain, Queue, Request, Waiter};
use super::CEILING;

/// By how much a rough deadline is moved when it has come.
pub(super) fn grace(deadline: u64) -> Option<u64> {
    (!deadline.is_multiple_of(3)).then_some(deadline % 3 * 20)
}

/// What the model says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// In its lane.
    Queued,
    /// Out of its lane: its deadline had passed when its turn came.
    Late,
    /// A slot is on its way; seen by a sweep or not.
    Handed {
        swept: bool,
    },
    Revoked,
    Expired,
    Closed,
    Failed,
}

#[derive(Default)]
pub(super) struct Wakes(pub(super) AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

pub(super) struct Waiting {
    pub(super) number: usize,
    pub(super) waiter: Pin<Box<Waiter<Plain>>>,
    pub(super) wakes: Arc<Wakes>,
    pub(super) request: Request,
    pub(super) stand: Stand,
}

impl Waiting {
    pub(super) fn waker(&self) -> Waker {
        Arc::clone(&self.wakes).into()
    }
}

/// Both sides. What the queue holds in words and nodes, `floating` holds as a set of connections.
pub(super) struct Pair {
    pub(super) queue: Queue<Plain>,
    pub(super) alive: Arc<AtomicUsize>,
    pub(super) limits: Limits,
    pub(super) phase: Phase,
    pub(super) now: u64,
    pub(super) leases: Vec<Loan<Plain>>,
    pub(super) berths: Vec<Berth<Plain>>,
    pub(super) floating: BTreeSet<usize>,
    pub(super) requests: Vec<Waiting>,
    /// By virtual deadline and arrival.
    pub(super) lanes: [BTreeSet<(u64, usize)>; 4],
    pub(super) numbers: usize,
}

impl Pair {
    pub(super) fn new() -> Self {
        let limits = Limits {
            max: 4,
            max_connecting: 2,
            busy_connecting: 1,
            max_waiting: 3,
            connect_after: 0,
        };
        Self {
            queue: Queue::new(CEILING, 2, true, limits),
            alive: Arc::default(),
            limits,
            phase: Phase::Open,
            now: 0,
            leases: Vec::new(),
            berths: Vec::new(),
            floating: BTreeSet::new(),
            requests: Vec::new(),
            lanes: Default::default(),
            numbers: 0,
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.lanes.iter().map(BTreeSet::len).sum()
    }

    pub(super) fn handed(&self) -> usize {
        let handed = |one: &&Waiting| matches!(one.stand, Stand::Handed { .. });
        self.requests.iter().filter(handed).count()
    }

    /// Idle or parked.
    pub(super) fn idle(&self) -> usize {
        self.floating.len() - self.handed()
    }

    pub(super) fn occupied(&self) -> usize {
        self.floating.len() + self.leases.len() + self.berths.len()
    }

    pub(super) fn surplus(&self) -> usize {
        self.occupied().saturating_sub(self.limits.max)
    }

    pub(super) fn slow(&self) -> bool {
        self.waiting() > 0 || self.phase != Phase::Open || self.surplus() > 0
    }

    pub(super) fn wants_connect(&self) -> bool {
        let most = if self.occupied() == self.berths.len() {
            self.limits.max_connecting
        } else {
            self.limits.busy_connecting
        };
        self.phase == Phase::Open
            && self.occupied() < self.limits.max
            && self.waiting() > self.berths.len()
            && self.berths.len() < most
    }

    pub(super) fn find(&mut self, number: usize) -> &mut Waiting {
        let found = self.requests.iter_mut().find(|one| one.number == number);
        found.expect("it waits")
    }

    pub(super) fn unlink(&mut self, number: usize) {
        for lane in &mut self.lanes {
            lane.retain(|(_, other)| *other != number);
        }
    }

    /// Whom a slot goes to: of the heads of all lanes that with the least virtual deadline, but
    /// nobody whose deadline has passed.
    pub(super) fn next(&mut self) -> Option<usize> {
        loop {
            let heads = self.lanes.iter().filter_map(|lane| lane.first());
            let (_, first) = *heads.min()?;
            self.unlink(first);
            let now = self.now;
            let one = self.find(first);
            if one.request.deadline > now || one.request.rough {
                one.stand = Stand::Handed { swept: false };
                return Some(first);
            }
            one.stand = Stand::Late;
        }
    }

    /// Everybody whose time has come, but for those whose deadline is to be moved.
    pub(super) fn expire(&mut self) {
        let now = self.now;
        for one in &mut self.requests {
            let request = &mut one.request;
            if one.stand == Stand::Queued && request.rough && request.deadline <= now {
                request.rough = false;
                request.deadline += grace(request.deadline).unwrap_or(0);
            }
        }
        let due: Vec<usize> = self
            .requests
            .iter()
            .filter(|one| match one.stand {
                Stand::Late => true,
                Stand::Queued => one.request.deadline <= self.now,
                _ => false,
            })
            .map(|one| one.number)
            .collect();
        for number in due {
            self.unlink(number);
            self.find(number).stand = Stand::Expired;
        }
    }

    pub(super) fn end_all(&mut self, stand: Stand) {
        for lane in &mut self.lanes {
            lane.clear();
        }
        for one in &mut self.requests {
            match one.stand {
                Stand::Queued => one.stand = stand,
                Stand::Late => one.stand = Stand::Expired,
                _ => {}
            }
        }
    }
}
