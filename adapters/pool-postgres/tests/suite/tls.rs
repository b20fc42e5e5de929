use crate::support::{ask, exists, is_active, poll_once, until};
use pool_core::{ErrorClass, Manager};
use pool_postgres::rustls::pki_types::CertificateDer;
use pool_postgres::{Error, PostgresManager};
use pool_testkit::postgres::{PrivateServer, ServerOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::sync::OnceLock;

/// A server with TLS whose certificate is for `localhost`, and the authority that signed it.
fn server() -> &'static (PrivateServer, CertificateDer<'static>) {
    static SERVER: OnceLock<(PrivateServer, CertificateDer<'static>)> = OnceLock::new();
    SERVER.get_or_init(|| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = names.signed_by(&key, &authority).unwrap();
        let options = ServerOptions::new()
            .setting("ssl", "on")
            .file("server.crt", certificate.pem())
            .file("server.key", key.serialize_pem())
            .access("hostssl all alice 127.0.0.1/32 scram-sha-256");
        (
            PrivateServer::start(&options).unwrap(),
            authority.der().clone(),
        )
    })
}

fn dsn(rest: &str) -> String {
    let port = server().0.port();
    format!("host=localhost hostaddr=127.0.0.1 port={port} user=postgres {rest}")
}

fn trusting(dsn: &str) -> PostgresManager {
    let builder = PostgresManager::builder(dsn).unwrap();
    builder
        .root_certificate(server().1.clone())
        .build()
        .unwrap()
}

const IS_ENCRYPTED: &str = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

#[tokio::test]
async fn required_tls_is_used_and_watched() {
    let manager = trusting(&dsn("sslmode=require"));
    let mut conn = manager.open().await.unwrap();
    assert_eq!(ask(&conn, IS_ENCRYPTED).await.as_deref(), Some("true"));
    assert_eq!(manager.condition(&mut conn), pool_core::Condition::Clean);
    conn.batch_execute("BEGIN").await.unwrap();
    assert_eq!(manager.condition(&mut conn), pool_core::Condition::Dirty);
    manager.reset(&mut conn).await.unwrap();
    manager.close(conn).await;
}

#[tokio::test]
async fn disabled_tls_is_not_used() {
    let conn = trusting(&dsn("sslmode=disable")).open().await.unwrap();
    assert_eq!(ask(&conn, IS_ENCRYPTED).await.as_deref(), Some("false"));
}

#[tokio::test]
async fn untrusted_certificate_is_refused_for_good() {
    let manager = PostgresManager::new(&dsn("sslmode=require")).unwrap();
    let error = manager.open().await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
    assert_eq!(manager.classify(&error), ErrorClass::Permanent);
}

#[tokio::test]
async fn certificate_for_another_name_is_refused() {
    let port = server().0.port();
    let dsn = format!("host=127.0.0.1 port={port} user=postgres sslmode=require");
    let error = trusting(&dsn).open().await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
}

#[tokio::test]
async fn server_without_tls_is_refused_where_tls_is_required() {
    let url = format!("{}?sslmode=require", crate::support::url());
    let manager = PostgresManager::new(&url).unwrap();
    let error = manager.open().await.unwrap_err();
    assert!(matches!(error, Error::TlsRefused { .. }), "{error}");
    assert_eq!(manager.classify(&error), ErrorClass::Permanent);
}

#[tokio::test]
async fn scram_is_bound_to_the_tls_channel() {
    let admin = trusting(&dsn("sslmode=require")).open().await.unwrap();
    admin
        .batch_execute("CREATE ROLE alice LOGIN PASSWORD 'wonderland'")
        .await
        .unwrap();
    let bound = "user=alice dbname=postgres sslmode=require channel_binding=require";
    let right = trusting(&dsn(&format!("{bound} password=wonderland")));
    let conn = right.open().await.unwrap();
    assert_eq!(
        ask(&conn, "SELECT current_user::text").await.as_deref(),
        Some("alice")
    );
    let wrong = trusting(&dsn(&format!("{bound} password=hatter")));
    let error = wrong.open().await.unwrap_err();
    assert_eq!(wrong.classify(&error), ErrorClass::Permanent);
    assert!(!format!("{error} {error:?}").contains("hatter"));
}

#[tokio::test]
async fn cancel_travels_under_tls_too() {
    let manager = trusting(&dsn("sslmode=require"));
    let observer = manager.open().await.unwrap();
    let conn = manager.open().await.unwrap();
    let pid = conn.process_id();
    {
        let mut sleep = std::pin::pin!(conn.batch_execute("SELECT pg_sleep(600)"));
        poll_once(&mut sleep);
        until("the query runs", || is_active(&observer, pid)).await;
    }
    manager.close(conn).await;
    until("the back end has ended", || async {
        !exists(&observer, pid).await
    })
    .await;
}
