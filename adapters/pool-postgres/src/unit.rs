//! An operation and what has to be in force for it, in one round trip.
//!
//! A session that comes to another connection brings its settings along. They must be in force when
//! its statement runs, and they should cost no round trip of their own. Two requests sent together do
//! not do: the second runs whatever became of the first, and a statement of one session would run
//! with the settings of another. So both go into one transaction, which fails as a whole:
//!
//! ```text
//! BEGIN; settings │ the operation │ COMMIT        Frame::Whole
//! BEGIN; settings │ the operation                 Frame::Opened, a transaction of the user's
//! settings, waited for; then the operation        Frame::After, for what no transaction may hold
//! the operation                                   Frame::Bare
//! ```
//!
//! If a setting is refused the transaction has failed, and the operation is answered with 25P02
//! without being looked at. If the operation fails the settings are rolled back with it. Which of the
//! two it was, and whether anything was committed, is read from what the server
//! [said](crate::exchange), not from what was sent: the driver reports success for the COMMIT of a
//! failed transaction.
//!
//! # Why the BEGIN cannot fail by itself
//!
//! Everything hangs on the transaction being open when the operation comes. So the `BEGIN` has no
//! modes, because a server in recovery refuses some of them, and then there would be no transaction;
//! they are set inside it, where refusing them makes it fail. And it travels in one text with the
//! settings only where that text is plain ASCII: other characters may not exist in the database's
//! encoding, and then the whole text is refused, `BEGIN` included. Nor does it where the text is so
//! long that a `statement_timeout` could be over before it is read. Where the connection is known to
//! have a timeout that could hit the `BEGIN` itself, the opening is [waited
//! for](Opening::waited_for). What is left is a cancel request that hits it, or a timeout that the
//! server has by itself. That is seen, afterwards: [`Report::ran_unframed`].
//!
//! # Statements for later
//!
//! A typed query is parsed, run and forgotten in one request. If the same text is to run again it
//! may be prepared in the same flight, behind the operation and behind the COMMIT: the next run finds
//! it, and that it cannot be prepared is not the operation's failure. Where the unit leaves a
//! transaction open, such a failure would end that; the caller knows whether he wants it.

mod opening;
mod report;

pub(crate) use opening::{Isolation, Modes, Opening};
pub(crate) use report::{End, Report};

use crate::connection::PostgresConnection;
use crate::pipeline::four;
use crate::statements::Wanted;
use futures_util::TryStreamExt as _;
use futures_util::future::OptionFuture;
use report::{Facts, Shape};
use std::future::Future;
use std::pin::pin;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, RowStream, SimpleQueryMessage, Statement};

/// What an operation runs in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Frame<'a> {
    /// Nothing is to be changed.
    Bare,
    /// This text is run first and waited for; if it fails, the operation is not sent. As one simple
    /// query it takes effect as a whole or not at all.
    After(&'a str),
    /// A transaction around the operation.
    Whole(&'a Opening),
    /// A transaction that stays open.
    Opened(&'a Opening),
}

/// What becomes of the database by an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: whoever does not get the answer may ask again.
    Reads,
    /// It may write.
    Writes,
    /// It may end the transaction it runs in, or work in several: transaction commands, a CALL, and
    /// what no transaction may hold.
    Ends,
}

/// What an operation is, for the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sends {
    /// A simple query.
    Query,
    /// Bind and Execute, with or without a Parse.
    Run,
    /// It cannot be sent.
    Nothing,
}

/// What to run, once.
#[derive(Debug)]
pub(crate) struct Operation<F> {
    future: F,
    sends: Sends,
    effect: Effect,
}

/// Rows, and how many of them the server says it has returned or changed.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row>,
    /// None for statements whose tag holds no number.
    pub(crate) affected: Option<u64>,
}

/// Parameters with their types.
pub(crate) type Typed<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// A text that is parsed, run and forgotten in one request.
///
/// Types of its columns that the driver does not know cost further requests, once per connection.
pub(crate) fn typed<'a>(
    conn: &'a PostgresConnection,
    text: &'a str,
    parameters: Typed<'a>,
    effect: Effect,
) -> Operation<impl Future<Output = Result<Rows, Error>> + 'a> {
    let future = async move {
        let parameters = parameters.iter().map(|(value, of)| (*value, of.clone()));
        collect(conn.client().query_typed_raw(text, parameters).await?).await
    };
    Operation {
        future,
        sends: Sends::Run,
        effect,
    }
}

/// A statement that was prepared on this connection.
pub(crate) fn prepared<'a>(
    conn: &'a PostgresConnection,
    statement: &'a Statement,
    parameters: &'a [&'a (dyn ToSql + Sync)],
    effect: Effect,
) -> Operation<impl Future<Output = Result<Rows, Error>> + 'a> {
    let future = async move {
        let parameters = parameters.iter().copied();
        collect(conn.client().query_raw(statement, parameters).await?).await
    };
    Operation {
        future,
        sends: Sends::Run,
        effect,
    }
}

