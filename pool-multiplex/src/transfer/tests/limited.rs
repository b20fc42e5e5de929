//! How much a blob may carry, on the way out and on the way in.

use std::sync::Arc;

use super::super::content;
use super::super::{Exporter, PreparedStatement, Snapshot, Tag, TransferError};
use super::{NOW, WHO, keys, open, session, signed};
use crate::pins::{PinReason, Pins};

fn of(bytes: usize) -> Arc<str> {
    "x".repeat(bytes).into()
}

fn statement(text: usize, scope: usize, types: usize) -> PreparedStatement {
    PreparedStatement {
        text: of(text),
        types: vec![0; types],
        scope: of(scope),
        executions: 0,
    }
}

fn tag(kind: usize, key: usize, value: usize) -> Tag {
    Tag {
        kind: of(kind),
        key: of(key),
        value: of(value),
        priority: 0,
    }
}

fn names<V>(count: usize, value: impl Fn() -> V) -> impl Iterator<Item = (Arc<str>, V)> {
    (0..count).map(move |at| (at.to_string().into(), value()))
}

/// Puts so much more than is allowed of one thing into a session: none, or one.
type Fill = fn(&mut Snapshot, usize);

const THINGS: [(&str, Fill); 19] = [
    ("the identity", |s, more| s.identity = of(256 + more)),
    ("settings of the baseline", |s, more| {
        s.baseline = names(1024 + more, || of(0)).collect();
    }),
    ("settings", |s, more| {
        s.settings = names(1024 + more, || of(0)).collect()
    }),
    ("the name of a setting", |s, more| {
        s.settings.insert(of(128 + more), of(0));
    }),
    (r#"the value of setting "a""#, |s, more| {
        s.settings.insert("a".into(), of((8 << 10) + more));
    }),
    (r#"the value of setting "b""#, |s, more| {
        s.baseline.insert("b".into(), of((8 << 10) + more));
    }),
    ("statements", |s, more| {
        s.statements = vec![statement(0, 0, 0); 10_000 + more]
    }),
    ("the text of statement 1 (0 was used last)", |s, more| {
        s.statements = vec![statement(0, 0, 0), statement((1 << 20) + more, 0, 0)];
    }),
    ("the scope of statement 0 (0 was used last)", |s, more| {
        s.statements = vec![statement(0, (8 << 10) + more, 0)];
    }),
    ("declared types of a statement", |s, more| {
        s.statements = vec![statement(0, 0, 65_535 + more)];
    }),
    ("tags", |s, more| s.tags = vec![tag(0, 0, 0); 256 + more]),
    ("the kind of a tag", |s, more| {
        s.tags = vec![tag(128 + more, 0, 0)]
    }),
    ("the key of a tag", |s, more| {
        s.tags = vec![tag(0, 128 + more, 0)]
    }),
    (r#"the value of tag """#, |s, more| {
        s.tags = vec![tag(0, 0, (8 << 10) + more)]
    }),
    ("channels", |s, more| s.channels = vec![of(0); 1024 + more]),
    ("the name of a channel", |s, more| {
        s.channels = vec![of(128 + more)]
    }),
    ("entries of application data", |s, more| {
        s.data = names(256 + more, || Arc::from([])).collect();
    }),
    ("the name of application data", |s, more| {
        s.data.insert(of(128 + more), Arc::from([]));
    }),
    (r#"application data "d""#, |s, more| {
        s.data.insert("d".into(), vec![0; (64 << 10) + more].into());
    }),
];

fn with(fill: Fill, more: usize) -> Snapshot {
    let mut session = session();
    fill(&mut session, more);
    session
}

fn refuses(error: TransferError, thing: &str) -> bool {
    match error {
        TransferError::TooMany { what, .. } => what == thing,
        TransferError::TooLong { what, .. } => what == thing,
        _ => false,
    }
}

