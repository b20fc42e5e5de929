//! What goes wrong, and when.

use std::time::Duration;

use pool_core::Place;
use pool_testkit::simulation::{Chance, Spread};

use super::{
    NOTICE, OUTAGE, OUTAGES, PATIENCE,
    connection::{Connection, Fault},
    tally::Class,
    world::{Event, World},
};

/// From one fault of a single connection to the next.
const BETWEEN: Spread = Spread::Exponential {
    mean: Duration::from_secs(1),
};
/// How often it meets one that is leased.
const LEASED: f64 = 0.75;

/// All that goes wrong.
#[derive(Debug)]
pub(super) struct Faults(Chance);

/// Where the next one strikes.
struct Aim {
    class: Class,
    place: Place,
    /// From 0 to 1: which of those in that place.
    which: f64,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self(Chance::new(seed, "faults"))
    }

    /// When the next one comes, from now.
    pub(super) fn next(&mut self) -> Duration {
        self.0.draw(BETWEEN)
    }

    fn aim(&mut self) -> Aim {
        let class = if self.0.happens(0.5) {
            Class::Reset
        } else {
            Class::BlackHole
        };
        let place = if self.0.happens(LEASED) {
            Place::Leased
        } else {
            Place::Idle
        };
        let which = self.0.unit();
        Aim {
            class,
            place,
            which,
        }
    }
}

impl World {
    /// One connection fails. Those that are given up already are spared.
    pub(super) fn strike(&mut self) {
        let next = self.faults.next();
        self.agenda.after(next, Event::Strike);
        let aim = self.faults.aim();
        let fit = |conn: &Connection| {
            let given_up = conn.quarantined || conn.doom.is_some() || conn.fault.is_some();
            conn.place == aim.place && !given_up
        };
        let fits = |slot: &usize| self.slots[*slot].as_ref().is_some_and(fit);
        let targets: Vec<usize> = (0..self.slots.len()).filter(fits).collect();
        let index = (aim.which * targets.len() as f64) as usize;
        if let Some(slot) = targets.get(index) {
            self.fail(*slot, aim.class);
        }
    }

    /// The endpoint goes away, and with it every connection.
    pub(super) fn go_away(&mut self) {
        self.away = self.agenda.now() + OUTAGE;
        self.agenda.after(OUTAGES, Event::GoesAway);
        for slot in 0..self.slots.len() {
            let well = |conn: &Connection| conn.fault.is_none();
            if self.slots[slot].as_ref().is_some_and(well) {
                self.fail(slot, Class::Outage);
            }
        }
    }

    fn fail(&mut self, slot: usize, class: Class) {
        let now = self.agenda.now();
        let notices = self.care.notices();
        let conn = self.conn(slot);
        // Its state is looked at before it is given out: nobody gets it.
        let known = class == Class::Reset && conn.place == Place::Idle && notices;
        let out = known || conn.quarantined || conn.doom.is_some();
        conn.fault = Some(Fault {
            class,
            at: now,
            was_hot: conn.is_hot(now),
            hot: conn.place == Place::Leased && conn.is_hot(now),
            out: out.then_some(now),
            handed: 0,
        });
        let Some(lease) = conn.lease.as_mut().filter(|lease| lease.reply.is_some()) else {
            return;
        };
        match class {
            Class::Reset => self.enter(slot, NOTICE, Event::Notices),
            Class::BlackHole | Class::Outage => {
                lease.reply = Some(now + PATIENCE);
                self.enter(slot, PATIENCE, Event::GivesUp);
            }
        }
    }
}
