//! From signs to orders: who is kept back, let go and given up.
//!
//! Two things make a connection suspect, its silence and an error of its own. Both keep it back
//! until it has passed a check; only silence can be over before that, and only silence is followed by
//! giving up, as an error is followed by a check that fails.

use std::time::Duration;

use pool_core::{Candidate, ErrorClass, Order, Place, Subject};

use crate::Mode;
use crate::endpoint::{Ejection, Endpoint};
use crate::outbox::Outbox;
use crate::score::Score;
use crate::silence::{Seen, Sign, Silence, Stage};
use crate::slots::Slots;

/// What was decided so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) suspected: u64,
    pub(super) errors: u64,
    pub(super) released: u64,
    pub(super) false_suspicions: u64,
    pub(super) condemned: u64,
    pub(super) wrongly_condemned: u64,
    pub(super) withheld: u64,
}

/// Watches for signs and acts on them.
#[derive(Debug)]
pub(super) struct Suspicion {
    pub(super) mode: Mode,
    pub(super) silence: Silence,
    ejection: Ejection,
    files: Slots<File>,
    /// Those that may be given up; kept for its room.
    ripe: Vec<Candidate>,
    pub(super) counts: Counts,
}

/// What is kept of a connection.
#[derive(Debug, Default)]
struct File {
    /// Errors noted so far.
    errors: u32,
    /// It had an error, so being heard of is not enough.
    erred: bool,
    /// It would have been given up, had there been room.
    withheld: bool,
}

/// Where findings about a connection go.
pub(super) struct Desk<'a, 'o> {
    pub(super) scores: &'a mut Slots<Score>,
    pub(super) endpoint: &'a mut Endpoint,
    /// Whether the endpoint is told of suspicions. It is not if it would act on what is only tried
    /// out here.
    pub(super) accusing: bool,
    pub(super) out: Outbox<'o>,
}

impl Suspicion {
    pub(super) fn new(mode: Mode, silence: Silence, ejection: Ejection) -> Self {
        Self {
            mode,
            silence,
            ejection,
            files: Slots::default(),
            ripe: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Looks at all connections. Returns in what time the next sign may fall.
    pub(super) fn review(
        &mut self,
        now: Duration,
        subjects: &[Subject],
        desk: &mut Desk<'_, '_>,
    ) -> Option<Duration> {
        let mut next = None::<Duration>;
        let (mut suspected, mut leaving) = (0, 0);
        self.ripe.clear();
        for subject in subjects {
            let seen = self.silence.look(now, subject, self.mode.is_asked());
            next = [next, seen.next].into_iter().flatten().min();
            note_reply(now, subject, &seen, desk.scores);
            self.note_errors(now, subject, desk);
            self.follow(now, subject, &seen, desk);
            let stage = self.silence.stage(subject.connection);
            suspected += usize::from(stage != Stage::Fine);
            leaving += usize::from(stage == Stage::Condemned);
        }
        let room = self.ejection.room(subjects.len(), suspected);
        self.give_up(room.saturating_sub(leaving), desk);
        next
    }

    fn note_errors(&mut self, now: Duration, subject: &Subject, desk: &mut Desk<'_, '_>) {
        let file = self.files.of(subject.connection);
        let errors = errors_of(subject);
        if errors <= file.errors {
            return;
        }
        file.errors = errors;
        desk.scores.of(subject.connection).failed(now);
        let number = subject.connection.connection;
        desk.endpoint.failed(now, number, now);
        if self.mode.is_asked() {
            file.erred = true;
            self.counts.errors += 1;
            desk.out.order(Order::Quarantine(subject.connection));
            desk.out.tell(Some(subject.connection), "had an error");
        }
    }

    fn follow(&mut self, now: Duration, subject: &Subject, seen: &Seen, desk: &mut Desk<'_, '_>) {
        let connection = subject.connection;
        match seen.sign {
            Some(Sign::Suspected { known }) => {
                self.counts.suspected += 1;
                desk.out.order(Order::Quarantine(connection));
                desk.out.tell(Some(connection), "is silent for too long");
                if known {
                    self.accuse(now, connection, desk);
                }
            }
            Some(Sign::Ripe) => {
                self.ripe.push(connection);
                self.insist(subject, desk);
            }
            Some(Sign::Heard { condemned }) => self.let_go(subject, condemned, desk),
            None => self.insist(subject, desk),
        }
    }

    /// Its kind is known, so the endpoint may be to blame.
    fn accuse(&mut self, now: Duration, connection: Candidate, desk: &mut Desk<'_, '_>) {
        desk.scores.of(connection).failed(now);
        let since = self.silence.silent_since(connection).unwrap_or(now);
        if desk.accusing {
            let number = connection.connection;
            desk.endpoint.suspected(now, number, since);
        }
    }

    /// Repeats an order that was passed over, as the connection was on its way then.
    fn insist(&mut self, subject: &Subject, desk: &mut Desk<'_, '_>) {
        let suspect = self.silence.stage(subject.connection) == Stage::Suspect;
        if suspect && !subject.quarantined && subject.place != Place::Tended {
            desk.out.order(Order::Quarantine(subject.connection));
        }
    }

    fn let_go(&mut self, subject: &Subject, condemned: bool, desk: &mut Desk<'_, '_>) {
        self.counts.released += 1;
        self.counts.false_suspicions += 1;
        self.counts.wrongly_condemned += u64::from(condemned);
        desk.endpoint.refuted(subject.connection.connection);
        let file = self.files.of(subject.connection);
        file.withheld = false;
        if subject.place == Place::Leased && !file.erred && !condemned {
            desk.out.order(Order::Release(subject.connection));
        }
        desk.out.tell(Some(subject.connection), "is heard of again");
    }

    /// Gives up as many of the ripe as there is `room` for.
    fn give_up(&mut self, room: usize, desk: &mut Desk<'_, '_>) {
        for (turn, &connection) in self.ripe.iter().enumerate() {
            if turn < room {
                self.silence.condemn(connection);
                self.counts.condemned += 1;
                desk.out.order(Order::Evict(connection));
                desk.out.tell(Some(connection), "stays silent: given up");
                continue;
            }
            let file = self.files.of(connection);
            if !std::mem::replace(&mut file.withheld, true) {
                self.counts.withheld += 1;
                let text = "stays silent, like too many: kept";
                desk.out.tell(Some(connection), text);
            }
        }
    }

    /// A check of it passed.
    pub(super) fn passed(&mut self, connection: Candidate) {
        if let Some(file) = self.files.known(connection) {
            file.erred = false;
            file.withheld = false;
        }
        self.counts.false_suspicions += u64::from(self.silence.forgive(connection));
    }
}

fn note_reply(now: Duration, subject: &Subject, seen: &Seen, scores: &mut Slots<Score>) {
    // Begun here for each connection: a check that ends must find it.
    let score = scores.of(subject.connection);
    if let Some(ratio) = seen.reply {
        score.worked(now);
        ratio.into_iter().for_each(|ratio| score.took(ratio));
    }
}

/// Errors of the connection. What users report may be a fault of theirs.
fn errors_of(subject: &Subject) -> u32 {
    let errors = &subject.pulse.errors;
    [ErrorClass::Connection, ErrorClass::Endpoint]
        .iter()
        .map(|class| errors.of(*class))
        .fold(0, u32::saturating_add)
}
