use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{PgBouncer, PgBouncerOptions};
use crate::postgres::{PrivateServer, ServerError, ServerOptions, process};

/// None where PgBouncer is not installed: no test installs it.
fn start(server: &PrivateServer, pool_mode: &str) -> Option<Result<PgBouncer, ServerError>> {
    let options = PgBouncerOptions::new(server.port())
        .setting("pool_mode", pool_mode)
        .install(false);
    match PgBouncer::start(&options) {
        Err(error @ ServerError::MissingBouncer) => {
            eprintln!("skipped: {error}");
            None
        }
        other => Some(other),
    }
}

/// Everything that comes back for `select 6 * 7`.
fn ask(port: u16) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut answer = Vec::new();
    for message in [
        &b"\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0"[..],
        b"Q\0\0\0\x11select 6 * 7\0",
    ] {
        stream.write_all(message).unwrap();
        answer.clear();
        let mut part = [0; 4096];
        while !answer.ends_with(b"Z\0\0\0\x05I") {
            let length = stream.read(&mut part).unwrap();
            assert!(
                length > 0,
                "it hung up: {}",
                String::from_utf8_lossy(&answer)
            );
            answer.extend_from_slice(&part[..length]);
        }
    }
    answer
}

#[test]
fn a_query_goes_through_and_nothing_is_left_behind() {
    let server = PrivateServer::start(&ServerOptions::new()).unwrap();
    let Some(bouncer) = start(&server, "transaction") else {
        return;
    };
    let bouncer = bouncer.unwrap();
    let row = b"D\0\0\0\x0c\0\x01\0\0\0\x0242";
    let answer = ask(bouncer.port());
    assert!(
        answer.windows(row.len()).any(|part| part == row),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let (pid, log) = (bouncer.pid().unwrap(), bouncer.log_file());
    assert!(log.exists());
    drop(bouncer);
    assert_eq!(process::find(pid), None);
    assert!(!log.exists());
}

#[test]
fn a_bad_setting_is_reported_with_the_log() {
    let server = PrivateServer::start(&ServerOptions::new()).unwrap();
    let Some(started) = start(&server, "nonsense") else {
        return;
    };
    let error = started.unwrap_err().to_string();
    assert!(error.contains("pool_mode"), "{error}");
}
