//! What a health policy is shown, and what becomes of its orders.
//!
//! What is known of a connection for the policy's sake lies in a table beside the slots, one row per
//! slot, named by the connection's number: a pool without a policy has none of it, and an acquire
//! never looks at it. Whatever a policy orders about a connection that is with somebody is written
//! there and ends in a change of the queue's revision; so the next close look, before anybody gets
//! the connection or when it comes back, finds it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::body::{Berth, Face, Loan};
use super::mailbox::{Chore, Restore};
use super::{Inner, contained};
use crate::mutant::mutant;
use crate::queue::{Phase, Stage, Whereabouts};
use crate::{
    Candidate, CloseReason, ErrorClass, Event, HealthPolicy, Manager, Order, Orders, Place, Pulse,
    Recycling, Subject, Vitals,
};

/// The policy, and what is known for its sake.
pub(super) struct Health {
    policy: Arc<dyn HealthPolicy>,
    /// By slot. Taken before the lock of the queue, never after it.
    wards: Mutex<Vec<Ward>>,
    /// Whether any row says something about its connection, so that nobody locks the table in vain.
    /// Written under its lock, and before the revision that has it looked at.
    special: AtomicBool,
}

/// What is known of a connection beside its slot.
#[derive(Debug, Default)]
struct Ward {
    /// Its number; 0 is nobody's.
    connection: u64,
    vitals: Vitals,
    /// In milliseconds of the coarse clock.
    opened: u64,
    passed: Option<u64>,
    quarantined: bool,
    recycling: Recycling,
    /// Why it is to be closed when it comes back.
    doom: Option<CloseReason>,
    /// It is to be closed as soon as more connections than so many have been opened.
    succession: Option<u64>,
}

impl Ward {
    /// Whether it is to go once its successor is there.
    const fn waits(&self) -> bool {
        self.succession.is_some() && self.doom.is_none()
    }

    fn standing(&self) -> Standing {
        match (self.doom, self.quarantined, self.recycling) {
            (Some(reason), ..) => Standing::Doomed(reason),
            (None, true, _) => Standing::Quarantined,
            (None, false, Recycling::Fast) => Standing::Free,
            (None, false, recycling) => Standing::Recycled(recycling),
        }
    }

    /// What a policy sees of it, but for its vital signs.
    fn subject(&self, connection: Candidate, place: Place, face: &Face) -> Subject {
        Subject {
            connection,
            place,
            opened: Duration::from_millis(self.opened),
            used: Duration::from_millis(face.used()),
            uses: face.uses(),
            reported: face.errors(),
            passed: self.passed.map(Duration::from_millis),
            quarantined: self.quarantined,
            pulse: Pulse::default(),
        }
    }
}

/// What the table says of a connection that is looked at closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Free,
    /// It is to be closed.
    Doomed(CloseReason),
    /// It must pass a check first.
    Quarantined,
    /// It is recycled in another way than most.
    Recycled(Recycling),
}

impl Health {
    pub(super) fn new(policy: Arc<dyn HealthPolicy>) -> Self {
        Self {
            policy,
            wards: Mutex::new(Vec::new()),
            special: AtomicBool::new(false),
        }
    }

    fn wards(&self) -> MutexGuard<'_, Vec<Ward>> {
        self.wards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections wait for successors.
    fn successions(&self) -> u64 {
        let wards = self.wards();
        let waiting = wards.iter().filter(|ward| ward.waits());
        waiting.map(|_| 1).sum()
    }

    /// The connections whose successors are there, now that so many were opened; and those that wait
    /// for theirs, in their order.
    fn heirs(&self, opened: u64) -> (Vec<Candidate>, Vec<Candidate>) {
        let (mut due, mut waiting) = (Vec::new(), Vec::new());
        for (slot, ward) in (0u32..).zip(self.wards().iter()) {
            let (Some(before), None) = (ward.succession, ward.doom) else {
                continue;
            };
            let connection = ward.connection;
            let candidate = Candidate::new(slot, connection);
            match opened > before || mutant(204) {
                true => due.push(candidate),
                false => waiting.push((before, candidate)),
            }
        }
        waiting.sort_unstable_by_key(|(before, _)| *before);
        let waiting = waiting.into_iter().map(|(_, candidate)| candidate);
        (due, waiting.collect())
    }

