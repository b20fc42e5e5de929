//! The pool and its callers.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pool_core::{Candidate, CloseReason, Orders, Place, Subject, Vitals};
use pool_testkit::clock::ManualClock;
use pool_testkit::simulation::{Agenda, Chance};

use super::{
    CONNECT, CONNECTIONS, Care, OUTAGES, REVIEW, SELDOM, Tally,
    checks::Check,
    connection::Connection,
    faults::Faults,
    traffic::{Request, Traffic},
};

/// A pool in model time.
pub(crate) struct World {
    pub(super) care: Care,
    pub(super) agenda: Agenda<Event>,
    clock: ManualClock,
    origin: Instant,
    /// By slot; `None` while one is being opened.
    pub(super) slots: Vec<Option<Connection>>,
    /// Slots of idle connections, the one used last at the end.
    pub(super) idle: Vec<usize>,
    pub(super) line: VecDeque<Request>,
    lives: u64,
    /// What was opened by then is closed when it is come upon.
    pub(super) flushed: Option<Duration>,
    /// Until when the endpoint is away.
    pub(super) away: Duration,
    /// Background checks under way, and those out of reach that wait for theirs.
    pub(super) checking: usize,
    pub(super) waiting: VecDeque<Candidate>,
    pub(super) traffic: Traffic,
    pub(super) faults: Faults,
    /// When in its interval a connection is probed.
    pub(super) phases: Chance,
    pub(super) tally: Tally,
    subjects: Vec<Subject>,
    pub(super) orders: Orders,
}

/// Something that is to happen.
#[derive(Debug)]
pub(super) enum Event {
    Comes,
    Connected {
        slot: usize,
        began: Duration,
    },
    Sends(Turn),
    Replied(Turn),
    /// The user sees that the connection was reset.
    Notices(Turn),
    GivesUp(Turn),
    Checked {
        turn: Turn,
        check: Check,
    },
    Review,
    Strike,
    GoesAway,
    Probe(Candidate),
    ProbeFailed(Candidate),
}

/// A connection in one of its turns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    candidate: Candidate,
    number: u64,
}

/// What a run leaves behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) tally: Tally,
    /// Events of the model.
    pub(crate) events: u64,
    /// Its time at the end.
    pub(crate) ended: Duration,
}

impl World {
    /// A pool before its first connection.
    pub(crate) fn new(seed: u64, care: Care) -> Self {
        let clock = ManualClock::new();
        let mut world = Self {
            checking: 0,
            waiting: VecDeque::new(),
            care,
            agenda: Agenda::new(),
            origin: clock.show(),
            clock,
            slots: (0..CONNECTIONS).map(|_| None).collect(),
            idle: Vec::with_capacity(CONNECTIONS),
            line: VecDeque::new(),
            lives: 0,
            flushed: None,
            away: Duration::ZERO,
            traffic: Traffic::new(seed),
            faults: Faults::new(seed),
            phases: Chance::new(seed, "phases"),
            tally: Tally::default(),
            subjects: Vec::with_capacity(CONNECTIONS),
            orders: Orders::default(),
        };
        world.enter_first();
        world
    }

    fn enter_first(&mut self) {
        for slot in 0..CONNECTIONS {
            let began = Duration::ZERO;
            self.agenda.after(CONNECT, Event::Connected { slot, began });
        }
        self.agenda.after(CONNECT, Event::Comes);
        if self.care.policy().is_some() {
            self.agenda.after(REVIEW, Event::Review);
        }
        self.agenda.after(self.faults.next(), Event::Strike);
        self.agenda.after(OUTAGES / 2, Event::GoesAway);
    }

