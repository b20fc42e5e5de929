//! Running what a session asks for, on one connection.
//!
//! Everything goes through one path: what has to be in force is written down, put into the frame that
//! fails together with the operation, sent with it in one flight, and read from what the server said.

use super::effects::{is_block, is_no_role};
use super::frame::{may_time_out, of, opening, settings};
use super::framed::{Framed, Shape, is_of_another_type, status_of};
use super::operation::{Ask, Got, Known, Parameters, Reply, Staying};
use super::refusal::{in_stead, may_pin};
use super::scope::{is_local, scope};
use crate::connection::PostgresConnection;
use crate::error::Error;
use crate::sql::{Kind, Marks, Script, Statement, classify};
use crate::statements::{Wanted, is_outdated};
use crate::unit::{self, Effect, Frame, Operation};
use crate::watch::Status;
use pool_multiplex::Statement as Shared;
use pool_multiplex::{Done, Effect as Follows, Failed, Failure, Prelude, TransactionStatus};
use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use tokio_postgres::types::Type;

pub(super) type Ran = Done<Reply, Error>;

/// How often a statement must have run in a session before it is worth a name on a connection.
const WORTH_A_NAME: u64 = 1;

/// Runs one operation.
pub(crate) async fn run(conn: &PostgresConnection, prelude: &Prelude, ask: Ask<'_>) -> Ran {
    conn.stay().begin(conn);
    let mut ran = match ask {
        Ask::Nothing => Run::new(conn, prelude).bare().await,
        Ask::Rollback => {
            const ROLLBACK: &str = "ROLLBACK";
            let run = Run::new(conn, prelude);
            run.batch(ROLLBACK, &classify(ROLLBACK)).await
        }
        Ask::Rows(text) => Run::new(conn, prelude).ask(text).await,
        Ask::Set { name, value, stay } => {
            let run = Run::new(conn, prelude).staying(stay);
            run.set(name, value).await
        }
        Ask::Batch { text, script, stay } => {
            let run = Run::new(conn, prelude).staying(stay);
            run.batch(text, script).await
        }
        Ask::Prepare {
            statement,
            known,
            stay,
        } => {
            let run = Run::new(conn, prelude).staying(stay);
            run.prepare(statement, known).await
        }
        Ask::Query {
            statement,
            known,
            parameters,
            executions,
            stay,
        } => {
            let query = Query {
                statement,
                known,
                parameters,
                executions,
            };
            let run = Run::new(conn, prelude).staying(stay);
            run.query(&query).await
        }
    };
    conn.stay()
        .end(conn, ran.status == Some(TransactionStatus::Idle));
    let changes = conn.statements().take_changes();
    (ran.cached, ran.uncached) = (changes.cached, changes.uncached);
    ran
}

/// A statement with its parameters.
struct Query<'a> {
    statement: &'a Shared,
    known: &'a Known,
    parameters: Parameters<'a>,
    executions: u64,
}

/// One operation under way.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) conn: &'a PostgresConnection,
    pub(super) prelude: &'a Prelude,
    /// The session is to stay there whatever it runs.
    pub(super) stays: bool,
    pub(super) stay: Staying,
}

impl<'a> Run<'a> {
    fn new(conn: &'a PostgresConnection, prelude: &'a Prelude) -> Self {
        Self {
            conn,
            prelude,
            stays: false,
            stay: Staying::default(),
        }
    }

    const fn staying(mut self, stay: Staying) -> Self {
        self.stay = stay;
        self
    }

    /// Whether values that sequences gave to others must be forgotten first: the session may ask for
    /// them while it is there.
    fn must_forget_sequences(self, script: &Script) -> bool {
        const SEQUENCES: [Marks; 3] = [
            Marks::SEQUENCE_READ,
            Marks::SEQUENCE_MOVED,
            Marks::UNKNOWN_FUNCTION,
        ];
        self.conn.stay().has_foreign_sequences()
            && (self.stays
                || self.prelude.begin.is_some()
                || SEQUENCES.iter().any(|mark| script.marks.has(*mark))
                || script.statements.iter().any(|one| is_block(&one.kind))
                || !may_pin(script).is_empty())
    }

    fn scope(self) -> String {
        let stay = self.conn.stay();
        let local = match stay.local_names() {
            0 if self.stay.has_temporaries => stay.temporary_names(),
            local => local,
        };
        scope(&self.prelude.wants, local)
    }

