//! What is on a connection, as its thread knows it.
//!
//! A session's own books say what it wants and what it left where; they are kept far from here, and
//! learn what happened from effects. These are about one open database: the values it was opened with,
//! the values it has, and what else was made on it. They are written when something was read back from
//! SQLite, never when something was only asked for, so that the effects are SQLite's own word.
//!
//! Pragmas know no transactions: one that is set between `BEGIN` and `ROLLBACK` stays set. The books of
//! a session take every setting back with a rollback, as other databases do, so after each rollback the
//! settings that have changed since the transaction began are said once more, as they are. Values of
//! [`variables`](super::variables) follow the same rule: one rule is easier to remember than two.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pool_multiplex::{Difference, Effect, PinReason, Residue};
use rusqlite::Connection;

use super::pragmas::{Pragma, Treatment};
use super::variables::{self, Variables};
use crate::error::Error;
use crate::signals::Signals;

const UNKNOWN_CHANGE: &str = "a change to the connection that no session can take along";

/// Settings as they were, to be put back.
type Undo = Vec<(Arc<str>, Option<Arc<str>>)>;

/// The books of one open database.
pub(crate) struct Books {
    /// The values of the pragmas that are followed, as the database was opened; empty until a session
    /// comes.
    opened: Vec<String>,
    /// As they are.
    now: Vec<String>,
    variables: Variables,
    objects: BTreeSet<String>,
    attached: bool,
    /// The settings that have changed since the transaction began; `None` for those that were reset.
    since_begin: BTreeMap<Arc<str>, Option<Arc<str>>>,
}

/// A setting that a session can have.
enum Setting {
    Pragma(usize, &'static Pragma),
    Variable,
}

impl Setting {
    fn named(name: &str) -> Result<Self, Error> {
        match Pragma::named(name) {
            Some((place, row)) if matches!(row.treatment, Treatment::Followed(..)) => {
                Ok(Self::Pragma(place, row))
            }
            _ if variables::is_name(name) => Ok(Self::Variable),
            _ => Err(Error::UnknownSetting {
                name: name.to_owned(),
            }),
        }
    }
}

impl Books {
    pub(crate) fn new() -> Self {
        Self {
            opened: Vec::new(),
            now: Vec::new(),
            variables: Variables::default(),
            objects: BTreeSet::new(),
            attached: false,
            since_begin: BTreeMap::new(),
        }
    }

    pub(crate) const fn variables(&self) -> &Variables {
        &self.variables
    }

    /// What the database was opened with is not known any more: a warm-up may have changed it.
    pub(crate) fn forget_opened(&mut self) {
        self.opened.clear();
        self.now.clear();
    }

    /// Reads what the database was opened with, before the first session changes it.
    pub(super) fn open(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.opened.is_empty() {
            let rows = Pragma::followed();
            let values: rusqlite::Result<_> = rows.map(|(_, row)| read(connection, row)).collect();
            self.opened = values?;
            self.now.clone_from(&self.opened);
        }
        Ok(())
    }

    /// Makes all of a difference so, or nothing. The inner `false`: not even nothing, and what is on
    /// the connection is not known.
    pub(super) fn apply(
        &mut self,
        connection: &Connection,
        difference: &Difference,
    ) -> Result<Undo, (Error, bool)> {
        let mut undo = Undo::with_capacity(difference.len());
        let before = self.since_begin.clone();
        let reset = difference.reset.iter().map(|name| (name, None));
        let set = difference
            .set
            .iter()
            .map(|(name, value)| (name, Some(value)));
        for (name, value) in reset.chain(set) {
            if let Err(error) = self.replay(connection, name, value, &mut undo) {
                self.since_begin = before;
                return Err((error, self.undo(connection, undo)));
            }
        }
        Ok(undo)
    }

