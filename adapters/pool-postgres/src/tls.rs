//! TLS by rustls, or the lack of it.
//!
//! Built on ring: it compiles without cmake. The certificate and the host name are always
//! verified, so `sslmode=require` here means what libpq calls `verify-full`.

#[cfg(feature = "tls")]
mod rustls_session;

#[cfg(feature = "tls")]
pub(crate) use rustls_session::{Session, Tls};

#[cfg(not(feature = "tls"))]
pub(crate) use without::Tls;

#[cfg(not(feature = "tls"))]
mod without {
    use crate::transport::Transport;
    use std::io;
    use tokio::net::TcpStream;

    /// No TLS in this build. `sslmode=require` was refused when the manager was built.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Tls;

    impl Tls {
        pub(crate) const fn is_available(&self) -> bool {
            false
        }

        pub(crate) async fn handshake(
            &self,
            _: TcpStream,
            _: Option<&str>,
        ) -> io::Result<Transport> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}