    /// To be in no role is what the session began with, or else a setting like any other.
    pub(super) fn end_roles(self, effects: &mut [Follows]) {
        let of_warm_up = of(self.conn.baseline(), "role").is_some();
        if self.stay.began_with_role || of_warm_up {
            return;
        }
        for effect in effects {
            if let Follows::Set { name, value } = effect
                && is_no_role(name, value)
            {
                *effect = Follows::Reset(Arc::clone(name));
            }
        }
    }

    /// Puts the prelude in force and does nothing else.
    async fn bare(mut self) -> Ran {
        self.stays = true;
        let forgets = self.conn.stay().has_foreign_sequences();
        if self.prelude.is_empty() && !forgets {
            return Done::ok(Reply(Got::Nothing), self.status());
        }
        let operation = unit::batch(self.conn, "", Effect::Reads);
        let nothing = Script::default();
        let ran = self.frame(operation, &nothing, None).await;
        ran.conclude(|_| Got::Nothing)
    }

    async fn ask(self, text: &str) -> Ran {
        let operation = unit::typed(self.conn, text, &[], Effect::Reads);
        let ran = self.frame(operation, &Script::default(), None).await;
        ran.conclude(|rows| Got::Rows(rows.rows, rows.affected))
    }

    /// `set_config` says in the same round trip how it spells the value.
    async fn set(self, name: &str, value: &str) -> Ran {
        const SET: &str = "SELECT pg_catalog.set_config($1, $2, false)";
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&name, Type::TEXT), (&value, Type::TEXT)];
        let operation = unit::typed(self.conn, SET, &parameters, Effect::Reads);
        let ran = self.frame(operation, &Script::default(), None).await;
        let mut done = ran.conclude(|rows| {
            let spelled = rows.rows.first().and_then(|row| row.try_get(0).ok());
            Got::Value(spelled.unwrap_or_else(|| value.to_owned()))
        });
        if let Ok(Reply(Got::Value(spelled))) = &done.result {
            done.effects.push(Follows::Set {
                name: name.into(),
                value: spelled.as_str().into(),
            });
            self.end_roles(&mut done.effects);
        }
        done
    }

    async fn batch(self, text: &str, script: &Script) -> Ran {
        // In a transaction the server refuses it, and so is to see it.
        let discards =
            matches!(script.statements.first(), Some(one) if one.kind == Kind::DiscardAll);
        let is_in_transaction =
            self.prelude.begin.is_some() || self.conn.status_when_answered() != Status::Idle;
        let sent = match discards && is_in_transaction {
            true => Cow::Borrowed(text),
            false => in_stead(text, script),
        };
        let is_another = matches!(sent, Cow::Owned(_));
        let operation = unit::batch(self.conn, &sent, effect_of(script));
        let mut ran = self.frame(operation, script, None).await;
        if let Some(answer) = ran.answer.as_mut().filter(|_| is_another) {
            // The statements that were sent stand for one.
            answer.tags.truncate(usize::from(answer.failure.is_none()));
        }
        let ran = ran.follow(script, text, Parameters::Plain(&[])).await;
        ran.conclude(Got::Messages)
    }

    async fn prepare(self, statement: &Shared, known: &Known) -> Ran {
        let scope = self.scope();
        let types = known.declared(statement);
        let wanted = wanted(statement, &types, &scope);
        match self.learn(wanted, known).await {
            Ok((prepared, mut done)) => {
                done.result = Ok(Reply(Got::Types(prepared.params().into())));
                done
            }
            Err(done) => done,
        }
    }

    async fn query(self, query: &Query<'_>) -> Ran {
        let ran = self.query_once(query).await;
        let outdated = match &ran.result {
            Err(Failed {
                error: Error::Query(error),
                failure: Failure::Operation,
            }) => is_outdated(error) || is_of_another_type(error),
            _ => false,
        };
        if outdated {
            self.conn.statements().clear();
            query.known.forget(&self.scope());
        }
        // The server has run nothing, and outside a transaction nobody need know. The statement has
        // been forgotten, so this prepares it anew.
        match outdated && ran.status == Some(TransactionStatus::Idle) {
            true => self.query_once(query).await,
            false => ran,
        }
    }

    async fn query_once(self, query: &Query<'_>) -> Ran {
        let scope = self.scope();
        let effect = effect_of(&query.known.script);
        match query.parameters {
            Parameters::Typed(typed) => {
                let types: Vec<Type> = typed.iter().map(|(_, of)| of.clone()).collect();
                let wanted = wanted(query.statement, &types, &scope);
                self.typed(query, typed, wanted, effect).await
            }
            Parameters::Plain(plain) => {
                let types = query.known.declared(query.statement);
                let wanted = wanted(query.statement, &types, &scope);
                if let Some(prepared) = self.conn.statements().lookup(wanted) {
                    let operation = unit::prepared(self.conn, &prepared, plain, effect);
                    return self.rows(operation, query, None).await;
                }
                let Some(known) = query.known.types(&scope) else {
                    return self.unknown(query, plain, wanted, effect).await;
                };
                if known.len() != plain.len() {
                    // The driver says what is wrong with it.
                    return self.unknown(query, plain, wanted, effect).await;
                }
                let typed: Vec<_> = plain.iter().copied().zip(known.iter().cloned()).collect();
                self.typed(query, &typed, wanted, effect).await
            }
        }
    }

    /// All types are known: one round trip, whatever the connection has.
    async fn typed(
        self,
        query: &Query<'_>,
        parameters: unit::Typed<'_>,
        wanted: Wanted<'_>,
        effect: Effect,
    ) -> Ran {
        if let Some(prepared) = self.conn.statements().lookup(wanted) {
            let plain: Vec<_> = parameters.iter().map(|(value, _)| *value).collect();
            let operation = unit::prepared(self.conn, &prepared, &plain, effect);
            return self.rows(operation, query, None).await;
        }
        let later =
            (query.executions >= WORTH_A_NAME && query.known.script.is_plain()).then_some(wanted);
        let operation = unit::typed(self.conn, wanted.text, parameters, effect);
        self.rows(operation, query, later).await
    }

    /// The types are the server's to say: a round trip to ask, once for all sessions.
    async fn unknown(
        self,
        query: &Query<'_>,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
        wanted: Wanted<'_>,
        effect: Effect,
    ) -> Ran {
        let (prepared, before) = match self.learn(wanted, query.known).await {
            Ok(learned) => learned,
            Err(done) => return done,
        };
        // The prelude is in force now.
        let settled = Prelude {
            has: self.prelude.wants.clone(),
            wants: self.prelude.wants.clone(),
            ..Prelude::default()
        };
        let next = Run {
            conn: self.conn,
            prelude: &settled,
            ..self
        };
        let operation = unit::prepared(self.conn, &prepared, parameters, effect);
        let mut ran = next.rows(operation, query, None).await;
        (ran.holds, ran.settled) = (before.holds, before.settled);
        ran.effects.splice(..0, before.effects);
        ran
    }

    /// Has a statement prepared behind the prelude.
    async fn learn(
        self,
        wanted: Wanted<'_>,
        known: &Known,
    ) -> Result<(tokio_postgres::Statement, Ran), Ran> {
        let operation = unit::batch(self.conn, "", Effect::Reads);
        let mut ran = self
            .frame(operation, &Script::default(), Some(wanted))
            .await;
        let prepared = ran.prepared.take();
        let done = ran.conclude(|_| Got::Nothing);
        if done.result.is_err() {
            return Err(done);
        }
        match prepared {
            Some(Ok(statement)) => {
                if !is_local(wanted.scope) {
                    known.learn(wanted.scope, statement.params().into());
                }
                Ok((statement, done))
            }
            Some(Err(error)) => {
                let failed = matches!(done.status, Some(TransactionStatus::Failed));
                let effects = if failed {
                    vec![Follows::Failed]
                } else {
                    Vec::new()
                };
                let (holds, settled, status) = (done.holds, done.settled, done.status);
                let failure = match status {
                    Some(_) => Failure::Operation,
                    None => Failure::Lost,
                };
                Err(Done::failed(Error::Query(error), failure)
                    .holds(holds)
                    .settled(settled)
                    .status(status)
                    .effects(effects))
            }
            None => Err(Done::failed(Error::Closed, Failure::Lost)),
        }
    }

    async fn rows(
        self,
        operation: Operation<impl Future<Output = Result<unit::Rows, tokio_postgres::Error>>>,
        query: &Query<'_>,
        later: Option<Wanted<'_>>,
    ) -> Ran {
        let script = &query.known.script;
        let ran = self.frame(operation, script, later).await;
        let ran = ran
            .follow(script, query.statement.text(), query.parameters)
            .await;
        ran.conclude(|rows| Got::Rows(rows.rows, rows.affected))
    }

    /// Runs an operation in the frame that its prelude asks for.
    async fn frame<T>(
        self,
        operation: Operation<impl Future<Output = Result<T, tokio_postgres::Error>>>,
        script: &Script,
        later: Option<Wanted<'_>>,
    ) -> Framed<'a, T> {
        let before = self.conn.status_when_answered();
        let mut changes = match settings(self.prelude, self.conn.baseline(), before != Status::Idle)
        {
            Ok(changes) => changes,
            Err(error) => return self.refused(Error::Setting(error.to_string())),
        };
        let forgets = self.must_forget_sequences(script) && before != Status::Failed;
        if forgets {
            changes.forget_sequences();
        }
        if !script.is_read_only() {
            self.conn.stay().writes();
        }
        let shape = self.shape(before, script, changes.is_empty());
        let mut beginning = opening(self.prelude, &changes);
        if may_time_out(self.prelude, self.conn.baseline()) {
            beginning = beginning.waited_for();
        }
        let frame = match shape {
            Shape::Bare => Frame::Bare,
            Shape::After => Frame::After(changes.as_sql()),
            Shape::Whole => Frame::Whole(&beginning),
            Shape::Opened => Frame::Opened(&beginning),
        };
        let outcome = unit::run(self.conn, frame, operation, later).await;
        let opened = outcome.report.opening.iter();
        if forgets && opened.clone().count() > 0 && opened.clone().all(|a| a.failure.is_none()) {
            self.conn.stay().forgot_sequences();
        }
        Framed::new(self, shape, outcome)
    }

    fn shape(self, before: Status, script: &Script, nothing_to_change: bool) -> Shape {
        if before == Status::Failed {
            // It takes nothing but the end of the transaction.
            Shape::Bare
        } else if self.prelude.begin.is_some() {
            Shape::Opened
        } else if nothing_to_change {
            Shape::Bare
        } else if before != Status::Idle || ends_transactions(script) {
            Shape::After
        } else {
            Shape::Whole
        }
    }

    fn refused<T>(self, error: Error) -> Framed<'a, T> {
        Framed {
            run: self,
            holds: false,
            settled: false,
            status: Some(self.status()),
            effects: Vec::new(),
            prepared: None,
            answer: None,
            undone: false,
            result: Err(Failed {
                error,
                failure: Failure::Prelude,
            }),
        }
    }

    fn status(self) -> TransactionStatus {
        status_of(self.conn.status_when_answered()).unwrap_or_default()
    }
}

