//! What is sent ahead of an operation.

use crate::connection::PostgresConnection;
use crate::pipeline::four;
use crate::settings::Settings;
use std::future::ready;
use tokio_postgres::Error;

/// How far a transaction is kept apart from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// As the server runs it, like [`ReadCommitted`](Self::ReadCommitted).
    ReadUncommitted,
    /// Each statement sees what was committed before it.
    ReadCommitted,
    /// All statements see the same.
    RepeatableRead,
    /// As if there were no others.
    Serializable,
}

/// How a transaction runs, as far as that is not left to the session's defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Modes {
    pub(crate) isolation: Option<Isolation>,
    pub(crate) read_only: Option<bool>,
    pub(crate) deferrable: Option<bool>,
}

impl Modes {
    /// The statement that sets them, inside the transaction and ahead of any query.
    fn push_to(self, text: &mut String) {
        if self == Self::default() {
            return;
        }
        text.push_str("SET TRANSACTION");
        text.push_str(match self.isolation {
            None => "",
            Some(Isolation::ReadUncommitted) => " ISOLATION LEVEL READ UNCOMMITTED",
            Some(Isolation::ReadCommitted) => " ISOLATION LEVEL READ COMMITTED",
            Some(Isolation::RepeatableRead) => " ISOLATION LEVEL REPEATABLE READ",
            Some(Isolation::Serializable) => " ISOLATION LEVEL SERIALIZABLE",
        });
        text.push_str(match self.read_only {
            None => "",
            Some(true) => " READ ONLY",
            Some(false) => " READ WRITE",
        });
        text.push_str(match self.deferrable {
            None => "",
            Some(true) => " DEFERRABLE",
            Some(false) => " NOT DEFERRABLE",
        });
        text.push_str("; ");
    }
}

/// A transaction's beginning: one simple query, or two where the text could be refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    first: String,
    second: Option<String>,
    waited_for: bool,
}

const BEGIN: &str = "BEGIN";

/// The longest text, in bytes, that a BEGIN is sent in: with a longer one, a timeout may be over
/// before the server has read it, and there is no transaction.
const LONGEST: usize = 16 << 10;

fn fits(text: &str) -> bool {
    text.is_ascii() && text.len() <= LONGEST
}

impl Opening {
    pub(crate) fn new(modes: Modes, settings: &Settings) -> Self {
        let mut text = String::new();
        modes.push_to(&mut text);
        text.push_str(settings.as_sql());
        if text.is_empty() {
            Self::of(BEGIN.to_owned(), None)
        } else if fits(&text) {
            Self::of(format!("{BEGIN}; {text}"), None)
        } else {
            Self::of(BEGIN.to_owned(), Some(text))
        }
    }

    /// The same for settings that decide how transactions begin: set inside one they would hold for
    /// the next. So they are committed, and another transaction begun behind them; both in one text,
    /// of which nothing is done behind what fails.
    pub(crate) fn behind(modes: Modes, settings: &Settings) -> Self {
        let mut text = settings.as_sql().trim_end_matches("; ").to_owned();
        text.push_str("; COMMIT; BEGIN; ");
        modes.push_to(&mut text);
        match fits(&text) {
            true => Self::of(format!("{BEGIN}; {text}"), None),
            false => Self::of(BEGIN.to_owned(), Some(text)),
        }
    }

    const fn of(first: String, second: Option<String>) -> Self {
        Self {
            first,
            second,
            waited_for: false,
        }
    }

    /// The operation is not sent before this has succeeded: a round trip more, for where a timeout may
    /// hit the BEGIN.
    pub(crate) const fn waited_for(mut self) -> Self {
        self.waited_for = true;
        self
    }

    pub(super) const fn is_waited_for(&self) -> bool {
        self.waited_for
    }

    /// How many requests it is.
    pub(super) fn requests(&self) -> usize {
        1 + usize::from(self.second.is_some())
    }

    /// Sends it, all of it at the first poll.
    pub(super) async fn send(&self, conn: &PostgresConnection) -> Result<(), Error> {
        let Some(second) = &self.second else {
            return conn.run(&self.first).await;
        };
        let (begin, rest) = (conn.run(&self.first), conn.run(second));
        let (begun, rest, (), ()) = four(begin, rest, ready(()), ready(())).await;
        begun.and(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::{Isolation, Modes, Opening};
    use crate::settings::Settings;

    #[test]
    fn every_mode_is_written_as_the_server_reads_it() {
        for (isolation, text) in [
            (Isolation::ReadUncommitted, "READ UNCOMMITTED"),
            (Isolation::ReadCommitted, "READ COMMITTED"),
            (Isolation::RepeatableRead, "REPEATABLE READ"),
        ] {
            let modes = Modes {
                isolation: Some(isolation),
                read_only: Some(false),
                deferrable: Some(false),
            };
            let opening = Opening::new(modes, &Settings::new());
            let end = "READ WRITE NOT DEFERRABLE; ";
            assert_eq!(
                opening.first,
                format!("BEGIN; SET TRANSACTION ISOLATION LEVEL {text} {end}")
            );
        }
    }

    #[test]
    fn begin_has_no_modes_and_stands_alone_where_the_text_might_be_refused() {
        let modes = Modes {
            isolation: Some(Isolation::Serializable),
            read_only: Some(true),
            deferrable: Some(true),
        };
        let mut settings = Settings::new();
        settings.set("a.b", "c").unwrap();
        assert_eq!(
            Opening::new(modes, &settings).first,
            "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; \
             SET \"a\".\"b\" TO 'c'; "
        );
        settings.set("a.b", "ü").unwrap();
        let split = Opening::new(Modes::default(), &settings);
        assert_eq!((&split.first[..], split.requests()), ("BEGIN", 2));
        let plain = Opening::new(Modes::default(), &Settings::new());
        assert_eq!((&plain.first[..], plain.requests()), ("BEGIN", 1));
    }
}
