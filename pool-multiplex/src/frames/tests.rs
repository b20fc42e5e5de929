//! The frames beside a list of what was done.
//!
//! The model keeps no copies: it knows what was committed, and everything that was done since, and asks
//! what holds by doing it all again. A rollback cuts the list.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Frames, Scope, TooManySavepoints};
use crate::interner::Interner;
use crate::transaction::{Isolation, Modes, TransactionStatus};

#[derive(Clone, Copy, Debug)]
enum Step {
    Set(u8, u8),
    Reset(u8),
    Listen(u8),
    Unlisten(u8),
    Create(u8, bool),
    Discard(u8),
    Open(u8, bool),
    Close(u8),
    CloseAll,
    Savepoint(u8),
    Release(u8),
    RollbackTo(u8),
    BeginImplicit,
    CommitImplicit,
    Begin,
    Commit(bool),
    Rollback(bool),
    Fail,
    Abandon,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Holds {
    settings: BTreeMap<String, String>,
    channels: BTreeSet<String>,
    temporary: BTreeMap<String, bool>,
    held: BTreeSet<String>,
    cursors: BTreeSet<String>,
}

impl Holds {
    fn take(&mut self, step: Step) {
        match step {
            Step::Set(name, value) => drop(self.settings.insert(text(name), text(value))),
            Step::Reset(name) => drop(self.settings.remove(&text(name))),
            Step::Listen(name) => drop(self.channels.insert(text(name))),
            Step::Unlisten(name) => drop(self.channels.remove(&text(name))),
            Step::Create(name, until) => drop(self.temporary.insert(text(name), until)),
            Step::Discard(name) => drop(self.temporary.remove(&text(name))),
            Step::Open(name, true) => drop(self.held.insert(text(name))),
            Step::Open(name, false) => drop(self.cursors.insert(text(name))),
            _ => {}
        }
    }

    fn of(scope: &Scope) -> Self {
        let settings = scope.wanted.iter();
        Self {
            settings: settings
                .map(|(n, v)| (n.to_string(), v.to_string()))
                .collect(),
            channels: scope.channels.iter().map(ToString::to_string).collect(),
            temporary: scope
                .temporary
                .iter()
                .map(|(n, u)| (n.to_string(), u))
                .collect(),
            held: scope.held.iter().map(ToString::to_string).collect(),
            cursors: scope.cursors.iter().map(ToString::to_string).collect(),
        }
    }
}

#[derive(Debug, Default)]
struct Model {
    committed: Holds,
    done: Vec<Step>,
    /// `None` outside a transaction, and whether it stays and has failed.
    open: Option<(bool, bool)>,
}

impl Model {
    fn now(&self) -> Holds {
        let mut now = self.committed.clone();
        self.done.iter().for_each(|step| now.take(*step));
        now
    }

    fn savepoints(&self) -> Vec<String> {
        let name = |step: &Step| match step {
            Step::Savepoint(name) => Some(text(*name)),
            _ => None,
        };
        self.done.iter().filter_map(name).collect()
    }

    fn last(&self, wanted: u8) -> Option<usize> {
        let is_it = |step: &Step| matches!(step, Step::Savepoint(name) if *name == wanted);
        self.done.iter().rposition(is_it)
    }

    /// Takes back all since the last savepoint, or all.
    fn fail(&mut self) {
        let is_savepoint = |step: &Step| matches!(step, Step::Savepoint(_));
        let keep = self
            .done
            .iter()
            .rposition(is_savepoint)
            .map_or(0, |at| at + 1);
        self.done.truncate(keep);
    }

    fn end(&mut self, keep: bool, chain: bool) {
        let Some((stays, failed)) = self.open.take() else {
            return;
        };
        if keep && !failed {
            self.committed = self.now();
            self.committed
                .temporary
                .retain(|_, until_commit| !*until_commit);
            self.committed.cursors.clear();
        }
        self.done.clear();
        self.open = (chain && stays).then_some((true, false));
    }

    fn close(&mut self, closes: impl Fn(u8) -> bool) {
        self.done
            .retain(|step| !matches!(step, Step::Open(name, _) if closes(*name)));
        for name in (0..4).filter(|name| closes(*name)) {
            self.committed.held.remove(&text(name));
            self.committed.cursors.remove(&text(name));
        }
    }

