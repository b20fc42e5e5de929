//! Sockets, opened by the adapter and not by the driver, so that it can watch them.

use crate::error::Error;
use crate::tls::Tls;
use crate::watch::{Watch, WatchedStream};
use socket2::{SockRef, TcpKeepalive};
use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// One place where a server may listen.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: Address,
    /// The name a certificate must carry.
    pub(crate) name: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.address, &self.name) {
            (Address::Tcp(address), Some(name)) if *name != address.ip().to_string() => {
                write!(f, "{name}:{} ({})", address.port(), address.ip())
            }
            (Address::Tcp(address), _) => write!(f, "{address}"),
            (Address::Unix(path), _) => write!(f, "{}", path.display()),
        }
    }
}

/// A connected socket, under TLS where that was agreed on.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(crate::tls::Session),
}

/// `SSLRequest`: eight bytes long, with its number in place of a protocol version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

impl Endpoint {
    /// Connects and agrees on TLS. Cancel safe: dropping it closes the socket.
    pub(crate) async fn open(&self, config: &Config, tls: &Tls) -> Result<Transport, Error> {
        let socket = match config.get_connect_timeout() {
            None => self.socket(config).await,
            Some(limit) => tokio::time::timeout(*limit, self.socket(config))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        };
        let transport = socket.map_err(|source| Error::Connect {
            endpoint: self.to_string(),
            source,
        })?;
        self.secure(transport, config, tls).await
    }

    async fn socket(&self, config: &Config) -> io::Result<Transport> {
        match &self.address {
            Address::Unix(path) => UnixStream::connect(path).await.map(Transport::Unix),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                tune(&stream, config)?;
                Ok(Transport::Tcp(stream))
            }
        }
    }

    async fn secure(
        &self,
        transport: Transport,
        config: &Config,
        tls: &Tls,
    ) -> Result<Transport, Error> {
        let mode = config.get_ssl_mode();
        let mut stream = match transport {
            Transport::Tcp(stream) if mode == SslMode::Require || tls.is_available() => stream,
            Transport::Unix(_) if mode == SslMode::Require => return Err(self.refused()),
            plain => return Ok(plain),
        };
        if mode == SslMode::Disable {
            return Ok(Transport::Tcp(stream));
        }
        if config.get_ssl_negotiation() == SslNegotiation::Postgres {
            let offered = ask_for_tls(&mut stream).await;
            if !offered.map_err(|source| self.connect_error(source))? {
                return match mode {
                    SslMode::Require => Err(self.refused()),
                    _ => Ok(Transport::Tcp(stream)),
                };
            }
        }
        let handshake = tls.handshake(stream, self.name.as_deref()).await;
        handshake.map_err(|source| Error::Tls {
            endpoint: self.to_string(),
            source,
        })
    }

    fn refused(&self) -> Error {
        Error::TlsRefused {
            endpoint: self.to_string(),
        }
    }

    fn connect_error(&self, source: io::Error) -> Error {
        Error::Connect {
            endpoint: self.to_string(),
            source,
        }
    }
}

/// Whether the server is willing. It answers with a single byte, so nothing is read ahead.
async fn ask_for_tls(stream: &mut TcpStream) -> io::Result<bool> {
    stream.write_all(&SSL_REQUEST).await?;
    Ok(stream.read_u8().await? == b'S')
}

fn tune(stream: &TcpStream, config: &Config) -> io::Result<()> {
    let socket = SockRef::from(stream);
    #[cfg(target_os = "linux")]
    if let Some(limit) = config.get_tcp_user_timeout() {
        socket.set_tcp_user_timeout(Some(*limit))?;
    }
    if !config.get_keepalives() {
        return Ok(());
    }
    let mut keepalive = TcpKeepalive::new().with_time(config.get_keepalives_idle());
    if let Some(interval) = config.get_keepalives_interval() {
        keepalive = keepalive.with_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        keepalive = keepalive.with_retries(retries);
    }
    socket.set_tcp_keepalive(&keepalive)
}

/// Makes the driver take a finished stream for the result of its TLS handshake.
///
/// The driver offers no other way to hand it a stream together with the channel binding that
/// SCRAM needs. With `sslmode=require` and direct negotiation (see [`driver_config`]) it calls
/// [`TlsConnect::connect`] first thing, and sends nothing before.
#[derive(Clone, Debug)]
pub(crate) struct AlreadyConnected(pub(crate) Arc<Watch>);

/// The configuration to go with [`AlreadyConnected`].
pub(crate) fn driver_config(config: &Config) -> Config {
    let mut config = config.clone();
    config
        .ssl_mode(SslMode::Require)
        .ssl_negotiation(SslNegotiation::Direct);
    config
}

impl TlsConnect<Transport> for AlreadyConnected {
    type Stream = WatchedStream<Transport>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Stream, Self::Error>>;

    fn connect(self, stream: Transport) -> Self::Future {
        ready(Ok(WatchedStream::new(stream, self.0)))
    }
}

impl TlsStream for WatchedStream<Transport> {
    fn channel_binding(&self) -> ChannelBinding {
        match self.inner() {
            Transport::Tcp(_) | Transport::Unix(_) => ChannelBinding::none(),
            #[cfg(feature = "tls")]
            Transport::Tls(session) => session.channel_binding(),
        }
    }
}

/// Calls `$body` with `$stream` bound to the pinned stream inside a [`Transport`].
macro_rules! on_stream {
    ($self:expr, $stream:ident => $body:expr) => {
        match $self.get_mut() {
            Transport::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $body
            }
            Transport::Unix(stream) => {
                let $stream = Pin::new(stream);
                $body
            }
            #[cfg(feature = "tls")]
            Transport::Tls(session) => {
                let $stream = Pin::new(&mut session.0);
                $body
            }
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_shutdown(cx))
    }
}
