//! What there is to know about a session that holds no connection.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::transfer::content;
use crate::transfer::limits;
use crate::transfer::time::UnixSeconds;

/// Names of settings, and what they are set to.
pub type Settings = BTreeMap<Arc<str>, Arc<str>>;

/// What a user of a session has put into it, by name.
pub type Data = BTreeMap<Arc<str>, Arc<[u8]>>;

/// What there is to know about a session that holds no connection.
///
/// The defaults of its transactions (isolation, access) are settings like others and are found
/// among them. What is not here does not travel: cursors, temporary objects and locks belong to a
/// connection, and a session that has them is not exported at all.
///
/// The parts are limited; [`Exporter::seal`](super::Exporter::seal) and the import refuse what goes
/// beyond. Values and texts are not shown by `Debug`: they can be secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Snapshot {
    /// To whom the session belongs, in the adapter's words: `user@database`, say. It is taken up
    /// only where the same is expected.
    pub identity: Arc<str>,
    /// Its id where it comes from. Where it is taken up, it gets another one.
    pub session: u64,
    /// When it was created, if whoever exports it knows. [`Session::export`](crate::Session::export)
    /// does not, and says the time of the export.
    pub created: UnixSeconds,
    /// When it was exported. The life of the blob begins here.
    pub exported: UnixSeconds,
    /// What it began with: what a reset of a setting goes back to.
    #[serde(deserialize_with = "content::map::<_, _, { limits::SETTINGS }>")]
    pub baseline: Settings,
    /// What it wants when it leaves, what it has kept of the baseline included.
    #[serde(deserialize_with = "content::map::<_, _, { limits::SETTINGS }>")]
    pub settings: Settings,
    /// The statements it has prepared, the one used last first.
    #[serde(deserialize_with = "content::list::<_, _, { limits::STATEMENTS }>")]
    pub statements: Vec<PreparedStatement>,
    /// How it wants to be routed.
    #[serde(deserialize_with = "content::list::<_, _, { limits::TAGS }>")]
    pub tags: Vec<Tag>,
    /// What it listens to. What was said while it was on its way is lost, as it is for anybody who
    /// was not there.
    #[serde(deserialize_with = "content::list::<_, _, { limits::CHANNELS }>")]
    pub channels: Vec<Arc<str>>,
    /// What its user has put into it. Empty in the exports of [`Session`](crate::Session), which has
    /// no place for that.
    #[serde(
        serialize_with = "content::write_data",
        deserialize_with = "content::read_data"
    )]
    pub data: Data,
}

impl Snapshot {
    /// A session with nothing in it yet.
    #[must_use]
    pub fn new(identity: impl Into<Arc<str>>, session: u64, exported: UnixSeconds) -> Self {
        Self {
            identity: identity.into(),
            session,
            created: exported,
            exported,
            baseline: Settings::new(),
            settings: Settings::new(),
            statements: Vec::new(),
            tags: Vec::new(),
            channels: Vec::new(),
            data: Data::new(),
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("identity", &self.identity)
            .field("session", &self.session)
            .field("created", &self.created)
            .field("exported", &self.exported)
            .field("baseline", &self.baseline.keys())
            .field("settings", &self.settings.keys())
            .field("statements", &self.statements.len())
            .field("tags", &self.tags.len())
            .field("channels", &self.channels)
            .field("data", &self.data.keys())
            .finish()
    }
}

/// A statement that a session has prepared.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreparedStatement {
    /// As it was given.
    pub text: Arc<str>,
    /// The declared types of its parameters: on PostgreSQL their OIDs, 0 for one that the server
    /// shall find out.
    #[serde(deserialize_with = "content::list::<_, _, { limits::TYPES }>")]
    pub types: Vec<u32>,
    /// What else decides on its meaning, in the adapter's words: the `search_path`, say.
    pub scope: Arc<str>,
    /// How often it was run.
    pub executions: u64,
}

impl fmt::Debug for PreparedStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedStatement")
            .field("bytes", &self.text.len())
            .field("types", &self.types)
            .field("executions", &self.executions)
            .finish_non_exhaustive()
    }
}

/// How a session wants to be routed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// Of which kind it is: `application`, `schema`, or one's own.
    pub kind: Arc<str>,
    /// What it is about.
    pub key: Arc<str>,
    /// What it says.
    pub value: Arc<str>,
    /// Which counts when not all can be served: the higher one.
    pub priority: i32,
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tag")
            .field("kind", &self.kind)
            .field("key", &self.key)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}
