//! Makes a connection ready before its first use, and again after a reset.
//!
//! # Why each statement is a request of its own
//!
//! All could go in one query, joined by semicolons, for one round trip. But then an error does not
//! say which of them failed, all of them are one transaction, which not every statement may be in,
//! and a comment at the end of one swallows the next. Requests that are begun before the first is
//! awaited take one round trip as well: the driver writes them together, the server answers them in
//! their order, and each has an answer of its own. Those behind one that failed run all the same;
//! a warm-up that failed has left behind what of it succeeded.
//!
//! Prepared statements travel in the same flight. Types that the driver does not know cost it more
//! round trips: it asks the server for each, twice for enumerations and for what is built of other
//! types, and at first prepares each of these questions. That is done for all statements side by
//! side, and once per connection and type.
//!
//! # Why a reset runs the statements again
//!
//! What a warm-up leaves in the session, a setting say, is what users expect to find; and whatever
//! undoes the doings of a user undoes it as well. So a reset that touches the session has the
//! statements in its flight: all of them, because nobody can tell from a text what a function that
//! it calls has set.

use crate::connection::PostgresConnection;
use crate::error::Error;
use crate::pipeline::{Request, pipeline};
use pool_core::WarmUp;
use tokio_postgres::Error as DriverError;

type Outcome = Result<(), DriverError>;

/// What of a plan is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Statements are run.
    Execute,
    /// Statements are run, and others prepared.
    All,
}

/// Does what `plan` says, after `script` where there is one, in one flight. Says what succeeded.
pub(crate) async fn perform(
    conn: &PostgresConnection,
    script: Option<&str>,
    plan: &WarmUp,
    extent: Extent,
) -> (WarmUp, Result<(), Error>) {
    let prepared = match extent {
        Extent::Execute => &[],
        Extent::All => plan.prepared(),
    };
    let run = |text| Box::pin(conn.run(text)) as Request<'_, Outcome>;
    let prepare = |text| Box::pin(conn.prepare_for_later(text)) as Request<'_, Outcome>;
    let script = script.into_iter().map(run);
    let statements = plan.statements().iter().map(|text| run(text));
    let prepares = prepared.iter().map(|text| prepare(text));
    let ahead = script.len();
    let outcomes = pipeline(script.chain(statements).chain(prepares)).await;
    sum_up(outcomes, ahead, plan)
}

fn sum_up(outcomes: Vec<Outcome>, ahead: usize, plan: &WarmUp) -> (WarmUp, Result<(), Error>) {
    let mut done = WarmUp::new();
    let mut failed = None;
    let executes = plan.statements().len();
    for (at, outcome) in outcomes.into_iter().enumerate() {
        let Some(at) = at.checked_sub(ahead) else {
            failed = outcome.err().map(Error::Query);
            continue;
        };
        let (action, number) = match at.checked_sub(executes) {
            None => ("execute", at),
            Some(number) => ("prepare", number),
        };
        match (outcome, action) {
            (Ok(()), "execute") => done = done.execute(&plan.statements()[number]),
            (Ok(()), _) => done = done.prepare(&plan.prepared()[number]),
            (Err(error), _) => {
                failed.get_or_insert_with(|| error_of(error, action, number + 1));
            }
        }
    }
    (done, failed.map_or(Ok(()), Err))
}

/// The server's words are left out: they quote the statement, which may hold secrets.
fn error_of(error: DriverError, action: &'static str, number: usize) -> Error {
    match error.code() {
        Some(code) => Error::WarmUp {
            action,
            number,
            code: code.clone(),
        },
        None => Error::Query(error),
    }
}
