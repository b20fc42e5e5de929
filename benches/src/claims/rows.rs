//! The rows there are.

pub mod crowd;
pub mod heap;
pub mod herd;
pub mod resumed;
pub mod reuse;
pub mod statements;
pub mod sticking;
pub mod tended;
pub mod upkeep;
pub mod warm;

use super::row::Experiment;

/// Every model, in the order in which rows are shown.
#[must_use]
pub fn all() -> Vec<Box<dyn Experiment>> {
    vec![
        Box::new(tended::Tended),
        Box::new(warm::Warm),
        Box::new(upkeep::Upkeep),
        Box::new(statements::Statements),
        Box::new(reuse::Reuse),
        Box::new(sticking::Sticking),
        Box::new(herd::Herd),
        Box::new(resumed::Resumed),
        Box::new(resumed::Moved),
        Box::new(crowd::Crowd),
        Box::new(heap::Heap),
    ]
}
