//! Settings of a session, as its user sees them.

use std::borrow::Cow;
use std::sync::Arc;

use pool_multiplex::{PinReason, State, TransactionStatus};

use super::job::{Operation, Task};
use super::pragmas::{Form, Pragma, Treatment, When};
use super::session::{SessionError, SqliteSession};
use super::variables;

impl SqliteSession {
    /// Sets a pragma of the connection, or an `app.*` value, for this session. Returns the value as
    /// SQLite gives it back.
    ///
    /// An `app.*` value costs nothing outside a transaction: it goes with the next call.
    ///
    /// # Errors
    ///
    /// [`Refused`](pool_multiplex::Error::Refused) says why a session cannot have a pragma, or the
    /// value, and what to do instead; else as [`call`](Self::call).
    pub async fn set(&mut self, name: &str, value: &str) -> Result<Arc<str>, SessionError> {
        self.base.settle().await?;
        if variables::is_name(name) {
            return self.set_variable(name, value).await;
        }
        let (row, treatment) = settable(name)?;
        let Treatment::Followed(form, when) = treatment else {
            return self.set_in_transaction(row, value).await;
        };
        self.permit(row, when)?;
        let value = form
            .canonical(value)
            .ok_or_else(|| refused_value(row.name, form.hint()))?;
        let task = Task::Set(row.name.into(), value.into());
        Ok(self.run(Operation::new(task)).await?.into())
    }

    async fn set_variable(&mut self, name: &str, value: &str) -> Result<Arc<str>, SessionError> {
        if value.len() > variables::LONGEST_VALUE {
            return Err(refused_value(
                name,
                "keep what is longer than 4096 bytes in a table",
            ));
        }
        let (name, value): (Arc<str>, Arc<str>) = (name.to_ascii_lowercase().into(), value.into());
        if self.base.status()? == TransactionStatus::Idle {
            let fits = self
                .base
                .change(|state| state.want(&name, Arc::clone(&value)))?;
            return match fits {
                true => Ok(value),
                false => Err(refused_value(
                    &name,
                    "reset some: a session has at most 1024 settings",
                )),
            };
        }
        Ok(self
            .run(Operation::new(Task::Set(name, value)))
            .await?
            .into())
    }

    /// A pragma that SQLite itself takes back at the end of the transaction.
    async fn set_in_transaction(
        &mut self,
        row: &'static Pragma,
        value: &str,
    ) -> Result<Arc<str>, SessionError> {
        let switch = Form::Switch;
        let value = switch
            .canonical(value)
            .ok_or_else(|| refused_value(row.name, switch.hint()))?;
        if self.base.status()? == TransactionStatus::Idle {
            return Err(SessionError::NoTransaction);
        }
        let sql = format!("PRAGMA {} = {value}", row.name);
        self.execute_batch(sql).await?;
        Ok(value.into())
    }

    /// Whether a pragma can be set at this moment.
    fn permit(&self, row: &Pragma, when: When) -> Result<(), SessionError> {
        if when == When::Always {
            return Ok(());
        }
        if self.base.status()? != TransactionStatus::Idle {
            return Err(SessionError::InTransaction);
        }
        let has_temporaries = self.base.pins()?.contains(PinReason::TemporaryObject);
        match when == When::WithoutTemporaries && has_temporaries {
            true => Err(refused_name(
                row.name,
                "drop the temporary tables first: it would drop them",
            )),
            false => Ok(()),
        }
    }

    /// What a pragma has for this session, or an `app.*` value; `None` for a value that is not set.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub async fn get(&mut self, name: &str) -> Result<Option<Arc<str>>, SessionError> {
        self.base.settle().await?;
        if variables::is_name(name) {
            return self.base.look(|state| state.wanted().get(name).cloned());
        }
        let (row, _) = settable(name)?;
        if matches!(row.treatment, Treatment::TransactionOnly) {
            let question = format!("PRAGMA {}", row.name);
            let number: i64 = self.query_row(question, (), |row| row.get(0)).await?;
            return Ok(Some(number.to_string().into()));
        }
        let task = Task::Value(row.name.into());
        Ok(self.run(Operation::new(task)).await?.into())
    }

    /// Gives a setting the value that the session began with, or else the connection.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub async fn reset(&mut self, name: &str) -> Result<(), SessionError> {
        self.base.settle().await?;
        if !variables::is_name(name) {
            let (row, treatment) = settable(name)?;
            match treatment {
                Treatment::Followed(_, when) => self.permit(row, when)?,
                _ => return self.set_in_transaction(row, "off").await.map(drop),
            }
        }
        if self.base.status()? == TransactionStatus::Idle {
            return self.base.change(|state| state.unwant(name));
        }
        let name: Arc<str> = name.to_ascii_lowercase().into();
        let first = self
            .base
            .look(|state| state.baseline().get(&name).cloned())?;
        let task = match first {
            Some(value) => Task::Set(name, value),
            None => Task::Reset(name),
        };
        self.run(Operation::new(task)).await.map(drop)
    }

    /// Resets all settings.
    ///
    /// # Errors
    ///
    /// [`InTransaction`](pool_multiplex::Error::InTransaction): some cannot be set in one.
    pub async fn reset_all(&mut self) -> Result<(), SessionError> {
        self.base.settle().await?;
        if self.base.status()? != TransactionStatus::Idle {
            return Err(SessionError::InTransaction);
        }
        self.base.change(|state: &mut State| {
            let names: Vec<_> = state
                .wanted()
                .iter()
                .map(|(name, _)| Arc::clone(name))
                .collect();
            names.iter().for_each(|name| state.unwant(name));
        })
    }
}

/// The row of a pragma that a session can set, in a transaction at least.
fn settable(name: &str) -> Result<(&'static Pragma, Treatment), SessionError> {
    let Some((_, row)) = Pragma::named(name) else {
        let plain = name.chars().take(64).collect::<String>();
        let what = Cow::Owned(format!("setting the unknown pragma {plain:?}"));
        let remedy = "look at its spelling; names of an application's own values begin with app.";
        return Err(SessionError::Refused { what, remedy });
    };
    match row.treatment {
        Treatment::Refused(remedy) => Err(refused_name(row.name, remedy)),
        Treatment::Harmless => Err(refused_name(
            row.name,
            "it changes nothing about a connection: run it as SQL",
        )),
        treatment => Ok((row, treatment)),
    }
}

fn refused_name(name: &str, remedy: &'static str) -> SessionError {
    let what = Cow::Owned(format!("setting {name}"));
    SessionError::Refused { what, remedy }
}

/// The value is not quoted: it may be a secret, or long.
fn refused_value(name: &str, remedy: &'static str) -> SessionError {
    let what = Cow::Owned(format!("setting {name} to the value given"));
    SessionError::Refused { what, remedy }
}
