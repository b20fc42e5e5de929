//! The connection that a lease hands out.

use crate::driver::{Driver, DriverTask};
use crate::error::Error;
use crate::pipeline::four;
use crate::session::{Stay, all_settings};
use crate::statements::{Sql, Statements, Wanted};
use crate::tls::Tls;
use crate::transport::{AlreadyConnected, Endpoint, driver_config};
use crate::warm_up::{Extent, perform};
use crate::watch::{Look, NotificationSender, Status, Taint, Watch, WireCounts};
use futures_util::future::OptionFuture;
use pool_core::{CacheStats, WarmUp};
use pool_multiplex::Label;
use std::fmt;
use std::future::ready;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Row, Statement};

/// A connection to PostgreSQL, with its driver's task and its prepared statements.
///
/// It dereferences to [`tokio_postgres::Client`] for everything that is not defined here:
/// transactions, COPY, pipelining, streams. The methods defined here differ from the client's of
/// the same name in one point: a statement given as text is prepared once and kept, while the
/// client prepares and drops it each time, which costs two more messages per call.
///
/// Dropping it ends the task and closes the socket at once; [`close`](pool_core::Manager::close)
/// takes leave first.
///
/// A [`CancelToken`](tokio_postgres::CancelToken) taken from it must not be kept beyond the lease: it
/// cancels whatever the next user runs.
///
/// # Cancel safety
///
/// A method whose future is dropped before it is done leaves a request unanswered. The pool sees
/// that when the lease ends, and closes the connection after asking the server to cancel the query.
pub struct PostgresConnection {
    // Dropped before the statements, which would each send a message to a client that still lives.
    client: Client,
    statements: Statements,
    driver: DriverTask,
    watch: Arc<Watch>,
    endpoint: Endpoint,
    /// Requests sent when the session was last known to be clean.
    clean_at: u64,
    unsure: Unsure,
    /// What was done with it when it was new, as far as that succeeded.
    warmth: WarmUp,
    /// What sessions have left on it.
    label: Label,
    /// What sessions leave there beside that.
    stay: Stay,
    /// Settings that it was opened with and that the server counts as set by a session: those of the
    /// warm-up.
    baseline: Vec<(String, String)>,
    /// That may have taken prepared statements along (or loaded a library, which looks alike).
    warmth_deallocates: bool,
}

/// What was sent since the last look at a settled driver without its answer having been seen here.
#[derive(Debug, Default)]
struct Unsure {
    /// The client was borrowed, and anything may have been sent through it.
    borrowed: AtomicBool,
    /// Calls of the connection's own methods that have not ended well.
    open_calls: AtomicU32,
}

/// Parameters of a statement, in order.
type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

