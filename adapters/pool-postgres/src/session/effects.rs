//! What a script did to the session, by what the server said to it.
//!
//! The script says what each statement means, the answer how many of them were carried out and how a
//! transaction ended. Together they are exact, but for values: the server may spell them otherwise
//! than the script, and a few statements do things that no text tells. Those are read back:
//! [`Aftermath`] says which.

use super::frame::{NO_ROLE, is_role};
use super::operation::Parameters;
use super::scope::decides;
use crate::sql::{
    Argument, Assignment, Isolation, Kind, Marks, Modes, Script, SetConfig, SetValue, Statement,
};
use crate::watch::{Answer, Status, Tag};
use pool_multiplex::{Access, Effect, PinReason};
use std::sync::Arc;

/// What must be asked once a script has run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Aftermath {
    /// The settings whose values are not known as the server spells them.
    pub(crate) settings: Vec<Arc<str>>,
    /// All settings may have changed.
    pub(crate) all_settings: bool,
    /// Locks, statements or objects of the session may be gone, or not there, or unknown.
    pub(crate) pins: bool,
    /// A transaction has ended: locks of the session and of the transaction are told apart only now.
    pub(crate) ends: bool,
    /// A cursor was closed, which may be one that the server has counted.
    pub(crate) closes: bool,
}

impl Aftermath {
    pub(crate) const fn is_nothing(&self) -> bool {
        self.settings.is_empty() && !self.all_settings && !self.pins
    }
}

/// What a script did.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    pub(crate) effects: Vec<Effect>,
    pub(crate) aftermath: Aftermath,
    /// Names may mean something else until the transaction ends.
    pub(crate) local_names: bool,
}

/// A setting that no transaction, no `RESET` and no reading knows.
pub(crate) const SEED: &str = "seed";

/// Settings that a RESET ALL leaves alone.
const KEPT_BY_RESET_ALL: &[&str] = &["role", "session_authorization"];

/// What `script` did, which was sent as `text`, and of which the server said `answer`.
pub(crate) fn follow(
    script: &Script,
    text: &str,
    parameters: Parameters<'_>,
    answer: &Answer,
) -> Followed {
    let mut followed = Followed::default();
    let completed = answer.tags.iter().filter(|tag| **tag != Tag::Suspended);
    if completed.clone().count() > script.statements.len().max(1) {
        followed.taint("an answer to more statements than were sent");
    }
    for (at, (statement, tag)) in script.statements.iter().zip(completed).enumerate() {
        followed.effects.push(Effect::BeginImplicit);
        followed.kind(&statement.kind, *tag);
        followed.aftermath.pins |= may_change_objects(statement, text);
        followed.marks(statement.marks);
        let calls = script.set_config.iter().filter(|call| call.statement == at);
        calls.for_each(|call| followed.set_config(call, parameters));
    }
    let done = answer.tags.len();
    let end = match (&answer.failure, script.statements.get(done)) {
        (None, _) => Effect::CommitImplicit,
        (Some(_), failed) => {
            // What outlives a rollback outlives an error.
            followed.marks(failed.map_or(Marks::NONE, |statement| statement.marks));
            if failed.is_some_and(|statement| is_block(&statement.kind)) {
                // It may have committed before.
                followed.aftermath.all_settings = true;
                followed.aftermath.pins = true;
            }
            // A COMMIT that fails has ended the transaction all the same.
            match answer.status {
                Status::Idle => Effect::Rollback { chain: false },
                _ => Effect::Failed,
            }
        }
    };
    followed.effects.push(end);
    followed.take_reported(answer);
    followed
}

/// What is left of a script whose transaction was rolled back. It may have come as far as to do all
/// of it.
pub(crate) fn outlive(script: &Script) -> Followed {
    let mut followed = Followed::default();
    for statement in &script.statements {
        followed.marks(statement.marks);
        followed.aftermath.pins |=
            is_block(&statement.kind) || matches!(statement.kind, Kind::Prepare { .. });
    }
    followed
}

/// Whether a text may have made, renamed or dropped something that only its connection has, by words
/// that do not say so: as what depends on something else, or in a schema that the search path names.
pub(crate) fn touches_objects(script: &Script, text: &str) -> bool {
    let mut statements = script.statements.iter();
    statements.any(|statement| may_change_objects(statement, text))
}

fn may_change_objects(statement: &Statement, text: &str) -> bool {
    match statement.kind {
        Kind::Drop { .. } => true,
        Kind::Write { .. } if statement.marks.has(Marks::TEMP_SCHEMA) => true,
        Kind::Write { .. } => {
            let sql = text.get(statement.range.clone()).unwrap_or_default();
            let mut words = sql.split(|letter: char| !letter.is_ascii_alphabetic());
            let word = words.next().unwrap_or_default();
            SCHEMA_WORDS
                .iter()
                .any(|one| one.eq_ignore_ascii_case(word))
        }
        _ => is_block(&statement.kind),
    }
}

/// First words of what changes the schema; with `SELECT … INTO` and `EXPLAIN ANALYZE CREATE …`.
const SCHEMA_WORDS: &[&str] = &["create", "alter", "drop", "select", "explain"];

