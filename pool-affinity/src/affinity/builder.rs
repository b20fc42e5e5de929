//! Settings of the whole.

use std::sync::Arc;

use pool_core::Labels;

use super::{Affinity, Settings};
use crate::grades::Grades;
use crate::homes::Homes;
use crate::load::Loads;
use crate::per_slot::PerSlot;
use crate::score::Weights;
use crate::sessions::Sessions;
use crate::whereabouts::Whereabouts;
use crate::{ConfigError, Mode};
use pool_core::Problems;

/// Builds an [`Affinity`]. Sessions, breaking and routing are on by default: who asks for affinity
/// wants them. Selection by score is added.
pub struct AffinityBuilder {
    modes: Modes,
    max_sessions: u32,
    many: u32,
    imbalance: f64,
    factor: f64,
    max_sets: u32,
    max_labels: u32,
    weights: Weights,
    labels: Option<Arc<dyn Labels>>,
}

#[derive(Clone, Copy, Debug)]
struct Modes {
    sessions: Mode,
    breaking: Mode,
    routing: Mode,
    selection: Mode,
}

impl Default for AffinityBuilder {
    fn default() -> Self {
        Self {
            modes: Modes {
                sessions: Mode::On,
                breaking: Mode::On,
                routing: Mode::On,
                selection: Mode::Off,
            },
            max_sessions: 16_384,
            many: 10,
            imbalance: 0.3,
            factor: 1.25,
            max_sets: 1024,
            max_labels: 8192,
            weights: Weights::default(),
            labels: None,
        }
    }
}

/// `/// Documentation.  name: Type => field.of.the.builder;`
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty => $($field:ident).+;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $name: $type) -> Self {
                self.$($field).+ = $name;
                self
            }
        )*
    };
}

impl AffinityBuilder {
    setters! {
        /// Whether sessions get the connections that they are tied to.
        sessions: Mode => modes.sessions;
        /// Whether Weak ties to connections that are used more than others are broken.
        breaking: Mode => modes.breaking;
        /// Whether requests get connections that have their label and statements, within the load
        /// bound.
        routing: Mode => modes.routing;
        /// Whether requests of a class get the connection with the best score; off by default. It goes
        /// before routing, for requests that say their class.
        selection: Mode => modes.selection;
        /// Sessions that are remembered at most. Default 16,384; 16 to 4,194,304. Each takes some 50
        /// bytes, at once.
        max_sessions: u32 => max_sessions;
        /// So many statements that a session left in the cache of its connection make the tie Medium.
        /// Default 10; at least 1.
        cached_for_medium: u32 => many;
        /// By which part the load of a connection is above the mean when Weak ties to it are broken.
        /// Default 0.3; at most 10.
        imbalance: f64 => imbalance;
        /// No connection is chosen that would have more than so many times the mean load, unless it alone
        /// has the label that is wanted. Default 1.25;
        /// 1 to 100. Nearer to 1 the load is more even and less is found in caches.
        load_factor: f64 => factor;
        /// Sets of statements whose homes are remembered at most. Default 1,024; at least 1, at most
        /// 65,536. Each takes 16 bytes.
        max_sets: u32 => max_sets;
        /// Labels of which it is remembered where they are. Default 8,192; at least 8, at most
        /// 1,048,576. Each takes 8 bytes.
        max_labels: u32 => max_labels;
        /// What each feature of a connection counts for, where it is chosen by score.
        weights: Weights => weights;
    }

    /// What it costs to turn one label into another. Default: nobody knows, all differences are alike.
    #[must_use]
    pub fn labels(mut self, labels: Arc<dyn Labels>) -> Self {
        self.labels = Some(labels);
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// When settings make no sense: all of them at once.
    pub fn build(self) -> Result<Affinity, ConfigError> {
        let mut problems = Problems::of("affinity");
        problems.within("max_sessions", self.max_sessions, 16..=1 << 22);
        problems.within("cached_for_medium", self.many, 1..=1024);
        problems.within("imbalance", self.imbalance, 0.0..=10.0);
        problems.within("load_factor", self.factor, 1.0..=100.0);
        problems.within("max_sets", self.max_sets, 1..=1 << 16);
        problems.within("max_labels", self.max_labels, 8..=1 << 20);
        self.weights.check(&mut problems);
        problems.result()?;
        // What is off needs no room.
        let room = |mode: Mode, most: u32| if mode.is_asked() { most } else { 1 };
        let modes = self.modes;
        Ok(Affinity {
            loads: Loads::new(self.factor),
            records: PerSlot::default(),
            homes: Homes::new(room(modes.routing, self.max_sets)),
            whereabouts: Whereabouts::new(room(modes.routing, self.max_labels)),
            sessions: Sessions::new(room(modes.sessions, self.max_sessions), self.many),
            grades: Grades::default(),
            rover: Default::default(),
            labels: self.labels,
            settings: Settings {
                sessions: modes.sessions,
                breaking: modes.breaking,
                routing: modes.routing,
                selection: modes.selection,
                many: self.many,
                imbalance: self.imbalance,
                weights: self.weights,
            },
        })
    }
}

impl std::fmt::Debug for AffinityBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AffinityBuilder")
            .field("modes", &self.modes)
            .field("max_sessions", &self.max_sessions)
            .field("load_factor", &self.factor)
            .finish_non_exhaustive()
    }
}
