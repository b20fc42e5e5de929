//! What a statement can be.

use super::cursor::Qualified;
use super::marks::Marks;
use super::set_config::{Argument, SetConfig};
use std::ops::{BitOr, Range};

/// One statement of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) kind: Kind,
    /// Its bytes in the text, from its first token to its last.
    pub(crate) range: Range<usize>,
    /// What it calls and names.
    pub(crate) marks: Marks,
}

/// What a statement does to the session. Names are as the server has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// SET in all its forms; several settings at once by SESSION CHARACTERISTICS alone.
    Set {
        assignments: Vec<Assignment>,
        /// It ends with the transaction.
        is_local: bool,
    },
    /// RESET of one setting; `role` and `session_authorization` are among them.
    Reset {
        name: String,
    },
    ResetAll,
    /// BEGIN, START TRANSACTION.
    Begin(Modes),
    /// SET TRANSACTION, or one of the settings that stand for it.
    SetTransaction(Modes),
    /// SET CONSTRAINTS, which ends with the transaction.
    SetConstraints,
    /// COMMIT, END.
    Commit {
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        chain: bool,
    },
    Savepoint {
        name: String,
    },
    Release {
        name: String,
    },
    RollbackTo {
        name: String,
    },
    PrepareTransaction,
    CommitPrepared,
    RollbackPrepared,
    Listen {
        channel: String,
    },
    /// UNLISTEN one channel, or all.
    Unlisten {
        channel: Option<String>,
    },
    Notify,
    /// PREPARE of a statement. What that does is told by nobody when it is run; its marks stand here.
    Prepare {
        name: String,
    },
    /// EXECUTE, also beneath EXPLAIN.
    Execute {
        name: String,
    },
    /// DEALLOCATE one statement, or all.
    Deallocate {
        name: Option<String>,
    },
    DeclareCursor {
        name: String,
        hold: bool,
    },
    /// CLOSE one cursor, or all.
    CloseCursor {
        name: Option<String>,
    },
    /// FETCH, MOVE.
    Fetch,
    /// A temporary table, view or sequence, by whatever words.
    CreateTemporary {
        name: String,
        on_commit_drop: bool,
    },
    /// DROP of tables, views or sequences, which may be temporary.
    Drop {
        names: Vec<Qualified>,
    },
    DiscardAll,
    DiscardPlans,
    DiscardSequences,
    DiscardTemporary,
    Load,
    Copy {
        from_stdin: bool,
        to_stdout: bool,
    },
    Do,
    Call,
    /// Writes nothing, unless a function that is not known does.
    Read {
        calls_unknown_function: bool,
        /// FOR UPDATE and the like.
        locks_rows: bool,
    },
    /// Changes data or the schema, and nothing of the session.
    Write {
        /// It may be refused in a transaction block.
        stands_alone: bool,
    },
    /// Anything else: it may have done anything to the session.
    Other,
}

/// A setting and what it is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// In lower case.
    pub(crate) name: String,
    pub(crate) value: SetValue,
}

/// What a setting is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SetValue {
    /// The value by which `set_config` does the same.
    Literal(String),
    Default,
    /// The value that it has.
    FromCurrent,
    /// A value that the text alone does not tell.
    Unclear,
}

/// Transaction modes; `None` where none is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Modes {
    pub(crate) isolation: Option<Isolation>,
    pub(crate) read_only: Option<bool>,
    pub(crate) deferrable: Option<bool>,
}

/// Isolation levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl Isolation {
    pub(crate) const ALL: [Self; 4] = [
        Self::ReadUncommitted,
        Self::ReadCommitted,
        Self::RepeatableRead,
        Self::Serializable,
    ];

    /// As settings have it; in statements it is the same, in capitals.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read uncommitted",
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
            Self::Serializable => "serializable",
        }
    }
}

impl Modes {
    /// As settings for all transactions to come.
    pub(super) fn as_defaults(self) -> Vec<Assignment> {
        let on_off = |on: bool| if on { "on" } else { "off" };
        [
            ("isolation", self.isolation.map(Isolation::as_str)),
            ("read_only", self.read_only.map(on_off)),
            ("deferrable", self.deferrable.map(on_off)),
        ]
        .into_iter()
        .filter_map(|(mode, value)| {
            Some(Assignment {
                name: format!("default_transaction_{mode}"),
                value: SetValue::Literal(value?.to_owned()),
            })
        })
        .collect()
    }
}

impl Kind {
    pub(super) const fn is_plain(&self) -> bool {
        matches!(
            self,
            Self::Read { .. }
                | Self::Write {
                    stands_alone: false
                }
        )
    }

    pub(super) const fn is_read_only(&self) -> bool {
        matches!(
            self,
            Self::Read {
                calls_unknown_function: false,
                ..
            }
        )
    }

    /// Whether it may be refused in a transaction block, or be meant to end transactions itself.
    pub(crate) const fn stands_alone(&self) -> bool {
        matches!(
            self,
            Self::Write { stands_alone: true }
                | Self::CommitPrepared
                | Self::RollbackPrepared
                | Self::DiscardAll
                | Self::Do
                | Self::Call
        )
    }

    /// What it does by setting something.
    pub(super) fn implied(&self, sql: &str) -> Marks {
        match self {
            Self::Set { assignments, .. } => assignments
                .iter()
                .map(|one| match &one.value {
                    SetValue::Literal(value) => implied(&one.name, value),
                    _ => implied(&one.name, ""),
                })
                .fold(backslash(sql), Marks::bitor),
            Self::Reset { name } => implied(name, ""),
            _ => Marks::NONE,
        }
    }
}

impl SetConfig {
    /// What it does by setting something.
    pub(super) fn implied(&self, sql: &str) -> Marks {
        match (&self.name, &self.value) {
            (Argument::Literal(name), Argument::Literal(value)) => {
                implied(name, value) | backslash(sql)
            }
            (Argument::Literal(name), _) => implied(name, ""),
            _ => Marks::NONE,
        }
    }
}

fn implied(name: &str, value: &str) -> Marks {
    match name {
        "seed" => Marks::SEED,
        "search_path" if value.to_ascii_lowercase().contains("pg_temp") => Marks::TEMP_SCHEMA,
        _ => Marks::NONE,
    }
}

/// A backslash may stand for itself or not.
fn backslash(sql: &str) -> Marks {
    if sql.contains('\\') {
        Marks::BACKSLASH
    } else {
        Marks::NONE
    }
}
