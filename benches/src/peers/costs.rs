//! What chance has no part in: instructions, allocations, sizes, and memory for each task that waits.
//!
//! Instructions and memory are taken in processes of their own, which are this program again with
//! `--child`: the ones under callgrind, the others fresh, so that nothing that was freed before is
//! there to be used. Allocations are counted by the program's allocator, per thread, on a runtime of
//! one thread. The counting adds some ten instructions to each allocation, so to peers that allocate.

mod child;
mod instructions;
mod memory;
mod work;

use super::contestant::{About, Contestant};
use super::scenario::{Outcome, Round, Scenario, Visit};
use super::workers::{Crew, sample};
use crate::record::Better;

pub use self::child::Child;
pub(super) use self::memory::per_pool;

/// Shows every scenario about costs to `visitor`.
pub fn each(visitor: &mut impl Visit) {
    visitor.visit::<Operation>();
    visitor.visit::<Waiting>();
}

/// What an operation costs, with nobody in the way and with eight tasks for each connection.
#[derive(Debug)]
pub struct Operation;

impl Scenario for Operation {
    const NAME: &'static str = "cost";
    const TITLE: &'static str =
        "instructions and allocations of acquire and drop: free, and 64 tasks on 8 with a yield";
    const ONCE: bool = true;

    fn variants() -> Vec<String> {
        vec!["free".to_owned(), "64 on 8".to_owned()]
    }

    fn admits(about: &About, variant: usize) -> bool {
        variant == 0 || !(about.lacks.waiting || about.lacks.asynchrony)
    }

    fn run<C: Contestant>(round: &Round) -> Outcome {
        let busy = round.variant == 1;
        let mut outcome = Outcome::of(sample(Crew::Current, async move |beat| {
            let mut outcome = Outcome::default();
            let cost = work::allocations::<C>(busy, &beat).await;
            outcome.value("allocations", "/op", Better::Lower, cost.allocations);
            outcome.value("allocated", "B/op", Better::Lower, cost.bytes);
            outcome
        }));
        if outcome.stuck {
            return outcome;
        }
        if let Some(count) = instructions::per_operation(C::NAME, busy) {
            outcome.value("instructions", "/op", Better::Lower, count);
            // What is asked for most comes first.
            outcome.values.rotate_right(1);
        }
        outcome
    }
}

/// What a task that waits costs, with the default deadline on; `no pool` is a task that waits for
/// something else.
#[derive(Debug)]
pub struct Waiting;

impl Scenario for Waiting {
    const NAME: &'static str = "memory";
    const TITLE: &'static str = "resident memory of each of 10,000 tasks that wait";
    const ONCE: bool = true;

    fn variants() -> Vec<String> {
        vec![String::new()]
    }

    fn admits(about: &About, _variant: usize) -> bool {
        !(about.lacks.waiting || about.lacks.asynchrony)
    }

    fn run<C: Contestant>(_round: &Round) -> Outcome {
        let mut outcome = Outcome::of(sample(Crew::Current, async |_beat| {
            work::sizes::<C>().await
        }));
        match memory::per_waiter(C::NAME) {
            Some(bytes) => {
                outcome.value("resident", "B/task", Better::Lower, bytes);
                outcome.values.rotate_right(1);
            }
            None if cfg!(target_os = "linux") => {
                outcome.faults(["could not park its tasks".to_owned()]);
            }
            None => {}
        }
        outcome
    }
}
