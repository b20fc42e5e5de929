//! The model itself: what must be so.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Wake, Waker};

use super::super::{Berth, Limits, Loan, Order, Phase, Plain, Queue, Request, Waiter};
use super::CEILING;

/// By how much a rough deadline is moved when it has come.
pub(super) fn grace(deadline: u64) -> Option<u64> {
    (!deadline.is_multiple_of(3)).then_some(deadline % 3 * 20)
}

/// How often a waiter may be passed where waiters are matched.
pub(super) const MOST_SKIPS: u8 = 8;
/// Of how many of those next in line one may get a slot out of turn.
const LOOKED_AT: usize = 8;

/// Where a slot lies, by the order in which slots are unparked.
pub(super) fn place(index: u32) -> (u32, u32) {
    (index % 2, index / 2)
}

/// How fast the waiters of a class are served: since when they wait for the next hand-off, and how
/// long one took lately.
#[derive(Clone, Copy, Default)]
pub(super) struct Pace {
    pub(super) since: u64,
    took: u64,
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
    /// How often others passed it.
    pub(super) skips: u8,
}

impl Waiting {
    fn is_late(&self, now: u64) -> bool {
        self.request.deadline <= now && !self.request.rough
    }

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
    /// The labels of those that are idle or parked.
    pub(super) shelf: BTreeMap<(u32, u32), u32>,
    order: Order,
    pub(super) paces: [Pace; 4],
    pub(super) matched: u64,
    pub(super) skipped: u64,
    /// Closed while somebody waited, and not opened again.
    pub(super) lost: usize,
    pub(super) requests: Vec<Waiting>,
    /// By virtual deadline and arrival.
    pub(super) lanes: [BTreeSet<(u64, usize)>; 4],
    pub(super) numbers: usize,
}

impl Pair {
    pub(super) fn new(order: Order) -> Self {
        let limits = Limits {
            max: 4,
            max_connecting: 2,
            busy_connecting: 1,
            max_waiting: if order == Order::Matching { 40 } else { 3 },
            connect_after: 0,
        };
        Self {
            queue: Queue::new(CEILING, 2, order, limits),
            alive: Arc::default(),
            limits,
            phase: Phase::Open,
            now: 0,
            leases: Vec::new(),
            berths: Vec::new(),
            floating: BTreeSet::new(),
            shelf: BTreeMap::new(),
            order,
            paces: Default::default(),
            matched: 0,
            skipped: 0,
            lost: 0,
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
            let most = self.limits.busy_connecting + self.lost;
            most.min(self.limits.max_connecting)
        };
        self.phase == Phase::Open
            && self.occupied() < self.limits.max
            && self.waiting() > self.berths.len()
            && self.berths.len() < most
    }

    /// A connection was closed.
    pub(super) fn lose(&mut self) {
        if self.waiting() > 0 {
            self.lost = (self.lost + 1).min(self.limits.max);
        }
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
    /// nobody whose deadline has passed; with matching, one behind that head may be preferred.
    pub(super) fn next(&mut self, label: u32) -> Option<usize> {
        loop {
            let heads = self.lanes.iter().filter_map(|lane| lane.first());
            let (_, first) = *heads.min()?;
            let now = self.now;
            if self.find(first).is_late(now) {
                self.unlink(first);
                self.find(first).stand = Stand::Late;
                continue;
            }
            let chosen = match self.order {
                Order::Matching => self.match_for(first, label).unwrap_or(first),
                _ => first,
            };
            self.unlink(chosen);
            let one = self.find(chosen);
            one.stand = Stand::Handed { swept: false };
            let class = usize::from(one.request.class);
            let pace = &mut self.paces[class];
            let took = now.saturating_sub(pace.since);
            pace.took = took.max(pace.took - pace.took / 8);
            pace.since = now;
            return Some(chosen);
        }
    }

    /// Who is preferred to the head of a lane for a slot with this label, if anybody.
    fn match_for(&mut self, head: usize, label: u32) -> Option<usize> {
        let now = self.now;
        let class = usize::from(self.find(head).request.class);
        let others = self.lanes.iter().enumerate().filter(|(at, _)| *at != class);
        let rival = others.filter_map(|(_, lane)| lane.first()).min().copied();
        let eligible = |place: &&(u64, usize)| rival.is_none_or(|rival| **place < rival);
        let line = self.lanes[class].iter().take(LOOKED_AT).filter(eligible);
        let line: Vec<usize> = line.map(|(_, number)| *number).collect();
        let pace = self.paces[class];
        let took = now.saturating_sub(pace.since).max(pace.took);
        let near = now + 16 * took + 250;
        let mut passed = Vec::new();
        for number in line {
            let one = self.find(number);
            if one.is_late(now) {
                continue;
            }
            if one.request.wish == label {
                self.matched += 1;
                self.skipped += passed.len() as u64;
                passed.iter().for_each(|other| self.find(*other).skips += 1);
                return Some(number);
            }
            if one.skips == MOST_SKIPS || one.request.deadline <= near {
                return None;
            }
            passed.push(number);
        }
        None
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
