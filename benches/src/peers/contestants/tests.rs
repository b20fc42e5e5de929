use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::peers::contestant::Setup;

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
            "no pool" => locked("thread_local").map(|version| format!("thread_local {version}")),
            name => locked(name).map(str::to_owned),
        };
        if let Some(wanted) = wanted {
            assert_eq!(about.version, wanted, "{}", about.name);
        }
    }
}

/// What every contestant must do in the smallest scenario.
struct Smallest(tokio::runtime::Runtime);

impl Visit for Smallest {
    fn visit<C: Contestant>(&mut self) {
        self.0.block_on(async {
            for deadline in [None, Some(Duration::from_secs(30))] {
                smallest::<C>(deadline).await;
            }
        });
    }
}

async fn smallest<C: Contestant>(deadline: Option<Duration>) {
    let backend = Backend::immediate();
    let setup = Setup {
        full: true,
        deadline,
        ..Setup::new(3, Arc::clone(&backend))
    };
    let pool = C::build(&setup).await;
    for _ in 0..10 {
        let mut lease = pool.acquire().await.expect(C::NAME);
        C::touch(&mut lease);
        C::release(lease).await;
    }
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(pool.acquire().await.expect(C::NAME));
    }
    assert!(C::LACKS.limit || backend.most_alive() <= 3, "{}", C::NAME);
}

#[test]
fn everybody_hands_out_as_many_as_there_are_and_again_after_they_came_back() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    each(&mut Smallest(runtime.expect("a runtime can be built")));
}

struct Short(tokio::runtime::Runtime);

impl Visit for Short {
    fn visit<C: Contestant>(&mut self) {
        if C::LACKS.deadline {
            return;
        }
        self.0.block_on(async {
            let setup = Setup {
                deadline: Some(Duration::from_millis(20)),
                ..Setup::new(1, Backend::immediate())
            };
            let pool = C::build(&setup).await;
            let held = pool.acquire().await;
            assert!(held.is_some(), "{}", C::NAME);
            assert!(
                pool.acquire().await.is_none(),
                "{} waited for ever",
                C::NAME
            );
        });
    }
}

#[test]
fn whoever_has_a_deadline_keeps_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    each(&mut Short(runtime.expect("a runtime can be built")));
}

struct Breaks(tokio::runtime::Runtime);

impl Visit for Breaks {
    fn visit<C: Contestant>(&mut self) {
        if C::LACKS.discarding {
            return;
        }
        self.0.block_on(async {
            let backend = Backend::immediate();
            let pool = C::build(&Setup::new(1, Arc::clone(&backend))).await;
            for _ in 0..3 {
                let mut lease = pool.acquire().await.expect(C::NAME);
                assert!(!C::conn(&mut lease).is_broken(), "{}", C::NAME);
                C::conn(&mut lease).break_off();
                C::discard(lease);
            }
            assert_eq!(backend.opened(), 3, "{}", C::NAME);
        });
    }
}

#[test]
fn nobody_hands_out_what_was_discarded() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    each(&mut Breaks(runtime.expect("a runtime can be built")));
}
