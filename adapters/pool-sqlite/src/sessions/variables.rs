//! Values that an application keeps with a session, readable in SQL.
//!
//! Other databases have settings that mean nothing to the server (`app.tenant`), which a view or a
//! trigger can look at; SQLite has none. So each connection has a function `session_value(name)`,
//! which gives the value that the session on it has set, and `NULL` where there is none. The values
//! are in memory beside the connection: putting those of another session there writes to no table.
//!
//! The function answers the same for as long as a statement runs, and may answer something else when
//! the same statement runs again, so it is not declared deterministic: SQLite would let it into
//! indexes. It has no effects and tells a session nothing but what is its own, so views and triggers
//! may use it even where the schema is not trusted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};

/// How the names of such values begin.
pub(crate) const PREFIX: &str = "app.";
/// The longest name, in bytes.
const LONGEST_NAME: usize = 64;
/// The longest value, in bytes.
pub(crate) const LONGEST_VALUE: usize = 4096;

type Values = Vec<(Arc<str>, Arc<str>)>;

/// The values of the session that is on the connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(Arc<Mutex<Values>>);

/// Whether this can be the name of one: `app.` and a word, or several with points between.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let prefix = name.get(..PREFIX.len());
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX))
        && (PREFIX.len() + 1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(plain)
}

impl Variables {
    /// Defines the function on a connection.
    pub(crate) fn make_readable(&self, connection: &Connection) -> rusqlite::Result<()> {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
        let variables = self.clone();
        let value = move |cx: &Context<'_>| -> rusqlite::Result<Option<String>> {
            let name = cx.get_raw(0).as_str()?;
            Ok(variables.get(name).map(|value| value.as_ref().to_owned()))
        };
        connection.create_scalar_function("session_value", 1, flags, value)
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<str>> {
        let values = self.lock();
        let found = values
            .iter()
            .find(|known| known.0.eq_ignore_ascii_case(name));
        found.map(|(_, value)| Arc::clone(value))
    }

    /// Sets one, or with `None` takes it away. Gives back what it was.
    pub(crate) fn put(&self, name: &Arc<str>, value: Option<&Arc<str>>) -> Option<Arc<str>> {
        let mut values = self.lock();
        let found = values
            .iter()
            .position(|known| known.0.eq_ignore_ascii_case(name));
        match (found, value) {
            (Some(at), Some(value)) => {
                Some(std::mem::replace(&mut values[at].1, Arc::clone(value)))
            }
            (Some(at), None) => Some(values.swap_remove(at).1),
            (None, Some(value)) => {
                values.push((Arc::clone(name), Arc::clone(value)));
                None
            }
            (None, None) => None,
        }
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
