use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::links::Links;
use super::{CHUNK, FaultProxy, Mode};

/// A server that sends everything back.
struct Echo {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

async fn echo() -> Echo {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    Echo {
        address,
        _tasks: tasks,
    }
}

async fn ask(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
    stream.write_all(text).await.unwrap();
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await.unwrap();
    answer
}

/// Whether nothing arrives for a while.
async fn is_silent(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    tokio::time::timeout(Duration::from_millis(50), stream.peek(&mut byte))
        .await
        .is_err()
}

async fn until(condition: impl Fn() -> bool) {
    tokio::time::timeout(Duration::from_secs(30), async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the condition comes true");
}

#[tokio::test]
async fn passing_proxy_is_invisible_and_counts_connections() {
    let server = echo().await;
    let proxy = FaultProxy::start(server.address).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let text = vec![7; 3 * CHUNK];
    assert_eq!(ask(&mut client, &text).await, text);
    assert_eq!(proxy.open_connections(), 1);
    client.shutdown().await.unwrap();
    assert_eq!(
        client.read(&mut [0]).await.unwrap(),
        0,
        "the end passes too"
    );
    until(|| proxy.open_connections() == 0).await;
    assert_eq!(proxy.accepted_connections(), 1);
}

#[tokio::test]
async fn black_hole_holds_old_and_new_connections_and_loses_nothing() {
    let server = echo().await;
    let proxy = FaultProxy::start(server.address).await.unwrap();
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut old, b"before").await, b"before");

    proxy.set(Mode::BlackHole);
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    old.write_all(b"held").await.unwrap();
    new.write_all(b"also").await.unwrap();
    assert!(is_silent(&mut old).await && is_silent(&mut new).await);
    until(|| proxy.open_connections() == 2).await;

    proxy.set(Mode::Pass);
    let mut answer = [0; 4];
    old.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"held");
    new.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"also");
}

#[tokio::test]
async fn black_hole_hides_the_end_of_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap())
        .await
        .unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    proxy.set(Mode::BlackHole);
    server.shutdown().await.unwrap();
    assert!(is_silent(&mut client).await);
    proxy.set(Mode::Pass);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn black_hole_pushes_back_on_the_sender() {
    let server = echo().await;
    let proxy = FaultProxy::start(server.address).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.set(Mode::BlackHole);
    let flood = async {
        loop {
            client.write_all(&[1; CHUNK]).await.unwrap();
        }
    };
    let ended = tokio::time::timeout(Duration::from_millis(200), flood).await;
    assert!(ended.is_err(), "the flood was stopped by full buffers");
}

#[tokio::test]
async fn delay_holds_each_direction_for_that_long() {
    let server = echo().await;
    let proxy = FaultProxy::start(server.address).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut client, b"warm").await;
    proxy.set(Mode::Delay(Duration::from_millis(30)));
    let asking = ask(&mut client, b"slow");
    let early = tokio::time::timeout(Duration::from_millis(55), asking).await;
    assert!(early.is_err(), "there and back takes 60 ms");
    let mut answer = [0; 4];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"slow");
}

#[tokio::test]
async fn reset_ends_old_and_new_connections_abruptly() {
    let server = echo().await;
    let proxy = FaultProxy::start(server.address).await.unwrap();
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut old, b"warm").await;
    proxy.set(Mode::Reset);
    assert_eq!(reset_of(&mut old).await, ErrorKind::ConnectionReset);
    // The reset may already arrive while the connect is being reported.
    if let Ok(mut new) = TcpStream::connect(proxy.address()).await {
        assert_eq!(reset_of(&mut new).await, ErrorKind::ConnectionReset);
    }
    proxy.set(Mode::Pass);
    let mut later = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut later, b"again").await, b"again");
}

async fn reset_of(stream: &mut TcpStream) -> ErrorKind {
    stream.read(&mut [0]).await.unwrap_err().kind()
}

#[tokio::test]
async fn dropped_proxy_ends_its_connections() {
    let server = echo().await;
    let proxy = FaultProxy::start(server.address).await.unwrap();
    let address = proxy.address();
    let mut client = TcpStream::connect(address).await.unwrap();
    ask(&mut client, b"warm").await;
    proxy.set(Mode::BlackHole);
    drop(proxy);
    assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn one_connection_is_held_while_the_others_pass() {
    let server = echo().await;
    let proxy = FaultProxy::start(server.address).await.unwrap();
    let mut held = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut held, b"warm").await;
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut other, b"warm").await;
    let [first, second] = proxy.passages()[..] else {
        panic!("two are open");
    };
    assert_eq!((first.number, second.number), (1, 2));
    assert_eq!(first.client, held.local_addr().unwrap());

    assert!(proxy.set_one(1, Mode::BlackHole).is_some());
    held.write_all(b"held").await.unwrap();
    assert!(is_silent(&mut held).await);
    assert_eq!(ask(&mut other, b"pass").await, b"pass");
    let modes: Vec<Mode> = proxy.passages().iter().map(|at| at.mode).collect();
    assert_eq!(modes, [Mode::BlackHole, Mode::Pass]);

    // What is switched for all is switched for it as well.
    proxy.set(Mode::Pass);
    let mut answer = [0; 4];
    held.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"held");
}

#[tokio::test]
async fn one_connection_is_reset_and_then_nowhere_to_be_found() {
    let server = echo().await;
    let proxy = FaultProxy::start(server.address).await.unwrap();
    let mut lost = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut lost, b"warm").await;
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut other, b"warm").await;
    assert!(proxy.set_one(1, Mode::Reset).is_some());
    assert_eq!(reset_of(&mut lost).await, ErrorKind::ConnectionReset);
    until(|| proxy.open_connections() == 1).await;
    assert!(proxy.set_one(1, Mode::Pass).is_none());
    assert_eq!(ask(&mut other, b"pass").await, b"pass");
}

#[test]
fn nothing_passes_once_a_switch_has_been_made() {
    let links = Arc::new(Links::new());
    let open = links.open("127.0.0.1:1".parse().unwrap());
    let passed = AtomicBool::new(false);
    let (begun, begins) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            open.link().pass(|| {
                begun.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(50));
                passed.store(true, Ordering::Release);
            })
        });
        begins.recv().unwrap();
        links.set(Mode::BlackHole);
        assert!(passed.load(Ordering::Acquire), "it was passing when told");
    });
    assert!(open.link().pass(|| ()).is_none());
}

#[tokio::test]
async fn connection_is_found_by_the_port_that_the_server_sees() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap())
        .await
        .unwrap();
    let _first = TcpStream::connect(proxy.address()).await.unwrap();
    let _at_server = listener.accept().await.unwrap();
    let second = TcpStream::connect(proxy.address()).await.unwrap();
    let (_server, seen) = listener.accept().await.unwrap();
    until(|| proxy.passage_from(seen.port()).is_some()).await;
    let passage = proxy.passage_from(seen.port()).unwrap();
    assert_eq!(passage.client, second.local_addr().unwrap());
}

#[tokio::test]
async fn round_trips_count_the_turns_and_not_the_chunks() {
    let server = echo().await;
    let proxy = FaultProxy::start(server.address).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    for _ in 0..3 {
        ask(&mut client, b"there and back").await;
    }
    assert_eq!(proxy.passages()[0].round_trips, 3);
}