    fn replay(
        &mut self,
        connection: &Connection,
        name: &Arc<str>,
        value: Option<&Arc<str>>,
        undo: &mut Undo,
    ) -> Result<(), Error> {
        let had = self.value(name)?;
        undo.push((Arc::clone(name), had));
        let Some(wanted) = value else {
            return self.reset(connection, name);
        };
        let has = self.set(connection, name, wanted)?;
        let canonical = match Setting::named(name)? {
            Setting::Pragma(_, row) => form_of(row, wanted),
            Setting::Variable => Some(wanted.as_ref().to_owned()),
        };
        match canonical.as_deref() == Some(&*has) {
            true => Ok(()),
            false => Err(not_taken(name, &has)),
        }
    }

    /// Puts settings back, the last first; whether that worked.
    pub(super) fn undo(&mut self, connection: &Connection, undo: Undo) -> bool {
        undo.into_iter().rev().all(|(name, had)| {
            let put = match (Setting::named(&name), had) {
                (Ok(Setting::Pragma(place, row)), Some(had)) => {
                    self.put(connection, place, row, &had)
                }
                (Ok(Setting::Variable), had) => {
                    self.variables.put(&name, had.as_ref());
                    return true;
                }
                _ => return false,
            };
            put.is_ok_and(|same| same)
        })
    }

    /// Sets one and gives its value as SQLite gives it back.
    pub(super) fn set(
        &mut self,
        connection: &Connection,
        name: &Arc<str>,
        value: &Arc<str>,
    ) -> Result<Arc<str>, Error> {
        let has = match Setting::named(name)? {
            Setting::Pragma(place, row) => {
                let Some(value) = form_of(row, value) else {
                    return Err(not_taken(name, &self.now[place]));
                };
                self.put(connection, place, row, &value)?;
                Arc::from(self.now[place].as_str())
            }
            Setting::Variable => {
                self.variables.put(name, Some(value));
                Arc::clone(value)
            }
        };
        self.since_begin
            .insert(Arc::clone(name), Some(Arc::clone(&has)));
        Ok(has)
    }

    /// Gives one the value that the database was opened with.
    pub(super) fn reset(&mut self, connection: &Connection, name: &Arc<str>) -> Result<(), Error> {
        match Setting::named(name)? {
            Setting::Pragma(place, row) => {
                let value = self.opened[place].clone();
                if !self.put(connection, place, row, &value)? {
                    return Err(not_taken(name, &self.now[place]));
                }
            }
            Setting::Variable => drop(self.variables.put(name, None)),
        }
        self.since_begin.insert(Arc::clone(name), None);
        Ok(())
    }

    /// What one has now; `None` for a variable that is not set.
    pub(super) fn value(&self, name: &str) -> Result<Option<Arc<str>>, Error> {
        Ok(match Setting::named(name)? {
            Setting::Pragma(place, _) => Some(self.now[place].as_str().into()),
            Setting::Variable => self.variables.get(name),
        })
    }

    /// Sets a pragma, notes what it has after that, and tells whether it is the value.
    fn put(
        &mut self,
        connection: &Connection,
        place: usize,
        row: &Pragma,
        value: &str,
    ) -> rusqlite::Result<bool> {
        if self.now[place] == value {
            return Ok(true);
        }
        // The name is from the table and the value a number: nothing needs quoting.
        connection.execute_batch(&format!("PRAGMA {} = {value}", row.name))?;
        self.now[place] = read(connection, row)?;
        Ok(self.now[place] == value)
    }

    /// A rollback has taken back what the session's books say of settings, and not the settings.
    pub(super) fn say_again(&self, effects: &mut Vec<Effect>) {
        effects.extend(self.since_begin.iter().map(|(name, value)| match value {
            Some(value) => Effect::Set {
                name: Arc::clone(name),
                value: Arc::clone(value),
            },
            None => Effect::Reset(Arc::clone(name)),
        }));
    }

    /// No transaction is open.
    pub(super) fn is_idle(&mut self) {
        self.since_begin.clear();
    }

