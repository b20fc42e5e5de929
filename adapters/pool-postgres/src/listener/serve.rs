//! What is done with a connection while there is one.

use super::registry::{Batch, Registry};
use super::{Either, ListenError, either};
use crate::PostgresConnection;
use crate::pipeline::{Request, pipeline};
use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_postgres::{Error, Notification};

/// Notifications kept while the task is busy.
const RING: usize = 1024;

/// Why a connection is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nobody listens any more, and the server has been told so.
    Unwanted,
    /// It was lost.
    Lost {
        /// It had listened to something before.
        had_listened: bool,
    },
}

/// The connection was lost.
struct Lost;

type Ring = broadcast::Receiver<Arc<Notification>>;

/// Undoes the forwarding however the serving ends, before the lease is given back.
struct Forwarding<'a>(&'a PostgresConnection);

impl Drop for Forwarding<'_> {
    fn drop(&mut self) {
        self.0.forward_notifications(None);
    }
}

/// Listens until nobody wants it, or the connection is lost.
pub(super) async fn serve(registry: &Registry, conn: &PostgresConnection) -> End {
    // Never ended: if this is dropped midway, the connection must not pass for answered.
    conn.begin_call();
    let (sender, mut ring) = broadcast::channel(RING);
    conn.forward_notifications(Some(sender));
    let _forwarding = Forwarding(conn);
    let mut had_listened = false;
    loop {
        match step(registry, conn, &mut ring).await {
            Ok(Step::Asked) => had_listened = true,
            Ok(Step::Waited) => {}
            Ok(Step::Unwanted) => return End::Unwanted,
            Err(Lost) => return End::Lost { had_listened },
        }
    }
}

enum Step {
    Asked,
    Waited,
    Unwanted,
}

async fn step(
    registry: &Registry,
    conn: &PostgresConnection,
    ring: &mut Ring,
) -> Result<Step, Lost> {
    let batch = registry.next_batch();
    if !batch.is_empty() {
        meanwhile(registry, ring, ask(registry, conn, &batch)).await??;
        return Ok(Step::Asked);
    }
    if registry.is_empty() {
        // Whatever the pool does about it, no later user of the connection shall be notified.
        let unlisten = conn.run("UNLISTEN *").await;
        return unlisten.map(|()| Step::Unwanted).map_err(|_| Lost);
    }
    meanwhile(registry, ring, registry.changed()).await?;
    Ok(Step::Waited)
}

/// Passes notifications on until `done`.
async fn meanwhile<T>(
    registry: &Registry,
    ring: &mut Ring,
    done: impl Future<Output = T>,
) -> Result<T, Lost> {
    let mut done = pin!(done);
    loop {
        match either(done.as_mut(), ring.recv()).await {
            Either::Left(output) => return Ok(output),
            Either::Right(Ok(notification)) => registry.notified(notification),
            Either::Right(Err(RecvError::Lagged(_))) => registry.missed(),
            Either::Right(Err(RecvError::Closed)) => return Err(Lost),
        }
    }
}

/// Asks for a batch, in one request; if that is refused, one by one.
async fn ask(registry: &Registry, conn: &PostgresConnection, batch: &Batch) -> Result<(), Lost> {
    match conn.run(&script(batch)).await {
        Ok(()) => {
            for name in &batch.listen {
                registry.in_force(name);
            }
            return Ok(());
        }
        Err(error) if error.as_db_error().is_none() => return Err(Lost),
        Err(_) => {}
    }
    let unlisten = batch
        .unlisten
        .iter()
        .map(|name| one(conn, "UNLISTEN", name));
    let listen = batch.listen.iter().map(|name| one(conn, "LISTEN", name));
    let answers = pipeline(unlisten.chain(listen)).await;
    let listened = answers.into_iter().skip(batch.unlisten.len());
    for (name, answer) in batch.listen.iter().zip(listened) {
        match answer.as_ref().map_err(Error::code) {
            Ok(()) => registry.in_force(name),
            Err(Some(code)) => registry.refused(name, &ListenError::Refused { code: code.clone() }),
            Err(None) => return Err(Lost),
        }
    }
    Ok(())
}

fn one<'a>(
    conn: &'a PostgresConnection,
    command: &'static str,
    name: &str,
) -> Request<'a, Result<(), Error>> {
    let text = format!("{command} {}", quoted(name));
    Box::pin(async move { conn.run(&text).await })
}

/// No channel is in both lists.
fn script(batch: &Batch) -> String {
    let mut text = String::new();
    for (command, names) in [("UNLISTEN", &batch.unlisten), ("LISTEN", &batch.listen)] {
        for name in names {
            let _ = write!(text, "{command} {}; ", quoted(name));
        }
    }
    text
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
