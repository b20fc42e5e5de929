//! Which signatures are believed, and what is never shown.

use super::super::{Exporter, Importer, Keys, MAX_KEYS, TransferError};
use super::{NOW, WHO, keys, sealed, session};

#[test]
fn a_blob_signed_before_the_keys_changed_is_still_believed() {
    let rotated = Keys::new(8, [8; 32])
        .unwrap()
        .also_accept(7, [7; 32])
        .unwrap();
    let import = Importer::new().open(sealed().as_bytes(), &rotated, WHO, NOW);
    assert_eq!(import.unwrap().confirm(), session());
}

#[test]
fn a_new_blob_is_signed_with_the_new_key() {
    let rotated = Keys::new(8, [8; 32])
        .unwrap()
        .also_accept(7, [7; 32])
        .unwrap();
    let blob = Exporter::new().seal(&session(), &rotated, 1).unwrap();
    let error = Importer::new()
        .open(blob.as_bytes(), &keys(), WHO, NOW)
        .unwrap_err();
    assert_eq!(error, TransferError::UnknownKey { key: 8 });
    let new_alone = Keys::new(8, [8; 32]).unwrap();
    assert!(
        Importer::new()
            .open(blob.as_bytes(), &new_alone, WHO, NOW)
            .is_ok()
    );
}

#[test]
fn a_key_that_is_unknown_is_named_and_one_with_another_secret_too() {
    let other_id = Keys::new(9, [7; 32]).unwrap();
    let error = Importer::new()
        .open(sealed().as_bytes(), &other_id, WHO, NOW)
        .unwrap_err();
    assert_eq!(error, TransferError::UnknownKey { key: 7 });
    let other_secret = Keys::new(7, [6; 32]).unwrap();
    let error = Importer::new()
        .open(sealed().as_bytes(), &other_secret, WHO, NOW)
        .unwrap_err();
    assert_eq!(error, TransferError::Tampered { key: 7 });
}

#[test]
fn a_secret_below_32_bytes_is_refused() {
    let error = TransferError::ShortSecret {
        key: 1,
        bytes: 31,
        least: 32,
    };
    assert_eq!(Keys::new(1, [1; 31]).unwrap_err(), error);
    assert_eq!(keys().also_accept(1, [1; 31]).unwrap_err(), error);
    assert!(Keys::new(1, [1; 32]).is_ok());
}

#[test]
fn an_id_has_one_secret_and_there_are_not_many_keys() {
    let error = keys().also_accept(7, [8; 32]).unwrap_err();
    assert_eq!(error, TransferError::DuplicateKey { key: 7 });
    let mut keys = Keys::new(0, [0; 32]).unwrap();
    for id in 1..MAX_KEYS as u32 {
        keys = keys.also_accept(id, [1; 32]).unwrap();
    }
    let error = keys.also_accept(99, [1; 32]).unwrap_err();
    let expected = TransferError::TooMany {
        what: "keys",
        most: MAX_KEYS,
    };
    assert_eq!(error, expected);
}

#[test]
fn nothing_that_may_be_a_secret_is_shown() {
    let keys = Keys::new(7, b"s3cret-s3cret-s3cret-s3cret-s3cret").unwrap();
    let blob = Exporter::new().seal(&session(), &keys, 1).unwrap();
    let importer = Importer::new();
    let import = importer.open(blob.as_bytes(), &keys, WHO, NOW).unwrap();
    let session = session();
    let shown = [
        format!("{keys:?} {blob:?} {importer:?} {import:?}"),
        format!("{session:?} {:?} {:?}", session.statements, session.tags),
    ];
    for shown in shown {
        assert!(
            !shown.contains("s3cret") && !shown.contains("select"),
            "{shown}"
        );
        assert!(!shown.contains("115, 51"), "{shown}");
    }
}

#[test]
fn the_form_is_the_documented_one() {
    let blob = sealed();
    let bytes = blob.as_bytes();
    assert_eq!(&bytes[..14], b"POOLSESS\x00\x01\x00\x00\x00\x07");
    assert_eq!(bytes[14..22], blob.expires().0.to_be_bytes());
    assert_eq!(bytes[22..38], 42_u128.to_be_bytes());
    assert_eq!(bytes[38..42], ((bytes.len() - 74) as u32).to_be_bytes());
    assert!(bytes[42..].starts_with(br#"{"identity":"app@shop","session":17,"#));
}
