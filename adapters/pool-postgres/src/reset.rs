//! What is undone between two users.

use crate::watch::{Status, Taint};

/// When the session is reset between two users.
///
/// An open transaction is rolled back under every policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reset {
    /// Never: settings, temporary tables, locks and subscriptions reach the next user. For an
    /// application that sets the same session up on every connection and does not undo it.
    Never,
    /// When a statement was sent that may have left something in the session, or the server
    /// reported a changed parameter. The default: ordinary queries pay nothing.
    ///
    /// It goes by the text of the statements. What it cannot see: session state changed inside a
    /// function, a procedure's trigger or a view; `lastval()` after an INSERT whose default is a
    /// sequence. `DO` and `CALL` always count as changing it.
    #[default]
    WhenTainted,
    /// After every lease in which something was sent, at the cost of one round trip in the
    /// background. For SQL that is not trusted.
    Always,
}

/// `DISCARD ALL` without what would throw prepared statements and plans away.
///
/// `RESET ALL` alone keeps the role; `SET SESSION AUTHORIZATION DEFAULT` resets that too.
pub(crate) const FRESH_SESSION: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
    SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES;";

/// Statements prepared by SQL are dropped one by one: `DEALLOCATE ALL` would take the driver's own
/// ones along.
pub(crate) const FORGET_PREPARED: &str = "DO $pool$ DECLARE prepared text; BEGIN \
    FOR prepared IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE from_sql LOOP \
    EXECUTE pg_catalog.format('DEALLOCATE %I', prepared); END LOOP; END $pool$;";

/// What is left of `DISCARD ALL` beside these two and the connection's own statements. The whole of
/// it would take statements along by which the driver asks for types, and which it believes to have
/// from then on.
const PLANS: &str = "DISCARD PLANS;";

/// What a reset has to send.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    /// One round trip; empty when nothing is left behind.
    pub(crate) text: String,
    /// It makes the session new, and so undoes a warm-up too.
    pub(crate) renews: bool,
}

/// What a light reset has to send.
///
/// The session comes before the statements, so that a changed search path or role is gone when
/// the block runs.
pub(crate) fn script(policy: Reset, status: Status, taint: Taint, was_used: bool) -> Script {
    let always = policy == Reset::Always && was_used;
    let taint = match policy {
        Reset::Never => Taint::NONE,
        Reset::WhenTainted | Reset::Always => taint,
    };
    let mut text = rollback(status);
    let renews = always || !taint.is_none();
    if renews {
        text.push_str(FRESH_SESSION);
    }
    if always || taint.has(Taint::STATEMENTS) {
        text.push_str(FORGET_PREPARED);
    }
    Script { text, renews }
}

/// What a full reset has to send.
pub(crate) fn full_script(status: Status) -> String {
    let mut text = rollback(status);
    for part in [FRESH_SESSION, PLANS, FORGET_PREPARED] {
        text.push_str(part);
    }
    text
}

fn rollback(status: Status) -> String {
    match status {
        Status::Idle => String::new(),
        _ => "ROLLBACK; ".to_owned(),
    }
}
