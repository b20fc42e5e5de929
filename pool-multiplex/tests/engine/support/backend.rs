//! One connection's end at the server: settings that a rollback takes back, and the rest that it does
//! not.

use pool_multiplex::{Effect, PinReason, Pins, TransactionStatus};
use std::collections::{BTreeMap, BTreeSet};

/// Settings that are not as they were at the beginning.
pub(crate) type Values = BTreeMap<String, String>;

/// Something to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Nothing,
    Show,
    Set(String, String),
    Reset(String),
    Begin,
    Commit,
    Rollback,
    Savepoint(String),
    RollbackTo(String),
    CreateTemporary(String),
    DropTemporary(String),
    Lock,
    Unlock,
    /// Adds a row.
    Write(u64),
    /// Is refused.
    Wrong,
    /// Sets something and does not say so.
    Hide(String),
    /// Begins a transaction and does not say so.
    BeginUnseen,
    /// Does something that cannot be accounted for, and says so.
    Stain,
}

/// What a rollback takes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) settings: Values,
    pub(crate) temporary: BTreeSet<String>,
    rows: Vec<u64>,
}

#[derive(Clone, Debug)]
struct Transaction {
    current: Scope,
    savepoints: Vec<(String, Scope)>,
    failed: bool,
}

/// The server's end of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backend {
    committed: Scope,
    transaction: Option<Transaction>,
    locks: usize,
    pub(crate) hidden: BTreeSet<String>,
    /// Rows that a commit has just made everybody's.
    pub(crate) written: Vec<u64>,
}

impl Backend {
    pub(crate) fn scope(&self) -> &Scope {
        let open = self.transaction.as_ref();
        open.map_or(&self.committed, |transaction| &transaction.current)
    }

    fn scope_mut(&mut self) -> &mut Scope {
        match &mut self.transaction {
            Some(transaction) => &mut transaction.current,
            None => &mut self.committed,
        }
    }

    pub(crate) fn status(&self) -> TransactionStatus {
        match &self.transaction {
            None => TransactionStatus::Idle,
            Some(transaction) if transaction.failed => TransactionStatus::Failed,
            Some(_) => TransactionStatus::Active,
        }
    }

    /// Whether there is anything that a new connection does not have.
    pub(crate) fn is_new(&self) -> bool {
        self.committed == Scope::default()
            && self.transaction.is_none()
            && self.locks == 0
            && self.hidden.is_empty()
    }

    /// The connection is gone; its session goes on with the settings that it has committed.
    pub(crate) fn lose(&mut self) {
        self.transaction = None;
        self.committed.temporary.clear();
        self.locks = 0;
        self.hidden.clear();
    }

    /// What pins whoever is on it.
    pub(crate) fn pins(&self) -> Pins {
        let reasons = [
            (
                PinReason::Transaction,
                self.status() != TransactionStatus::Idle,
            ),
            (
                PinReason::TemporaryObject,
                !self.scope().temporary.is_empty(),
            ),
            (PinReason::AdvisoryLock, self.locks > 0),
        ];
        let hold = reasons.into_iter().filter(|(_, holds)| *holds);
        hold.map(|(reason, _)| reason).collect()
    }

    /// Changes a setting; `None` is as at the beginning.
    pub(crate) fn change(&mut self, name: &str, value: Option<&str>) {
        let settings = &mut self.scope_mut().settings;
        match value {
            Some(value) => drop(settings.insert(name.to_owned(), value.to_owned())),
            None => drop(settings.remove(name)),
        }
    }

    pub(crate) fn begin(&mut self) {
        let current = self.committed.clone();
        self.transaction.get_or_insert(Transaction {
            current,
            savepoints: Vec::new(),
            failed: false,
        });
    }

    /// Carries it out and tells what it did; `None` if it was refused.
    pub(crate) fn carry_out(&mut self, op: &Op) -> Option<Vec<Effect>> {
        let in_vain = self.status() == TransactionStatus::Failed
            && !matches!(op, Op::Commit | Op::Rollback | Op::RollbackTo(_));
        if in_vain || *op == Op::Wrong {
            self.fail();
            return None;
        }
        match op {
            Op::Begin | Op::Commit | Op::Rollback | Op::Savepoint(_) | Op::RollbackTo(_) => {
                let effect = self.delimit(op);
                if effect.is_none() {
                    self.fail();
                }
                effect
            }
            _ => Some(self.act(op)),
        }
    }

    pub(crate) fn fail(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.failed = true;
            let last = transaction.savepoints.last().map(|(_, scope)| scope);
            transaction.current = last.unwrap_or(&self.committed).clone();
        }
    }

    fn delimit(&mut self, op: &Op) -> Option<Vec<Effect>> {
        Some(vec![match op {
            Op::Begin => {
                self.begin();
                Effect::Begin(pool_multiplex::Modes::default())
            }
            Op::Commit => {
                let ended = self.transaction.take();
                if let Some(mut ended) = ended.filter(|ended| !ended.failed) {
                    self.written.append(&mut ended.current.rows);
                    self.committed = ended.current;
                }
                Effect::Commit { chain: false }
            }
            Op::Savepoint(name) => {
                let transaction = self.transaction.as_mut()?;
                let scope = transaction.current.clone();
                transaction.savepoints.push((name.clone(), scope));
                Effect::Savepoint(name.as_str().into())
            }
            Op::RollbackTo(name) => {
                let transaction = self.transaction.as_mut()?;
                let named = |(other, _): &(String, Scope)| other == name;
                let at = transaction.savepoints.iter().rposition(named)?;
                transaction.savepoints.truncate(at + 1);
                transaction.current = transaction.savepoints[at].1.clone();
                transaction.failed = false;
                Effect::RollbackTo(name.as_str().into())
            }
            _ => {
                self.transaction = None;
                Effect::Rollback { chain: false }
            }
        }])
    }

    fn act(&mut self, op: &Op) -> Vec<Effect> {
        match op {
            Op::Set(name, value) => {
                self.change(name, Some(value));
                let (name, value) = (name.as_str().into(), value.as_str().into());
                return vec![Effect::Set { name, value }];
            }
            Op::Reset(name) => {
                self.change(name, None);
                return vec![Effect::Reset(name.as_str().into())];
            }
            Op::CreateTemporary(name) => {
                self.scope_mut().temporary.insert(name.clone());
                let (name, until_commit) = (name.as_str().into(), false);
                return vec![Effect::CreateTemporary { name, until_commit }];
            }
            Op::DropTemporary(name) => {
                self.scope_mut().temporary.remove(name);
                return vec![Effect::DropTemporary(Some(name.as_str().into()))];
            }
            Op::Lock => {
                self.locks += 1;
                return vec![Effect::Pin(PinReason::AdvisoryLock)];
            }
            Op::Unlock => {
                self.locks = 0;
                return vec![Effect::Unpin(PinReason::AdvisoryLock)];
            }
            Op::Write(row) if self.transaction.is_none() => self.written.push(*row),
            Op::Write(row) => self.scope_mut().rows.push(*row),
            Op::Hide(what) => drop(self.hidden.insert(what.clone())),
            Op::BeginUnseen => self.begin(),
            Op::Stain => {
                self.hidden.insert("stain".to_owned());
                return vec![Effect::Taint("a stain")];
            }
            _ => {}
        }
        Vec::new()
    }
}