/// What becomes of the database by a script.
fn effect_of(script: &Script) -> Effect {
    if script.is_read_only() {
        Effect::Reads
    } else if ends_transactions(script) && !is_undone_by_itself(script) {
        Effect::Ends
    } else {
        Effect::Writes
    }
}

/// Whether a script may begin or end a transaction itself, and so cannot be put into one.
fn ends_transactions(script: &Script) -> bool {
    script.statements.iter().any(ends_transaction)
}

fn ends_transaction(statement: &Statement) -> bool {
    let kind = &statement.kind;
    kind.stands_alone()
        || matches!(
            kind,
            Kind::Begin(_)
                | Kind::Commit { .. }
                | Kind::Rollback { .. }
                | Kind::PrepareTransaction
                | Kind::Other
        )
}

/// Whether a script ends its transaction by nothing but a rollback at its end: wherever it is cut off,
/// nothing of it lasts.
fn is_undone_by_itself(script: &Script) -> bool {
    match script.statements.as_slice() {
        [ahead @ .., last] => {
            matches!(last.kind, Kind::Rollback { .. }) && !ahead.iter().any(ends_transaction)
        }
        [] => false,
    }
}

fn wanted<'a>(statement: &'a Shared, types: &'a [Type], scope: &'a str) -> Wanted<'a> {
    Wanted {
        text: statement.text(),
        types,
        scope,
        id: statement.id(),
    }
}