/// Whether it may do anything that no text tells.
pub(crate) const fn is_block(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Do | Kind::Call | Kind::Execute { .. } | Kind::Other
    )
}

impl Followed {
    fn taint(&mut self, why: &'static str) {
        self.effects.push(Effect::Taint(why));
    }

    fn kind(&mut self, kind: &Kind, tag: Tag) {
        match kind {
            Kind::Set {
                assignments,
                is_local: false,
            } => assignments.iter().for_each(|one| self.assign(one)),
            Kind::Set { assignments, .. } => {
                self.local_names |= assignments.iter().any(|one| decides(&one.name));
                let names: Vec<_> = assignments.iter().map(|one| &one.name[..]).collect();
                self.cover(Some(&names));
            }
            Kind::Reset { name } => self.effects.push(Effect::Reset(name.as_str().into())),
            Kind::ResetAll => self.effects.push(Effect::ResetAllBut(KEPT_BY_RESET_ALL)),
            Kind::Do | Kind::Call | Kind::Execute { .. } => {
                self.aftermath.all_settings = true;
                self.local_names = true;
            }
            Kind::Other => self.taint("a statement that is not known"),
            Kind::DiscardAll => self.discard_all(),
            Kind::DiscardTemporary => self.effects.push(Effect::DropTemporary(None)),
            _ => self.transaction(kind, tag),
        }
    }

    fn assign(&mut self, Assignment { name, value }: &Assignment) {
        let name: Arc<str> = name.as_str().into();
        match value {
            // It cannot be read, so it cannot follow the session: it pins it, by its mark.
            _ if *name == *SEED => return,
            SetValue::Default => return self.effects.push(Effect::Reset(name)),
            SetValue::Literal(value) => self.effects.push(Effect::Set {
                name: Arc::clone(&name),
                value: value.as_str().into(),
            }),
            SetValue::FromCurrent | SetValue::Unclear => {}
        }
        self.ask_for(name);
    }

    fn ask_for(&mut self, name: Arc<str>) {
        let settings = &mut self.aftermath.settings;
        if !settings.contains(&name) {
            settings.push(name);
        }
    }

    /// What settings are read to be from now on may be another value than that which was set before:
    /// one that holds until the transaction ends. Without names, that goes for all.
    fn cover(&mut self, covered: Option<&[&str]>) {
        if covered.is_some_and(|names| names.contains(&"standard_conforming_strings")) {
            self.taint("literals that are read otherwise for one transaction");
        }
        let is_covered = |name: &str| {
            let mut covered = covered.into_iter().flatten();
            covered.any(|one| one.eq_ignore_ascii_case(name))
        };
        let settings = std::mem::take(&mut self.aftermath.settings);
        let (covered, others): (Vec<_>, Vec<_>) = settings
            .into_iter()
            .partition(|name| covered.is_none() || is_covered(name));
        self.aftermath.settings = others;
        let is_set = |name: &Arc<str>| {
            self.effects
                .iter()
                .any(|effect| matches!(effect, Effect::Set { name: set, .. } if set == name))
        };
        if !covered.iter().all(is_set) {
            self.taint("a value that cannot be read while another hides it");
        }
    }

    fn set_config(&mut self, call: &SetConfig, parameters: Parameters<'_>) {
        let text = |argument: &Argument| parameters.argument(argument);
        let is_local = match &call.is_local {
            Argument::Literal(text) => Some(text == "true"),
            _ => None,
        };
        match (text(&call.name), is_local) {
            (Some(name), _) if name.eq_ignore_ascii_case(SEED) => {}
            (name, Some(true)) => {
                self.local_names |= name.as_ref().is_none_or(|name| decides(name));
                match &name {
                    Some(name) => self.cover(Some(&[name])),
                    None => self.cover(None),
                }
            }
            (Some(name), Some(false)) if is_of_transaction(&name) => {}
            (Some(name), Some(false)) => {
                let name: Arc<str> = name.to_ascii_lowercase().into();
                if call.is_certain
                    && let Some(value) = text(&call.value)
                {
                    let value = value.into();
                    self.effects.push(Effect::Set {
                        name: Arc::clone(&name),
                        value,
                    });
                }
                self.ask_for(name);
            }
            _ => self.taint("a set_config whose arguments are computed"),
        }
    }

    fn transaction(&mut self, kind: &Kind, tag: Tag) {
        let effect = match kind {
            Kind::Begin(modes) => Effect::Begin(modes_of(*modes)),
            Kind::Commit { chain } if tag == Tag::Rollback => Effect::Rollback { chain: *chain },
            Kind::Commit { chain } => Effect::Commit { chain: *chain },
            // What it prepares keeps its changes, and the session its settings.
            Kind::PrepareTransaction if tag == Tag::Rollback => Effect::Rollback { chain: false },
            Kind::PrepareTransaction => Effect::Commit { chain: false },
            Kind::Rollback { chain } => Effect::Rollback { chain: *chain },
            Kind::Savepoint { name } => Effect::Savepoint(name.as_str().into()),
            Kind::Release { name } => Effect::Release(name.as_str().into()),
            Kind::RollbackTo { name } => Effect::RollbackTo(name.as_str().into()),
            _ => return self.objects(kind),
        };
        if matches!(effect, Effect::RollbackTo(_)) {
            // It may uncover a value that an earlier request has set for the transaction alone.
            self.cover(None);
        }
        let ends = matches!(effect, Effect::Commit { .. } | Effect::Rollback { .. });
        self.aftermath.ends |= ends;
        self.effects.push(effect);
    }