    /// Looks at all that was touched and says what has become of it.
    pub(super) fn look(
        &mut self,
        connection: &Connection,
        touched: u64,
        effects: &mut Vec<Effect>,
    ) -> rusqlite::Result<()> {
        for (place, row) in Pragma::followed().filter(|(place, _)| touched & (1 << place) != 0) {
            let value = read(connection, row)?;
            if self.now[place] != value {
                let name: Arc<str> = row.name.into();
                let value_now: Arc<str> = value.as_str().into();
                self.now[place] = value;
                self.since_begin
                    .insert(Arc::clone(&name), Some(Arc::clone(&value_now)));
                effects.push(Effect::Set {
                    name,
                    value: value_now,
                });
            }
        }
        if touched & Signals::OBJECTS != 0 {
            self.look_for_objects(connection, effects)?;
        }
        if touched & Signals::OTHER != 0 {
            effects.push(Effect::Taint(UNKNOWN_CHANGE));
        }
        Ok(())
    }

    fn look_for_objects(
        &mut self,
        connection: &Connection,
        effects: &mut Vec<Effect>,
    ) -> rusqlite::Result<()> {
        let found = temporaries(connection)?;
        let gone = self.objects.difference(&found);
        effects.extend(gone.map(|name| Effect::DropTemporary(Some(name.as_str().into()))));
        let new = found.difference(&self.objects);
        effects.extend(new.map(|name| Effect::CreateTemporary {
            name: name.as_str().into(),
            until_commit: false,
        }));
        self.objects = found;
        let attached = has_attached(connection)?;
        if attached != self.attached {
            effects.push(match attached {
                true => Effect::Pin(PinReason::AttachedDatabase),
                false => Effect::Unpin(PinReason::AttachedDatabase),
            });
        }
        self.attached = attached;
        Ok(())
    }

    /// Whether something is there that a session cannot take along.
    pub(super) fn has_objects(&self) -> bool {
        self.attached || !self.objects.is_empty()
    }

    /// Puts the settings back as the database was opened. Whether they are.
    pub(crate) fn put_back(&mut self, connection: &Connection) -> bool {
        self.variables.clear();
        self.since_begin.clear();
        let opened = self.opened.clone();
        let mut rows = Pragma::followed().zip(opened);
        rows.all(|((place, row), value)| {
            self.put(connection, place, row, &value)
                .is_ok_and(|same| same)
        })
    }

    /// What is on the connection and not in these books.
    pub(super) fn residue(&mut self, connection: &Connection) -> rusqlite::Result<Residue> {
        self.open(connection)?;
        let mut found = Vec::new();
        for (place, row) in Pragma::followed() {
            if read(connection, row)? != self.now[place] {
                found.push(row.name.to_owned());
            }
        }
        if temporaries(connection)? != self.objects {
            found.push(PinReason::TemporaryObject.name().to_owned());
        }
        if has_attached(connection)? != self.attached {
            found.push(PinReason::AttachedDatabase.name().to_owned());
        }
        Ok(Residue::new(found))
    }
}

fn form_of(row: &Pragma, value: &str) -> Option<String> {
    match row.treatment {
        Treatment::Followed(form, _) => form.canonical(value),
        _ => None,
    }
}

fn not_taken(name: &str, actual: &str) -> Error {
    Error::Setting {
        name: name.to_owned(),
        actual: actual.to_owned(),
    }
}

/// The value of a pragma. All that are followed are numbers.
fn read(connection: &Connection, row: &Pragma) -> rusqlite::Result<String> {
    let question = format!("PRAGMA {}", row.name);
    let value: i64 = connection.query_row(&question, [], |row| row.get(0))?;
    Ok(value.to_string())
}

fn temporaries(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut names = connection.prepare("SELECT name FROM temp.sqlite_schema")?;
    let names = names.query_map([], |row| row.get(0))?;
    names.collect()
}

fn has_attached(connection: &Connection) -> rusqlite::Result<bool> {
    let question = "SELECT count(*) FROM pragma_database_list WHERE name NOT IN ('main', 'temp')";
    connection.query_row(question, [], |row| {
        row.get::<_, i64>(0).map(|number| number > 0)
    })
}