    fn take(&mut self, step: Step) {
        let active = self.open == Some((true, false));
        match step {
            Step::Close(name) => self.close(|other| other == name),
            Step::CloseAll => self.close(|_| true),
            Step::Savepoint(_) if active => self.done.push(step),
            Step::Savepoint(_) => {}
            Step::Release(name) => {
                let at = self.last(name).filter(|_| active).unwrap_or(usize::MAX);
                let mut nth = 0..;
                let later = |step: &Step| {
                    nth.next().is_some_and(|n| n < at) || !matches!(step, Step::Savepoint(_))
                };
                self.done.retain(later);
            }
            Step::RollbackTo(name) => {
                if let Some(at) = self.last(name) {
                    self.done.truncate(at + 1);
                    self.open = Some((true, false));
                }
            }
            Step::BeginImplicit => self.open = self.open.or(Some((false, false))),
            Step::CommitImplicit if matches!(self.open, Some((false, _))) => self.end(true, false),
            Step::CommitImplicit => {}
            Step::Begin => self.open = Some((true, matches!(self.open, Some((_, true))))),
            Step::Commit(chain) => self.end(true, chain),
            Step::Rollback(chain) => self.end(false, chain),
            Step::Fail => match self.open {
                Some((true, _)) => {
                    self.fail();
                    self.open = Some((true, true));
                }
                _ => self.end(false, false),
            },
            Step::Abandon => {
                self.end(false, false);
                self.committed.temporary.clear();
                self.committed.held.clear();
                self.committed.cursors.clear();
            }
            _ if self.open.is_some() => self.done.push(step),
            _ => self.committed.take(step),
        }
    }
}

fn text(of: u8) -> String {
    format!("n{of}")
}

fn change(frames: &mut Frames, interner: &Interner, step: Step) {
    let scope = frames.current_mut();
    match step {
        Step::Set(name, value) => {
            scope.wanted = interner.with(&scope.wanted, text(name), text(value));
        }
        Step::Reset(name) => scope.wanted = interner.without(&scope.wanted, text(name)),
        Step::Listen(name) => drop(scope.channels.insert(text(name))),
        Step::Unlisten(name) => drop(scope.channels.remove(&text(name))),
        Step::Create(name, until) => drop(scope.temporary.insert(text(name), until)),
        Step::Discard(name) => drop(scope.temporary.remove(&text(name))),
        Step::Open(name, true) => drop(scope.held.insert(text(name))),
        Step::Open(name, false) => drop(scope.cursors.insert(text(name))),
        _ => drive(frames, step),
    }
}

fn drive(frames: &mut Frames, step: Step) {
    match step {
        Step::Close(name) => frames.close_cursor(Some(&text(name))),
        Step::CloseAll => frames.close_cursor(None),
        Step::Savepoint(name) => assert_eq!(frames.savepoint(text(name)), Ok(())),
        Step::Release(name) => drop(frames.release(&text(name))),
        Step::RollbackTo(name) => drop(frames.rollback_to(&text(name))),
        Step::BeginImplicit => frames.begin_implicit(),
        Step::CommitImplicit => frames.commit_implicit(),
        Step::Begin => frames.begin(Modes::default()),
        Step::Commit(chain) => frames.commit(chain),
        Step::Rollback(chain) => frames.rollback(chain),
        Step::Fail => frames.fail(),
        _ => frames.abandon(),
    }
}

fn status(open: Option<(bool, bool)>) -> TransactionStatus {
    match open {
        None | Some((false, _)) => TransactionStatus::Idle,
        Some((true, false)) => TransactionStatus::Active,
        Some((true, true)) => TransactionStatus::Failed,
    }
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..4u8;
    prop_oneof![
        6 => (name(), name()).prop_map(|(name, value)| Step::Set(name, value)),
        2 => name().prop_map(Step::Reset),
        2 => name().prop_map(Step::Listen),
        1 => name().prop_map(Step::Unlisten),
        2 => (name(), any::<bool>()).prop_map(|(name, until)| Step::Create(name, until)),
        1 => name().prop_map(Step::Discard),
        2 => (name(), any::<bool>()).prop_map(|(name, hold)| Step::Open(name, hold)),
        1 => name().prop_map(Step::Close),
        1 => Just(Step::CloseAll),
        6 => name().prop_map(Step::Savepoint),
        2 => name().prop_map(Step::Release),
        4 => name().prop_map(Step::RollbackTo),
        2 => Just(Step::BeginImplicit),
        2 => Just(Step::CommitImplicit),
        5 => Just(Step::Begin),
        2 => any::<bool>().prop_map(Step::Commit),
        2 => any::<bool>().prop_map(Step::Rollback),
        3 => Just(Step::Fail),
        1 => Just(Step::Abandon),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_holds_is_what_was_done_and_not_taken_back(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let interner = Interner::new(1 << 16);
        let mut frames = Frames::default();
        let mut model = Model::default();
        for step in steps {
            change(&mut frames, &interner, step);
            model.take(step);
            prop_assert_eq!(Holds::of(frames.current()), model.now(), "after {:?}", step);
            prop_assert_eq!(Holds::of(frames.committed()), model.committed.clone());
            prop_assert_eq!(frames.status(), status(model.open));
            prop_assert_eq!(frames.is_implicit(), matches!(model.open, Some((false, _))));
            let names: Vec<_> = frames.savepoints().map(ToString::to_string).collect();
            prop_assert_eq!(names, model.savepoints());
        }
    }
}

/// Sets `work_mem` and gives what it is.
struct Session(Frames, Interner);

impl Session {
    fn new() -> Self {
        Self(Frames::default(), Interner::new(8))
    }

    fn set(&mut self, value: &str) {
        let scope = self.0.current_mut();
        scope.wanted = self.1.with(&scope.wanted, "work_mem", value);
    }

    fn shows(&self) -> Option<&str> {
        let value = self.0.current().wanted.get("work_mem");
        value.map(|value| &**value)
    }
}

#[test]
fn a_savepoint_hides_an_older_one_of_its_name_until_it_is_released() {
    let mut session = Session::new();
    session.0.begin(Modes::default());
    session.0.savepoint("a").unwrap();
    session.set("5MB");
    session.0.savepoint("a").unwrap();
    session.set("6MB");
    assert!(session.0.rollback_to("a"));
    assert_eq!(session.shows(), Some("5MB"));
    assert!(session.0.release("a"));
    assert!(session.0.rollback_to("a"));
    assert_eq!(session.shows(), None);
}

#[test]
fn a_begin_within_a_request_takes_what_came_before_it_along() {
    let mut session = Session::new();
    session.0.begin_implicit();
    session.set("6MB");
    assert_eq!(session.0.status(), TransactionStatus::Idle);
    session.0.begin(Modes::default());
    session.0.commit_implicit();
    assert_eq!(session.0.status(), TransactionStatus::Active);
    session.0.rollback(false);
    assert_eq!(session.shows(), None);
}

#[test]
fn a_request_that_fails_leaves_nothing_and_a_commit_before_it_does() {
    let mut session = Session::new();
    session.0.begin_implicit();
    session.set("5MB");
    session.0.commit(false);
    session.0.begin_implicit();
    session.set("6MB");
    session.0.fail();
    assert_eq!(session.shows(), Some("5MB"));
    assert!(!session.0.is_implicit());
}

#[test]
fn a_chained_transaction_has_the_modes_of_the_one_before_unless_that_failed() {
    let serializable = Modes {
        isolation: Some(Isolation::Serializable),
        ..Modes::default()
    };
    let mut frames = Frames::default();
    frames.begin(serializable);
    frames.rollback(true);
    assert_eq!(frames.modes(), serializable);
    frames.savepoint("a").unwrap();
    frames.fail();
    frames.commit(true);
    assert_eq!(frames.modes(), serializable);
    frames.fail();
    frames.commit(true);
    assert_eq!(frames.modes(), Modes::default());
    assert_eq!(frames.status(), TransactionStatus::Active);
}

#[test]
fn a_second_begin_changes_the_modes_that_it_names() {
    let isolation = |isolation| Modes {
        isolation: Some(isolation),
        ..Modes::default()
    };
    let mut frames = Frames::default();
    frames.begin(Modes {
        deferrable: Some(true),
        ..isolation(Isolation::Serializable)
    });
    frames.begin(isolation(Isolation::RepeatableRead));
    assert_eq!(frames.modes().isolation, Some(Isolation::RepeatableRead));
    assert_eq!(frames.modes().deferrable, Some(true));
}

#[test]
fn a_replay_that_was_rolled_back_is_not_on_the_connection() {
    let Session(mut frames, interner) = Session::new();
    let label = interner.intern([("work_mem", "5MB")]);
    frames.current_mut().physical = label.clone();
    frames.begin(Modes::default());
    frames.current_mut().physical = interner.with(&label, "role", "r1");
    frames.fail();
    frames.rollback(false);
    assert!(frames.current().physical.same(&label));
}

#[test]
fn savepoints_have_a_bound_and_one_too_many_is_told() {
    let mut frames = Frames::default();
    assert_eq!(frames.savepoint("outside"), Ok(()));
    frames.begin(Modes::default());
    for _ in 0..Frames::MOST {
        assert_eq!(frames.savepoint("a"), Ok(()));
    }
    assert_eq!(frames.savepoint("a"), Err(TooManySavepoints));
    assert_eq!(frames.savepoints().count(), Frames::MOST);
}

#[test]
fn savepoints_of_a_failed_transaction_are_not_released() {
    let mut frames = Frames::default();
    frames.begin(Modes::default());
    frames.savepoint("a").unwrap();
    frames.fail();
    assert!(!frames.release("a"));
    assert!(!frames.rollback_to("b"));
    assert_eq!(frames.status(), TransactionStatus::Failed);
    assert!(frames.rollback_to("a"));
    assert_eq!(frames.status(), TransactionStatus::Active);
}