    /// Does something to the row of a connection, if it is in its slot still.
    fn with<T>(&self, connection: Candidate, act: impl FnOnce(&mut Ward) -> T) -> Option<T> {
        let mut wards = self.wards();
        let ward = wards.get_mut(connection.slot as usize)?;
        let same = ward.connection == connection.connection || mutant(203);
        let acted = same.then(|| act(ward));
        if ward.standing() != Standing::Free {
            self.special.store(true, Ordering::Relaxed);
        }
        acted
    }
}

/// What a review uses again and again.
#[derive(Debug, Default)]
pub(super) struct Reviews {
    next: u64,
    subjects: Vec<Subject>,
    vitals: Vec<Vitals>,
    orders: Orders,
}

/// No policy is asked more often, in milliseconds.
const SOONEST: u64 = 10;
/// How many idle connections are checked at a time where no policy says: some of the work of a few
/// callers, and soon done even for a large pool.
const MAX_CHECKS: usize = 8;
/// When a policy is asked that does not say when, in milliseconds.
const LATEST: u64 = 1000;

impl Reviews {
    /// Has the policy look at the connections if it is time; says when it is next.
    pub(super) fn run<M: Manager>(&mut self, inner: &Arc<Inner<M>>, now: u64) -> u64 {
        let Some(health) = &inner.health else {
            return u64::MAX;
        };
        if now < self.next {
            return self.next;
        }
        if inner.queue.phase() == Phase::Closed {
            return u64::MAX;
        }
        let again = self.review(inner, health);
        self.next = now.saturating_add(again.map_or(LATEST, super::millis).max(SOONEST));
        inner.post_admission();
        inner.carry_out(health, self.orders.orders());
        for finding in self.orders.findings() {
            inner.observe(|| Event::Found(*finding));
        }
        self.next
    }

    /// Collects the orders; says when to ask again.
    fn review<M: Manager>(&mut self, inner: &Inner<M>, health: &Health) -> Option<Duration> {
        self.orders.clear();
        inner.survey_subjects(health, self);
        for (subject, vitals) in self.subjects.iter_mut().zip(&self.vitals) {
            subject.pulse = vitals.pulse();
        }
        let now = inner.since_origin();
        let (subjects, orders) = (&self.subjects, &mut self.orders);
        let mut again = None;
        contained(|| again = health.policy.review(now, subjects, orders));
        again
    }
}

impl<M: Manager> Inner<M> {
    /// The time since the origin of the coarse clock, exactly.
    fn since_origin(&self) -> Duration {
        let origin = self.coarse.origin();
        self.parts.clock.now().saturating_duration_since(origin)
    }

    /// Vital signs for a connection that is being opened.
    pub(super) fn vitals(&self) -> Vitals {
        match &self.health {
            Some(_) => Vitals::new(Arc::clone(&self.parts.clock), self.coarse.origin()),
            None => Vitals::deaf(),
        }
    }

    /// Begins to look after a connection, before anybody may have it.
    pub(super) fn enrol(&self, connection: Candidate, vitals: Vitals, now: u64) {
        let Some(health) = &self.health else { return };
        let fresh = Ward {
            connection: connection.connection,
            vitals,
            opened: now,
            ..Ward::default()
        };
        let mut wards = health.wards();
        let index = connection.slot as usize;
        if wards.len() <= index {
            wards.resize_with(index + 1, Ward::default);
        }
        let old = std::mem::replace(&mut wards[index], fresh);
        drop(wards);
        // What its clock runs when it goes is foreign.
        drop(old);
    }

    fn survey_subjects(&self, health: &Health, into: &mut Reviews) {
        let Reviews {
            subjects, vitals, ..
        } = into;
        subjects.clear();
        vitals.clear();
        let wards = health.wards();
        let special = wards.iter().any(|ward| ward.standing() != Standing::Free);
        health.special.store(special, Ordering::Relaxed);
        self.queue.survey(|slot, place, face| {
            let place = match place {
                Whereabouts::Idle => Place::Idle,
                Whereabouts::Leased => Place::Leased,
                Whereabouts::InTask(Stage::Checking | Stage::Resetting) => Place::Tended,
                Whereabouts::InTask(_) => return,
            };
            let connection = face.id.load(Ordering::Relaxed);
            let Some(ward) = wards.get(slot as usize) else {
                return;
            };
            if ward.connection != connection {
                return;
            }
            vitals.push(ward.vitals.clone());
            subjects.push(ward.subject(Candidate::new(slot, connection), place, face));
        });
    }

