//! What is a blob, and what is none.

use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::super::blob::HEADER;
use super::super::{Exporter, Importer, MAX_BLOB, PreparedStatement, Snapshot, Tag, TransferError};
use super::super::{UnixSeconds, VERSION};
use super::{LIFETIME, NOW, SKEW, WHO, keys, open, sealed, session, signed};

#[test]
fn what_is_imported_is_what_was_exported() {
    assert_eq!(open(sealed().as_bytes()), Ok(session()));
    let text = sealed().to_text();
    let import = Importer::new().open_text(&text, &keys(), WHO, NOW).unwrap();
    assert_eq!(import.snapshot(), &session());
}

fn text() -> impl Strategy<Value = std::sync::Arc<str>> {
    "\\PC{0,24}|[\\x00-\\x7f]{0,24}".prop_map(Into::into)
}

prop_compose! {
    fn any_statement()(
        text in text(), types in vec(any::<u32>(), 0..4), scope in text(), executions: u64,
    ) -> PreparedStatement {
        PreparedStatement { text, types, scope, executions }
    }
}

prop_compose! {
    fn any_tag()(kind in text(), key in text(), value in text(), priority: i32) -> Tag {
        Tag { kind, key, value, priority }
    }
}

prop_compose! {
    fn any_session()(
        identity in text(),
        numbers: (u64, u64),
        baseline in btree_map(text(), text(), 0..4),
        settings in btree_map(text(), text(), 0..4),
        statements in vec(any_statement(), 0..4),
        tags in vec(any_tag(), 0..4),
        channels in vec(text(), 0..4),
        data in btree_map(text(), vec(any::<u8>(), 0..20).prop_map(Into::into), 0..4),
    ) -> Snapshot {
        let mut session = Snapshot::new(identity, numbers.0, NOW);
        session.created = UnixSeconds(numbers.1);
        Snapshot { baseline, settings, statements, tags, channels, data, ..session }
    }
}

