//! What a session asks of a connection, and what it gets back.

use crate::sql::{Argument, Script};
use pool_multiplex::Statement as Shared;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, SimpleQueryMessage};

/// Something that a session runs. Made by the methods of [`Session`](crate::Session).
#[derive(Debug)]
pub struct Operation<'a>(pub(crate) Ask<'a>);

/// What comes of it. Read by the methods of [`Session`](crate::Session).
#[derive(Debug)]
pub struct Reply(pub(crate) Got);

/// What to run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask<'a> {
    /// Nothing: the prelude is what matters.
    Nothing,
    /// The transaction is rolled back.
    Rollback,
    /// A setting gets a value, and the server says how it spells that.
    Set {
        name: &'a str,
        value: &'a str,
        stay: Staying,
    },
    /// One statement with parameters.
    Query {
        statement: &'a Arc<Shared>,
        known: &'a Known,
        parameters: Parameters<'a>,
        /// How often the session has run it before.
        executions: u64,
        stay: Staying,
    },
    /// Any statements, as one text.
    Batch {
        text: &'a str,
        script: &'a Script,
        stay: Staying,
    },
    /// A statement is prepared, so that its types are known.
    Prepare {
        statement: &'a Arc<Shared>,
        known: &'a Known,
        stay: Staying,
    },
    /// A text of the session's own, whose rows are wanted and which changes nothing.
    Rows(&'static str),
}

/// What is to be known of a session's stay on a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Staying {
    /// Values that sequences give are to be kept.
    pub(crate) keeps_last_value: bool,
    /// It holds advisory locks, or did.
    pub(crate) has_locks: bool,
    /// There are temporary objects, which names may mean.
    pub(crate) has_temporaries: bool,
    /// There are objects or cursors of which no more is known than that the server counts them.
    pub(crate) has_counted: bool,
    /// It began with a role, and to be in none is another thing than that.
    pub(crate) began_with_role: bool,
}

/// Parameters of a statement, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parameters<'a> {
    /// Of types that the server finds out.
    Plain(&'a [&'a (dyn ToSql + Sync)]),
    /// Of these types.
    Typed(&'a [(&'a (dyn ToSql + Sync), Type)]),
}

impl Parameters<'_> {
    /// What an argument of `set_config` is, if it is known and not NULL.
    pub(crate) fn argument(&self, argument: &Argument) -> Option<String> {
        match argument {
            Argument::Literal(text) => Some(text.clone()),
            Argument::Parameter(number) => self.text(*number),
            Argument::Null | Argument::Unclear => None,
        }
    }

    /// The parameter with this number, from 1, if it is a text.
    pub(crate) fn text(&self, number: u32) -> Option<String> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        let parameter: &(dyn ToSql + Sync) = match self {
            Self::Plain(all) => *all.get(at)?,
            Self::Typed(all) => all.get(at)?.0,
        };
        let mut bytes = bytes::BytesMut::new();
        let written = parameter.to_sql_checked(&Type::TEXT, &mut bytes).ok()?;
        match written {
            tokio_postgres::types::IsNull::No => String::from_utf8(bytes.to_vec()).ok(),
            tokio_postgres::types::IsNull::Yes => None,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Got {
    Nothing,
    /// Rows, and how many the server says it returned or changed.
    Rows(Vec<Row>, Option<u64>),
    Messages(Vec<SimpleQueryMessage>),
    /// The types of a statement's parameters.
    Types(Arc<[Type]>),
    /// The value of a setting, as the server spells it.
    Value(String),
}

/// What is known of a statement that sessions share, whatever connection it runs on.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) script: Script,
    /// The types of its parameters by [scope](super::scope), once a server has said so.
    types: RwLock<Vec<OfScope>>,
    /// The types that it was declared with, if any of them is one of the database's own.
    declared: OnceLock<Box<[Type]>>,
}

/// The types of a statement's parameters in a scope.
type OfScope = (Box<str>, Arc<[Type]>);

/// Most scopes for which the types of a statement are known; the oldest is forgotten.
const SCOPES: usize = 16;

impl Known {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            script: crate::sql::classify(text),
            types: RwLock::new(Vec::new()),
            declared: OnceLock::new(),
        }
    }

    /// Of a text that the server may read otherwise than it was read here: that it may do anything.
    pub(crate) fn unclear(text: &str) -> Self {
        Self {
            script: Script::unknown(text),
            ..Self::new("")
        }
    }

    /// It was declared with these types.
    pub(crate) fn declare(&self, types: &[Type]) {
        self.declared.get_or_init(|| types.into());
    }

    /// The types that `statement`, of which this is known, was declared with.
    pub(crate) fn declared(&self, statement: &Shared) -> Vec<Type> {
        if let Some(declared) = self.declared.get() {
            return declared.to_vec();
        }
        let types = statement.types().iter();
        types.map_while(|oid| Type::from_oid(*oid)).collect()
    }

    /// The types of its parameters where names mean what they do in `scope`.
    pub(crate) fn types(&self, scope: &str) -> Option<Arc<[Type]>> {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        let mut of_scope = types.iter().filter(|(known, _)| **known == *scope);
        of_scope.next().map(|(_, types)| Arc::clone(types))
    }

    pub(crate) fn learn(&self, scope: &str, learned: Arc<[Type]>) {
        self.forget(scope);
        let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
        if types.len() == SCOPES {
            types.remove(0);
        }
        types.push((scope.into(), learned));
    }

    /// They are no longer so: a table has changed, say.
    pub(crate) fn forget(&self, scope: &str) {
        let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
        types.retain(|(known, _)| **known != *scope);
    }
}
