//! A server that writes down what it is told, and pools of it.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pool_facade::affinity::{Affinity, AffinityBuilder};
use pool_facade::postgres::{PostgresManager, Session};
use pool_facade::sessions::SessionConfig;
use pool_facade::{Builder, Pool, SessionBuilder as _};
use pool_testkit::postgres::{PrivateServer, ServerOptions};

pub(crate) type PostgresPool = Pool<PostgresManager>;

/// The server of this run. It ends with the process.
pub(crate) fn server() -> &'static PrivateServer {
    static SERVER: OnceLock<PrivateServer> = OnceLock::new();
    let options = ServerOptions::new()
        .setting("log_statement", "all")
        .setting("log_line_prefix", "%a|");
    SERVER.get_or_init(|| PrivateServer::start(&options).unwrap())
}

/// Connections that the server knows by this name.
pub(crate) fn builder(url: &str, name: &str, connections: u32) -> Builder<PostgresManager> {
    let manager = PostgresManager::builder(url).unwrap();
    let manager = manager.application_name(name).build().unwrap();
    PostgresPool::builder(manager)
        .max_size(connections)
        .acquire_timeout(Duration::from_secs(60))
}

/// A pool whose sessions find connections that suit them.
pub(crate) async fn wired(
    builder: Builder<PostgresManager>,
    affinity: AffinityBuilder,
) -> (PostgresPool, Arc<Affinity>) {
    let (builder, affinity) = builder.sessions(SessionConfig::new(), affinity).unwrap();
    (builder.build().await.unwrap(), affinity)
}

/// The back end that a session runs on.
pub(crate) async fn pid(session: &mut Session) -> i32 {
    let row = session.query_one("SELECT pg_backend_pid()", &[]).await;
    row.unwrap().get(0)
}

/// What the server has written down so far.
pub(crate) struct Log(u64);

impl Log {
    pub(crate) fn mark() -> Self {
        let log = std::fs::metadata(server().log_file()).unwrap();
        Self(log.len())
    }

    /// How many settings connections of this name were told to change since.
    pub(crate) fn settings_of(&self, name: &str) -> u64 {
        let mut log = File::open(server().log_file()).unwrap();
        log.seek(SeekFrom::Start(self.0)).unwrap();
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        let prefix = format!("{name}|");
        let lines = text.lines().filter(|line| line.starts_with(&prefix));
        lines.map(|line| settings_in(line) as u64).sum()
    }
}

/// A value that is read back is asked for by a parameter, so it is not counted here.
fn settings_in(line: &str) -> usize {
    // Each is at the beginning of the line, or behind another.
    let commands = [" SET \"", " SET ROLE ", " RESET ", "set_config('"];
    let times = commands.map(|command| line.matches(command).count());
    times.iter().sum()
}

#[test]
fn settings_are_counted_in_each_way_that_they_are_written() {
    let line = "groups|LOG:  statement: BEGIN; SET \"app\".\"id\" TO '1'; RESET \"work_mem\"; \
        SELECT pg_catalog.set_config('search_path', 'a, b', false); SET ROLE \"one\"; RESET ROLE; ";
    assert_eq!(settings_in(line), 5);
}
