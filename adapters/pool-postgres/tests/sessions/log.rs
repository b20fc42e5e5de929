//! A server whose log tells every message that it got.

use pool_testkit::postgres::{PrivateServer, ServerOptions};
use std::sync::OnceLock;

/// One for the process.
pub(crate) fn server() -> &'static PrivateServer {
    static SERVER: OnceLock<PrivateServer> = OnceLock::new();
    SERVER.get_or_init(|| {
        let options = ServerOptions::new()
            .setting("log_statement", "all")
            .setting("log_min_duration_statement", "0")
            .setting("log_line_prefix", "%p|")
            .setting("max_prepared_transactions", "4");
        PrivateServer::start(&options).unwrap()
    })
}

/// The log's lines of one back end, without those that began before.
pub(crate) fn lines(of: i32) -> Vec<String> {
    let log = std::fs::read_to_string(server().log_file()).unwrap();
    let prefix = format!("{of}|");
    log.lines()
        .filter_map(|line| line.strip_prefix(&prefix))
        .map(ToOwned::to_owned)
        .collect()
}

/// The lines of all back ends that hold a text.
pub(crate) fn lines_with(text: &str) -> Vec<String> {
    let log = std::fs::read_to_string(server().log_file()).unwrap();
    let held = log.lines().filter(|line| line.contains(text));
    held.map(ToOwned::to_owned).collect()
}

/// How often a back end parsed a statement that holds `text`: under a name, and without.
pub(crate) fn parses(of: i32, text: &str) -> (usize, usize) {
    let lines = lines(of);
    let parsed = |name: &str| {
        let is_it = |line: &&String| line.contains(name) && line.contains(text);
        lines.iter().filter(is_it).count()
    };
    (parsed(" parse s"), parsed(" parse <unnamed>"))
}
