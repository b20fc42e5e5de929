//! Sessions that go from one registry to another.

use crate::support::{Fake, Op, Server, ok, sessions, sessions_with, set, settings};
use pool_multiplex::transfer::{Exporter, Keys, TransferError, UnixSeconds};
use pool_multiplex::{Error, Modes, Session, SessionConfig, Sessions, Tag};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn keys() -> Keys {
    Keys::new(1, b"a secret of thirty-two bytes and").expect("it is long enough")
}

fn export(session: Session<Fake>) -> Vec<u8> {
    let blob = session.export(&Exporter::new(), &keys(), NOW);
    let blob = blob.map_err(|(_, error)| error).expect("nothing pins it");
    blob.as_bytes().to_vec()
}

fn import(sessions: &Sessions<Fake>, blob: &[u8]) -> Result<Session<Fake>, TransferError> {
    match sessions.import(blob, &keys(), NOW) {
        Ok(session) => Ok(session),
        Err(Error::Transfer(error)) => Err(error),
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_export_ends_the_session_and_an_import_goes_on_with_all_of_it() {
    let server = Server::new();
    let here = sessions(&server, 1).await;
    let there = sessions(&server, 1).await;
    let mut one = here.create().expect("there is room");
    ok(&mut one, set("a", "1")).await;
    let statement = here.catalogue().intern("SELECT 1", &[23], "public");
    let changed = one.change(|state| {
        state.statements_mut().touch(&statement);
        state.statements_mut().touch(&statement);
        state.tags_mut().insert(Tag::schema("public")).is_ok()
    });
    assert_eq!(changed.ok(), Some(true));
    let blob = export(one);
    let gone = here.statistics();
    assert_eq!((gone.sessions, gone.exported, gone.destroyed), (0, 1, 0));
    let mut one = import(&there, &blob).expect("it is whole");
    assert_eq!(
        ok(&mut one, Op::Show).await.settings,
        settings([("a", "1")])
    );
    let kept = one.look(|state| {
        let statements = state.statements().iter();
        let statements = statements.map(|(one, runs)| (one.text().to_owned(), runs));
        (statements.collect::<Vec<_>>(), state.tags().key())
    });
    let (statements, tags) = kept.expect("it is there");
    assert_eq!(statements, [("SELECT 1".to_owned(), 2)]);
    assert_ne!(tags, 0);
    let come = there.statistics();
    assert_eq!((come.sessions, come.imported, come.created), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_blob_is_imported_once() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let blob = export(sessions.create().expect("there is room"));
    let one = import(&sessions, &blob).expect("it is whole");
    drop(one);
    let again = import(&sessions, &blob);
    assert!(
        matches!(again, Err(TransferError::AlreadyImported)),
        "{again:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_blob_for_which_there_is_no_room_can_be_imported_when_there_is() {
    let server = Server::new();
    let config = SessionConfig::new().max_sessions(1);
    let sessions = sessions_with(&server, 1, config).await;
    let blob = export(sessions.create().expect("there is room"));
    let other = sessions.create().expect("there is room");
    let full = sessions.import(&blob, &keys(), NOW);
    assert!(matches!(full, Err(Error::TooMany { limit: 1 })), "{full:?}");
    drop(other);
    assert!(import(&sessions, &blob).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_session_in_a_transaction_is_not_exported_and_goes_on() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    for begun in [false, true] {
        one.begin(Modes::default()).await.expect("it is in none");
        if begun {
            ok(&mut one, Op::Write(1)).await;
        }
        let refused = one.export(&Exporter::new(), &keys(), NOW);
        let (session, error) = refused.expect_err("it is in a transaction");
        assert!(
            matches!(error, Error::Transfer(TransferError::NotExportable { .. })),
            "{error:?}"
        );
        one = session;
        if !begun {
            assert!(one.end_unbegun(true).expect("it is in one"));
        }
    }
    ok(&mut one, Op::Commit).await;
    assert_eq!(server.rows(), [1]);
    assert_eq!(sessions.statistics().exported, 0);
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_was_changed_is_refused_and_nothing_has_happened() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut blob = export(sessions.create().expect("there is room"));
    let last = blob.len() - 1;
    blob[last] ^= 1;
    assert!(import(&sessions, &blob).is_err());
    assert_eq!(sessions.statistics().sessions, 0);
    blob[last] ^= 1;
    assert!(import(&sessions, &blob).is_ok());
}
