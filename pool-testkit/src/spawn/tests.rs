use std::future::pending;
use std::sync::Arc;

use pool_core::Spawn;

use super::{CountingSpawn, Fate};

#[tokio::test]
async fn tasks_are_counted_by_how_they_end() {
    let spawn = CountingSpawn::tokio();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let waiting = Box::pin(async move {
        let _ = stopped.await;
    });
    assert!(spawn.spawn(waiting).is_ok());
    assert!(spawn.spawn(Box::pin(async {})).is_ok());
    let counts = spawn.until(|counts| counts.finished == 1).await;
    assert_eq!((counts.alive(), counts.peak), (1, 2));
    drop(stop);
    let counts = spawn.until(|counts| counts.alive() == 0).await;
    assert_eq!((counts.finished, counts.dropped), (2, 0));
}

#[tokio::test]
async fn panicking_task_counts_as_dropped() {
    let spawn = CountingSpawn::tokio();
    assert!(
        spawn
            .spawn(Box::pin(async { panic!("on purpose") }))
            .is_ok()
    );
    let counts = spawn.until(|counts| counts.alive() == 0).await;
    assert_eq!((counts.finished, counts.dropped), (0, 1));
}

#[test]
fn tasks_of_a_runtime_that_ended_count_as_dropped() {
    let spawn = CountingSpawn::tokio();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async { assert!(spawn.spawn(Box::pin(pending())).is_ok()) });
    assert_eq!(spawn.counts().alive(), 1);
    drop(runtime);
    assert_eq!(spawn.counts().dropped, 1);
}

#[test]
fn lost_task_is_dropped_unrun_and_refused_one_comes_back() {
    let spawn = CountingSpawn::tokio();
    let token = Arc::new(());
    let task = |token: Arc<()>| {
        Box::pin(async move {
            drop(token);
            unreachable!("never runs");
        })
    };
    spawn.set(Fate::Lose);
    assert!(spawn.spawn(task(Arc::clone(&token))).is_ok());
    assert_eq!(Arc::strong_count(&token), 1);
    assert_eq!(spawn.counts().dropped, 1);

    spawn.set(Fate::Refuse);
    let back = spawn.spawn(task(Arc::clone(&token)));
    assert_eq!(Arc::strong_count(&token), 2, "the task was given back");
    assert!(back.is_err());
    assert_eq!((spawn.counts().refused, spawn.counts().alive()), (1, 0));

    spawn.set(Fate::Run);
    assert!(spawn.spawn(Box::pin(pending())).is_err(), "no runtime here");
}
