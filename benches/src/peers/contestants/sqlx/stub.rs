//! The least that sqlx takes for a database: it connects and answers pings, and nothing else can be
//! done with it, which its types say by having no values.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, ready};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx_core::Either;
use sqlx_core::Error;
use sqlx_core::Url;
use sqlx_core::arguments::Arguments;
use sqlx_core::column::{Column, ColumnIndex};
use sqlx_core::connection::{ConnectOptions, Connection};
use sqlx_core::database::Database;
use sqlx_core::encode::Encode;
use sqlx_core::error::BoxDynError;
use sqlx_core::row::Row;
use sqlx_core::sql_str::SqlStr;
use sqlx_core::statement::Statement;
use sqlx_core::transaction::{Transaction, TransactionManager};
use sqlx_core::type_info::TypeInfo;
use sqlx_core::types::Type;
use sqlx_core::value::{Value, ValueRef};

use super::super::Connector;
use crate::peers::backend::Conn;

/// The database.
#[derive(Debug)]
pub struct Stub;

/// Something that a stub never has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Never {}

/// Arguments of queries that cannot be made.
#[derive(Debug, Default)]
pub struct NoArguments;

/// What queries would have changed.
#[derive(Debug, Default)]
pub struct NoResult;

/// A connection as sqlx wants it.
#[derive(Debug)]
pub struct StubConnection {
    pub(super) conn: Conn,
    connector: Arc<Connector>,
}

/// Where connections come from.
#[derive(Clone, Debug)]
pub struct Options(pub(super) Arc<Connector>);

impl Database for Stub {
    type Connection = StubConnection;
    type TransactionManager = NoTransactions;
    type Row = Never;
    type QueryResult = NoResult;
    type Column = Never;
    type TypeInfo = Never;
    type Value = Never;
    type ValueRef<'r> = Never;
    type Arguments = NoArguments;
    type ArgumentBuffer = ();
    type Statement = Never;

    const NAME: &'static str = "Stub";
    const URL_SCHEMES: &'static [&'static str] = &["stub"];
}

fn unsupported() -> Error {
    Error::Protocol("a stub has connections and nothing else".to_owned())
}

impl Connection for StubConnection {
    type Database = Stub;
    type Options = Options;

    async fn close(self) -> Result<(), Error> {
        Ok(())
    }

    async fn close_hard(self) -> Result<(), Error> {
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Error> {
        let checked = self.connector.check(&self.conn).await;
        checked.map_err(|error| Error::Protocol(error.to_string()))
    }

    async fn begin(&mut self) -> Result<Transaction<'_, Stub>, Error> {
        Err(unsupported())
    }

    fn shrink_buffers(&mut self) {}

    async fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn should_flush(&self) -> bool {
        false
    }
}

impl ConnectOptions for Options {
    type Connection = StubConnection;

    fn from_url(_url: &Url) -> Result<Self, Error> {
        Err(unsupported())
    }

    async fn connect(&self) -> Result<StubConnection, Error> {
        Ok(StubConnection {
            conn: self.0.open().await,
            connector: Arc::clone(&self.0),
        })
    }

    fn log_statements(self, _level: log::LevelFilter) -> Self {
        self
    }

    fn log_slow_statements(self, _level: log::LevelFilter, _duration: Duration) -> Self {
        self
    }
}

impl FromStr for Options {
    type Err = Error;

    fn from_str(_text: &str) -> Result<Self, Error> {
        Err(unsupported())
    }
}

/// No transaction is ever begun.
#[derive(Debug)]
pub struct NoTransactions;

impl TransactionManager for NoTransactions {
    type Database = Stub;

    fn begin(
        _conn: &mut StubConnection,
        _statement: Option<SqlStr>,
    ) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        ready(Err(unsupported()))
    }

    fn commit(_conn: &mut StubConnection) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        ready(Err(unsupported()))
    }

    fn rollback(_conn: &mut StubConnection) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        ready(Err(unsupported()))
    }

    fn start_rollback(_conn: &mut StubConnection) {}

    fn get_transaction_depth(_conn: &StubConnection) -> usize {
        0
    }
}

impl Extend<Self> for NoResult {
    fn extend<T: IntoIterator<Item = Self>>(&mut self, _results: T) {}
}

impl fmt::Display for Never {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl Row for Never {
    type Database = Stub;

    fn columns(&self) -> &[Self] {
        match *self {}
    }

    fn try_get_raw<I: ColumnIndex<Self>>(&self, _index: I) -> Result<Self, Error> {
        match *self {}
    }
}

impl Column for Never {
    type Database = Stub;

    fn ordinal(&self) -> usize {
        match *self {}
    }

    fn name(&self) -> &str {
        match *self {}
    }

    fn type_info(&self) -> &Self {
        match *self {}
    }
}

impl TypeInfo for Never {
    fn is_null(&self) -> bool {
        match *self {}
    }

    fn name(&self) -> &str {
        match *self {}
    }
}

impl Value for Never {
    type Database = Stub;

    fn as_ref(&self) -> Self {
        match *self {}
    }

    fn type_info(&self) -> Cow<'_, Self> {
        match *self {}
    }

    fn is_null(&self) -> bool {
        match *self {}
    }
}

impl ValueRef<'_> for Never {
    type Database = Stub;

    fn to_owned(&self) -> Self {
        match *self {}
    }

    fn type_info(&self) -> Cow<'_, Self> {
        match *self {}
    }

    fn is_null(&self) -> bool {
        match *self {}
    }
}

impl Arguments for NoArguments {
    type Database = Stub;

    fn reserve(&mut self, _additional: usize, _size: usize) {}

    fn add<'t, T>(&mut self, _value: T) -> Result<(), BoxDynError>
    where
        T: Encode<'t, Stub> + Type<Stub>,
    {
        Err(unsupported().into())
    }

    fn len(&self) -> usize {
        0
    }
}

impl Statement for Never {
    type Database = Stub;

    fn into_sql(self) -> SqlStr {
        match self {}
    }

    fn sql(&self) -> &SqlStr {
        match *self {}
    }

    fn parameters(&self) -> Option<Either<&[Self], usize>> {
        match *self {}
    }

    fn columns(&self) -> &[Self] {
        match *self {}
    }

    sqlx_core::impl_statement_query!(NoArguments);
}

sqlx_core::impl_into_arguments_for_arguments!(NoArguments);
