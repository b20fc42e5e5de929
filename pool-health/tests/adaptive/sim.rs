//! A pool by hand: connections whose vital signs the test writes, orders carried out at once.

use std::time::Duration;

use pool_core::{
    Candidate, CloseReason, Finding, HealthPolicy, Order, Orders, Place, Pulse, Subject,
};
use pool_health::{AdaptiveHealth, AdaptiveHealthBuilder};

pub(crate) const FAST: u32 = 1;
pub(crate) const TOOK: Duration = Duration::from_millis(6);

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) struct Sim {
    pub(crate) health: AdaptiveHealth,
    pub(crate) now: Duration,
    pub(crate) subjects: Vec<Subject>,
    /// Orders so far, and when they were given.
    pub(crate) log: Vec<(Duration, Order)>,
    pub(crate) findings: Vec<Finding>,
    reviewed: Duration,
    /// What the policy asked for last.
    pub(crate) next: Option<Duration>,
}

impl Sim {
    /// `size` idle connections, opened at 1 s.
    pub(crate) fn new(size: u32, settings: AdaptiveHealthBuilder) -> Self {
        let mut sim = Self {
            health: settings.seed(1).build().expect("sound settings"),
            now: s(1),
            subjects: Vec::new(),
            log: Vec::new(),
            findings: Vec::new(),
            reviewed: Duration::ZERO,
            next: None,
        };
        (0..size).for_each(|slot| sim.open(slot, u64::from(slot) + 1));
        sim
    }

    /// The same, in which it is known how long [`FAST`] requests take.
    pub(crate) fn taught(size: u32, settings: AdaptiveHealthBuilder) -> Self {
        let mut sim = Self::new(size, settings);
        sim.teach(FAST, TOOK, 20);
        sim
    }

    pub(crate) fn open(&mut self, slot: u32, connection: u64) {
        let subject = Subject {
            connection: Candidate::new(slot, connection),
            place: Place::Idle,
            opened: self.now,
            used: self.now,
            uses: 0,
            reported: 0,
            passed: None,
            quarantined: false,
            pulse: Pulse::default(),
        };
        match self.subjects.get_mut(slot as usize) {
            Some(place) => *place = subject,
            None => self.subjects.push(subject),
        }
    }

    /// The first connection answers requests of this kind.
    pub(crate) fn teach(&mut self, kind: u32, took: Duration, times: usize) {
        for _ in 0..times {
            self.request(0, kind);
            self.pass(took);
            self.reply(0);
            self.review();
        }
    }

    /// A lease begins and sends a request.
    pub(crate) fn request(&mut self, index: usize, kind: u32) {
        let subject = &mut self.subjects[index];
        subject.place = Place::Leased;
        subject.used = self.now;
        subject.uses += 1;
        subject.pulse.outstanding = 1;
        subject.pulse.kind = kind;
        subject.pulse.waiting_since = Some(self.now);
    }

    /// The reply comes, and the lease ends.
    pub(crate) fn reply(&mut self, index: usize) {
        let subject = &mut self.subjects[index];
        let since = subject.pulse.waiting_since.take().expect("a request");
        subject.place = Place::Idle;
        subject.used = self.now;
        subject.pulse.outstanding = 0;
        subject.pulse.heard = Some(self.now);
        subject.pulse.answered += 1;
        subject.pulse.reply_kind = subject.pulse.kind;
        subject.pulse.reply_took = self.now.saturating_sub(since);
        subject.pulse.reply_silence = subject.pulse.reply_took;
    }

    /// A check ends.
    pub(crate) fn checked(&mut self, index: usize, took: Duration, passed: bool) {
        let subject = &mut self.subjects[index];
        subject.place = Place::Idle;
        if passed {
            subject.quarantined = false;
            subject.passed = Some(self.now);
        }
        let connection = subject.connection;
        self.health.checked(self.now, connection, took, passed);
    }

    pub(crate) fn closed(&self, index: usize, reason: CloseReason) {
        self.health.closed(self.now, &self.subjects[index], reason);
    }

    /// Time goes by, with reviews as they are asked for.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.next.map(|next| self.reviewed + next) {
            if due > end {
                break;
            }
            self.now = self.now.max(due);
            self.review();
        }
        self.now = end;
    }

    pub(crate) fn review(&mut self) {
        let mut orders = Orders::default();
        self.reviewed = self.now;
        self.next = self.health.review(self.now, &self.subjects, &mut orders);
        for order in orders.orders() {
            self.carry_out(*order);
            self.log.push((self.now, *order));
        }
        self.findings.extend_from_slice(orders.findings());
    }

    fn carry_out(&mut self, order: Order) {
        let find = |connection: Candidate| connection.slot as usize;
        match order {
            Order::Quarantine(connection) => self.subjects[find(connection)].quarantined = true,
            Order::Release(connection) => self.subjects[find(connection)].quarantined = false,
            Order::Check(connection) => self.subjects[find(connection)].place = Place::Tended,
            _ => {}
        }
    }

    pub(crate) fn given(&self, wanted: impl Fn(&Order) -> bool) -> usize {
        self.log.iter().filter(|(_, order)| wanted(order)).count()
    }

    pub(crate) fn quarantines(&self) -> usize {
        self.given(|order| matches!(order, Order::Quarantine(_)))
    }

    pub(crate) fn evictions(&self) -> usize {
        self.given(|order| matches!(order, Order::Evict(_)))
    }

    pub(crate) fn checks(&self) -> usize {
        self.given(|order| matches!(order, Order::Check(_)))
    }

    pub(crate) fn flushes(&self) -> usize {
        self.given(|order| *order == Order::Flush)
    }
}
