//! Disturbances, about one a second.
//!
//! Tasks are disturbed where it hurts: while they wait for a connection, and in the middle of a
//! transfer. They race their work against a [`Gate`], which chaos opens for a few at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::bank::{Bank, Disturbance};
use crate::clock;
use crate::workload::Workload;

/// How many tasks one disturbance may hit.
const TASKS_AT_ONCE: u32 = 8;

/// What happens to a task that is let through a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Cancelled,
    Panics,
}

/// Where tasks wait for a disturbance.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    cancels: AtomicU32,
    panics: AtomicU32,
    opened: Notify,
}

impl Gate {
    /// Ends when this task is to be disturbed.
    pub(crate) async fn fate(&self) -> Fate {
        loop {
            self.opened.notified().await;
            if take(&self.panics) {
                return Fate::Panics;
            }
            if take(&self.cancels) {
                return Fate::Cancelled;
            }
        }
    }

    fn open(&self, fate: Fate, tasks: u32) {
        let tickets = match fate {
            Fate::Cancelled => &self.cancels,
            Fate::Panics => &self.panics,
        };
        tickets.store(tasks, Ordering::Relaxed);
        self.opened.notify_waiters();
    }
}

fn take(tickets: &AtomicU32) -> bool {
    let taken = tickets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    });
    taken.is_ok()
}

/// Disturbs the workload until its time is over.
pub(crate) async fn run<B: Bank>(load: Arc<Workload<B>>, seed: u64) -> anyhow::Result<()> {
    let mut chance = fastrand::Rng::with_seed(seed ^ 0x5eed);
    let mut kinds = vec![Disturbance::CancelTasks, Disturbance::PanicTasks];
    kinds.extend(load.bank.disturbances());
    let mut next = 0;
    loop {
        clock::sleep(Duration::from_millis(chance.u64(700..=1000))).await;
        if load.is_over() {
            return Ok(());
        }
        // Each kind once, in a new order, before any comes again.
        if next % kinds.len() == 0 {
            chance.shuffle(&mut kinds);
        }
        let kind = kinds[next % kinds.len()];
        next += 1;
        disturb(&load, kind, &mut chance).await?;
        load.records.disturbed(kind);
    }
}

async fn disturb<B: Bank>(
    load: &Workload<B>,
    kind: Disturbance,
    chance: &mut fastrand::Rng,
) -> anyhow::Result<()> {
    let tasks = chance.u32(1..=TASKS_AT_ONCE);
    match kind {
        Disturbance::CancelTasks => {
            load.waiting.open(Fate::Cancelled, tasks);
            load.transferring.open(Fate::Cancelled, tasks);
            Ok(())
        }
        Disturbance::PanicTasks => {
            load.transferring.open(Fate::Panics, tasks);
            Ok(())
        }
        kind => load.bank.disturb(kind).await,
    }
}
