//! Prepared statements, kept per connection.

use pool_core::{CacheStats, StatementCache};
use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Statement};

/// Something that names a statement: its text, which is prepared once per connection and kept, or
/// a [`Statement`] prepared before.
pub trait Sql: private::Sealed {}

impl Sql for str {}
impl Sql for String {}
impl Sql for Statement {}

mod private {
    use tokio_postgres::Statement;

    pub trait Sealed: Sync {
        fn source(&self) -> Source<'_>;
    }

    #[derive(Debug)]
    pub enum Source<'a> {
        Text(&'a str),
        Prepared(&'a Statement),
    }

    impl Sealed for str {
        fn source(&self) -> Source<'_> {
            Source::Text(self)
        }
    }

    impl Sealed for String {
        fn source(&self) -> Source<'_> {
            Source::Text(self)
        }
    }

    impl Sealed for Statement {
        fn source(&self) -> Source<'_> {
            Source::Prepared(self)
        }
    }
}

/// What makes two statements the same: their text, the types of their parameters, and whatever else
/// decides what names in the text mean, a search path for one.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    text: Arc<str>,
    types: Arc<[Type]>,
    scope: Arc<str>,
}

/// A borrowed [`Key`], so that a look-up allocates nothing.
trait KeyView {
    fn parts(&self) -> (&str, &[Type], &str);
}

impl KeyView for Key {
    fn parts(&self) -> (&str, &[Type], &str) {
        (&self.text, &self.types, &self.scope)
    }
}

impl KeyView for Wanted<'_> {
    fn parts(&self) -> (&str, &[Type], &str) {
        (self.text, self.types, self.scope)
    }
}

impl Hash for dyn KeyView + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for dyn KeyView + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn KeyView + '_ {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl<'a> Borrow<dyn KeyView + 'a> for Key {
    fn borrow(&self) -> &(dyn KeyView + 'a) {
        self
    }
}

/// A statement that somebody needs on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) text: &'a str,
    /// Declared types of its first parameters.
    pub(crate) types: &'a [Type],
    /// What names in it mean; empty for what the connection began with.
    pub(crate) scope: &'a str,
    /// Its number among the statements that sessions share; 0 for none.
    pub(crate) id: u32,
}

impl<'a> Wanted<'a> {
    /// On a connection of one's own.
    pub(crate) const fn plain(text: &'a str, types: &'a [Type]) -> Self {
        Self {
            text,
            types,
            scope: "",
            id: 0,
        }
    }
}

/// The statements of one connection. The lock is held for a look-up, never across an await.
pub(crate) struct Statements {
    cache: Mutex<Cache>,
}

struct Cache {
    statements: StatementCache<Key, Cached>,
    changes: Changes,
}

struct Cached {
    statement: Statement,
    id: u32,
}

/// Which of the statements that sessions share came to a connection, and left it.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) cached: Vec<u32>,
    pub(crate) uncached: Vec<u32>,
}

impl Statements {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            cache: Mutex::new(Cache {
                statements: StatementCache::new(capacity),
                changes: Changes::default(),
            }),
        }
    }

    /// The statement for `wanted`, prepared now if it is not cached. A statement that has to leave
    /// the cache for it is closed on the server once nobody holds it.
    pub(crate) async fn prepare(
        &self,
        client: &Client,
        wanted: Wanted<'_>,
    ) -> Result<Statement, Error> {
        if let Some(statement) = self.lookup(wanted) {
            return Ok(statement);
        }
        let statement = client.prepare_typed(wanted.text, wanted.types).await?;
        self.keep(wanted, statement.clone());
        Ok(statement)
    }

    /// The same, but one that is prepared now is not kept yet.
    pub(crate) async fn prepare_apart(
        &self,
        client: &Client,
        wanted: Wanted<'_>,
    ) -> Result<Statement, Error> {
        match self.lookup(wanted) {
            Some(statement) => Ok(statement),
            None => client.prepare_typed(wanted.text, wanted.types).await,
        }
    }

    /// Keeps a statement for those who want it next.
    pub(crate) fn keep(&self, wanted: Wanted<'_>, statement: Statement) {
        let evicted = self.lock().keep(wanted, statement);
        // Outside the lock: dropping a statement sends a message.
        drop(evicted);
    }

    /// The statement for `wanted`, if it is cached.
    pub(crate) fn lookup(&self, wanted: Wanted<'_>) -> Option<Statement> {
        let key: &dyn KeyView = &wanted;
        let mut cache = self.lock();
        cache
            .statements
            .get(key)
            .map(|cached| cached.statement.clone())
    }

    /// The statement that `sql` names.
    pub(crate) async fn resolve<S: Sql + ?Sized>(
        &self,
        client: &Client,
        sql: &S,
    ) -> Result<Statement, Error> {
        match sql.source() {
            private::Source::Text(text) => self.prepare(client, Wanted::plain(text, &[])).await,
            private::Source::Prepared(statement) => Ok(statement.clone()),
        }
    }

    /// Forgets everything if `error` says that prepared statements have become invalid: a table
    /// changed under them, or somebody deallocated them (26000).
    pub(crate) fn learn(&self, error: &Error) {
        let is_gone = error.code() == Some(&SqlState::INVALID_SQL_STATEMENT_NAME);
        if is_gone || is_outdated(error) {
            self.clear();
        }
    }

    pub(crate) fn clear(&self) {
        let cleared = self.lock().clear();
        drop(cleared);
    }

    /// What has changed since this was asked last.
    pub(crate) fn take_changes(&self) -> Changes {
        std::mem::take(&mut self.lock().changes)
    }

    pub(crate) fn stats(&self) -> CacheStats {
        self.lock().statements.stats()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().statements.len()
    }

    /// The cache is consistent between any two of its calls, so a panic elsewhere does not spoil
    /// it.
    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a prepared statement could not be run because what it returns has changed. The class of
/// the error says no more than "not supported", which may be true of any statement.
pub(crate) fn is_outdated(error: &Error) -> bool {
    error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED)
        && error.as_db_error().and_then(|error| error.routine()) == Some("RevalidateCachedQuery")
}

impl Cache {
    /// Keeps a statement, and gives back what had to leave.
    fn keep(&mut self, wanted: Wanted<'_>, statement: Statement) -> Option<Statement> {
        let key = Key {
            text: wanted.text.into(),
            types: wanted.types.into(),
            scope: wanted.scope.into(),
        };
        let id = wanted.id;
        self.changes.note(id, true);
        let (_, evicted) = self.statements.insert(key, Cached { statement, id })?;
        self.changes.note(evicted.id, false);
        Some(evicted.statement)
    }

    fn clear(&mut self) -> Vec<Statement> {
        let cleared = self.statements.clear();
        let cleared = cleared.into_iter().map(|(_, cached)| {
            self.changes.note(cached.id, false);
            cached.statement
        });
        cleared.collect()
    }
}

/// Most changes that are kept for somebody who never asks.
const CHANGES: usize = 1024;

impl Changes {
    fn note(&mut self, id: u32, is_cached: bool) {
        let list = match is_cached {
            true => &mut self.cached,
            false => &mut self.uncached,
        };
        if id != 0 && list.len() < CHANGES {
            list.push(id);
        }
    }
}

impl fmt::Debug for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().statements.fmt(f)
    }
}
