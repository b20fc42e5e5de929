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
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

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
    mode: watch::Sender<Mode>,
    counts: Arc<Counts>,
    /// Holds the acceptor, which holds the connections.
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    ended: AtomicU64,
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
        let (mode, watching) = watch::channel(Mode::Pass);
        let counts = Arc::new(Counts::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, watching, Arc::clone(&counts)));
        Ok(Self {
            address,
            mode,
            counts,
            _tasks: tasks,
        })
    }

    /// Where clients connect to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is done with connections now.
    #[must_use]
    pub fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    /// Switches the mode for all connections, open and new.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How many connections of clients the proxy has open.
    #[must_use]
    pub fn open_connections(&self) -> u64 {
        // The ended ones first: read later they could exceed the accepted ones.
        let ended = self.counts.ended.load(Ordering::Acquire);
        self.counts.accepted.load(Ordering::Acquire) - ended
    }

    /// How many connections were accepted in all.
    #[must_use]
    pub fn accepted_connections(&self) -> u64 {
        self.counts.accepted.load(Ordering::Acquire)
    }
}

/// Counts a connection as ended, however it ends.
struct Counted(Arc<Counts>);

impl Counted {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.accepted.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(counts))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::AcqRel);
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    mode: watch::Receiver<Mode>,
    counts: Arc<Counts>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                // An error here concerns one client that has gone already.
                let Ok((client, _)) = accepted else { continue };
                let counted = Counted::new(&counts);
                let mode = mode.clone();
                connections.spawn(async move {
                    serve(client, target, mode).await;
                    drop(counted);
                });
            }
        }
    }
}

/// Serves one client until either side has ended the connection or it is reset.
async fn serve(mut client: TcpStream, target: SocketAddr, mode: watch::Receiver<Mode>) {
    let is_reset = tokio::select! {
        () = reset_wanted(mode.clone()) => true,
        () = forward(&mut client, target, mode) => false,
    };
    if is_reset {
        // Makes the close that follows a reset; a client that is gone needs none.
        let _ = client.set_zero_linger();
    }
}

async fn forward(client: &mut TcpStream, target: SocketAddr, mut mode: watch::Receiver<Mode>) {
    passage(&mut mode).await;
    let Ok(mut server) = TcpStream::connect(target).await else {
        // As the server would have done.
        let _ = client.set_zero_linger();
        return;
    };
    // Without a delay the proxy should be invisible; Nagle's algorithm is not.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    // Ends with the first error; an orderly end is passed on and the other direction goes on.
    let _ = tokio::try_join!(
        pump(from_client, to_server, mode.clone()),
        pump(from_server, to_client, mode),
    );
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await?;
        passage(&mut mode).await;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&chunk[..length]).await?;
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

#[cfg(test)]
mod tests;
