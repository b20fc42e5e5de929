//! What a session runs.

use super::operation::{Ask, Got, Known, Operation, Parameters};
use super::refusal::{Refusal, check, check_parameters, has_another, may_pin};
use super::segments::segments;
use super::{Session, SessionError, refused};
use crate::error::Error;
use crate::sql::{Marks, Script, classify};
use pool_multiplex::{State, Statement, Work};
use std::sync::Arc;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, SimpleQueryMessage};

/// Parameters of a statement, in order.
type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Session {
    /// All rows of a statement. The first time that anybody runs it, the server is asked for its
    /// types, which takes a round trip more.
    ///
    /// # Errors
    ///
    /// See [`SessionError`]: the server's error, or what became of the connection and what that means.
    pub async fn query<S: AsStatement + ?Sized>(
        &mut self,
        sql: &S,
        parameters: Values<'_>,
    ) -> Result<Vec<Row>, SessionError> {
        let statement = self.statement(sql, &[])?;
        let ran = self.run_statement(&statement, Parameters::Plain(parameters));
        Ok(ran.await?.0)
    }

    /// The one row of a statement.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and [`Error::Rows`] when there is not exactly one.
    pub async fn query_one<S: AsStatement + ?Sized>(
        &mut self,
        sql: &S,
        parameters: Values<'_>,
    ) -> Result<Row, SessionError> {
        one(self.query(sql, parameters).await?)
    }

    /// The row of a statement, if there is one.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and [`Error::Rows`] when there is more than one.
    pub async fn query_opt<S: AsStatement + ?Sized>(
        &mut self,
        sql: &S,
        parameters: Values<'_>,
    ) -> Result<Option<Row>, SessionError> {
        let mut rows = self.query(sql, parameters).await?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            count => Err(SessionError::Operation(Error::Rows(count))),
        }
    }

    /// All rows of a statement whose parameters are of these types: always in one round trip.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub async fn query_typed(
        &mut self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, SessionError> {
        let types: Vec<u32> = parameters.iter().map(|(_, of)| of.oid()).collect();
        let statement = self.shared(sql, &types)?;
        let ran = self.run_statement(&statement, Parameters::Typed(parameters));
        Ok(ran.await?.0)
    }

    /// Runs a statement whose parameters are of these types, always in one round trip; how many rows it
    /// changed or returned.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub async fn execute_typed(
        &mut self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<u64, SessionError> {
        let types: Vec<u32> = parameters.iter().map(|(_, of)| of.oid()).collect();
        let statement = self.shared(sql, &types)?;
        let ran = self.run_statement(&statement, Parameters::Typed(parameters));
        Ok(ran.await?.1.unwrap_or(0))
    }

    /// Runs a statement; how many rows it changed or returned. Without parameters, one that does
    /// something to the session may be any that [`batch`](Self::batch) takes.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub async fn execute<S: AsStatement + ?Sized>(
        &mut self,
        sql: &S,
        parameters: Values<'_>,
    ) -> Result<u64, SessionError> {
        let statement = self.statement(sql, &[])?;
        if parameters.is_empty() && !known(&statement).script.is_plain() {
            let messages = self.batch(statement.text()).await?;
            return Ok(messages.iter().rev().find_map(changed).unwrap_or(0));
        }
        let ran = self.run_statement(&statement, Parameters::Plain(parameters));
        Ok(ran.await?.1.unwrap_or(0))
    }

    /// Runs any number of statements, as one text without parameters. Outside of a transaction they
    /// are one by themselves, unless they hold `BEGIN` or `COMMIT`.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and [`SessionError::Refused`] for what a session cannot do.
    pub async fn batch(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, SessionError> {
        let statement = self.shared(sql, &[])?;
        let known = self.known(&statement)?;
        check(&known.script).map_err(refused)?;
        if self.serve_aside(&known.script).await? {
            return Ok(Vec::new());
        }
        check_parameters(&known.script, Parameters::Plain(&[])).map_err(refused)?;
        let parts = segments(&known.script, sql.len());
        if parts.len() == 1 {
            return self.segment(sql, &known.script).await;
        }
        let mut messages = Vec::new();
        for part in parts {
            let text = &sql[part];
            messages.append(&mut self.segment(text, &classify(text)).await?);
        }
        Ok(messages)
    }

    async fn segment(
        &mut self,
        text: &str,
        script: &Script,
    ) -> Result<Vec<SimpleQueryMessage>, SessionError> {
        let ask = Ask::Batch {
            text,
            script,
            stay: self.staying()?,
        };
        let work = Work::default().pins(may_pin(script));
        match self.run(ask, work, script).await?.0 {
            Got::Messages(messages) => Ok(messages),
            _ => Ok(Vec::new()),
        }
    }

    /// Makes a statement known, with the types of its parameters, so that it runs in one round trip
    /// from now on. It may run on any connection, which gets it when it is first run there.
    ///
    /// # Errors
    ///
    /// The server's, for text that it cannot parse, and those of [`query`](Self::query).
    pub async fn prepare(&mut self, sql: &str) -> Result<Prepared, SessionError> {
        self.prepare_typed(sql, &[]).await
    }

    /// Like [`prepare`](Self::prepare), with the types of the first parameters. The same text with
    /// other types is another statement.
    ///
    /// # Errors
    ///
    /// As [`prepare`](Self::prepare).
    pub async fn prepare_typed(
        &mut self,
        sql: &str,
        types: &[Type],
    ) -> Result<Prepared, SessionError> {
        let numbers: Vec<u32> = types.iter().map(Type::oid).collect();
        let statement = self.shared(sql, &numbers)?;
        let known = known(&statement);
        known.declare(types);
        let ask = Ask::Prepare {
            statement: &statement,
            known: &known,
            stay: self.staying()?,
        };
        let work = Work::default().statement(statement.id());
        let types = match self.inner.run(Operation(ask), work).await?.0 {
            Got::Types(types) => types,
            _ => Arc::default(),
        };
        Ok(Prepared { statement, types })
    }

    /// Has the pool's connection asked a question of this crate's own.
    pub(crate) async fn ask(&mut self, text: &'static str) -> Result<Vec<Row>, SessionError> {
        let ran = self.inner.run(Operation(Ask::Rows(text)), Work::default());
        match ran.await?.0 {
            Got::Rows(rows, _) => Ok(rows),
            _ => Ok(Vec::new()),
        }
    }

    /// What is known of a statement, as this session would have it read.
    fn known(&self, statement: &Statement) -> Result<Arc<Known>, SessionError> {
        let known = known(statement);
        if !known.script.marks.has(Marks::BACKSLASH) {
            return Ok(known);
        }
        let reads_otherwise = |state: &State| {
            let strings = state.wanted().get("standard_conforming_strings");
            strings.is_some_and(|value| !value.eq_ignore_ascii_case("on"))
        };
        Ok(match self.inner.look(reads_otherwise)? {
            true => Arc::new(Known::unclear(statement.text())),
            false => known,
        })
    }

    async fn run_statement(
        &mut self,
        statement: &Arc<Statement>,
        parameters: Parameters<'_>,
    ) -> Result<(Vec<Row>, Option<u64>), SessionError> {
        let known = self.known(statement)?;
        check(&known.script).map_err(refused)?;
        if self.serve_aside(&known.script).await? {
            return Ok((Vec::new(), None));
        }
        check_parameters(&known.script, parameters).map_err(refused)?;
        if has_another(&known.script) {
            // It would take the driver's own statements along.
            self.segment(statement.text(), &known.script).await?;
            return Ok((Vec::new(), None));
        }
        let touch = |state: &mut State| {
            let executions = state.statements().executions(statement.id());
            state.statements_mut().touch(statement);
            executions
        };
        let executions = self.inner.change(touch)?;
        let ask = Ask::Query {
            statement,
            known: &known,
            parameters,
            executions,
            stay: self.staying()?,
        };
        let work = Work::default()
            .statement(statement.id())
            .pins(may_pin(&known.script));
        let ran = self.run(ask, work, &known.script).await;
        match ran?.0 {
            Got::Rows(rows, affected) => Ok((rows, affected)),
            _ => Ok((Vec::new(), None)),
        }
    }

    pub(super) fn statement<S: AsStatement + ?Sized>(
        &self,
        sql: &S,
        types: &[u32],
    ) -> Result<Arc<Statement>, SessionError> {
        match sql.prepared() {
            Some(prepared) => Ok(Arc::clone(&prepared.statement)),
            None => self.shared(sql.text(), types),
        }
    }

    pub(super) fn shared(&self, sql: &str, types: &[u32]) -> Result<Arc<Statement>, SessionError> {
        const LONGEST: usize = 1 << 20;
        if sql.len() > LONGEST {
            return Err(refused(Refusal {
                what: "a statement of more than 1 MiB",
                remedy: "send data as parameters or by COPY",
            }));
        }
        Ok(self.inner.sessions().catalogue().intern(sql, types, ""))
    }
}

