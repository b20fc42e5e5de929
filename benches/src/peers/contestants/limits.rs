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
