//! What effects do to a session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::State;
use crate::effect::Effect;
use crate::frames::Frames;
use crate::interner::Interner;
use crate::names::Names;
use crate::pins::{PinReason, Pins};
use crate::settings::Settings;
use crate::transaction::{Isolation, Modes, TransactionStatus};

struct Session(State, Instant);

impl Session {
    /// Its baseline has `work_mem` at 3MB, and it is on a connection that has that, too.
    #[expect(clippy::disallowed_methods, reason = "some instant to begin with")]
    fn new() -> Self {
        let interner = Interner::new(64);
        let baseline = interner.intern([("work_mem", "3MB")]);
        let mut state = State::new(interner, baseline.clone(), 4);
        state.set_physical(baseline);
        Self(state, Instant::now())
    }

    fn does(&mut self, effects: &[Effect]) -> &mut Self {
        for effect in effects {
            self.0.apply(effect, self.1);
        }
        self
    }

    fn wants(&self, name: &str) -> Option<&str> {
        self.0.wanted().get(name).map(|value| &**value)
    }

    fn has(&self, name: &str) -> Option<&str> {
        self.0.physical().get(name).map(|value| &**value)
    }
}

fn set(name: &str, value: &str) -> Effect {
    Effect::Set {
        name: name.into(),
        value: value.into(),
    }
}

fn begin() -> Effect {
    Effect::Begin(Modes::default())
}

const COMMIT: Effect = Effect::Commit { chain: false };
const ROLLBACK: Effect = Effect::Rollback { chain: false };

#[test]
fn a_set_is_wanted_and_there_until_its_rollback() {
    let mut session = Session::new();
    session.does(&[begin(), set("work_mem", "9MB"), set("app.id", "7")]);
    assert_eq!(
        (session.wants("work_mem"), session.has("work_mem")),
        (Some("9MB"), Some("9MB"))
    );
    assert!(session.0.wanted().same(session.0.physical()));
    session.does(&[ROLLBACK]);
    assert_eq!(
        (session.wants("work_mem"), session.has("work_mem")),
        (Some("3MB"), Some("3MB"))
    );
    assert_eq!(
        (session.wants("app.id"), session.has("app.id")),
        (None, None)
    );
}

#[test]
fn a_set_on_a_connection_with_other_settings_leaves_those_there() {
    let mut session = Session::new();
    let other = session.0.interner().intern([("role", "r1")]);
    session.0.set_physical(other);
    session.does(&[set("work_mem", "9MB")]);
    assert_eq!(
        (session.has("role"), session.has("work_mem")),
        (Some("r1"), Some("9MB"))
    );
    assert_eq!(session.wants("role"), None);
}

#[test]
fn a_reset_gives_the_session_its_baseline_and_the_connection_nothing() {
    let mut session = Session::new();
    session.does(&[set("work_mem", "9MB"), set("a.b", "1")]);
    session.does(&[
        Effect::Reset("WORK_MEM".into()),
        Effect::Reset("a.b".into()),
    ]);
    assert_eq!(
        (session.wants("work_mem"), session.has("work_mem")),
        (Some("3MB"), None)
    );
    assert_eq!((session.wants("a.b"), session.has("a.b")), (None, None));
}

#[test]
fn a_reset_of_all_leaves_what_it_does_not_touch() {
    let mut session = Session::new();
    session.does(&[set("work_mem", "9MB"), set("Role", "r1"), set("a.b", "1")]);
    session.does(&[Effect::ResetAllBut(&["role"])]);
    assert_eq!(
        (session.wants("work_mem"), session.has("work_mem")),
        (Some("3MB"), None)
    );
    assert_eq!(
        (session.wants("role"), session.has("role")),
        (Some("r1"), Some("r1"))
    );
    assert_eq!((session.wants("a.b"), session.has("a.b")), (None, None));
    session.does(&[Effect::ResetAllBut(&[])]);
    assert!(session.0.wanted().same(session.0.baseline()));
    assert!(session.0.physical().is_empty());
}

#[test]
fn a_wish_changes_no_connection() {
    let mut session = Session::new();
    assert!(session.0.want("work_mem", "9MB"));
    assert_eq!(
        (session.wants("work_mem"), session.has("work_mem")),
        (Some("9MB"), Some("3MB"))
    );
    session.0.unwant("work_mem");
    assert_eq!(session.wants("work_mem"), Some("3MB"));
    session.0.want("a.b", "1");
    session.0.unwant("A.B");
    assert_eq!(session.wants("a.b"), None);
}

#[test]
fn a_rollback_before_a_failure_in_the_same_request_stands() {
    let mut session = Session::new();
    session.does(&[Effect::BeginImplicit, set("work_mem", "6MB")]);
    session.does(&[begin(), set("work_mem", "7MB"), ROLLBACK]);
    session.does(&[Effect::BeginImplicit, set("a.b", "1"), Effect::Failed]);
    session.does(&[Effect::CommitImplicit]);
    assert_eq!(
        (session.wants("work_mem"), session.wants("a.b")),
        (Some("3MB"), None)
    );
}

