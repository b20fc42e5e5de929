//! What is on a connection and in nobody's books.

use crate::connection::PostgresConnection;
use crate::error::Error;
use crate::settings::literal;
use crate::sql::{Argument, Kind, classify};
use pool_multiplex::{Residue, Settings};
use std::fmt::Write as _;
use tokio_postgres::SimpleQueryMessage;

/// Everything that the catalogues tell, in one query.
const PROBE: &str = "\
    SELECT 'setting', name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings \
        WHERE source = 'session' \
    UNION ALL SELECT 'setting', 'role', pg_catalog.current_setting('role') \
        WHERE current_user <> session_user \
    UNION ALL SELECT 'prepared statement', name, '' FROM pg_catalog.pg_prepared_statements \
        WHERE from_sql \
    UNION ALL SELECT 'cursor', name, '' FROM pg_catalog.pg_cursors \
    UNION ALL SELECT 'channel', channel, '' FROM pg_catalog.pg_listening_channels() AS channel \
    UNION ALL SELECT DISTINCT 'advisory lock', '', '' FROM pg_catalog.pg_locks \
        WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid() \
    UNION ALL SELECT 'temporary object', pg_catalog.pg_describe_object(classid, objid, objsubid), '' \
        FROM pg_catalog.pg_depend \
        WHERE refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass \
        AND refobjid = pg_catalog.pg_my_temp_schema()";

/// Asks for settings alone.
const SETTINGS: &str = "SELECT 'setting', name, pg_catalog.current_setting(name) \
    FROM pg_catalog.pg_settings WHERE source = 'session' \
    UNION ALL SELECT 'setting', 'role', pg_catalog.current_setting('role') \
        WHERE current_user <> session_user";

/// What the books, in which are `expected`, know nothing of.
pub(crate) async fn find(conn: &PostgresConnection, expected: &Settings) -> Result<Residue, Error> {
    let mut unknown = Vec::new();
    for [kind, name, value] in rows(conn, PROBE).await? {
        if kind == "setting" && is_known(conn, expected, &name, &value).await? {
            continue;
        }
        unknown.push(match name.is_empty() {
            true => kind,
            false => format!("{kind} {name}"),
        });
    }
    Ok(Residue::new(unknown))
}

async fn is_known(
    conn: &PostgresConnection,
    expected: &Settings,
    name: &str,
    value: &str,
) -> Result<bool, Error> {
    let Some(expected) = expected.get(name) else {
        let mut baseline = conn.baseline().iter();
        return Ok(baseline.any(|(known, was)| known == name && was == value));
    };
    if **expected == *value {
        return Ok(true);
    }
    // Perhaps they are two spellings of one value.
    let spelled = format!(
        "SELECT '', '', pg_catalog.set_config({}, {}, true)",
        literal(name),
        literal(expected)
    );
    let spelled = rows(conn, &spelled).await?;
    Ok(spelled
        .first()
        .is_some_and(|[_, _, spelled]| spelled == value))
}

/// What is set on a connection beyond what it was opened with, by statements of which none but
/// these have set names that programs have made up.
pub(crate) async fn all_settings<'a>(
    conn: &PostgresConnection,
    by: impl Iterator<Item = &'a str>,
) -> Result<Vec<(String, String)>, Error> {
    let mut query = SETTINGS.to_owned();
    for name in by.flat_map(made_up) {
        let name = literal(&name);
        let _ = write!(
            query,
            " UNION ALL SELECT 'setting', {name}, pg_catalog.current_setting({name}, true)"
        );
    }
    let found = rows(conn, &query).await?;
    Ok(found
        .into_iter()
        .map(|[_, name, value]| (name, value))
        .collect())
}

/// The made-up names that a statement sets.
fn made_up(statement: &str) -> Vec<String> {
    let script = classify(statement);
    let set = script.statements.iter().filter_map(|one| match &one.kind {
        Kind::Set { assignments, .. } => Some(assignments.iter().map(|one| one.name.clone())),
        _ => None,
    });
    let called = script
        .set_config
        .iter()
        .filter_map(|call| match &call.name {
            Argument::Literal(name) => Some(name.clone()),
            _ => None,
        });
    let mut names: Vec<_> = set.flatten().chain(called).collect();
    names.retain(|name| name.contains('.'));
    names
}

async fn rows(conn: &PostgresConnection, query: &str) -> Result<Vec<[String; 3]>, Error> {
    let messages = conn.client().simple_query(query).await?;
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some([0, 1, 2].map(|column| row.get(column).unwrap_or_default().to_owned()))
        }
        _ => None,
    });
    Ok(rows.collect())
}
