//! Who takes part.

mod direct;
mod groups;
mod ours;
mod pgbouncer;
mod wire;

use std::time::Duration;

use super::contestant::Contestant;
use super::site::Site;
use super::turn::{self, Times};
use super::work::Work;
use crate::outcome::Outcome;
use crate::record::Group;

pub use self::direct::Direct;
pub use self::groups::Grouped;
pub use self::ours::Ours;
pub use self::pgbouncer::PgBouncer;

/// How long an ended turn's remains may take to go away, and a client to end its last transaction.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A contestant without its type.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// See [`Contestant::NAME`].
    pub name: &'static str,
    /// See [`Contestant::GROUP`].
    pub group: Group,
    /// See [`Contestant::REMARKS`].
    pub remarks: &'static [&'static str],
    /// See [`Contestant::version`].
    pub version: fn() -> anyhow::Result<String>,
    /// See [`Contestant::admits`].
    pub admits: fn(Work) -> bool,
    /// See [`turn::run`].
    pub turn: fn(&Site, Work, Times) -> Outcome,
}

impl Entry {
    const fn of<C: Contestant>() -> Self {
        Self {
            name: C::NAME,
            group: C::GROUP,
            remarks: C::REMARKS,
            version: C::version,
            admits: C::admits,
            turn: turn::run::<C>,
        }
    }
}

/// All of them, in the order of tables.
#[must_use]
pub const fn all() -> [Entry; 7] {
    [
        Entry::of::<Ours>(),
        Entry::of::<PgBouncer>(),
        Entry::of::<Direct>(),
        Entry::of::<Grouped<false, false>>(),
        Entry::of::<Grouped<false, true>>(),
        Entry::of::<Grouped<true, false>>(),
        Entry::of::<Grouped<true, true>>(),
    ]
}
