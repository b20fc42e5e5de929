use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

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
