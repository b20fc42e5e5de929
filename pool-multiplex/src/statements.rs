//! Statements that many sessions share, and which of them a session uses.
//!
//! Sessions prepare, connections hold what was prepared, and neither knows the other. What joins them
//! is the statement itself: one copy for all sessions that say the same, with a number under which
//! connections can keep what they made of it. "The same" is the text, the types that its parameters
//! were declared to have, and whatever else decides what it means: the same text under another search
//! path is another statement, or a session would get the rows of another one's table.
//!
//! What a session keeps of it is two words: which, and how often it ran. A hundred of them are 1.6 kB,
//! 25 lines of cache, the last used at the end. A look through them compares addresses and begins
//! where the answer most likely is; a map with a list through it would take several times the memory
//! per session, of which there are ten thousand, to save less time than a look-up in it takes.

use std::any::Any;
use std::fmt;
use std::hash::Hasher;
use std::sync::{Arc, PoisonError, RwLock};

use crate::table::{Table, Ticket};

type Learned = Arc<dyn Any + Send + Sync>;

/// A statement, the same for all who say the same.
pub struct Statement {
    text: Box<str>,
    types: Box<[u32]>,
    scope: Arc<str>,
    learned: RwLock<Option<Learned>>,
    ticket: Ticket<Self>,
}

impl Statement {
    /// What it says.
    #[must_use]
    pub const fn text(&self) -> &str {
        &self.text
    }

    /// The types that its parameters were declared to have, in the numbers of the server.
    #[must_use]
    pub const fn types(&self) -> &[u32] {
        &self.types
    }

    /// What else decides what it means, such as a search path.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// A number that no other living statement of the catalogue has, as far as they are shared.
    /// Never 0.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.ticket.id()
    }

    /// What was learned of it last, such as the types of its columns; `None`, if that is not a `T`.
    #[must_use]
    pub fn learned<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        let learned = learned.clone();
        learned.and_then(|learned| learned.downcast().ok())
    }

    /// Notes what was learned of it, for all who share it. It replaces what was known before: a table
    /// may have got another column.
    pub fn learn<T: Send + Sync + 'static>(&self, learned: T) -> Arc<T> {
        let learned = Arc::new(learned);
        self.replace(Some(Arc::<T>::clone(&learned)));
        learned
    }

    /// Forgets what was learned of it.
    pub fn forget(&self) {
        self.replace(None);
    }

    /// What was there is dropped without the lock.
    fn replace(&self, learned: Option<Learned>) {
        let mut place = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *place, learned);
        drop(place);
        drop(before);
    }
}

impl PartialEq for Statement {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.types == other.types && self.scope == other.scope
    }
}

impl Eq for Statement {}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement")
            .field("id", &self.id())
            .field("text", &self.text())
            .field("types", &self.types())
            .field("scope", &self.scope())
            .finish_non_exhaustive()
    }
}

/// Makes [`Statement`]s, one copy of each. It owns none of them. Cloning it gives another handle on the
/// same catalogue.
#[derive(Clone)]
pub struct Catalogue(Arc<Table<Statement>>);

impl Catalogue {
    /// One that shares at most `capacity` living statements. Further ones are made all the same, each
    /// with a number of its own.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Table::new(capacity)))
    }

    /// The statement of this text, with parameters declared to have these types, under this search path
    /// or whatever else decides what it means.
    #[must_use]
    pub fn intern(&self, text: &str, types: &[u32], scope: &str) -> Arc<Statement> {
        let hash = self.0.hash(|hasher| {
            write(text, hasher);
            write(scope, hasher);
            types.iter().for_each(|&oid| hasher.write_u32(oid));
        });
        let key = (text, types, scope);
        let equal = |one: &Statement, (text, types, scope): &(&str, &[u32], &str)| {
            *one.text == **text && *one.types == **types && *one.scope == **scope
        };
        let make = |(text, types, scope): (&str, &[u32], &str), ticket| Statement {
            text: text.into(),
            types: types.into(),
            scope: scope.into(),
            learned: RwLock::new(None),
            ticket,
        };
        self.0.share(hash, key, equal, make)
    }

    /// How many statements live and are shared.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A text is followed by a byte that is in none.
