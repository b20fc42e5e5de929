//! The TLS session by rustls: which roots are trusted, and that a certificate is always verified.

use crate::error::ConfigError;
use crate::transport::Transport;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

type Stream = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::Stream;

/// How to speak TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: MakeRustlsConnect,
}

/// An established TLS session.
pub(crate) struct Session(pub(crate) Box<Stream>);

impl Tls {
    pub(crate) fn with_config(config: ClientConfig) -> Self {
        Self {
            connector: MakeRustlsConnect::new(config),
        }
    }

    /// Trusts `roots`, or the web's root certificates when there are none.
    pub(crate) fn with_roots(roots: Vec<CertificateDer<'static>>) -> Result<Self, ConfigError> {
        let mut store = RootCertStore::empty();
        if roots.is_empty() {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for root in roots {
            store.add(root).map_err(root_error)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(root_error)?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self::with_config(config))
    }

    pub(crate) const fn is_available(&self) -> bool {
        true
    }

    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        name: Option<&str>,
    ) -> io::Result<Transport> {
        let address = stream.peer_addr()?.ip().to_string();
        let mut connector = self.connector.clone();
        let connect = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::make_tls_connect(
            &mut connector,
            name.unwrap_or(&address),
        )
        .map_err(io::Error::other)?;
        let stream = connect.connect(stream).await?;
        Ok(Transport::Tls(Session(Box::new(stream))))
    }
}

fn root_error(error: rustls::Error) -> ConfigError {
    ConfigError::RootCertificate {
        reason: error.to_string(),
    }
}

impl Session {
    pub(crate) fn channel_binding(&self) -> ChannelBinding {
        self.0.channel_binding()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(rustls)")
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}