    /// Runs for so long. What is wrong and not found by then counts as found at the end.
    pub(crate) fn run(mut self, length: Duration) -> Run {
        while self.agenda.now() < length {
            let Some(event) = self.agenda.next() else {
                break;
            };
            self.handle(event);
        }
        let now = self.agenda.now();
        for conn in self
            .slots
            .iter()
            .flatten()
            .filter(|conn| conn.fault.is_some())
        {
            self.tally.closed(now, conn, CloseReason::PoolClosed);
        }
        Run {
            events: self.agenda.handled(),
            ended: now,
            tally: self.tally,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Comes => self.comes(),
            Event::Connected { slot, began } => self.connected(slot, began),
            Event::Sends(turn) => self.in_turn(turn, Self::send),
            Event::Replied(turn) => self.in_turn(turn, Self::replied),
            Event::Notices(turn) => self.in_turn(turn, Self::notices),
            Event::GivesUp(turn) => self.in_turn(turn, |world, slot| world.returned(slot, true)),
            Event::Checked { turn, check } => {
                self.in_turn(turn, |world, slot| world.checked(slot, check));
            }
            Event::Review => self.review(),
            Event::Strike => self.strike(),
            Event::GoesAway => self.go_away(),
            Event::Probe(candidate) => self.probe(candidate),
            Event::ProbeFailed(candidate) => self.probe_failed(candidate),
        }
    }

    /// Does it, unless the connection is closed or in another turn.
    fn in_turn(&mut self, turn: Turn, act: impl FnOnce(&mut Self, usize)) {
        let slot = turn.candidate.slot as usize;
        let conn = self.slots[slot].as_ref();
        if conn.is_some_and(|conn| conn.candidate == turn.candidate && conn.turn == turn.number) {
            act(self, slot);
        }
    }

    /// The connection in a slot that is known to have one.
    pub(super) fn conn(&mut self, slot: usize) -> &mut Connection {
        self.slots[slot]
            .as_mut()
            .expect("an open connection is in this slot")
    }

    /// The same, with its vital signs at the time of the model.
    pub(super) fn alive(&mut self, slot: usize) -> &mut Connection {
        let behind = self
            .agenda
            .now()
            .saturating_sub(self.clock.show() - self.origin);
        if !behind.is_zero() {
            self.clock.advance(behind);
        }
        self.conn(slot)
    }

    /// Enters something that is void once the connection has moved on.
    pub(super) fn enter(
        &mut self,
        slot: usize,
        delay: Duration,
        event: impl FnOnce(Turn) -> Event,
    ) {
        let conn = self.conn(slot);
        let turn = Turn {
            candidate: conn.candidate,
            number: conn.turn,
        };
        self.agenda.after(delay, event(turn));
    }

    fn connected(&mut self, slot: usize, began: Duration) {
        let now = self.agenda.now();
        if now < self.away {
            self.agenda
                .at(self.away + CONNECT, Event::Connected { slot, began });
            return;
        }
        self.lives += 1;
        let candidate = Candidate::new(u32::try_from(slot).unwrap_or(u32::MAX), self.lives);
        let vitals = Vitals::new(Arc::new(self.clock.clone()), self.origin);
        self.slots[slot] = Some(Connection::new(candidate, now, vitals));
        if let Some(policy) = self.care.policy() {
            policy.connected(now, now - began, Ok(candidate));
        }
        self.enter_first_probe(candidate);
        self.make_idle(slot);
    }

    /// Closes a connection, wherever it is, and begins to open another.
    pub(super) fn close(&mut self, slot: usize, reason: CloseReason) {
        let Some(conn) = self.slots[slot].take() else {
            return;
        };
        let now = self.agenda.now();
        match conn.place {
            Place::Idle => self.idle.retain(|other| *other != slot),
            _ => self.leave(&conn),
        }
        self.tally.closed(now, &conn, reason);
        if let Some(policy) = self.care.policy() {
            policy.closed(now, &conn.subject(), reason);
        }
        self.agenda
            .after(CONNECT, Event::Connected { slot, began: now });
    }

    fn review(&mut self) {
        let now = self.agenda.now();
        self.tally.reviews += 1;
        self.subjects.clear();
        let open = self.slots.iter().flatten();
        self.subjects.extend(open.map(Connection::subject));
        let mut orders = mem::take(&mut self.orders);
        orders.clear();
        let next = self
            .care
            .policy()
            .and_then(|policy| policy.review(now, &self.subjects, &mut orders));
        for order in orders.orders() {
            self.carry_out(*order);
        }
        self.orders = orders;
        let next = next.unwrap_or(SELDOM).max(REVIEW);
        self.agenda.after(next, Event::Review);
    }
}