    /// Writes all orders down, then has everybody look, then acts on what is idle.
    fn carry_out(self: &Arc<Self>, health: &Health, orders: &[Order]) {
        let mut quarantined = Vec::new();
        for order in orders {
            if self.write_down(health, *order)
                && let Order::Quarantine(connection) = order
            {
                quarantined.push(connection.connection);
            }
        }
        if orders
            .iter()
            .any(|order| !matches!(order, Order::Check(_) | Order::Release(_)))
        {
            self.queue.bump_revision();
        }
        for connection in quarantined {
            self.observe(|| Event::Quarantined { connection });
        }
        for order in orders {
            match *order {
                Order::Check(connection) => self.check_if_room(connection),
                Order::Quarantine(connection) => self.check_at(connection),
                Order::Evict(connection) => self.close_at(connection, CloseReason::Unhealthy),
                Order::Replace(connection) => self.replace(health, connection),
                Order::Flush => self.flush(),
                Order::Release(_) | Order::Recycle(..) => {}
            }
        }
    }

    /// Notes an order where the next close look finds it; says whether a quarantine begins.
    fn write_down(&self, health: &Health, order: Order) -> bool {
        match order {
            Order::Quarantine(connection) => {
                let newly = health.with(connection, |ward| {
                    !std::mem::replace(&mut ward.quarantined, true)
                });
                return newly == Some(true);
            }
            Order::Release(connection) => self.clear(health, connection),
            Order::Evict(connection) => {
                health.with(connection, |ward| ward.doom = Some(CloseReason::Unhealthy));
            }
            Order::Recycle(connection, recycling) => {
                health.with(connection, |ward| ward.recycling = recycling);
            }
            Order::Check(_) | Order::Replace(_) | Order::Flush => {}
        }
        false
    }

    /// Lifts a quarantine.
    fn clear(&self, health: &Health, connection: Candidate) {
        let was = health.with(connection, |ward| std::mem::take(&mut ward.quarantined));
        if was == Some(true) {
            let connection = connection.connection;
            self.observe(|| Event::Cleared { connection });
        }
    }

    /// Takes a connection out of the idle ones, if it is there.
    fn take_idle(&self, connection: Candidate) -> Option<Loan<M>> {
        let loan = self.queue.take_at(connection.slot)?;
        if loan.get().id == connection.connection {
            return Some(loan);
        }
        self.put_back(loan);
        None
    }

    /// Has an idle connection checked, unless as many are as may.
    fn check_if_room(&self, connection: Candidate) {
        if self.has_room_for_check() {
            self.check_at(connection);
        }
    }

    fn check_at(&self, connection: Candidate) {
        if let Some(loan) = self.take_idle(connection) {
            self.restore(loan, Restore::CHECK);
        }
    }

    fn close_at(&self, connection: Candidate, reason: CloseReason) {
        if let Some(loan) = self.take_idle(connection) {
            self.close_loan(loan, reason);
        }
    }

    /// Has a connection go once a successor is there.
    fn replace(&self, health: &Health, connection: Candidate) {
        // Each that is to go takes one of those that are opened from here on.
        let before = self.counters.opened.load(Ordering::Relaxed) + health.successions();
        health.with(connection, |ward| {
            ward.succession.get_or_insert(before);
        });
    }

    /// Closes those whose successors have been opened, and has the others' opened.
    pub(super) fn succeed(self: &Arc<Self>) {
        let Some(health) = &self.health else { return };
        let opened = self.counters.opened.load(Ordering::Relaxed);
        let (due, waiting) = health.heirs(opened);
        for connection in due {
            self.doom(health, connection, CloseReason::Replaced);
        }
        for (turn, connection) in waiting.into_iter().enumerate() {
            if !self.open_successor(turn) {
                if self.is_full() {
                    // Without room the old one goes first.
                    self.doom(health, connection, CloseReason::Replaced);
                }
                return;
            }
        }
    }

    /// Whether the connect for the successor whose turn it is runs, or could be begun. If not there
    /// is no room, or connects are paced, and then it is tried again later.
    fn open_successor(self: &Arc<Self>, turn: usize) -> bool {
        if self.queue.census().connecting > turn {
            return true;
        }
        let berth = self.queue.claim_for_refill(usize::MAX, self.now_millis());
        berth.is_some_and(|berth| self.start_connect(berth, usize::MAX))
    }

