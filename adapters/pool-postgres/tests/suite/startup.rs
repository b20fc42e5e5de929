use crate::support::url;
use pool_core::{ErrorClass, Manager};
use pool_postgres::{ConfigError, Error, PostgresManager};
use std::error::Error as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SECRET: &str = "hunter2";

/// Everything an error shows, its sources included.
fn everything(error: &Error) -> String {
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        shown += &format!(" {error} {error:?}");
        source = error.source();
    }
    shown
}

/// A server that answers every startup with one error.
async fn refusing(code: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    #[expect(clippy::disallowed_methods, reason = "a server of the test's own")]
    tokio::task::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut startup = [0; 1024];
            let _ = socket.read(&mut startup).await;
            let body = format!("SFATAL\0VFATAL\0C{code}\0Mnot now\0\0");
            let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
            let _ = socket
                .write_all(&[b"E", &length[..], body.as_bytes()].concat())
                .await;
        }
    });
    port
}

#[tokio::test]
async fn starting_server_is_transient() {
    for (code, expected) in [
        ("57P03", ErrorClass::Endpoint),
        ("53300", ErrorClass::Endpoint),
        ("57P01", ErrorClass::Endpoint),
        ("08004", ErrorClass::Endpoint),
        ("28P01", ErrorClass::Permanent),
        ("28000", ErrorClass::Permanent),
        ("3D000", ErrorClass::Permanent),
    ] {
        let port = refusing(code).await;
        let dsn = format!("host=127.0.0.1 port={port} user=me password={SECRET} sslmode=disable");
        let manager = PostgresManager::new(&dsn).unwrap();
        let error = manager.open().await.unwrap_err();
        assert_eq!(manager.classify(&error), expected, "{code}: {error}");
        assert!(error.to_string().contains(code), "{error}");
        assert!(!everything(&error).contains(SECRET));
    }
}

#[tokio::test]
async fn unreachable_server_is_transient_and_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let manager = PostgresManager::new(&format!("postgres://me@127.0.0.1:{port}/db")).unwrap();
    let error = manager.open().await.unwrap_err();
    assert_eq!(manager.classify(&error), ErrorClass::Endpoint);
    assert!(
        error.to_string().contains(&format!("127.0.0.1:{port}")),
        "{error}"
    );
}

#[tokio::test]
async fn next_host_is_tried_when_one_fails() {
    let port = refusing("57P03").await;
    let good: tokio_config::Config = url().parse().unwrap();
    let good_port = good.get_ports()[0];
    let user = good.get_user().unwrap_or("postgres");
    let dsn = format!(
        "host=127.0.0.1,127.0.0.1 port={port},{good_port} user={user} dbname=postgres sslmode=disable"
    );
    let conn = PostgresManager::new(&dsn).unwrap().open().await;
    assert!(conn.is_ok(), "{:?}", conn.err());
}

#[tokio::test]
async fn host_that_is_not_what_was_asked_for_is_refused() {
    let mut config: tokio_config::Config = url().parse().unwrap();
    config.target_session_attrs(tokio_config::config::TargetSessionAttrs::ReadOnly);
    let manager = PostgresManager::with_config(config.clone())
        .build()
        .unwrap();
    let error = manager.open().await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::TargetSession {
                wanted: "read-only",
                ..
            }
        ),
        "{error}"
    );
    config.target_session_attrs(tokio_config::config::TargetSessionAttrs::ReadWrite);
    let manager = PostgresManager::with_config(config).build().unwrap();
    let mut conn = manager.open().await.unwrap();
    assert_eq!(manager.condition(&mut conn), pool_core::Condition::Clean);
}

use pool_postgres::tokio_postgres as tokio_config;

#[test]
fn faulty_dsn_names_the_key() {
    let fault = |dsn: &str| match PostgresManager::new(dsn) {
        Err(Error::Config(fault)) => fault,
        other => panic!("{other:?}"),
    };
    let key = |key: &str| key.to_owned();
    assert_eq!(
        fault("postgres://me@h:99999/db"),
        ConfigError::InvalidValue { key: key("port") }
    );
    assert_eq!(
        fault("host=h sslmode=perhaps"),
        ConfigError::InvalidValue {
            key: key("sslmode")
        }
    );
    assert_eq!(
        fault("host=h colour=blue password=x"),
        ConfigError::UnknownKey { key: key("colour") }
    );
    assert_eq!(
        fault("postgres://me:x@h/db?colour=blue"),
        ConfigError::UnknownKey { key: key("colour") }
    );
    assert_eq!(fault("user=me"), ConfigError::NoHost);
    assert_eq!(
        fault("host=a,b port=1,2,3"),
        ConfigError::UnmatchedHosts {
            hosts: 2,
            addresses: 0,
            ports: 3
        }
    );
}

#[cfg(not(feature = "tls"))]
#[test]
fn required_tls_without_the_feature_is_a_clear_error() {
    let error = PostgresManager::new("host=h sslmode=require").unwrap_err();
    assert!(matches!(error, Error::Config(ConfigError::TlsNotCompiled)));
}

#[tokio::test]
async fn password_is_never_in_errors_or_debug() {
    for dsn in [
        format!("host=h password=my {SECRET}=1"),
        format!("host=h password={SECRET} nonsense"),
        format!("host=h password='{SECRET}"),
        format!("host=h password={SECRET} colour=blue"),
        format!("postgres://me:p@{SECRET}@h/db"),
        format!("postgres://me:p@s?{SECRET}=1@h/db"),
        format!("postgres://me:p@s/{SECRET}@h/db?colour=1"),
        format!("postgres://me:{SECRET}@h:port/db"),
        format!("postgres://me:{SECRET}@h/db?colour=blue"),
        format!("postgres://me@h/db?password={SECRET}&colour=blue"),
        format!("postgres://me@h/db?password=a&{SECRET}=blue"),
    ] {
        let error = PostgresManager::new(&dsn).unwrap_err();
        assert!(!everything(&error).contains(SECRET), "{dsn}: {error:?}");
    }
    let dsn = format!("postgres://me:{SECRET}@h/db");
    let builder = PostgresManager::builder(&dsn).unwrap();
    assert!(!format!("{builder:#?}").contains(SECRET));
    let manager = builder.build().unwrap();
    assert!(!format!("{manager:#?}").contains(SECRET));

    let mut config: tokio_config::Config = url().parse().unwrap();
    config.password(SECRET);
    let manager = PostgresManager::with_config(config).build().unwrap();
    let conn = manager.open().await.unwrap();
    assert!(!format!("{conn:#?}").contains(SECRET));
}
