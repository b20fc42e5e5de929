use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use super::{
    Backend, DetachedServer, PauseScope, PrivateServer, ServerError, ServerOptions, Signal,
    StopMode, binaries, process, wait,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that has passed the start-up and stands idle.
struct Client(TcpStream);

impl Client {
    fn connect(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let parameters = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
        let length = u32::try_from(parameters.len() + 4).unwrap();
        stream.write_all(&length.to_be_bytes()).unwrap();
        stream.write_all(parameters).unwrap();
        let mut client = Self(stream);
        while client.message().expect("the server answers").0 != b'Z' {}
        client
    }

    /// The next message, or nothing when the connection has ended.
    fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        self.0.read_exact(&mut body).ok()?;
        Some((head[0], body))
    }

    fn ask(&mut self, query: &str) {
        let length = u32::try_from(query.len() + 5).unwrap();
        self.0.write_all(b"Q").unwrap();
        self.0.write_all(&length.to_be_bytes()).unwrap();
        self.0.write_all(query.as_bytes()).unwrap();
        self.0.write_all(&[0]).unwrap();
    }

    /// The first column of the first row.
    fn value(&mut self, query: &str) -> String {
        self.ask(query);
        let mut value = String::new();
        loop {
            let (kind, body) = self.message().expect("the server answers");
            match kind {
                b'D' => value = String::from_utf8(body[6..].to_vec()).unwrap(),
                b'Z' => return value,
                _ => {}
            }
        }
    }

    fn has_ended(mut self) -> bool {
        while self.message().is_some() {}
        true
    }
}

fn start() -> PrivateServer {
    PrivateServer::start(&ServerOptions::new()).unwrap()
}

fn client_backend(server: &PrivateServer) -> Backend {
    wait::until(PATIENCE, || {
        server.backends().into_iter().find(Backend::serves_client)
    })
    .expect("a client is connected")
}

#[test]
fn server_applies_its_options_and_serves_clients() {
    let options = ServerOptions::new()
        .max_connections(37)
        .setting("application_name", "it's ours");
    let server = PrivateServer::start(&options).unwrap();
    let mut client = Client::connect(server.port());
    assert_eq!(client.value("show max_connections"), "37");
    assert_eq!(client.value("show application_name"), "it's ours");
    assert_eq!(client.value("show fsync"), "off");
    let backend = client_backend(&server);
    assert_eq!(
        client.value("select pg_backend_pid()"),
        backend.pid.to_string()
    );
    assert_eq!(
        server.url(),
        format!("postgres://postgres@127.0.0.1:{}/postgres", server.port())
    );
}

#[test]
fn dropped_server_leaves_no_process_and_no_folder() {
    let server = start();
    let (pid, folder) = (server.pid().unwrap(), server.socket_dir().to_owned());
    server.pause(PauseScope::All).unwrap();
    drop(server);
    assert_eq!(process::find(pid), None);
    assert!(!folder.exists());
}

#[test]
fn stop_ends_connections_and_restart_serves_on_the_same_port() {
    let mut server = start();
    let port = server.port();
    for mode in [StopMode::Fast, StopMode::Immediate] {
        let client = Client::connect(port);
        server.stop(mode).unwrap();
        assert!(client.has_ended());
        assert_eq!(server.pid(), None);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(matches!(
            server.pause(PauseScope::All),
            Err(ServerError::Stopped)
        ));
        server.restart().unwrap();
    }
    assert_eq!(Client::connect(port).value("select 7"), "7");
}

#[test]
fn terminated_back_end_ends_its_connection_only() {
    let server = start();
    let first = Client::connect(server.port());
    let victim = client_backend(&server).pid;
    let mut second = Client::connect(server.port());
    server.signal(victim, Signal::Terminate).unwrap();
    assert!(first.has_ended());
    assert_eq!(second.value("select 1"), "1");
}

