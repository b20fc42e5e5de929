//! What cannot be done in a session, and what is done in its stead.
//!
//! A statement whose effect could neither follow the session to another connection, nor be kept from
//! the next one, is refused before it is sent, with what to do instead. A few that would take away
//! what the driver relies on are replaced by others that do the same for the session alone.

use super::operation::Parameters;
use crate::reset::{FORGET_PREPARED, FRESH_SESSION};
use crate::settings::is_name;
use crate::sql::{Kind, Marks, Script, SetValue};
use pool_multiplex::{PinReason, Pins};
use std::borrow::Cow;

/// What is refused, and what to do instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) what: &'static str,
    pub(crate) remedy: &'static str,
}

const fn refuse(what: &'static str, remedy: &'static str) -> Result<(), Refusal> {
    Err(Refusal { what, remedy })
}

/// Whether a session can run it.
pub(crate) fn check(script: &Script) -> Result<(), Refusal> {
    if script.marks.has(Marks::DBLINK) {
        return refuse(
            "dblink",
            "its connections belong to the physical connection; use a pool for the other database",
        );
    }
    for statement in &script.statements {
        check_kind(&statement.kind, script.is_single())?;
    }
    Ok(())
}

/// Whether it can with these parameters, which may name a setting.
pub(crate) fn check_parameters(script: &Script, parameters: Parameters<'_>) -> Result<(), Refusal> {
    for call in &script.set_config {
        let Some(name) = parameters.argument(&call.name) else {
            continue;
        };
        let value = match parameters.argument(&call.value) {
            Some(value) => SetValue::Literal(value),
            None => SetValue::Unclear,
        };
        check_setting(&name, Some(&value))?;
    }
    Ok(())
}

fn check_kind(kind: &Kind, is_single: bool) -> Result<(), Refusal> {
    match kind {
        Kind::Load => refuse(
            "LOAD",
            "a library cannot be unloaded; name it in session_preload_libraries",
        ),
        Kind::Copy {
            from_stdin: true, ..
        }
        | Kind::Copy {
            to_stdout: true, ..
        } => refuse("COPY", "borrow the connection with Session::raw"),
        Kind::Listen { .. } | Kind::Unlisten { .. } if !is_single => refuse(
            "LISTEN or UNLISTEN among other statements",
            "run it by itself, or call Session::listen",
        ),
        Kind::DiscardAll | Kind::Deallocate { name: None } if !is_single => refuse(
            "DISCARD ALL or DEALLOCATE ALL among other statements",
            "run it by itself",
        ),
        Kind::Set { assignments, .. } => assignments
            .iter()
            .try_for_each(|one| check_setting(&one.name, Some(&one.value))),
        Kind::Reset { name } => check_setting(name, None),
        _ => Ok(()),
    }
}

/// Whether a session may change a setting, to this value.
pub(crate) fn check_setting(name: &str, value: Option<&SetValue>) -> Result<(), Refusal> {
    if !is_name(name) {
        return refuse(
            "a setting of such a name",
            "use letters, digits, `_`, `$` and dots, and at most 127 bytes",
        );
    }
    if name.eq_ignore_ascii_case("session_authorization") {
        return refuse(
            "SET SESSION AUTHORIZATION",
            "use SET ROLE, or a pool that logs in as the other user",
        );
    }
    let utf8 = |value: &SetValue| match value {
        SetValue::Literal(text) => {
            text.eq_ignore_ascii_case("utf8") || text.eq_ignore_ascii_case("utf-8")
        }
        SetValue::Default => true,
        _ => false,
    };
    if name.eq_ignore_ascii_case("client_encoding") && !value.is_none_or(utf8) {
        return refuse(
            "a client_encoding other than UTF8",
            "convert in the program",
        );
    }
    Ok(())
}

/// What is sent for a text: itself, or what does the same without taking anything away that is not
/// the session's.
pub(crate) fn in_stead<'a>(text: &'a str, script: &Script) -> Cow<'a, str> {
    match script.statements.first().map(|statement| &statement.kind) {
        Some(Kind::DiscardAll) => Cow::Owned([FRESH_SESSION, FORGET_PREPARED].concat()),
        Some(Kind::Deallocate { name: None }) => Cow::Borrowed(FORGET_PREPARED),
        _ => Cow::Borrowed(text),
    }
}

/// Whether another text is sent for it.
pub(crate) fn has_another(script: &Script) -> bool {
    let first = script.statements.first().map(|statement| &statement.kind);
    matches!(
        first,
        Some(Kind::DiscardAll | Kind::Deallocate { name: None })
    )
}

/// What may pin the session once it has run, other than a transaction.
pub(crate) fn may_pin(script: &Script) -> Pins {
    let marks = [
        (Marks::ADVISORY_LOCK, PinReason::AdvisoryLock),
        (Marks::SEED, PinReason::Seed),
    ];
    let marked = marks
        .into_iter()
        .filter(|(mark, _)| script.marks.has(*mark))
        .map(|(_, reason)| reason);
    let kinds = script.statements.iter().filter_map(|one| match one.kind {
        Kind::CreateTemporary { .. } => Some(PinReason::TemporaryObject),
        Kind::Write { .. } if one.marks.has(Marks::TEMP_SCHEMA) => Some(PinReason::TemporaryObject),
        Kind::DeclareCursor { hold: true, .. } => Some(PinReason::HeldCursor),
        Kind::Prepare { .. } => Some(PinReason::PreparedBySql),
        _ => None,
    });
    marked.chain(kinds).collect()
}
