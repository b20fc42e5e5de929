//! The policy that puts the parts together.
//!
//! A choice goes through the parts in this order, and ends at the first that has an answer and is on:
//!
//! ```text
//!  bound session ─▶ session with much there ─▶ score of a class ─▶ statements and labels ─▶ last
//!    (sessions)          (sessions)              (selection)            (routing)        (sessions)
//! ```

use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use pool_core::{Builder, Candidate, Candidates, Labels, Manager, Placement, Profile, RequestInfo};

use crate::grades::Grades;
use crate::homes::Homes;
use crate::load::{Bound, Loads};
use crate::per_slot::PerSlot;
use crate::record::{Record, Why};
use crate::score::{NotAPart, Weights};
use crate::sessions::Sessions;
use crate::whereabouts::Whereabouts;
use crate::{
    AffinityStatistics, Class, ClassStatistics, ConnectionStatistics, Mode, Reason, Strength,
};

mod builder;
mod counted;
mod own;
mod rank;
mod route;
mod select;
mod told;

pub use builder::AffinityBuilder;

/// Chooses connections for the requests of one pool.
///
/// ```
/// use pool_affinity::{Affinity, Mode, Weights};
///
/// let affinity = Affinity::builder()
///     .breaking(Mode::Shadow)
///     .selection(Mode::On)
///     .load_factor(1.5)
///     .build()?;
/// assert_eq!(affinity.statistics().sessions.active.total(), 0);
/// # Ok::<_, pool_affinity::ConfigError>(())
/// ```
pub struct Affinity {
    settings: Settings,
    loads: Loads,
    records: PerSlot<Record>,
    homes: Homes,
    whereabouts: Whereabouts,
    sessions: Sessions,
    grades: Grades,
    /// Where exploration goes on.
    rover: CachePadded<std::sync::atomic::AtomicU32>,
    labels: Option<Arc<dyn Labels>>,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    sessions: Mode,
    breaking: Mode,
    routing: Mode,
    selection: Mode,
    many: u32,
    imbalance: f64,
    weights: Weights,
}

/// What a session is tied to, as somebody outside sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preference {
    /// The connection.
    pub connection: Candidate,
    /// How strongly.
    pub strength: Strength,
    /// The strongest reason.
    pub reason: Reason,
}

impl Affinity {
    /// Settings to begin with.
    #[must_use]
    pub fn builder() -> AffinityBuilder {
        AffinityBuilder::default()
    }

    /// Has a pool that is being built ask this policy. One policy serves one pool. With all parts
    /// off, the pool is left as it is.
    pub fn attach<M: Manager>(self: &Arc<Self>, builder: Builder<M>) -> Builder<M> {
        match self.settings.is_asked() {
            true => builder.placement(Arc::clone(self) as _),
            false => builder,
        }
    }

    /// The connection that a session is tied to, if it is.
    #[must_use]
    pub fn preferred(&self, session: u64) -> Option<Preference> {
        let tie = self.sessions.tie(session)?;
        Some(Preference {
            connection: tie.connection,
            strength: tie.strength,
            reason: tie.reason,
        })
    }

    /// Ties a session to a connection for a reason. Whatever tied it to another connection is undone:
    /// the newest word counts. [`Strength::None`] takes the reason away.
    ///
    /// Returns whether it is noted. It is not for session 0, which is nobody, nor when there is no
    /// room among sessions that are bound.
    pub fn create(&self, session: u64, to: Candidate, strength: Strength, why: Reason) -> bool {
        self.sessions.create(session, to, strength, why)
    }

    /// Takes a reason away that ties a session, or all of them if none is named, and forgets it then.
    /// Returns whether there was one.
    pub fn release(&self, session: u64, why: Option<Reason>) -> bool {
        self.sessions.release(session, why)
    }

    /// A transaction of a session has begun there: it is bound to the connection until
    /// [`mark_transaction_end`](Self::mark_transaction_end). For somebody who gives the connection
    /// back meanwhile; who keeps it needs no hint.
    pub fn mark_transaction_start(&self, session: u64, there: Candidate) -> bool {
        self.create(session, there, Strength::Strong, Reason::ActiveTransaction)
    }

    /// Its transaction has ended: it is tied as it was before.
    pub fn mark_transaction_end(&self, session: u64) -> bool {
        self.release(session, Some(Reason::ActiveTransaction))
    }