    fn objects(&mut self, kind: &Kind) {
        let name_of = |name: &Option<String>| name.as_deref().map(Arc::from);
        match kind {
            Kind::CreateTemporary {
                name,
                on_commit_drop,
            } => self.effects.push(Effect::CreateTemporary {
                name: name.as_str().into(),
                until_commit: *on_commit_drop,
            }),
            Kind::Drop { names } => {
                let dropped = names.iter().filter(|one| match &one.schema {
                    Some(_) => one.is_temporary(),
                    None => true,
                });
                let dropped = dropped.map(|one| one.name.as_str().into());
                self.effects
                    .extend(dropped.map(|name| Effect::DropTemporary(Some(name))));
            }
            Kind::DeclareCursor { name, hold } => self.effects.push(Effect::OpenCursor {
                name: name.as_str().into(),
                hold: *hold,
            }),
            Kind::CloseCursor { name } => {
                self.aftermath.closes = true;
                self.effects.push(Effect::CloseCursor(name_of(name)));
            }
            Kind::Prepare { .. } => self.effects.push(Effect::Pin(PinReason::PreparedBySql)),
            Kind::Deallocate { .. } => self.aftermath.pins = true,
            _ => {}
        }
    }

    fn discard_all(&mut self) {
        self.effects.extend([
            Effect::CloseCursor(None),
            Effect::ResetAllBut(&[]),
            Effect::Unsubscribe(None),
            Effect::Unpin(PinReason::AdvisoryLock),
            Effect::Unpin(PinReason::PreparedBySql),
            Effect::Unpin(PinReason::LastValue),
            Effect::DropTemporary(None),
        ]);
    }

    fn marks(&mut self, marks: Marks) {
        if marks.has(Marks::SEED) {
            self.effects.push(Effect::Pin(PinReason::Seed));
        }
        if marks.has(Marks::ADVISORY_LOCK) {
            self.effects.push(Effect::Pin(PinReason::AdvisoryLock));
        }
        self.aftermath.pins |= marks.has(Marks::ADVISORY_LOCK) || marks.has(Marks::ADVISORY_UNLOCK);
    }

    /// Uses the values that the server has reported by itself.
    fn take_reported(&mut self, answer: &Answer) {
        for parameter in &answer.parameters {
            let Some(value) = &parameter.value else {
                continue;
            };
            let is_it = |name: &Arc<str>| name.eq_ignore_ascii_case(&parameter.name);
            let settings = &mut self.aftermath.settings;
            let Some(at) = settings.iter().position(is_it) else {
                continue;
            };
            // It is the last value of the request, and so is this effect.
            settings.swap_remove(at);
            self.spell(&parameter.name, value);
        }
    }

    /// Puts the last value that a setting got as the server spells it.
    fn spell(&mut self, setting: &str, spelled: &str) {
        let last = self
            .effects
            .iter_mut()
            .rev()
            .find_map(|effect| match effect {
                Effect::Set { name, value } if name.eq_ignore_ascii_case(setting) => Some(value),
                _ => None,
            });
        if let Some(value) = last {
            *value = spelled.into();
            return;
        }
        // The text did not tell the value. It is what holds at the end, so it stands before that.
        let end = self.effects.pop();
        self.effects.push(Effect::Set {
            name: setting.into(),
            value: spelled.into(),
        });
        self.effects.extend(end);
    }
}

/// Whether it ends with the transaction, however it is set.
pub(crate) fn is_of_transaction(name: &str) -> bool {
    const MODES: [&str; 3] = [
        "transaction_isolation",
        "transaction_read_only",
        "transaction_deferrable",
    ];
    MODES.iter().any(|mode| mode.eq_ignore_ascii_case(name))
}

/// Whether it is the end of a role.
pub(crate) fn is_no_role(name: &str, value: &str) -> bool {
    is_role(name) && value == NO_ROLE
}

fn modes_of(modes: Modes) -> pool_multiplex::Modes {
    pool_multiplex::Modes {
        isolation: modes.isolation.map(|isolation| match isolation {
            Isolation::ReadUncommitted => pool_multiplex::Isolation::ReadUncommitted,
            Isolation::ReadCommitted => pool_multiplex::Isolation::ReadCommitted,
            Isolation::RepeatableRead => pool_multiplex::Isolation::RepeatableRead,
            Isolation::Serializable => pool_multiplex::Isolation::Serializable,
        }),
        access: modes.read_only.map(|read_only| match read_only {
            true => Access::ReadOnly,
            false => Access::ReadWrite,
        }),
        deferrable: modes.deferrable,
    }
}
