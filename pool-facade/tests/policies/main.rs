//! The policies that a pool asks: who may enter, and which connection suits best.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

mod admission;
mod doorman;
mod extensions;
mod health;
mod healthy;
mod house;
mod labels;
mod placement;
mod sequences;
mod standing_by;
