//! What both sides of a transfer keep to.

mod form;
mod keys;
mod limited;
mod once;

use std::sync::Arc;

use super::blob;
use super::{Blob, Exporter, Importer, Keys, PreparedStatement, Snapshot, Tag, UnixSeconds};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const WHO: &str = "app@shop";
/// The defaults, in seconds.
const LIFETIME: u64 = 300;
const SKEW: u64 = 30;

fn keys() -> Keys {
    Keys::new(7, [7; 32]).unwrap()
}

/// A session with something of everything.
fn session() -> Snapshot {
    let mut session = Snapshot::new(WHO, 17, NOW);
    session.created = UnixSeconds(NOW.0 - 60);
    session.baseline.insert("TimeZone".into(), "UTC".into());
    session
        .settings
        .insert("app.id".into(), "s3cret-value".into());
    session.settings.insert(
        "default_transaction_isolation".into(),
        "serializable".into(),
    );
    session.statements.push(PreparedStatement {
        text: "select $1 -- ключ \"quoted\" \u{1}".into(),
        types: vec![23, 0],
        scope: "public".into(),
        executions: u64::MAX,
    });
    session.tags.push(Tag {
        kind: "schema".into(),
        key: "tenant".into(),
        value: "s3cret-tenant".into(),
        priority: -3,
    });
    session.channels.push("orders".into());
    session.data.insert("cart".into(), Arc::from([0, 255, 10]));
    session
}

fn sealed() -> Blob {
    Exporter::new().seal(&session(), &keys(), 42).unwrap()
}

/// A blob with any content, signed as it should be.
fn signed(content: &[u8]) -> Blob {
    let expires = UnixSeconds(NOW.0 + LIFETIME);
    let write = |to: &mut Vec<u8>, _| {
        to.extend(content);
        Ok::<(), ()>(())
    };
    blob::seal(&keys(), 42, expires, super::MAX_BLOB, write).unwrap()
}

fn open(bytes: &[u8]) -> Result<Snapshot, super::TransferError> {
    Importer::new()
        .open(bytes, &keys(), WHO, NOW)
        .map(super::Import::confirm)
}