fn write(text: &str, hasher: &mut dyn Hasher) {
    hasher.write(text.as_bytes());
    hasher.write_u8(0xff);
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue")
            .field("statements", &self.len())
            .finish_non_exhaustive()
    }
}

/// The statements that a session used last, and how often it ran them.
#[derive(Clone, Debug)]
pub struct SessionStatements {
    /// The last used at the end.
    used: Vec<Used>,
    capacity: usize,
}

#[derive(Clone, Debug)]
struct Used {
    statement: Arc<Statement>,
    executions: u64,
}

impl Default for SessionStatements {
    fn default() -> Self {
        Self::new(Self::DEFAULT_CAPACITY)
    }
}

impl SessionStatements {
    /// How many a session keeps if nothing else is said.
    pub const DEFAULT_CAPACITY: usize = 100;

    /// The most bytes of text that they have together, unless it is a single one.
    pub const MOST_TEXT: usize = 256 << 10;

    /// None yet, and never more than `capacity`. Each use looks through up to as many: a capacity is
    /// hundreds, not thousands. With 0, none are kept.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self {
            used: Vec::new(),
            capacity,
        }
    }

    /// The session runs a statement. Returns the one that has to go for it, if one has.
    pub fn touch(&mut self, statement: &Arc<Statement>) -> Option<Arc<Statement>> {
        let same = |used: &Used| Arc::ptr_eq(&used.statement, statement);
        if let Some(at) = self.used.iter().rposition(same) {
            self.used[at].executions += 1;
            self.used[at..].rotate_left(1);
            return None;
        }
        let evicted = self.make_room();
        if self.used.len() < self.capacity {
            self.used.push(Used {
                statement: Arc::clone(statement),
                executions: 1,
            });
        }
        self.drop_texts();
        evicted
    }

    /// Lets go of those used longest ago while the texts take more than they may.
    fn drop_texts(&mut self) {
        let mut kept = 0;
        let fit = self.used.iter().rev().take_while(|used| {
            kept += used.statement.text().len();
            kept <= Self::MOST_TEXT
        });
        let fit = fit.count().max(1);
        self.used.drain(..self.used.len().saturating_sub(fit));
    }

    /// Keeps a statement that was run so often elsewhere, as the one used last.
    pub(crate) fn restore(&mut self, statement: &Arc<Statement>, executions: u64) {
        self.touch(statement);
        if let Some(at) = self.position(statement.id()) {
            self.used[at].executions = executions;
        }
    }

    /// How often the session ran it since it was kept; 0 if it is not kept.
    #[must_use]
    pub fn executions(&self, id: u32) -> u64 {
        self.position(id).map_or(0, |at| self.used[at].executions)
    }

    /// All of them and how often they ran, the last used first.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Statement>, u64)> {
        let latest_first = self.used.iter().rev();
        latest_first.map(|used| (&used.statement, used.executions))
    }

    /// How many are kept.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.used.len()
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// The most that are kept.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Keeps none any more.
    pub fn clear(&mut self) {
        self.used = Vec::new();
    }

    /// Does not keep this one any more.
    pub fn remove(&mut self, id: u32) -> Option<Arc<Statement>> {
        let at = self.position(id)?;
        Some(self.used.remove(at).statement)
    }

    fn position(&self, id: u32) -> Option<usize> {
        self.used.iter().rposition(|used| used.statement.id() == id)
    }

    /// Memory doubles, as usual, but never for more than there may be.
    fn make_room(&mut self) -> Option<Arc<Statement>> {
        let kept = self.used.len();
        if kept < self.capacity {
            if kept == self.used.capacity() {
                let more = kept.max(4).min(self.capacity - kept);
                self.used.reserve_exact(more);
            }
            return None;
        }
        (kept > 0).then(|| self.used.remove(0).statement)
    }
}

#[cfg(test)]
mod tests;
