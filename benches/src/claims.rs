//! Whether the pool does what is claimed for it: one row for each claim, run in model time.
//!
//! A claim like "detection in 200 ms instead of 5 s" means nothing before it says what is measured,
//! under which traffic, and what the 5 s are. A [`Row`](row::Row) says so. It names a *baseline*, a
//! naive policy that is written down here, and where that baseline must land: if it does not, the
//! workload is not the one the claim is about, and the row fails however good the pool may be. It
//! names a target for the real policy, the code that a pool runs, never a copy of it. And it names
//! what is to be shown beside: what the improvement costs.
//!
//! ```text
//!              ┌ baseline ┐ figures   ┌ landed there?  no ▶ drift
//!  seed ▶ world┤          ├──────────▶│
//!              └   ours   ┘           └ target met?    no ▶ missed
//! ```
//!
//! Both meet the same world (see `pool_testkit::simulation`); the worst of the seeds counts. Under
//! *sabotage* the baseline runs in the place of the real policy, and every row must then miss its
//! target: a row that the naive policy passes proves nothing.
//!
//! To add a row: write an [`Experiment`](row::Experiment), a model with one or more rows that are read
//! from the same run, and name it in [`rows::all`].

pub mod command;
pub mod judge;
mod multiplexed;
pub mod row;
pub mod rows;
pub mod run;
pub mod show;
pub mod sound;

mod placing;
mod tending;

#[cfg(test)]
mod tests;
