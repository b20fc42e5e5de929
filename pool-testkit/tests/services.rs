//! Black-box rules of the `pool-services` program and of servers whose owner dies.
#![cfg(feature = "services")]

use std::env;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use pool_testkit::postgres::{PrivateServer, ServerOptions};

const OWNER: &str = "POOL_TESTKIT_OWNER";

fn services(state: &Path, command: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pool-services"))
        .arg(command)
        .arg("--state")
        .arg(state)
        .output()
        .expect("the program was built")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Stops what the test has started, also when it fails.
struct Down<'a>(&'a Path);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        services(self.0, "down");
    }
}

#[test]
fn up_and_down_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    let _down = Down(state);
    assert!(!services(state, "status").status.success());

    let first = services(state, "up");
    assert!(first.status.success(), "{first:?}");
    let url = text(&first);
    assert!(url.starts_with("POOL_POSTGRES_URL=postgres://postgres@127.0.0.1:"));
    assert_eq!(text(&services(state, "up")), url, "one server, not two");
    assert_eq!(text(&services(state, "status")), url);

    let port: u16 = url
        .trim()
        .rsplit([':', '/'])
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(services(state, "down").status.success());
    assert!(services(state, "down").status.success());
    assert!(!services(state, "status").status.success());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn server_of_a_process_that_died_is_gone_with_its_folder() {
    if env::var_os(OWNER).is_some() {
        let server = PrivateServer::start(&ServerOptions::new()).unwrap();
        println!("\n{}\n{}", server.port(), server.socket_dir().display());
        // No destructor runs.
        std::process::abort();
    }
    let owner = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "server_of_a_process_that_died_is_gone_with_its_folder",
        ])
        .arg("--nocapture")
        .env(OWNER, "1")
        .output()
        .unwrap();
    let told = text(&owner);
    let folder = told.lines().find(|line| line.contains("pool-postgres-"));
    let folder = PathBuf::from(folder.expect(&told));
    // Another process tidies up, of whose end nobody tells us: look again for up to 30 s.
    let is_gone = (0..3_000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        !folder.exists()
    });
    assert!(is_gone, "{folder:?}");
}