#[test]
fn process_of_somebody_else_is_never_signalled() {
    let server = start();
    for pid in [std::process::id(), 1, 0, u32::MAX] {
        let refused = server.signal(pid, Signal::Kill);
        assert!(matches!(refused, Err(ServerError::NotOurs { .. })), "{pid}");
    }
    let own = server.pid().unwrap();
    assert!(server.signal(own, Signal::Kill).is_err());
    assert_eq!(server.pid(), Some(own));
}

#[test]
fn numbers_that_mean_a_group_or_the_first_process_are_refused() {
    for pid in [0, 1, u32::MAX] {
        // A signal that would do no harm if it were sent.
        let refused = process::signal(pid, nix::sys::signal::Signal::SIGCONT);
        assert!(matches!(refused, Err(ServerError::NotOurs { .. })), "{pid}");
    }
}

#[test]
fn paused_server_is_silent_until_resumed() {
    let server = start();
    let mut client = Client::connect(server.port());
    let backend = client_backend(&server).pid;
    server.pause(PauseScope::All).unwrap();
    let state = |pid| process::find(pid).map(|found| found.state);
    assert_eq!(
        wait::until(PATIENCE, || (state(backend) == Some('T')).then_some(())),
        Some(())
    );
    client.ask("select 1");
    let short = Some(Duration::from_millis(50));
    client.0.set_read_timeout(short).unwrap();
    assert!(client.0.peek(&mut [0]).is_err(), "no answer while paused");
    client.0.set_read_timeout(Some(PATIENCE)).unwrap();
    server.resume().unwrap();
    assert_eq!(client.message().unwrap().0, b'T');
}

#[test]
fn pausing_the_postmaster_keeps_open_connections_alive() {
    let server = start();
    let mut client = Client::connect(server.port());
    server.pause(PauseScope::Postmaster).unwrap();
    assert_eq!(client.value("select 3"), "3");
}

#[test]
fn bad_setting_is_reported_with_the_log() {
    let options = ServerOptions::new().setting("shared_buffers", "nonsense");
    let error = PrivateServer::start(&options).unwrap_err();
    assert!(error.to_string().contains("shared_buffers"), "{error}");
}

#[test]
fn detached_server_survives_its_record_and_stops_by_it() {
    let server = DetachedServer::start(&ServerOptions::new()).unwrap();
    let stored = serde_json::to_string(&server).unwrap();
    let again: DetachedServer = serde_json::from_str(&stored).unwrap();
    assert!(again.is_running());
    assert_eq!(Client::connect(again.port()).value("select 5"), "5");
    again.stop().unwrap();
    assert!(!server.is_running());
    assert!(!server.data_dir().exists());
    server.stop().expect("stopping twice is fine");
}

#[test]
fn stale_record_signals_nobody() {
    let server = start();
    let folder = server.socket_dir().to_owned();
    let record = format!(
        r#"{{"pid":{},"port":1,"folder":{folder:?},"started":1}}"#,
        server.pid().unwrap()
    );
    let stale: DetachedServer = serde_json::from_str(&record).unwrap();
    assert!(!stale.is_running());
    assert_eq!(Client::connect(server.port()).value("select 1"), "1");
}

#[test]
fn highest_version_wins() {
    let root = tempfile::tempdir().unwrap();
    for version in ["9.6", "15", "postgresql@16", "contrib"] {
        let folder = root.path().join(version).join("bin");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("postgres"), "").unwrap();
        fs::write(folder.join("initdb"), "").unwrap();
    }
    symlink("nowhere", root.path().join("99")).unwrap();
    let found = binaries::newest(root.path()).unwrap();
    assert!(found.ends_with(Path::new("postgresql@16/bin")), "{found:?}");
}

#[test]
fn debug_output_shows_no_file_contents() {
    let options = ServerOptions::new().file("server.key", "top secret");
    let shown = format!("{options:?}");
    assert!(shown.contains("server.key"));
    assert!(!shown.contains("secret"));
}