#[test]
fn every_reason_that_holds_a_session_is_told_and_only_while_it_does() {
    let mut session = Session::new();
    let temporary = |until_commit| Effect::CreateTemporary {
        name: "t".into(),
        until_commit,
    };
    let cursor = |hold| Effect::OpenCursor {
        name: "c".into(),
        hold,
    };
    let pins = |session: &Session| session.0.pins().iter().collect::<Vec<_>>();
    session.does(&[Effect::BeginImplicit]);
    assert_eq!(pins(&session), []);
    session.does(&[begin(), temporary(true), cursor(false)]);
    assert_eq!(
        pins(&session),
        [PinReason::Transaction, PinReason::TemporaryObject]
    );
    assert_eq!(session.0.cursors().count(), 1);
    session.does(&[COMMIT]);
    assert_eq!(pins(&session), []);
    assert_eq!(session.0.cursors().count(), 0);
    session.does(&[
        begin(),
        Effect::Savepoint("a".into()),
        temporary(false),
        cursor(true),
    ]);
    session.does(&[
        Effect::Pin(PinReason::AdvisoryLock),
        Effect::RollbackTo("a".into()),
    ]);
    assert_eq!(
        pins(&session),
        [PinReason::Transaction, PinReason::AdvisoryLock]
    );
    session.does(&[cursor(true), COMMIT]);
    assert_eq!(
        pins(&session),
        [PinReason::HeldCursor, PinReason::AdvisoryLock]
    );
    session.does(&[begin(), Effect::CloseCursor(None), ROLLBACK]);
    session.does(&[Effect::Unpin(PinReason::AdvisoryLock)]);
    assert_eq!(session.0.pins(), Pins::NONE);
}

#[test]
fn channels_are_heard_from_the_commit_on() {
    let mut session = Session::new();
    let subscribe = |name: &str| Effect::Subscribe(name.into());
    session.does(&[
        begin(),
        subscribe("lost"),
        ROLLBACK,
        begin(),
        subscribe("kept"),
    ]);
    assert!(session.0.channels().is_empty());
    session.does(&[COMMIT]);
    assert!(session.0.channels().contains("kept") && session.0.channels().len() == 1);
    session.does(&[begin(), Effect::Unsubscribe(None)]);
    assert_eq!(session.0.channels().len(), 1);
    session.does(&[COMMIT]);
    assert!(session.0.channels().is_empty());
}

#[test]
fn the_context_tells_of_the_transaction_that_stays_and_of_no_other() {
    let mut session = Session::new();
    let start = session.1;
    session.does(&[Effect::BeginImplicit]);
    assert!(session.0.transaction().is_none());
    session.1 += Duration::from_secs(1);
    let modes = Modes {
        isolation: Some(Isolation::Serializable),
        ..Modes::default()
    };
    session.does(&[
        Effect::Begin(modes),
        Effect::Savepoint("a".into()),
        Effect::Failed,
    ]);
    session.0.count_statement();
    let context = session.0.transaction().unwrap();
    assert_eq!(
        (context.since, context.statements, context.modes),
        (start, 1, modes)
    );
    assert_eq!(context.status, TransactionStatus::Failed);
    assert_eq!(context.savepoints, [Arc::from("a")]);
    session.does(&[Effect::Rollback { chain: true }]);
    let context = session.0.transaction().unwrap();
    assert_eq!((context.since, context.statements), (session.1, 0));
    assert_eq!(
        (context.status, context.modes),
        (TransactionStatus::Active, modes)
    );
    session.does(&[COMMIT]);
    assert!(session.0.transaction().is_none());
}

#[test]
fn what_does_not_fit_what_is_known_taints() {
    let after = |effects: &[Effect]| Session::new().does(effects).0.taint();
    assert_eq!(after(&[begin(), Effect::Savepoint("a".into())]), None);
    assert!(after(&[begin(), Effect::Release("a".into())]).is_some());
    assert!(after(&[begin(), Effect::RollbackTo("a".into())]).is_some());
    assert_eq!(
        after(&[Effect::Taint("first"), Effect::Taint("second")]),
        Some("first")
    );
    let mut savepoints = vec![begin()];
    savepoints.resize(Frames::MOST + 1, Effect::Savepoint("a".into()));
    assert_eq!(after(&savepoints), None);
    savepoints.push(Effect::Savepoint("a".into()));
    assert!(after(&savepoints).is_some());
    let channels = (0..=Names::MOST).map(|name| Effect::Subscribe(name.to_string().into()));
    assert!(after(&channels.collect::<Vec<_>>()).is_some());
}

#[test]
fn a_session_has_a_bounded_number_of_settings() {
    let mut session = Session::new();
    for name in 1..Settings::MOST {
        assert!(session.0.want(format!("a.n{name}"), "1"));
    }
    assert!(!session.0.want("a.more", "1"));
    assert!(session.0.want("work_mem", "5MB"));
    assert_eq!(session.0.taint(), None);
    session.does(&[set("a.more", "1")]);
    assert!(session.0.taint().is_some());
    assert_eq!(session.wants("a.more"), None);
}

#[test]
fn a_lost_connection_takes_what_was_on_it_and_leaves_what_was_committed() {
    let mut session = Session::new();
    let held = Effect::OpenCursor {
        name: "c".into(),
        hold: true,
    };
    session.does(&[
        set("work_mem", "7MB"),
        Effect::Subscribe("news".into()),
        held,
    ]);
    session.does(&[Effect::Pin(PinReason::Seed), Effect::Taint("why")]);
    session.does(&[begin(), set("work_mem", "9MB")]);
    session.0.lost();
    assert_eq!(
        (session.wants("work_mem"), session.has("work_mem")),
        (Some("7MB"), None)
    );
    assert_eq!((session.0.pins(), session.0.taint()), (Pins::NONE, None));
    assert_eq!(session.0.frames().status(), TransactionStatus::Idle);
    assert!(session.0.channels().contains("news"));
}

#[test]
fn a_session_that_leaves_tells_what_it_leaves_behind() {
    let mut session = Session::new();
    session.does(&[set("work_mem", "7MB")]);
    let behind = session.0.left();
    assert!(behind.same(session.0.wanted()));
    assert!(session.0.physical().is_empty());
}
