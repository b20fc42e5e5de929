//! Settings as SQL.
//!
//! Settings are brought to a connection as text, because they travel with other statements in one
//! simple query. So this is where values of users become SQL, and nothing else in this crate does
//! that.
//!
//! # Why the text cannot be refused as a whole
//!
//! A text that the server cannot read is rejected before its first statement: a `BEGIN` in it would
//! then open no transaction, and the statement sent behind it would run without one, and with
//! somebody else's settings. So whatever could make it unreadable is refused here: names that are
//! none, values with a NUL, roles that are empty or longer than an identifier, which the server would
//! shorten to another role's name. What is left is the conversion of characters that the database's
//! encoding does not have; it concerns only texts that are not plain ASCII, and a
//! [unit](crate::unit) sends the `BEGIN` of these by itself.
//!
//! # How values are quoted
//!
//! As literals with doubled quotes. A value with a backslash becomes an `E''` literal with doubled
//! backslashes, which means the same whatever `standard_conforming_strings` says.

use std::fmt::Write as _;

/// Longest name of a setting, in bytes: two identifiers and a dot.
const NAME: usize = 127;
/// Longest name of a role, in bytes.
const ROLE: usize = 63;

/// Why a setting cannot be written as SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingError {
    /// The name is not one or more identifiers with dots between them.
    #[error("the name of a setting is not valid; use letters, digits, `_`, `$` and dots")]
    Name,
    /// `role` and `session_authorization` are no ordinary settings.
    #[error("the role is not changed as a setting; use the role of the session")]
    RoleAsSetting,
    /// The value holds a NUL.
    #[error("the value of a setting holds a NUL character, which PostgreSQL cannot store")]
    Value,
    /// The name of a role is empty, too long, reserved, or holds a NUL.
    #[error(
        "the name of a role is empty, longer than 63 bytes, reserved, or holds a NUL character"
    )]
    Role,
}

/// Changes to the settings of a session, as SQL.
///
/// By `SET`, which costs the server a third of a query; lists by `set_config`, since to a `SET` a
/// literal is one member of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings(String);

impl Settings {
    /// No changes.
    pub(crate) const fn new() -> Self {
        Self(String::new())
    }

    /// Sets `name` for the session.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        check_name(name)?;
        if value.contains('\0') {
            return Err(SettingError::Value);
        }
        match is_list(name) && !is_one_word(value) {
            true => self.set_list(name, value),
            false => self.set_value(name, value),
        }
        Ok(())
    }

    fn set_value(&mut self, name: &str, value: &str) {
        self.0.push_str("SET ");
        self.push_name(name);
        self.0.push_str(" TO ");
        push_literal(&mut self.0, value);
        self.0.push_str("; ");
    }

    fn set_list(&mut self, name: &str, value: &str) {
        self.0.push_str("SELECT pg_catalog.set_config('");
        self.0.push_str(name);
        self.0.push_str("', ");
        push_literal(&mut self.0, value);
        self.0.push_str(", false); ");
    }

    fn push_name(&mut self, name: &str) {
        for (at, part) in name.split('.').enumerate() {
            let dot = if at == 0 { "" } else { "." };
            // The parts hold no quotes.
            let _ = write!(self.0, "{dot}\"{part}\"");
        }
    }

    /// Sets `name`, which may be `role`.
    pub(crate) fn set_or_role(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        match name.eq_ignore_ascii_case("role") {
            true if value == "none" => {
                self.no_role();
                Ok(())
            }
            true => self.role(value),
            false => self.set(name, value),
        }
    }

    /// Sets `name` to what it was when the connection began.
    pub(crate) fn reset(&mut self, name: &str) -> Result<(), SettingError> {
        check_name(name)?;
        self.0.push_str("RESET ");
        self.push_name(name);
        self.0.push_str("; ");
        Ok(())
    }

    /// Takes a role. To be called last: what was set before may need the rights of the user who
    /// logged in.
    pub(crate) fn role(&mut self, role: &str) -> Result<(), SettingError> {
        let reserved = role == "none";
        if role.is_empty() || role.len() > ROLE || role.contains('\0') || reserved {
            return Err(SettingError::Role);
        }
        self.0.push_str("SET ROLE \"");
        self.0.push_str(&role.replace('"', "\"\""));
        self.0.push_str("\"; ");
        Ok(())
    }

    /// Becomes the user who logged in again, or takes the role that the connection began with. To be
    /// called first where another role is in force, and settings follow.
    pub(crate) fn reset_role(&mut self) {
        self.0.push_str("RESET ROLE; ");
    }

    /// Becomes the user who logged in, whatever the connection began with.
    pub(crate) fn no_role(&mut self) {
        self.0.push_str("SET ROLE NONE; ");
    }

    /// Has the connection forget the values that sequences gave to others.
    pub(crate) fn forget_sequences(&mut self) {
        self.0.push_str("DISCARD SEQUENCES; ");
    }

    /// Whether nothing is changed.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The statements, each followed by a semicolon.
    pub(crate) fn as_sql(&self) -> &str {
        &self.0
    }
}

/// Settings whose value is a list of identifiers, in quotes where they need them.
const LISTS: [&str; 5] = [
    "search_path",
    "temp_tablespaces",
    "local_preload_libraries",
    "session_preload_libraries",
    "unix_socket_directories",
];

fn is_list(name: &str) -> bool {
    LISTS.iter().any(|list| list.eq_ignore_ascii_case(name))
}

/// Whether a list has one member, whose quotes would change nothing.
fn is_one_word(value: &str) -> bool {
    let mut bytes = value.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Settings that every role may change, among those that sessions change most.
const FREE: [&str; 22] = [
    "application_name",
    "client_min_messages",
    "datestyle",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "enable_seqscan",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "jit",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "maintenance_work_mem",
    "plan_cache_mode",
    "search_path",
    "statement_timeout",
    "synchronous_commit",
    "temp_buffers",
    "timezone",
    "work_mem",
];

/// Whether it is known that every role may change a setting. So are made-up names, unless a library
/// has taken them; programs are asked to begin theirs with `app.`, which none does.
pub(crate) fn is_free(name: &str) -> bool {
    let is_programs = name
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("app."));
    is_programs || FREE.iter().any(|free| free.eq_ignore_ascii_case(name))
}

fn check_name(name: &str) -> Result<(), SettingError> {
    if !is_name(name) {
        return Err(SettingError::Name);
    }
    let is_role = ["role", "session_authorization"];
    if is_role.iter().any(|role| name.eq_ignore_ascii_case(role)) {
        return Err(SettingError::RoleAsSetting);
    }
    Ok(())
}

/// Whether a setting of this name can be written as SQL.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= NAME && name.split('.').all(is_identifier)
}

fn is_identifier(part: &str) -> bool {
    let mut bytes = part.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_' || !first.is_ascii())
        && bytes.all(|byte| {
            byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || !byte.is_ascii()
        })
}

/// A value as a literal.
pub(crate) fn literal(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    push_literal(&mut text, value);
    text
}

fn push_literal(text: &mut String, value: &str) {
    let escapes = value.contains('\\');
    text.push_str(if escapes { "E'" } else { "'" });
    for character in value.chars() {
        match character {
            '\'' => text.push_str("''"),
            // Only in an `E''` literal.
            '\\' => text.push_str("\\\\"),
            other => text.push(other),
        }
    }
    text.push('\'');
}

#[cfg(test)]
mod tests;
