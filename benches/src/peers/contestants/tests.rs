use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::peers::contestant::Setup;
use crate::peers::erased::Entrant;

fn locked(package: &str) -> Option<&'static str> {
    let lock = include_str!("../../../../Cargo.lock");
    let entry = lock
        .split("[[package]]")
        .find(|entry| entry.contains(&format!("\nname = \"{package}\"\n")))?;
    let version = entry.split("\nversion = \"").nth(1)?;
    version.split('"').next()
}

#[test]
fn names_are_unique() {
    let names: HashSet<_> = all().iter().map(|about| about.name).collect();
    assert_eq!(names.len(), all().len());
}

#[test]
fn the_versions_shown_are_the_versions_locked() {
    for about in all() {
        let wanted = match about.name {
            "sqlx" => locked("sqlx-core").map(str::to_owned),
            "semaphore + queue" => Some(format!(
                "tokio {}, crossbeam-queue {}",
                locked("tokio").expect("tokio is locked"),
                locked("crossbeam-queue").expect("crossbeam-queue is locked"),
            )),
            "queue" => {
                locked("crossbeam-queue").map(|version| format!("crossbeam-queue {version}"))
            }
            name => locked(name).map(str::to_owned),
        };
        if let Some(wanted) = wanted {
            assert_eq!(about.version, wanted, "{}", about.name);
        }
    }
}

/// All contestants, to be used as values.
fn entrants() -> Vec<Entrant> {
    struct Entrants(Vec<Entrant>);
    impl Visit for Entrants {
        fn visit<C: Contestant>(&mut self) {
            self.0.push(Entrant::of::<C>());
        }
    }
    let mut entrants = Entrants(Vec::new());
    each(&mut entrants);
    entrants.0
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.expect("a runtime can be built").block_on(work);
}

/// What every contestant must do in the smallest scenario.
async fn smallest(entrant: Entrant, deadline: Option<Duration>) {
    let name = entrant.about.name;
    let backend = Backend::immediate();
    let setup = Setup {
        full: true,
        deadline,
        ..Setup::new(3, Arc::clone(&backend))
    };
    let pool = entrant.build(&setup).await;
    for _ in 0..10 {
        let mut lease = pool.acquire().await.expect(name);
        lease.touch();
        lease.release().await;
    }
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(pool.acquire().await.expect(name));
    }
    let limit = !entrant.about.lacks.limit;
    assert!(!limit || backend.most_alive() <= 3, "{name}");
}

#[test]
fn everybody_hands_out_as_many_as_there_are_and_again_after_they_came_back() {
    block_on(async {
        for entrant in entrants() {
            for deadline in [None, Some(Duration::from_secs(30))] {
                smallest(entrant, deadline).await;
            }
        }
    });
}

#[test]
fn whoever_has_a_deadline_keeps_it() {
    block_on(async {
        for entrant in entrants() {
            if entrant.about.lacks.deadline {
                continue;
            }
            let name = entrant.about.name;
            let setup = Setup {
                deadline: Some(Duration::from_millis(20)),
                ..Setup::new(1, Backend::immediate())
            };
            let pool = entrant.build(&setup).await;
            let held = pool.acquire().await;
            assert!(held.is_some(), "{name}");
            assert!(pool.acquire().await.is_none(), "{name} waited for ever");
        }
    });
}

#[test]
fn nobody_hands_out_what_was_discarded() {
    block_on(async {
        for entrant in entrants() {
            if entrant.about.lacks.discarding {
                continue;
            }
            let name = entrant.about.name;
            let backend = Backend::immediate();
            let pool = entrant.build(&Setup::new(1, Arc::clone(&backend))).await;
            for _ in 0..3 {
                let mut lease = pool.acquire().await.expect(name);
                assert!(!lease.conn().is_broken(), "{name}");
                lease.conn().break_off();
                lease.discard();
            }
            assert_eq!(backend.opened(), 3, "{name}");
        }
    });
}