/// A text of any number of statements, as a simple query. Outside of a transaction it is one by
/// itself, unless it holds transaction commands.
pub(crate) fn batch<'a>(
    conn: &'a PostgresConnection,
    text: &'a str,
    effect: Effect,
) -> Operation<impl Future<Output = Result<Vec<SimpleQueryMessage>, Error>> + 'a> {
    Operation {
        future: conn.client().simple_query(text),
        // The driver refuses what the protocol cannot carry.
        sends: match text.contains('\0') {
            true => Sends::Nothing,
            false => Sends::Query,
        },
        effect,
    }
}

async fn collect(stream: RowStream) -> Result<Rows, Error> {
    let mut stream = pin!(stream);
    let mut rows = Vec::new();
    while let Some(row) = stream.as_mut().try_next().await? {
        rows.push(row);
    }
    let affected = stream.rows_affected();
    Ok(Rows { rows, affected })
}

/// Which part of a unit an error is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The BEGIN or the settings; the operation then did nothing, unless the report
    /// [says otherwise](Report::ran_unframed).
    Opening,
    /// The operation.
    Operation,
    /// The COMMIT.
    Commit,
}

/// How a unit went.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    /// What the operation returned, if everything succeeded; otherwise the first error, and what it
    /// is from. Not yet whether it lasts: the driver takes the answer to the COMMIT of a failed
    /// transaction for a success, so see the report.
    pub(crate) result: Result<T, (Part, Error)>,
    /// The statement for later, where one was asked for.
    pub(crate) prepared: Option<Result<Statement, Error>>,
    /// What the server said.
    pub(crate) report: Report,
}

/// Runs an operation in its frame. With `later`, its text is prepared behind it, for parameters of
/// these types, and left in the connection's cache.
///
/// # Cancel safety
///
/// Dropped before it is polled it leaves nothing. Dropped later it leaves requests unanswered, which
/// the pool sees when the connection is returned, and closes it.
pub(crate) async fn run<T>(
    conn: &PostgresConnection,
    frame: Frame<'_>,
    operation: Operation<impl Future<Output = Result<T, Error>>>,
    later: Option<Wanted<'_>>,
) -> Outcome<T> {
    let mut facts = Facts {
        shape: Shape::of(&frame),
        sends: operation.sends,
        effect: operation.effect,
        before: conn.status_when_answered(),
    };
    let exchange = conn.exchange();
    let sent = match send(conn, &frame, operation.future, later).await {
        Ok(sent) => sent,
        Err(refused) => Sent::nothing(refused),
    };
    if sent.skipped {
        facts.sends = Sends::Nothing;
    }
    let report = Report::new(facts, exchange.finished().await);
    if let (Some(wanted), Some(Ok(statement))) = (later, &sent.prepared)
        && report.is_in_force()
    {
        conn.statements().keep(wanted, statement.clone());
    }
    Outcome {
        result: sent.result,
        prepared: sent.prepared,
        report,
    }
}

/// What the driver made of it.
struct Sent<T> {
    result: Result<T, (Part, Error)>,
    prepared: Option<Result<Statement, Error>>,
    /// The operation was not sent.
    skipped: bool,
}

impl<T> Sent<T> {
    const fn nothing(refused: Error) -> Self {
        Self {
            result: Err((Part::Opening, refused)),
            prepared: None,
            skipped: true,
        }
    }
}

/// Sends what the frame asks for. The error is that of settings that were waited for.
async fn send<T>(
    conn: &PostgresConnection,
    frame: &Frame<'_>,
    operation: impl Future<Output = Result<T, Error>>,
    later: Option<Wanted<'_>>,
) -> Result<Sent<T>, Error> {
    let (opening, commits) = match frame {
        Frame::Bare | Frame::After(_) => (None, false),
        Frame::Whole(opening) => (Some(opening), true),
        Frame::Opened(opening) => (Some(opening), false),
    };
    if let Frame::After(text) = frame {
        conn.run(text).await?;
    }
    let mut ahead = opening;
    if let Some(opening) = opening.filter(|opening| opening.is_waited_for()) {
        if let Err(refused) = opening.send(conn).await {
            if commits {
                // It ends the transaction, if there is one.
                let _ = conn.run("COMMIT").await;
            }
            return Err(refused);
        }
        ahead = None;
    }
    let prepare = |wanted| conn.statements().prepare_apart(conn.client(), wanted);
    let (opening, operation, commit, prepared) = four(
        OptionFuture::from(ahead.map(|opening| opening.send(conn))),
        operation,
        OptionFuture::from(commits.then(|| conn.run("COMMIT"))),
        OptionFuture::from(later.map(prepare)),
    )
    .await;
    if let Err(error) = &operation {
        conn.statements().learn(error);
    }
    let refused = opening.and_then(Result::err);
    let result = match (refused, operation, commit) {
        (Some(error), ..) => Err((Part::Opening, error)),
        (None, Err(error), _) => Err((Part::Operation, error)),
        (None, Ok(_), Some(Err(error))) => Err((Part::Commit, error)),
        (None, Ok(value), _) => Ok(value),
    };
    Ok(Sent {
        result,
        prepared,
        skipped: false,
    })
}

#[cfg(test)]
mod tests;
