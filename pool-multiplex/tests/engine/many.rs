//! As many sessions as anybody has.

use crate::support::{Op, Server, ok, sessions, set, settings};
use pool_multiplex::SessionOptions;

const MANY: usize = 10_000;

#[tokio::test(start_paused = true)]
async fn ten_thousand_sessions_with_settings_of_their_own_read_back_their_own_and_leave_nothing() {
    let server = Server::new();
    let sessions = sessions(&server, 4).await;
    let mut all = Vec::new();
    for number in 0..MANY {
        let options = SessionOptions::new().setting("app.id", number.to_string());
        all.push(sessions.create_with(options).expect("there is room"));
    }
    for round in 0..2 {
        for (number, session) in all.iter_mut().enumerate() {
            let id = number.to_string();
            let reply = ok(session, Op::Show).await;
            assert_eq!(reply.settings, settings([("app.id", &id)]), "round {round}");
        }
    }
    assert!(sessions.interner().len() <= MANY + 4);
    assert!(server.opened() <= 4);
    drop(all);
    // What the connections carry is all that is left.
    assert!(
        sessions.interner().len() <= 4,
        "{}",
        sessions.interner().len()
    );
    assert_eq!(sessions.statistics().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn settings_that_come_and_go_do_not_pile_up() {
    let server = Server::new();
    let sessions = sessions(&server, 2).await;
    let mut one = sessions.create().expect("there is room");
    for number in 0..MANY {
        ok(&mut one, set("app.id", &number.to_string())).await;
    }
    assert!(
        sessions.interner().len() <= 3,
        "{}",
        sessions.interner().len()
    );
}
