//! Reading back what a text does not tell.
//!
//! One request behind the operation, and only for statements that ask for it: `SET` as text, whose
//! value the server may spell otherwise; `DO`, `CALL` and the like, which may set anything; locks,
//! prepared statements and temporary objects, which the server counts, whatever a text says of them.

use super::effects::Aftermath;
use crate::connection::PostgresConnection;
use crate::settings::{self, literal};
use crate::watch::Status;
use pool_multiplex::{Effect, PinReason, Settings};
use std::fmt::Write as _;
use std::sync::Arc;
use tokio_postgres::{Error, SimpleQueryMessage, SimpleQueryRow};

/// Locks, statements, objects of any kind and cursors that only this connection has.
const PINS: &str = "SELECT 'p', \
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks \
     WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid()) > 0, \
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements WHERE from_sql) > 0, \
    EXISTS (SELECT FROM pg_catalog.pg_depend \
     WHERE refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass \
     AND refobjid = pg_catalog.pg_my_temp_schema()), \
    EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable);";

/// What is there and in no text: the server has counted it. No object is called so.
pub(crate) const COUNTED: &str = "";

/// What is set, but for names that programs have made up.
const ALL_SETTINGS: &str = "SELECT 'a', name, pg_catalog.current_setting(name) \
    FROM pg_catalog.pg_settings WHERE source = 'session';";

/// Asks, and says what follows. `wanted` are the settings as they were known before.
pub(crate) async fn read(
    conn: &PostgresConnection,
    aftermath: &Aftermath,
    wanted: &Settings,
) -> Result<Vec<Effect>, Error> {
    let baseline = conn.baseline();
    let question = question(aftermath, wanted, baseline);
    let rows = conn.client().simple_query(&question).await?;
    let mut found = Found {
        is_idle: conn.status_when_answered() == Status::Idle,
        ..Found::default()
    };
    for message in &rows {
        if let SimpleQueryMessage::Row(row) = message {
            found.take(row);
        }
    }
    if aftermath.all_settings {
        found.miss(wanted);
        found.compare(baseline);
    }
    Ok(found.effects)
}

fn question(aftermath: &Aftermath, wanted: &Settings, baseline: &[(String, String)]) -> String {
    let mut text = String::new();
    let mut ask = |name: &str| {
        let name = literal(name);
        let _ = write!(
            text,
            "SELECT 's', {name}, pg_catalog.current_setting({name}, true);"
        );
    };
    aftermath.settings.iter().for_each(|name| ask(name));
    if aftermath.all_settings {
        let made_up = wanted.iter().map(|(name, _)| &name[..]);
        let of_warm_up = baseline.iter().map(|(name, _)| &name[..]);
        let of_warm_up = of_warm_up.filter(|name| wanted.get(name).is_none());
        made_up
            .chain(of_warm_up)
            .filter(|name| name.contains('.'))
            .for_each(&mut ask);
        ask("role");
        text.push_str(ALL_SETTINGS);
    }
    if aftermath.pins {
        text.push_str(PINS);
    }
    text
}

/// Ends a role as well, which is taken again behind the settings.
const LOGGED_IN: &str = "SET SESSION AUTHORIZATION DEFAULT;";

/// Takes back whatever a block has set, and sets again what was read by [`read`]: what it made up is
/// listed nowhere, and would be the next session's.
pub(crate) fn without_made_up(
    read: &[Effect],
    baseline: &[(String, String)],
) -> Result<String, settings::SettingError> {
    let mut text = settings::Settings::new();
    let reset = |name: &str| {
        let is_it =
            |one: &Effect| matches!(one, Effect::Reset(reset) if reset.eq_ignore_ascii_case(name));
        read.iter().any(is_it)
    };
    for (name, value) in baseline.iter().filter(|(name, _)| reset(name)) {
        text.set_or_role(name, value)?;
    }
    let set = read.iter().filter_map(|effect| match effect {
        Effect::Set { name, value } => Some((name, value)),
        _ => None,
    });
    let (role, set): (Vec<_>, Vec<_>) =
        set.partition(|(name, _)| name.eq_ignore_ascii_case("role"));
    for (name, value) in set.into_iter().chain(role) {
        text.set_or_role(name, value)?;
    }
    Ok(format!("{LOGGED_IN} RESET ALL; {}", text.as_sql()))
}

#[derive(Default)]
struct Found {
    is_idle: bool,
    effects: Vec<Effect>,
    seen: Vec<Arc<str>>,
}

impl Found {
    fn take(&mut self, row: &SimpleQueryRow) {
        let [kind, first, second] = [0, 1, 2].map(|column| row.get(column).unwrap_or_default());
        match kind {
            "p" => {
                self.pin(PinReason::AdvisoryLock, first);
                self.pin(PinReason::PreparedBySql, second);
                self.temporary(row.get(3) == Some("t"));
                self.held(row.get(4) == Some("t"));
            }
            _ => self.set(first, second),
        }
    }

    fn pin(&mut self, reason: PinReason, is_there: &str) {
        self.effects.push(match is_there {
            "t" => Effect::Pin(reason),
            _ => Effect::Unpin(reason),
        });
    }

    fn temporary(&mut self, is_there: bool) {
        self.effects.push(match is_there {
            true => Effect::CreateTemporary {
                name: COUNTED.into(),
                until_commit: false,
            },
            false => Effect::DropTemporary(None),
        });
    }

    fn held(&mut self, is_there: bool) {
        self.effects.push(match is_there {
            true => Effect::OpenCursor {
                name: COUNTED.into(),
                hold: true,
            },
            false if self.is_idle => Effect::CloseCursor(None),
            // Others may be open that end with the transaction.
            false => Effect::CloseCursor(Some(COUNTED.into())),
        });
    }

    fn set(&mut self, name: &str, value: &str) {
        let name: Arc<str> = name.into();
        self.seen.push(Arc::clone(&name));
        self.effects.push(Effect::Set {
            name,
            value: value.into(),
        });
    }

    /// What a warm-up has set, and is as it was, the session has not set.
    fn compare(&mut self, baseline: &[(String, String)]) {
        for (name, value) in baseline {
            let is_it = |effect: &&mut Effect| matches!(effect, Effect::Set { name: set, .. } if set.eq_ignore_ascii_case(name));
            match self.effects.iter_mut().find(is_it) {
                Some(effect) => {
                    if let Effect::Set { name, value: now } = effect
                        && **now == **value
                    {
                        *effect = Effect::Reset(Arc::clone(name));
                    }
                }
                None => self
                    .effects
                    .push(Effect::Taint("a block that resets settings")),
            }
        }
    }

    /// What was set and is not among all that is set, is not set any more.
    fn miss(&mut self, wanted: &Settings) {
        let is_seen = |name: &str| self.seen.iter().any(|seen| seen.eq_ignore_ascii_case(name));
        let missed: Vec<_> = wanted.iter().filter(|(name, _)| !is_seen(name)).collect();
        let missed = missed.into_iter().map(|(name, _)| Arc::clone(name));
        self.effects.extend(missed.map(Effect::Reset));
    }
}
