//! What a session sets.

use super::effects::{SEED, is_of_transaction};
use super::operation::{Ask, Got, Operation};
use super::refusal::{Refusal, check_setting};
use super::{Session, SessionError, refused};
use crate::error::Error;
use crate::settings::SettingError;
use crate::sql::SetValue;
use pool_multiplex::{Effect, PinReason, Work};

impl Session {
    /// Sets a setting, of the server's or a made-up name (`app.id`), for all that the session does
    /// from now on, or to the end of the transaction if that is rolled back. Returns the value as the
    /// server spells it.
    ///
    /// # Errors
    ///
    /// The server's, for a value it does not take, and those of [`query`](Self::query).
    pub async fn set(&mut self, name: &str, value: &str) -> Result<String, SessionError> {
        if name.eq_ignore_ascii_case(SEED) {
            return Err(refused(Refusal {
                what: "the seed as a setting of the session",
                remedy: "run SELECT setseed(…), which keeps the session on its connection",
            }));
        }
        if !crate::settings::is_name(name) {
            return Err(SessionError::Operation(Error::Setting(
                SettingError::Name.to_string(),
            )));
        }
        let literal = SetValue::Literal(value.to_owned());
        check_setting(name, Some(&literal)).map_err(refused)?;
        if is_of_transaction(name) {
            return Err(refused(Refusal {
                what: "a setting that ends with the transaction",
                remedy: "begin the transaction with these modes, or run SET TRANSACTION in it",
            }));
        }
        if let Err(error) = crate::settings::Settings::new().set_or_role(name, value) {
            return Err(SessionError::Operation(Error::Setting(error.to_string())));
        }
        let stay = self.staying()?;
        let ask = Ask::Set { name, value, stay };
        match self.inner.run(Operation(ask), Work::default()).await?.0 {
            Got::Value(spelled) => Ok(spelled),
            _ => Ok(value.to_owned()),
        }
    }

    /// Gives a setting the value again that the session began with.
    ///
    /// # Errors
    ///
    /// Those of [`query`](Self::query).
    pub async fn reset(&mut self, name: &str) -> Result<(), SessionError> {
        check_setting(name, None).map_err(refused)?;
        self.inner.settle().await?;
        self.inner.change(|state| state.unwant(name))
    }

    /// The value of a setting that the session has changed, as the server spells it; `None` if it has
    /// not. Asks nobody.
    ///
    /// # Errors
    ///
    /// [`SessionError::Expired`].
    pub fn setting(&self, name: &str) -> Result<Option<String>, SessionError> {
        self.inner
            .look(|state| state.wanted().get(name).map(ToString::to_string))
    }

    /// Takes a role.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub async fn set_role(&mut self, role: &str) -> Result<(), SessionError> {
        self.set("role", role).await.map(drop)
    }

    /// Becomes the user again who logged in.
    ///
    /// # Errors
    ///
    /// As [`reset`](Self::reset).
    pub async fn reset_role(&mut self) -> Result<(), SessionError> {
        self.reset("role").await
    }

    /// Keeps the values that sequences gave to the session (`currval`, `lastval`), which keeps the
    /// session on its connection from the next `nextval` in a statement's text on. Default: not; what
    /// an `INSERT` was given is better had by `RETURNING`.
    pub async fn keep_last_value(&mut self, keep: bool) -> Result<(), SessionError> {
        self.keeps_last_value = keep;
        if keep {
            return Ok(());
        }
        self.unpin_for(PinReason::LastValue).await
    }

    async fn unpin_for(&mut self, reason: PinReason) -> Result<(), SessionError> {
        self.inner.note(&Effect::Unpin(reason))?;
        self.inner.let_go().await
    }
}
