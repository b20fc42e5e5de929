//! What the hardware and plain constructions allow. None of these waits, opens or checks anything.

mod bitmap;
mod containers;
mod floor;

pub use self::bitmap::{Bitmap, ShardedBitmap};
pub use self::containers::{LockedVec, Queue};
pub use self::floor::Floor;

use crate::peers::contestant::Lacks;

/// What all of them lack.
const BARE: Lacks = Lacks {
    waiting: true,
    connecting: true,
    checking: true,
    deadline: true,
    discarding: true,
    ..Lacks::NOTHING
};

/// Why [`Contestant::conn`](crate::peers::contestant::Contestant::conn) panics for some of them.
const IN_PLACE: &str = "what is no connection is used by `touch` alone";
