//! Sessions: many of them on few connections, each with its state intact.

mod effect;
mod frames;
mod interner;
mod names;
mod pins;
mod settings;
mod state;
mod statements;
mod table;
mod tags;
mod transaction;
pub mod transfer;

pub use effect::Effect;
pub use frames::{Frames, Scope, TooManySavepoints};
pub use interner::Interner;
pub use names::{Names, Temporaries};
pub use pins::{PinReason, Pins};
pub use settings::{Difference, Settings};
pub use state::State;
pub use statements::{Catalogue, SessionStatements, Statement};
pub use tags::{Tag, TagError, TagName, Tags};
pub use transaction::{Access, Isolation, Modes, TransactionContext, TransactionStatus};