#[test]
fn each_limit_is_exact_on_export_and_names_the_thing() {
    let exporter = Exporter::new().max_blob(1 << 22);
    for (thing, fill) in THINGS {
        let most = exporter.seal(&with(fill, 0), &keys(), 1);
        assert!(most.is_ok(), "{thing}: {most:?}");
        let more = exporter.seal(&with(fill, 1), &keys(), 1).unwrap_err();
        assert!(refuses(more.clone(), thing), "{thing}: {more}");
    }
}

/// The content as an exporter without limits would have written it.
fn unchecked(session: &Snapshot) -> Vec<u8> {
    let mut content = Vec::new();
    content::write(session, &mut content, usize::MAX).unwrap();
    content
}

#[test]
fn each_limit_is_exact_on_import_too_whoever_signed() {
    for (thing, fill) in THINGS {
        let most = content::read(&unchecked(&with(fill, 0)), 1);
        assert!(most.is_ok(), "{thing}: {most:?}");
        for more in [1, 1000] {
            let error = content::read(&unchecked(&with(fill, more)), 1).unwrap_err();
            assert!(refuses(error.clone(), thing), "{thing}: {error}");
        }
    }
}

#[test]
fn signed_content_that_is_no_session_is_refused_by_place_and_not_by_value() {
    let good = String::from_utf8(unchecked(&session())).unwrap();
    let twice = r#""settings":{"app.id":"s3cret-value","app.id":"s3cret-value","#;
    let changed = [
        String::new(),
        "null".to_owned(),
        format!("{good}{good}"),
        "[".repeat(100_000),
        good.replace(r#""session":17"#, r#""session":"s3cret-value""#),
        good.replace(r#""session":17"#, r#""session":-1"#),
        good.replace(r#""session":17,"#, ""),
        good.replace(r#""session":17"#, r#""session":17,"s3cret-value":1"#),
        good.replace(r#""priority":-3"#, r#""priority":-3,"new":1"#),
        good.replace(r#""settings":{"app.id":"s3cret-value","#, twice),
        good.replace(r#""cart":""#, r#""cart":"s3cret value"#),
        good.replace("orders", "\\ud800"),
    ];
    for content in changed {
        assert_ne!(content, good);
        let error = open(signed(content.as_bytes()).as_bytes()).unwrap_err();
        assert!(
            matches!(error, TransferError::Malformed { version: 1, .. }),
            "{error}"
        );
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    let not_text = open(signed(b"{\"identity\":\"\xff\"}").as_bytes());
    assert!(matches!(not_text, Err(TransferError::Malformed { .. })));
}

#[test]
fn no_message_repeats_a_value() {
    for (_, fill) in THINGS {
        let error = Exporter::new()
            .seal(&with(fill, 1), &keys(), 1)
            .unwrap_err();
        assert!(!format!("{error} {error:?}").contains("xxxx"), "{error}");
    }
}

#[test]
fn what_is_large_all_in_all_is_refused() {
    let mut session = Snapshot::new(WHO, 1, NOW);
    session.statements = vec![statement(1 << 20, 0, 0); 20];
    let error = Exporter::new().seal(&session, &keys(), 1).unwrap_err();
    assert_eq!(error, TransferError::DoesNotFit { most: 1 << 20 });
}

#[test]
fn a_session_that_is_held_fast_is_refused_with_all_that_holds_it() {
    let reasons: Pins = [
        PinReason::Transaction,
        PinReason::HeldCursor,
        PinReason::TemporaryObject,
        PinReason::AdvisoryLock,
    ]
    .into_iter()
    .collect();
    let error = Exporter::permit(reasons).unwrap_err();
    assert_eq!(error, TransferError::NotExportable { reasons });
    let said = error.to_string();
    for reason in reasons.iter() {
        assert!(said.contains(reason.name()), "{said}");
    }
    assert_eq!(Exporter::permit(Pins::NONE), Ok(()));
}