/// A statement of a session, which may run on any connection.
#[derive(Clone, Debug)]
pub struct Prepared {
    statement: Arc<Statement>,
    types: Arc<[Type]>,
}

/// Something that names a statement of a session: its text, or one that was
/// [prepared](Session::prepare).
pub trait AsStatement: Sync {
    /// Its text.
    fn text(&self) -> &str;

    /// The statement, if it was prepared.
    fn prepared(&self) -> Option<&Prepared> {
        None
    }
}

impl AsStatement for str {
    fn text(&self) -> &str {
        self
    }
}

impl AsStatement for String {
    fn text(&self) -> &str {
        self
    }
}

impl AsStatement for Prepared {
    fn text(&self) -> &str {
        self.statement.text()
    }

    fn prepared(&self) -> Option<&Prepared> {
        Some(self)
    }
}

impl Prepared {
    /// Its text.
    #[must_use]
    pub fn sql(&self) -> &str {
        self.statement.text()
    }

    /// The types of its parameters, as the server named them when it was prepared.
    #[must_use]
    pub fn parameter_types(&self) -> &[Type] {
        &self.types
    }
}

/// What is known of a statement; read from its text the first time.
fn known(statement: &Statement) -> Arc<Known> {
    statement
        .learned::<Known>()
        .unwrap_or_else(|| statement.learn(Known::new(statement.text())))
}

fn one(mut rows: Vec<Row>) -> Result<Row, SessionError> {
    let count = rows.len();
    match (count, rows.pop()) {
        (1, Some(row)) => Ok(row),
        _ => Err(SessionError::Operation(Error::Rows(count))),
    }
}

const fn changed(message: &SimpleQueryMessage) -> Option<u64> {
    match message {
        SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
        _ => None,
    }
}
