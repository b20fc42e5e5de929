//! Sessions: many of them on few connections, each with its state intact.

mod effect;
mod pins;
mod transaction;
pub mod transfer;

pub use effect::Effect;
pub use pins::{PinReason, Pins};
pub use transaction::{Access, Isolation, Modes, TransactionContext, TransactionStatus};
