//! A TCP proxy that can hold, delay and reset what passes through it.
//!
//! Stopping a server ends its connections in the kindest way there is: the kernel says goodbye.
//! The failures that hang pools are the others, in which nothing arrives any more, not even the
//! end. A firewall could bring them about but needs root and a machine of one's own; a proxy in
//! front of the server needs neither, and its mode can be switched between two bytes.
//!
//! Each direction of a connection holds at most one chunk of 16 KiB, so a held connection pushes
//! back on its sender as a full network would. What was held is delivered in order once the mode
//! lets it pass. A client's `connect` itself always succeeds, since the kernel answers it; in
//! [`Mode::BlackHole`] whatever the client then sends or waits for goes nowhere.
//!
//! What is done is chosen for all connections or for one: which one, is told by the port from which
//! the server sees it come. A switch says when it was in force, so that a test can time what follows.
//!
//! The proxy works in real time: it serves real sockets.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use pool_testkit::proxy::{FaultProxy, Mode};
//!
//! let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let proxy = FaultProxy::start(server.local_addr()?).await?;
//! let client = tokio::net::TcpStream::connect(proxy.address()).await?;
//! proxy.set(Mode::BlackHole);
//! # drop(client);
//! # Ok(())
//! # }
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use links::{Link, Links, Side};

/// What one direction of a connection holds at most, in bytes.
const CHUNK: usize = 16 * 1024;

/// How many connections are served at once; the next ones wait in the kernel's backlog.
const MAX_CONNECTIONS: usize = 1024;

/// What the proxy does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Forwards everything.
    Pass,
    /// Keeps connections and accepts new ones, but forwards nothing, the end of a connection
    /// included.
    BlackHole,
    /// Forwards each chunk of at most 16 KiB that much later, in each direction. A chunk waits
    /// for the one before it.
    Delay(Duration),
    /// Resets every connection, the new ones as soon as they are accepted.
    Reset,
}

/// A proxy in front of one address. Dropping it ends all its tasks and connections.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    links: Arc<Links>,
    /// Holds the acceptor, which holds the connections.
    _tasks: JoinSet<()>,
}

/// An open connection of a client, as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Its number, counted from 1 in the order of acceptance.
    pub number: u64,
    /// The client's end of it.
    pub client: SocketAddr,
    /// The port from which the proxy is connected to the server on its behalf, which is how the
    /// server knows the client: `inet_client_port()` in PostgreSQL. `None` until it is connected.
    pub server_port: Option<u16>,
    /// What is done with it.
    pub mode: Mode,
    /// How often the client began to send after the server had sent, or first: the round trips so
    /// far, as long as neither side sends before it has read all that the other has.
    pub round_trips: u64,
}

impl FaultProxy {
    /// A proxy on a free port of `127.0.0.1` that forwards to `target`, in mode
    /// [`Pass`](Mode::Pass). Its tasks run on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let links = Arc::new(Links::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, Arc::clone(&links)));
        Ok(Self {
            address,
            links,
            _tasks: tasks,
        })
    }

    /// Where clients connect to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is done with new connections now, and with the open ones that were not
    /// [chosen](Self::set_one) since.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.links.mode()
    }

    /// Switches the mode for all connections, open and new.
    ///
    /// Returns when that was in force: no byte passes later that the mode does not let pass.
    pub fn set(&self, mode: Mode) -> Instant {
        self.links.set(mode);
        now()
    }

    /// Switches the mode of the open connection with this number, until it is switched again for it
    /// or for all.
    ///
    /// Returns when that was in force, as [`set`](Self::set); `None` if the connection has ended.
    pub fn set_one(&self, number: u64, mode: Mode) -> Option<Instant> {
        self.links.set_one(number, mode).then(now)
    }

    /// The open connections, in the order of their numbers.
    #[must_use]
    pub fn passages(&self) -> Vec<Passage> {
        self.links.list()
    }

    /// The open connection that the server knows by this port; see
    /// [`server_port`](Passage::server_port).
    #[must_use]
    pub fn passage_from(&self, server_port: u16) -> Option<Passage> {
        let mut passages = self.links.list().into_iter();
        passages.find(|passage| passage.server_port == Some(server_port))
    }

    /// How many connections of clients the proxy has open.
    #[must_use]
    pub fn open_connections(&self) -> u64 {
        u64::try_from(self.links.list().len()).unwrap_or(u64::MAX)
    }

    /// How many connections were accepted in all.
    #[must_use]
    pub fn accepted_connections(&self) -> u64 {
        self.links.accepted()
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, links: Arc<Links>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                // An error here concerns one client that has gone already.
                let Ok((client, address)) = accepted else { continue };
                let open = links.open(address);
                connections.spawn(async move {
                    serve(client, target, open.link()).await;
                    drop(open);
                });
            }
        }
    }
}

/// Serves one client until either side has ended the connection or it is reset.
async fn serve(mut client: TcpStream, target: SocketAddr, link: &Link) {
    let is_reset = tokio::select! {
        () = reset_wanted(link.watch()) => true,
        () = forward(&mut client, target, link) => false,
    };
    if is_reset {
        // Makes the close that follows a reset; a client that is gone needs none.
        let _ = client.set_zero_linger();
    }
}

async fn forward(client: &mut TcpStream, target: SocketAddr, link: &Link) {
    passage(&mut link.watch()).await;
    let Ok(mut server) = TcpStream::connect(target).await else {
        // As the server would have done.
        let _ = client.set_zero_linger();
        return;
    };
    if let Ok(address) = server.local_addr() {
        link.connected_from(address.port());
    }
    // Without a delay the proxy should be invisible; Nagle's algorithm is not.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    // Ends with the first error; an orderly end is passed on and the other direction goes on.
    let _ = tokio::try_join!(
        pump((from_client, to_server), link, Side::Client),
        pump((from_server, to_client), link, Side::Server),
    );
}

async fn pump(
    (mut from, mut to): (ReadHalf<'_>, WriteHalf<'_>),
    link: &Link,
    side: Side,
) -> io::Result<()> {
    let mut mode = link.watch();
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await?;
        passage(&mut mode).await;
        if length == 0 {
            return to.shutdown().await;
        }
        link.spoke(side);
        let mut rest = &chunk[..length];
        while !rest.is_empty() {
            to.writable().await?;
            match link.pass(|| to.try_write(rest)) {
                Some(Ok(written)) => rest = &rest[written..],
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Some(Err(error)) => return Err(error),
                // The mode has changed since.
                None => passage(&mut mode).await,
            }
        }
    }
}

/// Ends when something may pass: at once, later, or when the mode has changed.
async fn passage(mode: &mut watch::Receiver<Mode>) {
    loop {
        let now = *mode.borrow_and_update();
        let changed = async {
            if mode.changed().await.is_err() {
                // The proxy is being dropped and this task with it.
                std::future::pending::<()>().await;
            }
        };
        match now {
            Mode::Pass => return,
            Mode::BlackHole | Mode::Reset => changed.await,
            Mode::Delay(delay) => {
                tokio::select! {
                    () = sleep(delay) => return,
                    () = changed => {}
                }
            }
        }
    }
}

async fn reset_wanted(mut mode: watch::Receiver<Mode>) {
    if mode.wait_for(|mode| *mode == Mode::Reset).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "real sockets keep to the runtime's time"
)]
async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "real sockets keep to the machine's time"
)]
fn now() -> Instant {
    Instant::now()
}

mod links;

#[cfg(test)]
mod tests;
