//! What a hostile blob can make an importer allocate, and a large session an exporter.
//!
//! The envelope is written by hand here, from the documented table, as somebody would who knows the
//! secret and means no good; without the secret nothing is allocated at all.

use hmac::{Hmac, KeyInit, Mac};
use pool_multiplex::transfer::{
    Exporter, Importer, Keys, MAX_BLOB, PreparedStatement, Snapshot, TransferError, UnixSeconds,
};
use pool_testkit::alloc::{CountingAllocator, measure};
use proptest::prelude::*;
use sha2::Sha256;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const SECRET: [u8; 32] = [7; 32];

/// All bytes ever asked for, per byte of the blob: lists that double as they grow count with every
/// size they had.
const PER_BYTE: u64 = 5;
const BESIDES: u64 = 4096;

fn envelope(content: &[u8], length: u32, secret: &[u8]) -> Vec<u8> {
    let mut blob = b"POOLSESS\x00\x01\x00\x00\x00\x07".to_vec();
    blob.extend((NOW.0 + 60).to_be_bytes());
    blob.extend(1_u128.to_be_bytes());
    blob.extend(length.to_be_bytes());
    blob.extend(content);
    let mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    let mac = mac.chain_update(&blob).finalize().into_bytes();
    blob.extend(mac);
    blob
}

/// How an import of these bytes ended, and how much it asked the allocator for.
fn import(blob: &[u8]) -> (Option<TransferError>, u64) {
    let keys = Keys::new(7, SECRET).expect("the secret is 32 bytes long");
    let importer = Importer::new();
    let (import, cost) = measure(|| importer.open(blob, &keys, "app@shop", NOW));
    (import.err(), cost.bytes)
}

fn import_signed(content: &[u8]) -> Option<TransferError> {
    let blob = envelope(content, content.len() as u32, &SECRET);
    let (error, bytes) = import(&blob);
    let most = PER_BYTE * blob.len() as u64 + BESIDES;
    assert!(bytes <= most, "{bytes} bytes for a blob of {}", blob.len());
    error
}

fn session(part: &str, content: &str) -> String {
    let mut session =
        String::from(r#"{"identity":"app@shop","session":1,"created":1,"exported":1"#);
    let maps = ["baseline", "settings", "data"].map(|name| (name, "{}"));
    let lists = ["statements", "tags", "channels"].map(|name| (name, "[]"));
    for (name, empty) in maps.into_iter().chain(lists) {
        let content = if name == part { content } else { empty };
        session.push_str(&format!(r#","{name}":{content}"#));
    }
    session.push('}');
    session
}

fn list(element: &str, bytes: usize) -> String {
    let count = bytes / (element.len() + 1);
    format!("[{}]", vec![element; count].join(","))
}

fn map(value: &str, bytes: usize) -> String {
    let entries = (0..bytes / (value.len() + 10)).map(|at| format!(r#""{at}":{value}"#));
    format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
}

const MEGABYTE: usize = 1_000_000;

#[test]
fn the_smallest_session_is_one_and_costs_little() {
    assert_eq!(import_signed(session("", "").as_bytes()), None);
}

#[test]
fn a_stranger_makes_an_importer_allocate_nothing() {
    let content = session("channels", &list(r#""""#, MEGABYTE));
    let wrong_secret = envelope(content.as_bytes(), content.len() as u32, &[8; 32]);
    assert_eq!(
        import(&wrong_secret),
        (Some(TransferError::Tampered { key: 7 }), 0)
    );
    let (error, bytes) = import(&envelope(b"{}", u32::MAX, &SECRET));
    assert!(
        matches!(error, Some(TransferError::Truncated { .. })),
        "{error:?}"
    );
    assert_eq!(bytes, 0);
    assert_eq!(import(&vec![b'P'; 10 << 20]).1, 0);
}

#[test]
fn many_small_things_cost_no_more_than_a_small_multiple_of_their_bytes() {
    let statement = r#"{"text":"","types":[],"scope":"","executions":0}"#;
    let tag = r#"{"kind":"","key":"","value":"","priority":0}"#;
    let types = list("0", MEGABYTE / 5);
    let typed = format!(r#"[{{"text":"","types":{types},"scope":"","executions":0}}]"#);
    // No list in it is too long, but the last of them.
    let types = list("0", 2 * 65_535);
    let full = format!(r#"{{"text":"","types":{types},"scope":"","executions":0}}"#);
    let full = format!(
        "[{}, {}]",
        [&*full; 6].join(","),
        &typed[1..typed.len() - 1]
    );
    let hostile = [
        ("statements", full),
        ("baseline", map(r#""""#, MEGABYTE)),
        ("settings", map(r#""""#, MEGABYTE)),
        ("data", map(r#""""#, MEGABYTE)),
        ("statements", list(statement, MEGABYTE)),
        ("statements", typed),
        ("tags", list(tag, MEGABYTE)),
        ("channels", list(r#""""#, MEGABYTE)),
    ];
    for (part, content) in hostile {
        let error = import_signed(session(part, &content).as_bytes());
        assert!(
            matches!(error, Some(TransferError::TooMany { .. })),
            "{part}: {error:?}"
        );
    }
}

#[test]
fn depth_and_escapes_cost_no_more_either() {
    let deep = session("channels", &"[".repeat(MEGABYTE));
    let skipped = format!("[{}{}", r#""","#.repeat(2000), "[".repeat(MEGABYTE));
    let skipped = session("channels", &skipped);
    let escapes = session(
        "channels",
        &format!(r#"["{}"]"#, r"\u0001".repeat(MEGABYTE / 6)),
    );
    for content in [deep, skipped, escapes] {
        assert!(import_signed(content.as_bytes()).is_some());
    }
}

#[test]
fn an_export_that_does_not_fit_stops_at_the_limit() {
    let keys = Keys::new(7, SECRET).expect("the secret is 32 bytes long");
    let mut session = Snapshot::new("app@shop", 1, NOW);
    let statement = PreparedStatement {
        text: "x".repeat(1000).into(),
        types: Vec::new(),
        scope: "".into(),
        executions: 0,
    };
    session.statements = vec![statement; 10_000];
    let (blob, cost) = measure(|| Exporter::new().seal(&session, &keys, 1));
    let most = MAX_BLOB;
    assert_eq!(blob, Err(TransferError::DoesNotFit { most }));
    // With every size that the buffer had while it grew.
    assert!(cost.bytes <= 4 * MAX_BLOB as u64, "{} bytes", cost.bytes);
}

proptest! {
    #[test]
    fn no_content_makes_it_panic_or_cost_more(
        part in prop::sample::select(vec!["baseline", "settings", "data", "statements", "tags", "channels"]),
        content in "[\\[{]([\\[\\]{}\",:0-9a-e\\\\]|\"a\":|\"\",|null|\"text\":\"\",|\"types\":\\[){0,200}",
        plain: Vec<u8>,
    ) {
        import_signed(session(part, &content).as_bytes());
        import_signed(content.as_bytes());
        import_signed(&plain);
        import(&plain);
    }
}