impl PostgresConnection {
    pub(crate) async fn open(
        endpoint: Endpoint,
        config: &Config,
        tls: &Tls,
        statement_cache_size: usize,
    ) -> Result<Self, Error> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let transport = endpoint.open(config, tls).await?;
        let watch = Arc::new(Watch::new());
        let started = driver_config(config)
            .connect_raw(transport, AlreadyConnected(Arc::clone(&watch)))
            .await;
        let (client, protocol) = started.map_err(|source| Error::Startup {
            endpoint: endpoint.to_string(),
            source,
        })?;
        let driver = Driver::new(protocol, Arc::clone(&watch));
        let mut connection = Self {
            client,
            statements: Statements::new(statement_cache_size),
            driver: driver.start(&runtime).await,
            watch,
            endpoint,
            clean_at: 0,
            unsure: Unsure::default(),
            warmth: WarmUp::new(),
            label: Label::new(),
            stay: Stay::default(),
            baseline: Vec::new(),
            warmth_deallocates: false,
        };
        connection.mark_clean();
        Ok(connection)
    }

    /// The statement for `text`, from the connection's cache or prepared now.
    ///
    /// # Errors
    ///
    /// The server's, for text that it cannot parse.
    pub async fn prepare_cached(&self, text: &str) -> Result<Statement, tokio_postgres::Error> {
        self.prepare_typed_cached(text, &[]).await
    }

    /// Like [`prepare_cached`](Self::prepare_cached), with the types of the first parameters.
    /// The same text with other types is another statement.
    ///
    /// # Errors
    ///
    /// The server's, for text that it cannot parse.
    pub async fn prepare_typed_cached(
        &self,
        text: &str,
        types: &[Type],
    ) -> Result<Statement, tokio_postgres::Error> {
        let wanted = Wanted::plain(text, types);
        self.statements.prepare(&self.client, wanted).await
    }

    /// All rows of a query.
    ///
    /// # Errors
    ///
    /// The server's, or a parameter that does not fit.
    pub async fn query<S: Sql + ?Sized>(
        &self,
        sql: &S,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let call = async |statement: Statement| self.client.query(&statement, parameters).await;
        self.call(sql, call).await
    }

    /// The one row of a query.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and when there is not exactly one row.
    pub async fn query_one<S: Sql + ?Sized>(
        &self,
        sql: &S,
        parameters: Parameters<'_>,
    ) -> Result<Row, tokio_postgres::Error> {
        let call = async |statement: Statement| self.client.query_one(&statement, parameters).await;
        self.call(sql, call).await
    }

    /// The row of a query, if there is one.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and when there is more than one row.
    pub async fn query_opt<S: Sql + ?Sized>(
        &self,
        sql: &S,
        parameters: Parameters<'_>,
    ) -> Result<Option<Row>, tokio_postgres::Error> {
        let call = async |statement: Statement| self.client.query_opt(&statement, parameters).await;
        self.call(sql, call).await
    }

    /// Runs a statement; how many rows it changed.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub async fn execute<S: Sql + ?Sized>(
        &self,
        sql: &S,
        parameters: Parameters<'_>,
    ) -> Result<u64, tokio_postgres::Error> {
        let call = async |statement: Statement| self.client.execute(&statement, parameters).await;
        self.call(sql, call).await
    }

    /// The server's process behind the connection (`pg_backend_pid()`), without asking it.
    #[must_use]
    pub fn process_id(&self) -> i32 {
        self.watch.process_id()
    }

    /// Hits, misses and evictions of the connection's statement cache.
    #[must_use]
    pub fn statement_stats(&self) -> CacheStats {
        self.statements.stats()
    }

    /// How many statements are cached.
    #[must_use]
    pub fn cached_statements(&self) -> usize {
        self.statements.len()
    }

    /// How many requests this connection has sent, the startup included; closing a statement does
    /// not count.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.watch.work()
    }

    /// Messages sent over this connection, by kind.
    #[must_use]
    pub fn wire_counts(&self) -> WireCounts {
        self.watch.wire_counts()
    }

    /// Runs `call`, which is done when the server is ready again. Relaxed counters: they are read
    /// by whoever owns the connection, after the calls.
    async fn call<S: Sql + ?Sized, T>(
        &self,
        sql: &S,
        call: impl AsyncFnOnce(Statement) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, tokio_postgres::Error> {
        self.begin_call();
        let statement = self.statements.resolve(&self.client, sql).await?;
        let answer = call(statement).await;
        match &answer {
            Ok(_) => self.end_call(),
            Err(error) => self.statements.learn(error),
        }
        answer
    }

    /// Puts what the server notifies of into a ring, or nowhere, which is how a connection begins.
    /// The driver never waits for its readers: they are told how much they have missed, and that the
    /// connection has ended. To be undone before the connection is given back.
    pub(crate) fn forward_notifications(&self, to: Option<NotificationSender>) {
        self.watch.forward_notifications(to);
    }

    /// The driver's client, for callers who keep count of their calls: see
    /// [`begin_call`](Self::begin_call).
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Something is to be sent, until [`end_call`](Self::end_call) says that it was answered to the
    /// end.
    pub(crate) fn begin_call(&self) {
        self.unsure.open_calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end_call(&self) {
        self.unsure.open_calls.fetch_sub(1, Ordering::Relaxed);
    }

    /// The statements that are kept.
    pub(crate) const fn statements(&self) -> &Statements {
        &self.statements
    }

    /// What can be said of the connection without I/O.
    pub(crate) fn look(&mut self) -> Look {
        let unsure = &mut self.unsure;
        if !*unsure.borrowed.get_mut() && *unsure.open_calls.get_mut() == 0 {
            return self.watch.look_when_answered();
        }
        let look = self.watch.look();
        if matches!(look, Look::Settled(_)) {
            self.unsure = Unsure::default();
        }
        look
    }

    /// One simple query whose rows nobody wants.
    pub(crate) async fn run(&self, script: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(script).await
    }

    /// Leaves the statement for `text` in the cache.
    pub(crate) async fn prepare_for_later(&self, text: &str) -> Result<(), tokio_postgres::Error> {
        let prepared = self
            .statements
            .prepare(&self.client, Wanted::plain(text, &[]))
            .await;
        prepared.map(drop)
    }

    /// Does what a plan says, and keeps what of it succeeded in mind.
    pub(crate) async fn warm_up(&mut self, plan: &WarmUp) -> Result<(), Error> {
        let statements = plan.statements().iter().map(|one| &one[..]);
        let asks = !plan.statements().is_empty();
        // In the same flight.
        let ((done, outcome), settings, (), ()) = four(
            perform(self, None, plan, Extent::All),
            OptionFuture::from(asks.then(|| all_settings(self, statements))),
            ready(()),
            ready(()),
        )
        .await;
        self.warmth = done;
        self.baseline = match settings {
            Some(settings) if outcome.is_ok() => settings?,
            _ => Vec::new(),
        };
        self.warmth_deallocates = self.watch.taint().has(Taint::LASTING);
        outcome
    }

    /// Whether anything was run when it was new.
    pub(crate) fn is_warm(&self) -> bool {
        !self.warmth.statements().is_empty()
    }

    /// Runs a script that makes the session new, and the statements of the warm-up behind it.
    pub(crate) async fn renew(&self, script: &str) -> Result<(), Error> {
        if self.warmth_deallocates {
            return self.renew_fully(script).await;
        }
        self.perform_again(script, Extent::Execute).await
    }

    /// The same, with all cached statements closed before and those of the warm-up prepared behind
    /// it.
    pub(crate) async fn renew_fully(&self, script: &str) -> Result<(), Error> {
        // The messages go out with the script.
        self.statements.clear();
        self.perform_again(script, Extent::All).await
    }

    async fn perform_again(&self, script: &str, extent: Extent) -> Result<(), Error> {
        perform(self, Some(script), &self.warmth, extent).await.1
    }

    /// What sessions have left on it.
    pub(crate) const fn label(&self) -> &Label {
        &self.label
    }

    pub(crate) const fn label_mut(&mut self) -> &mut Label {
        &mut self.label
    }

    pub(crate) const fn stay(&self) -> &Stay {
        &self.stay
    }

    /// Settings that are there from the start.
    pub(crate) fn baseline(&self) -> &[(String, String)] {
        &self.baseline
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether anything was sent since the session was last known to be clean.
    pub(crate) fn was_used(&self) -> bool {
        self.watch.work() != self.clean_at
    }

    /// Takes the session for clean as it is now.
    pub(crate) fn mark_clean(&mut self) {
        self.watch.clear_taint();
        self.unsure = Unsure::default();
        self.clean_at = self.watch.work();
    }

    /// Lets the driver's task catch up; if it cannot, asks the server, whose answer comes after
    /// everything that was sent before. Not cancel safe: the question may stay open.
    pub(crate) async fn settle(&self) -> Result<Look, Error> {
        match self.watch.settled().await {
            Look::Uncertain => self.client.batch_execute("").await?,
            look => return Ok(look),
        }
        Ok(self.watch.settled().await)
    }

    /// Settles, and insists that no transaction is open.
    pub(crate) async fn settle_idle(&self) -> Result<(), Error> {
        match self.settle().await? {
            Look::Settled(Status::Idle) => Ok(()),
            Look::Lost => Err(Error::Closed),
            _ => Err(Error::StillDirty),
        }
    }

    /// Ends the driver's task without waiting for answers, and waits until it is gone.
    pub(crate) async fn abort(self) {
        self.driver.abort();
        self.finish().await;
    }

    /// Ends the session: Terminate is sent and the socket closed.
    pub(crate) async fn finish(self) {
        let Self {
            client,
            statements,
            driver,
            ..
        } = self;
        // The driver ends when its last client is gone.
        drop(client);
        drop(statements);
        driver.finished().await;
    }
}

impl Deref for PostgresConnection {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.unsure.borrowed.store(true, Ordering::Relaxed);
        &self.client
    }
}

impl DerefMut for PostgresConnection {
    fn deref_mut(&mut self) -> &mut Client {
        *self.unsure.borrowed.get_mut() = true;
        &mut self.client
    }
}

impl fmt::Debug for PostgresConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConnection")
            .field("endpoint", &format_args!("{}", self.endpoint))
            .field("process_id", &self.process_id())
            .field("state", &self.watch.look())
            .field("statements", &self.statements)
            .finish_non_exhaustive()
    }
}
