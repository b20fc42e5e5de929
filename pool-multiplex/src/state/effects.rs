//! What each effect does to a session.

use std::sync::Arc;
use std::time::Instant;

use super::State;
use crate::effect::Effect;
use crate::settings::{Entry, Settings, compare_names};

const TOO_MANY_SETTINGS: &str = "more settings than are kept track of";
const TOO_MANY_NAMES: &str = "more channels, cursors or temporary objects than are kept track of";
const TOO_MANY_SAVEPOINTS: &str = "more savepoints than are kept track of";
const UNKNOWN_SAVEPOINT: &str = "a savepoint that is not known";

impl State {
    /// The server did this, now.
    pub fn apply(&mut self, effect: &Effect, now: Instant) {
        match effect {
            Effect::Set { .. } | Effect::Reset(_) | Effect::ResetAllBut(_) => {
                self.apply_to_settings(effect);
            }
            Effect::BeginImplicit
            | Effect::CommitImplicit
            | Effect::Begin(_)
            | Effect::Commit { .. }
            | Effect::Rollback { .. }
            | Effect::Failed => self.apply_to_transaction(effect, now),
            Effect::Savepoint(_) | Effect::Release(_) | Effect::RollbackTo(_) => {
                self.apply_to_savepoints(effect);
            }
            Effect::Subscribe(_)
            | Effect::Unsubscribe(_)
            | Effect::CreateTemporary { .. }
            | Effect::DropTemporary(_)
            | Effect::OpenCursor { .. }
            | Effect::CloseCursor(_) => self.apply_to_names(effect),
            Effect::Pin(reason) => self.kept = self.kept.with(*reason),
            Effect::Unpin(reason) => self.kept = self.kept.without(*reason),
            Effect::Taint(why) => self.taint_for(why),
        }
    }

    fn apply_to_settings(&mut self, effect: &Effect) {
        match effect {
            Effect::Set { name, value } => self.set(name, value),
            Effect::Reset(name) => {
                self.unwant(name);
                let physical = self.interner.without(self.physical(), name);
                self.set_physical(physical);
            }
            Effect::ResetAllBut(kept) => self.reset_all_but(kept),
            _ => {}
        }
    }

    fn set(&mut self, name: &Arc<str>, value: &Arc<str>) {
        let had_all = self.physical().same(self.wanted());
        if !self.want(name, Arc::clone(value)) {
            return self.taint_for(TOO_MANY_SETTINGS);
        }
        let physical = if had_all {
            self.wanted().clone()
        } else {
            self.interner.with(self.physical(), name, Arc::clone(value))
        };
        self.set_physical(physical);
    }

    fn reset_all_but(&mut self, kept: &[&str]) {
        let is_kept = |(name, _): &&Entry| kept.iter().any(|kept| kept.eq_ignore_ascii_case(name));
        let only_kept = |settings: &Settings| -> Vec<Entry> {
            settings.entries().iter().filter(is_kept).cloned().collect()
        };
        let mut wanted = only_kept(self.wanted());
        let baseline = self.baseline.entries().iter();
        wanted.extend(baseline.filter(|entry| !is_kept(entry)).cloned());
        wanted.sort_by(|one, other| compare_names(&one.0, &other.0));
        let wanted = self.interner.share(wanted);
        let physical = self.interner.share(only_kept(self.physical()));
        let scope = self.frames.current_mut();
        scope.wanted = wanted;
        scope.physical = physical;
    }

    fn apply_to_transaction(&mut self, effect: &Effect, now: Instant) {
        let was_open = self.frames.is_open();
        match effect {
            Effect::BeginImplicit => self.frames.begin_implicit(),
            Effect::CommitImplicit => self.frames.commit_implicit(),
            Effect::Begin(modes) => self.frames.begin(*modes),
            Effect::Commit { chain } => self.frames.commit(*chain),
            Effect::Rollback { chain } => self.frames.rollback(*chain),
            _ => self.frames.fail(),
        }
        let chained = matches!(
            effect,
            Effect::Commit { chain: true } | Effect::Rollback { chain: true }
        );
        if !self.frames.is_open() {
            self.since = None;
        } else if !was_open || chained {
            self.since = Some(now);
            self.run = 0;
        }
    }

    fn apply_to_savepoints(&mut self, effect: &Effect) {
        let trouble = match effect {
            Effect::Savepoint(name) if self.frames.savepoint(Arc::clone(name)).is_err() => {
                TOO_MANY_SAVEPOINTS
            }
            Effect::Release(name) if !self.frames.release(name) => UNKNOWN_SAVEPOINT,
            Effect::RollbackTo(name) if !self.frames.rollback_to(name) => UNKNOWN_SAVEPOINT,
            _ => return,
        };
        self.taint_for(trouble);
    }

    fn apply_to_names(&mut self, effect: &Effect) {
        let scope = self.frames.current_mut();
        let fits = match effect {
            Effect::Subscribe(name) => scope.channels.insert(Arc::clone(name)),
            Effect::CreateTemporary { name, until_commit } => {
                scope.temporary.insert(Arc::clone(name), *until_commit)
            }
            Effect::OpenCursor { name, hold: true } => scope.held.insert(Arc::clone(name)),
            Effect::OpenCursor { name, hold: false } => scope.cursors.insert(Arc::clone(name)),
            _ => {
                self.take_names(effect);
                true
            }
        };
        if !fits {
            self.taint_for(TOO_MANY_NAMES);
        }
    }

    fn take_names(&mut self, effect: &Effect) {
        let scope = self.frames.current_mut();
        match effect {
            Effect::Unsubscribe(Some(name)) => drop(scope.channels.remove(name)),
            Effect::Unsubscribe(None) => scope.channels.clear(),
            Effect::DropTemporary(Some(name)) => drop(scope.temporary.remove(name)),
            Effect::DropTemporary(None) => scope.temporary.clear(),
            Effect::CloseCursor(name) => self.frames.close_cursor(name.as_deref()),
            _ => {}
        }
    }

    /// The first reason is the one that is told.
    fn taint_for(&mut self, why: &'static str) {
        self.taint.get_or_insert(why);
    }
}