proptest! {
    #[test]
    fn any_session_comes_back_as_it_was(session in any_session(), id: u128) {
        let blob = Exporter::new().seal(&session, &keys(), id).unwrap();
        let import = Importer::new().open(blob.as_bytes(), &keys(), &session.identity, NOW);
        prop_assert_eq!(import.unwrap().confirm(), session);
    }

    #[test]
    fn bytes_that_nobody_signed_are_refused_and_nothing_is_remembered(
        bytes in vec(any::<u8>(), 0..200), at in 0..HEADER,
    ) {
        let importer = Importer::new();
        let mut like_one = sealed().into_bytes();
        like_one.truncate(at);
        like_one.extend(&bytes);
        for bytes in [&bytes, &like_one] {
            prop_assert!(importer.open(bytes, &keys(), WHO, NOW).is_err());
        }
        prop_assert_eq!(importer.remembered(), 0);
    }

    #[test]
    fn signed_content_of_any_kind_is_read_or_refused(
        at: prop::sample::Index, cut in 0..40_usize, new in "[\\[\\]{}\",:0-9a-z\\\\]{0,20}",
    ) {
        let blob = sealed();
        let mut content = blob.as_bytes()[HEADER..blob.as_bytes().len() - 32].to_vec();
        let at = at.index(content.len());
        let end = content.len().min(at + cut);
        content.splice(at..end, new.bytes());
        match open(signed(&content).as_bytes()) {
            Ok(_)
            | Err(
                TransferError::Malformed { .. }
                | TransferError::WrongIdentity { .. }
                | TransferError::TooMany { .. }
                | TransferError::TooLong { .. },
            ) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}

/// What a changed byte at this place is refused for.
fn is_the_answer_to_a_change(at: usize, error: &TransferError) -> bool {
    match at {
        0..8 => *error == TransferError::NotABlob,
        8..10 => matches!(error, TransferError::UnknownVersion { known: VERSION, .. }),
        10..14 => matches!(error, TransferError::UnknownKey { key } if *key != 7),
        38..HEADER => matches!(
            error,
            TransferError::Truncated { .. } | TransferError::TrailingBytes { .. }
        ),
        _ => *error == TransferError::Tampered { key: 7 },
    }
}

#[test]
fn a_change_of_any_bit_is_refused_for_what_it_changed_and_leaves_no_trace() {
    let importer = Importer::new();
    let blob = sealed().into_bytes();
    for at in 0..blob.len() {
        for bit in 0..8 {
            let mut changed = blob.clone();
            changed[at] ^= 1 << bit;
            let error = importer.open(&changed, &keys(), WHO, NOW).unwrap_err();
            assert!(
                is_the_answer_to_a_change(at, &error),
                "byte {at}, bit {bit}: {error}"
            );
        }
    }
    assert_eq!(importer.remembered(), 0);
    assert!(importer.open(&blob, &keys(), WHO, NOW).is_ok());
}

#[test]
fn a_blob_that_was_cut_off_anywhere_is_truncated() {
    let blob = sealed().into_bytes();
    for bytes in 0..blob.len() {
        let error = open(&blob[..bytes]).unwrap_err();
        let expected = if bytes < HEADER {
            HEADER + 32
        } else {
            blob.len()
        };
        assert_eq!(error, TransferError::Truncated { bytes, expected });
    }
}

#[test]
fn a_blob_with_something_behind_it_is_refused() {
    let mut bytes = sealed().into_bytes();
    let expected = bytes.len();
    bytes.push(0);
    let bytes_found = bytes.len();
    let error = TransferError::TrailingBytes {
        bytes: bytes_found,
        expected,
    };
    assert_eq!(open(&bytes), Err(error));
}

#[test]
fn a_length_that_is_a_lie_is_only_compared() {
    let mut bytes = sealed().into_bytes();
    bytes[38..HEADER].fill(255);
    let expected = u32::MAX as usize + HEADER + 32;
    let error = TransferError::Truncated {
        bytes: bytes.len(),
        expected,
    };
    assert_eq!(open(&bytes), Err(error));
}

#[test]
fn ten_megabytes_are_refused_whatever_they_are() {
    let bytes = vec![b'P'; 10 << 20];
    let most = MAX_BLOB;
    let error = TransferError::TooLarge {
        bytes: bytes.len(),
        most,
    };
    assert_eq!(open(&bytes), Err(error));
    // Were it decoded, the answer would be another one.
    let text = " ".repeat(10 << 20);
    let error = Importer::new()
        .open_text(&text, &keys(), WHO, NOW)
        .unwrap_err();
    assert!(matches!(error, TransferError::TooLarge { .. }), "{error}");
}

#[test]
fn a_limit_on_either_side_is_exact() {
    let blob = sealed().into_bytes();
    let exact = Importer::new().max_blob(blob.len());
    assert!(exact.open(&blob, &keys(), WHO, NOW).is_ok());
    let less = Importer::new().max_blob(blob.len() - 1);
    let error = less.open(&blob, &keys(), WHO, NOW).unwrap_err();
    assert!(matches!(error, TransferError::TooLarge { .. }), "{error}");
    let text = sealed().to_text();
    assert!(
        exact
            .remember(1)
            .open_text(&text, &keys(), WHO, NOW)
            .is_ok()
    );

    let exact = Exporter::new().max_blob(blob.len());
    assert!(exact.seal(&session(), &keys(), 1).is_ok());
    for most in [blob.len() - 1, HEADER + 32, 10, 0] {
        let less = Exporter::new().max_blob(most);
        let error = less.seal(&session(), &keys(), 1).unwrap_err();
        assert_eq!(error, TransferError::DoesNotFit { most });
    }
}

#[test]
fn a_newer_version_is_named_with_the_one_that_is_known() {
    let mut bytes = sealed().into_bytes();
    bytes[8..10].copy_from_slice(&[0, 2]);
    let error = open(&bytes).unwrap_err();
    assert_eq!(error, TransferError::UnknownVersion { found: 2, known: 1 });
    // Whatever stands behind the version there.
    assert_eq!(open(&bytes[..10]), Err(error));
}

#[test]
fn text_that_is_no_base64_is_refused() {
    for text in ["ä", "UE9PTA==", "UE9P TA"] {
        let error = Importer::new()
            .open_text(text, &keys(), WHO, NOW)
            .unwrap_err();
        assert_eq!(error, TransferError::NotText, "{text}");
    }
}

#[test]
fn a_session_of_somebody_else_is_refused_by_the_name_that_is_expected_here() {
    let importer = Importer::new();
    let error = importer
        .open(sealed().as_bytes(), &keys(), "admin@shop", NOW)
        .unwrap_err();
    let expected = "admin@shop".to_owned();
    assert_eq!(error, TransferError::WrongIdentity { expected });
    assert!(!error.to_string().contains(WHO));
    assert!(
        importer
            .open(sealed().as_bytes(), &keys(), WHO, NOW)
            .is_ok()
    );
}

#[test]
fn a_blob_is_taken_up_to_the_second_before_its_expiry_and_the_skew() {
    let end = NOW.0 + LIFETIME + SKEW;
    let open = |now| Importer::new().open(sealed().as_bytes(), &keys(), WHO, UnixSeconds(now));
    assert!(open(end - 1).is_ok());
    let (expires, now) = (UnixSeconds(end), UnixSeconds(end));
    assert_eq!(
        open(end).unwrap_err(),
        TransferError::Expired { expires, now }
    );
    assert!(open(u64::MAX).is_err());
}

#[test]
fn no_blob_lives_longer_than_any_may() {
    let week = 7 * 24 * 60 * 60;
    let seal = |seconds| {
        let exporter = Exporter::new().lifetime(Duration::from_secs(seconds));
        exporter.seal(&session(), &keys(), 1)
    };
    let blob = seal(week).unwrap();
    let error = TransferError::LivesTooLong {
        seconds: week + 1,
        most: week,
    };
    assert_eq!(seal(week + 1), Err(error));
    let open = |now| Importer::new().open(blob.as_bytes(), &keys(), WHO, UnixSeconds(now));
    assert!(open(NOW.0 - SKEW).is_ok());
    let error = open(NOW.0 - SKEW - 1).unwrap_err();
    assert!(
        matches!(error, TransferError::LivesTooLong { .. }),
        "{error}"
    );
}