    /// Whether all places are taken, and none is about to be free.
    fn is_full(&self) -> bool {
        let census = self.queue.census();
        let full = census.occupied >= census.max && census.closing == 0;
        full && self.queue.phase() == Phase::Open
    }

    /// Has a connection closed, at once if it is idle.
    fn doom(&self, health: &Health, connection: Candidate, reason: CloseReason) {
        health.with(connection, |ward| ward.doom = Some(reason));
        self.queue.bump_revision();
        self.close_at(connection, reason);
    }

    /// The endpoint went away: nothing that was opened until now is trusted.
    fn flush(self: &Arc<Self>) {
        self.queue.bump_epoch();
        let epoch = self.queue.epoch();
        self.observe(|| Event::Flushed { epoch });
        self.drop_stale_checks();
        for index in self.idle_slots() {
            if let Some(loan) = self.queue.take_at(index) {
                match self.queue.is_current(loan.get().epoch) {
                    true => self.put_back(loan),
                    false => self.close_loan(loan, CloseReason::Stale),
                }
            }
        }
        self.mailbox.call();
    }

    /// Closes what waits for a check and is stale, as after a new epoch.
    pub(super) fn drop_stale_checks(self: &Arc<Self>) {
        for check in self.mailbox.take_checks() {
            match check {
                Chore::Restore(loan, _) if !self.queue.is_current(loan.get().epoch) => {
                    self.close_loan(loan, CloseReason::Stale);
                }
                Chore::Restore(loan, restore) => self.restore(loan, restore),
                chore => self.do_without_task(chore),
            }
        }
    }

    /// What the policy wants with a connection.
    pub(super) fn standing(&self, loan: &Loan<M>) -> Standing {
        let Some(health) = &self.health else {
            return Standing::Free;
        };
        if !health.special.load(Ordering::Relaxed) {
            return Standing::Free;
        }
        let standing = health.with(super::admit::candidate(loan), |ward| ward.standing());
        standing.unwrap_or(Standing::Free)
    }

    /// How many idle connections are checked at a time.
    pub(super) fn max_checks(&self) -> usize {
        let Some(health) = &self.health else {
            return MAX_CHECKS;
        };
        let mut most = MAX_CHECKS;
        contained(|| most = health.policy.max_checks());
        most.max(1)
    }

    /// How long a check may take.
    pub(super) fn check_limit(&self) -> Duration {
        let limit = self.parts.config.validation_timeout;
        let wanted = self.health.as_ref().and_then(|health| {
            let mut wanted = None;
            contained(|| wanted = health.policy.check_limit());
            wanted
        });
        wanted.map_or(limit, |wanted| wanted.min(limit))
    }

    /// A check has ended.
    pub(super) fn tell_checked(&self, connection: Candidate, took: Duration, passed: bool) {
        let Some(health) = &self.health else { return };
        let now = self.since_origin();
        if passed {
            let at = super::millis(now);
            health.with(connection, |ward| ward.passed = Some(at));
            self.clear(health, connection);
        }
        contained(|| health.policy.checked(now, connection, took, passed));
        self.post_admission();
    }

    /// A connect has ended.
    pub(super) fn tell_connected(&self, took: Duration, outcome: Result<Candidate, ErrorClass>) {
        let Some(health) = &self.health else { return };
        let now = self.since_origin();
        contained(|| health.policy.connected(now, took, outcome));
        self.post_admission();
    }

    /// The connection with this number is being closed.
    pub(super) fn tell_closed_at(&self, berth: &Berth<M>, id: u64, reason: CloseReason) {
        let connection = Candidate::new(berth.index(), id);
        self.tell_closed(connection, berth.face(), reason);
    }

    /// A connection is being closed.
    pub(super) fn tell_closed(&self, connection: Candidate, face: &Face, reason: CloseReason) {
        let Some(health) = &self.health else { return };
        let now = self.since_origin();
        let Some(ward) = health.with(connection, std::mem::take) else {
            return;
        };
        let mut last = ward.subject(connection, Place::Tended, face);
        last.pulse = ward.vitals.pulse();
        contained(|| health.policy.closed(now, &last, reason));
    }
}
