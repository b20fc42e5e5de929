//! Many sessions do anything at all, and each sees what it alone has done.

use std::collections::HashMap;

use pool_sqlite::SqliteSession;

use crate::house::{House, connection, number, variable};

const SESSIONS: usize = 200;
const CONNECTIONS: u32 = 4;
const STEPS: usize = 6000;
/// Sessions that may be on a connection beyond a step, so that the others have one left.
const PINNED: usize = 3;

/// What one session must see.
#[derive(Default)]
struct Model {
    pragmas: HashMap<&'static str, i64>,
    id: Option<String>,
    /// Its transaction, and the savepoints in it.
    open: usize,
    /// The rows of its temporary table.
    table: Option<i64>,
}

impl Model {
    fn is_pinned(&self) -> bool {
        self.open > 0 || self.table.is_some()
    }
}

const PRAGMAS: [(&str, i64); 4] = [
    ("cache_size", -50),
    ("busy_timeout", 100),
    ("recursive_triggers", 2),
    ("analysis_limit", 30),
];

#[tokio::test]
async fn two_hundred_sessions_on_four_connections_see_only_what_is_their_own() {
    let house = House::new(CONNECTIONS).await;
    let mut opened = HashMap::new();
    let mut first = house.session();
    for (name, _) in PRAGMAS {
        opened.insert(
            name,
            number(&mut first, &format!("PRAGMA {name}"))
                .await
                .expect("one"),
        );
    }
    drop(first);
    let mut chance = fastrand::Rng::with_seed(20);
    let mut sessions: Vec<SqliteSession> = (0..SESSIONS).map(|_| house.session()).collect();
    let mut models: Vec<Model> = (0..SESSIONS).map(|_| Model::default()).collect();
    for step in 0..STEPS {
        let pinned = models.iter().filter(|model| model.is_pinned()).count();
        let candidates: Vec<usize> = match pinned {
            PINNED if chance.bool() => {
                let all = models.iter().enumerate();
                all.filter(|(_, model)| model.is_pinned())
                    .map(|(at, _)| at)
                    .collect()
            }
            _ => vec![chance.usize(..SESSIONS)],
        };
        let at = candidates[chance.usize(..candidates.len())];
        let (session, model) = (&mut sessions[at], &mut models[at]);
        let may_pin = pinned < PINNED || model.is_pinned();
        act(session, model, may_pin, &mut chance).await;
        check(
            session,
            model,
            &opened,
            &format!("step {step}, session {at}"),
        )
        .await;
    }
    let seen = house.sessions.statistics();
    assert!(
        seen.same_connection < seen.attaches,
        "sessions have moved: {seen:?}"
    );
    assert_eq!(seen.tainted, 0);
    assert_eq!(house.pool.status().opened, u64::from(CONNECTIONS));
}

async fn act(
    session: &mut SqliteSession,
    model: &mut Model,
    may_pin: bool,
    chance: &mut fastrand::Rng,
) {
    let (name, most) = PRAGMAS[chance.usize(..PRAGMAS.len())];
    let value = if most < 0 {
        chance.i64(most..0)
    } else {
        chance.i64(0..most)
    };
    match chance.u8(..12) {
        0 | 1 => {
            session.set(name, &value.to_string()).await.expect("set");
            model.pragmas.insert(name, value);
        }
        2 => {
            session
                .execute_batch(format!("PRAGMA {name} = {value}"))
                .await
                .expect("set by SQL");
            model.pragmas.insert(name, value);
        }
        3 => {
            session.reset(name).await.expect("reset");
            model.pragmas.remove(name);
        }
        4 | 5 => {
            let id = chance.u32(..).to_string();
            session.set("app.id", &id).await.expect("set");
            model.id = Some(id);
        }
        6 if model.open == 0 => {
            session.reset_all().await.expect("reset");
            model.pragmas.clear();
            model.id = None;
        }
        7 if may_pin => grow_transaction(session, model).await,
        8 | 9 if model.open > 0 => shrink_transaction(session, model, chance).await,
        10 if may_pin => {
            match model.table {
                None => session.execute_batch("CREATE TEMP TABLE own (n)").await,
                Some(_) => session.execute_batch("INSERT INTO own VALUES (1)").await,
            }
            .expect("a table of its own");
            model.table = Some(model.table.map_or(0, |rows| rows + 1));
        }
        11 if model.table.is_some() && model.open == 0 => {
            session
                .execute_batch("DROP TABLE own")
                .await
                .expect("dropped");
            model.table = None;
        }
        _ => {}
    }
}

/// By SQL, as nobody would with a guard. The table of a session is made before its transaction, or in
/// it, and in no savepoint.
async fn grow_transaction(session: &mut SqliteSession, model: &mut Model) {
    let sql = match (model.table, model.open) {
        (None, 0) => "BEGIN".to_owned(),
        (None, depth) => format!("SAVEPOINT s{depth}"),
        (Some(_), _) => return,
    };
    session.execute_batch(sql).await.expect("begun");
    model.open += 1;
}

async fn shrink_transaction(
    session: &mut SqliteSession,
    model: &mut Model,
    chance: &mut fastrand::Rng,
) {
    if model.table.is_some() {
        session
            .execute_batch("ROLLBACK")
            .await
            .expect("rolled back");
        model.open = 0;
        // It was made in the transaction.
        model.table = None;
        return;
    }
    model.open -= 1;
    let sql = match (model.open, chance.bool()) {
        (0, true) => "COMMIT".to_owned(),
        (0, false) => "ROLLBACK".to_owned(),
        (depth, true) => format!("RELEASE s{depth}"),
        (depth, false) => format!("ROLLBACK TO s{depth}; RELEASE s{depth}"),
    };
    session.execute_batch(sql).await.expect("ended");
}

async fn check(
    session: &mut SqliteSession,
    model: &Model,
    opened: &HashMap<&'static str, i64>,
    place: &str,
) {
    for (name, _) in PRAGMAS {
        let expected = model.pragmas.get(name).unwrap_or(&opened[name]);
        let seen = number(session, &format!("PRAGMA {name}"))
            .await
            .expect("one");
        assert_eq!(
            seen,
            *expected,
            "{place}: {name}, connection {:?}",
            connection(session)
        );
    }
    assert_eq!(variable(session, "app.id").await, model.id, "{place}");
    let tables = number(session, "SELECT count(*) FROM temp.sqlite_schema")
        .await
        .expect("one");
    assert_eq!(tables, i64::from(model.table.is_some()), "{place}");
    if let Some(rows) = model.table {
        let seen = number(session, "SELECT count(*) FROM own")
            .await
            .expect("one");
        assert_eq!(seen, rows, "{place}");
    }
    assert_eq!(
        !session.pins().expect("pins").is_empty(),
        model.is_pinned(),
        "{place}"
    );
}
