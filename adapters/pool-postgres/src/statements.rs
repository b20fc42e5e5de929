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

/// What makes two statements the same.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    text: Arc<str>,
    types: Arc<[Type]>,
}

/// A borrowed [`Key`], so that a look-up allocates nothing.
trait KeyView {
    fn parts(&self) -> (&str, &[Type]);
}

impl KeyView for Key {
    fn parts(&self) -> (&str, &[Type]) {
        (&self.text, &self.types)
    }
}

impl KeyView for (&str, &[Type]) {
    fn parts(&self) -> (&str, &[Type]) {
        *self
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

/// The statements of one connection. The lock is held for a look-up, never across an await.
pub(crate) struct Statements {
    cache: Mutex<StatementCache<Key, Statement>>,
}

impl Statements {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            cache: Mutex::new(StatementCache::new(capacity)),
        }
    }

    /// The statement for `text`, prepared now if it is not cached. A statement that has to leave
    /// the cache for it is closed on the server once nobody holds it.
    pub(crate) async fn prepare(
        &self,
        client: &Client,
        text: &str,
        types: &[Type],
    ) -> Result<Statement, Error> {
        if let Some(statement) = self.lookup(text, types) {
            return Ok(statement);
        }
        let statement = client.prepare_typed(text, types).await?;
        let key = Key {
            text: text.into(),
            types: types.into(),
        };
        let evicted = self.lock().insert(key, statement.clone());
        // Outside the lock: dropping a statement sends a message.
        drop(evicted);
        Ok(statement)
    }

    fn lookup(&self, text: &str, types: &[Type]) -> Option<Statement> {
        let key: &dyn KeyView = &(text, types);
        self.lock().get(key).cloned()
    }

    /// The statement that `sql` names.
    pub(crate) async fn resolve<S: Sql + ?Sized>(
        &self,
        client: &Client,
        sql: &S,
    ) -> Result<Statement, Error> {
        match sql.source() {
            private::Source::Text(text) => self.prepare(client, text, &[]).await,
            private::Source::Prepared(statement) => Ok(statement.clone()),
        }
    }

    /// Forgets everything if `error` says that prepared statements have become invalid: a table
    /// changed under them (0A000), or somebody deallocated them (26000).
    pub(crate) fn learn(&self, error: &Error) {
        let code = error.code();
        if code == Some(&SqlState::FEATURE_NOT_SUPPORTED)
            || code == Some(&SqlState::INVALID_SQL_STATEMENT_NAME)
        {
            self.clear();
        }
    }

    pub(crate) fn clear(&self) {
        let cleared = self.lock().clear();
        drop(cleared);
    }

    pub(crate) fn stats(&self) -> CacheStats {
        self.lock().stats()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The cache is consistent between any two of its calls, so a panic elsewhere does not spoil
    /// it.
    fn lock(&self) -> MutexGuard<'_, StatementCache<Key, Statement>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().fmt(f)
    }
}