    /// Breaks all Weak ties to connections whose load is above the threshold, rather than each when
    /// its session comes. Returns how many it broke, or would have broken in the shadow. Looks at all
    /// sessions: for an operator, not for every request.
    pub fn rebalance(&self) -> u64 {
        if !self.settings.breaking.is_asked() {
            return 0;
        }
        let bound = self.loads.bound();
        let overloaded = |connection| {
            let record = self.records.known(connection);
            record.is_some_and(|one| self.is_overloaded(one, &bound))
        };
        let acts = self.settings.breaking.acts();
        self.sessions.rebalance(overloaded, acts)
    }

    /// A piece of work of this [class](Class::id) has ended on a connection, by whoever ran it.
    pub fn completed(&self, connection: Candidate, class: u32, took: Duration, succeeded: bool) {
        self.grades.completed(connection, class, took, succeeded);
    }

    /// How well a connection does as a whole, and its age as a part of the oldest it may become, by
    /// whoever knows. Without it, all connections are well and new.
    ///
    /// # Errors
    ///
    /// When one of them is not a number from 0 to 1: it is counted, and nothing else is done.
    pub fn rated(&self, connection: Candidate, health: f64, age: f64) -> Result<(), NotAPart> {
        self.grades.rated(connection, health, age)
    }

    /// How a class of work does.
    #[must_use]
    pub fn class_statistics(&self, class: Class) -> ClassStatistics {
        self.grades.class(class)
    }

    /// What is known of a connection; `None` of one that is gone or was never leased.
    #[must_use]
    pub fn connection_statistics(&self, connection: Candidate) -> Option<ConnectionStatistics> {
        let record = self.records.known(connection)?;
        let bound = self.loads.bound();
        Some(ConnectionStatistics {
            load: f64::from(record.load.at(bound.epoch)),
            cached: record.sketch.count(),
            health: self.grades.health(connection),
            age: self.grades.age(connection),
            efficiency: self.grades.efficiency(connection),
        })
    }

    /// What was seen and decided so far. Looks at all sessions and all slots.
    #[must_use]
    pub fn statistics(&self) -> AffinityStatistics {
        self.counted()
    }

    fn is_overloaded(&self, record: &Record, bound: &Bound) -> bool {
        bound.exceeds(record.load.at(bound.epoch), self.settings.imbalance)
    }

    /// Counts a choice, and makes it unless the part is in the shadow.
    fn made(&self, mode: Mode, chosen: Option<(Candidate, Why)>) -> Option<u32> {
        let (candidate, why) = chosen?;
        if let Some(record) = self.records.of(candidate.slot) {
            record.counts.note(why);
        }
        mode.acts().then_some(candidate.slot)
    }

    fn pick(&self, profile: &Profile, candidates: &Candidates<'_>) -> Option<u32> {
        let settings = &self.settings;
        let bound = self.loads.bound();
        let own = self.own(profile, candidates, &bound);
        if let Some(slot) = self.made(settings.sessions, own.first()) {
            return Some(slot);
        }
        let class = Class::from_id(profile.class).filter(|_| settings.selection.is_asked());
        if let Some(class) = class {
            let chosen = self.select(profile, class, candidates, &own, &bound);
            if let Some(slot) = self.made(settings.selection, chosen) {
                return Some(slot);
            }
        }
        if settings.routing.is_asked() {
            let chosen = self.route(profile, candidates, &own, &bound);
            if let Some(slot) = self.made(settings.routing, chosen) {
                return Some(slot);
            }
        }
        self.made(settings.sessions, own.habit(self, &bound))
    }
}

impl Settings {
    const fn is_asked(&self) -> bool {
        self.sessions.is_asked() || self.routing.is_asked() || self.selection.is_asked()
    }
}

impl Placement for Affinity {
    fn choose(&self, request: &RequestInfo, candidates: &Candidates<'_>) -> Option<u32> {
        self.pick(request.profile.as_ref()?, candidates)
    }

    fn acquired(&self, request: &RequestInfo, connection: Candidate) {
        self.lease_began(request.profile.as_ref(), connection);
    }

    fn released(&self, request: &RequestInfo, connection: Candidate) {
        self.lease_ends(request.profile.as_ref(), connection);
    }

    fn cached(&self, connection: Candidate, statement: u32) {
        self.statement_cached(connection, statement);
    }

    fn uncached(&self, connection: Candidate, statement: Option<u32>) {
        self.statement_dropped(connection, statement);
    }
}

impl std::fmt::Debug for Affinity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Affinity")
            .field("settings", &self.settings)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}
