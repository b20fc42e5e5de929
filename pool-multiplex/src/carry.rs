//! A session's state as it travels, and back.

use crate::driver::SessionManager;
use crate::effect::Effect;
use crate::registry::Registry;
use crate::state::State;
use crate::tags::{Tag, TagName};
use crate::transfer::{self, PreparedStatement, Snapshot, UnixSeconds};
use std::sync::Arc;

impl<M: SessionManager> Registry<M> {
    /// All of a session that does not belong to a connection.
    pub(crate) fn snapshot(
        &self,
        state: &State,
        session: u64,
        identity: String,
        now: UnixSeconds,
    ) -> Snapshot {
        let mut snapshot = Snapshot::new(identity, session, now);
        let owned = |(name, value): (&Arc<str>, &Arc<str>)| (Arc::clone(name), Arc::clone(value));
        snapshot.baseline = state.baseline().iter().map(owned).collect();
        snapshot.settings = state.wanted().iter().map(owned).collect();
        let statements = state.statements().iter();
        snapshot.statements = statements
            .map(|(statement, executions)| PreparedStatement {
                text: statement.text().into(),
                types: statement.types().to_vec(),
                scope: statement.scope().into(),
                executions,
            })
            .collect();
        snapshot.tags = state.tags().iter().map(written).collect();
        snapshot.channels = state.channels().iter().cloned().collect();
        snapshot
    }

    /// A session that goes on where another has ended.
    pub(crate) fn restore(&self, snapshot: &Snapshot) -> State {
        let owned = |(name, value): (&Arc<str>, &Arc<str>)| (Arc::clone(name), Arc::clone(value));
        let baseline = self.interner.intern(snapshot.baseline.iter().map(owned));
        let size = self.config.statement_cache_size;
        let mut state = State::new(self.interner.clone(), baseline, size);
        state.want_all(self.interner.intern(snapshot.settings.iter().map(owned)));
        for statement in snapshot.statements.iter().rev() {
            let PreparedStatement {
                text,
                types,
                scope,
                executions,
            } = statement;
            let shared = self.catalogue.intern(text, types, scope);
            state.statements_mut().restore(&shared, *executions);
        }
        let now = self.instant();
        for channel in &snapshot.channels {
            state.apply(&Effect::Subscribe(Arc::clone(channel)), now);
        }
        for tag in snapshot.tags.iter().filter_map(read) {
            // One session has no more than another may have.
            let _ = state.tags_mut().insert(tag);
        }
        state
    }
}

/// A tag as it travels.
fn written(tag: &Tag) -> transfer::Tag {
    let kind = match &tag.name {
        TagName::Application => "application",
        TagName::Schema => "schema",
        TagName::Custom(_) => "custom",
    };
    transfer::Tag {
        kind: kind.into(),
        key: tag.name.text().into(),
        value: Arc::clone(&tag.value),
        priority: i32::from(tag.priority),
    }
}

/// A tag that has arrived, if it is of a kind that is known.
fn read(tag: &transfer::Tag) -> Option<Tag> {
    let value = Arc::clone(&tag.value);
    let read = match &*tag.kind {
        "application" => Tag::application(value),
        "schema" => Tag::schema(value),
        "custom" => Tag::custom(Arc::clone(&tag.key), value),
        _ => return None,
    };
    Some(read.priority(u8::try_from(tag.priority).unwrap_or(u8::MAX)))
}
