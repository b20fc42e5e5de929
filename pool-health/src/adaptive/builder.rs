//! Settings of the whole.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::inner::Inner;
use super::witness::Witness;
use super::{AdaptiveHealth, Part};
use crate::endpoint::{self, Ejection};
use crate::{
    Ageing, Breaker, BreakerGate, ConfigError, Mode, Prediction, Recycler, schedule, silence,
};
use pool_core::Problems;

/// Builds an [`AdaptiveHealth`]. Suspicion, schedule and endpoint are on by default: who asks for
/// a policy of health wants one. The other parts are added.
#[derive(Debug)]
pub struct AdaptiveHealthBuilder {
    pub(super) modes: Modes,
    pub(super) review: Duration,
    check_limit: Duration,
    pub(super) silence: silence::Settings,
    pub(super) schedule: schedule::Settings,
    pub(super) endpoint: endpoint::Settings,
    pub(super) ejection: Ejection,
    ageing: Option<Ageing>,
    recycler: Option<Recycler>,
    prediction: Option<Prediction>,
    breaker: Option<(Breaker, Mode)>,
    pub(super) parts: Vec<Box<dyn Part>>,
    pub(super) seed: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Modes {
    pub(super) suspicion: Mode,
    pub(super) schedule: Mode,
    pub(super) endpoint: Mode,
}

impl Default for AdaptiveHealthBuilder {
    fn default() -> Self {
        Self {
            modes: Modes {
                suspicion: Mode::On,
                schedule: Mode::On,
                endpoint: Mode::On,
            },
            review: Duration::from_millis(50),
            check_limit: Duration::from_millis(500),
            silence: silence::Settings::default(),
            schedule: schedule::Settings::default(),
            endpoint: endpoint::Settings::default(),
            ejection: Ejection::default(),
            ageing: None,
            recycler: None,
            prediction: None,
            breaker: None,
            parts: Vec::new(),
            seed: None,
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

impl AdaptiveHealthBuilder {
    setters! {
        /// Whether silence and errors of a connection keep it back and have it given up.
        suspicion: Mode => modes.suspicion;
        /// Whether connections are checked when nothing has been heard of them for long.
        schedule: Mode => modes.schedule;
        /// Whether others are asked or closed for what happened to some.
        endpoint: Mode => modes.endpoint;
        /// How often to look while something is owed. Default 50 ms, a third of the quickest
        /// suspicion; 10 ms to 1 s.
        review_interval: Duration => review;
        /// φ of suspicion: the decimal exponent of the odds that it is wrong, were replies spread
        /// normally. Default 5; 0.5 to 100.
        phi: f64 => silence.phi;
        /// What every reply may be late by before it is suspicious. Default 50 ms: a collection of
        /// garbage, or one retransmission in a data centre.
        pause: Duration => silence.pause;
        /// No kind of reply is taken to be more regular than this. Default 20 ms: what an executor
        /// under load adds; at least 1 ms.
        deviation_floor: Duration => silence.floor;
        /// How much longer than expected a suspected connection is silent before it is given up.
        /// Default 1 s: of pauses with a median of 80 ms, one in 170 is longer.
        confirm_horizon: Duration => silence.horizon;
        /// When a reply of which it is not known how long it takes is suspicious; also the longest
        /// that experience puts off giving up. Default 10 s: most requests are shorter, and callers
        /// mostly wait longer. It costs a healthy connection a check when it comes back.
        patience: Duration => silence.patience;
        /// How long a connection is left alone that nothing is known of. Default 30 s.
        check_interval: Duration => schedule.base;
        /// No connection is checked more often. Default 5 s.
        min_check_interval: Duration => schedule.least;
        /// No connection is left alone for longer. Default 5 min, within which firewalls forget.
        max_check_interval: Duration => schedule.most;
        /// By which part an interval is longer or shorter by chance. Default 0.1; 0 to 0.5.
        check_jitter: f64 => schedule.jitter;
        /// Connections of this score and above are checked three times as rarely. Default 0.9.
        healthy_above: f64 => schedule.healthy;
        /// Connections of this score and below are checked four times as often. Default 0.5.
        degraded_below: f64 => schedule.degraded;
        /// Checks at a time. Default 4: some of the work of connecting, a small
        /// part of most pools.
        max_checks: u32 => schedule.at_once;
        /// How long a check may take, if the pool's `validation_timeout` is not less. Default 500 ms: a
        /// server that takes longer for nothing serves nobody, and a check that hangs keeps a place.
        check_limit: Duration => check_limit;
        /// Which part of the connections that are due is checked, by chance; the others wait for
        /// their next turn. Default 1: all.
        check_sample: f64 => schedule.sample;
        /// How many connections must be hit for the others to be concerned. Default 3: two may
        /// be chance; 1 to 64.
        endpoint_failures: u32 => endpoint.failures;
        /// Within which time. Default 10 s.
        endpoint_window: Duration => endpoint.window;
        /// The part of a pool that may be on its way out for silence alone; at least one connection,
        /// never the last. Default 0.3.
        max_ejection: f64 => ejection.share;
        /// With more than this part of a pool silent, none is given up for it. Default 0.5.
        panic_threshold: f64 => ejection.panic;
    }

    /// For many short requests: `check_interval` 15 s.
    #[must_use]
    pub fn oltp(self) -> Self {
        self.check_interval(Duration::from_secs(15))
    }

    /// For few long requests: `check_interval` 60 s, and `patience` 60 s.
    #[must_use]
    pub fn analytics(self) -> Self {
        self.check_interval(Duration::from_secs(60))
            .patience(Duration::from_secs(60))
    }

    /// Replaces connections that are old. Default: the pool's `max_lifetime` is all there is.
    #[must_use]
    pub fn ageing(mut self, ageing: Ageing) -> Self {
        self.ageing = Some(ageing);
        self
    }

    /// Has connections recycled by how they do. Default: clean ones go on as they are.
    #[must_use]
    pub fn recycling(mut self, recycler: Recycler) -> Self {
        self.recycler = Some(recycler);
        self
    }

    /// Replaces connections whose scores fall, before they fail. Default: none is.
    #[must_use]
    pub fn prediction(mut self, prediction: Prediction) -> Self {
        self.prediction = Some(prediction);
        self
    }

    /// Tells `breaker` what happens to the connections, and asks it who may enter once the policy is
    /// [attached](AdaptiveHealth::attach) to a pool. Default: there is none.
    #[must_use]
    pub fn breaker(mut self, breaker: Breaker, mode: Mode) -> Self {
        self.breaker = Some((breaker, mode));
        self
    }

    /// Adds a part, asked after those that are built in and those added before.
    #[must_use]
    pub fn part(mut self, part: impl Part) -> Self {
        self.parts.push(Box::new(part));
        self
    }

    /// Where chance comes from, for tests. Default: a new seed each time.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// When settings make no sense: all of them at once.
    pub fn build(mut self) -> Result<AdaptiveHealth, ConfigError> {
        let mut problems = Problems::of("health");
        let usual = Duration::from_millis(10)..=Duration::from_secs(1);
        problems.span("review_interval", self.review, usual);
        problems.time("check_limit", self.check_limit);
        self.silence.check(&mut problems);
        self.schedule.check(&mut problems);
        self.endpoint.check(&mut problems);
        self.ejection.check(&mut problems);
        problems.result()?;
        let gate = self.collect_parts();
        let (check_limit, max_checks) = (self.check_limit, self.schedule.at_once as usize);
        let inner = Mutex::new(Inner::new(self));
        Ok(AdaptiveHealth {
            inner,
            gate,
            check_limit,
            max_checks,
        })
    }

    /// Puts the parts that are asked in their order. Returns the gate of the breaker.
    fn collect_parts(&mut self) -> Option<Arc<BreakerGate>> {
        fn boxed(part: impl Part) -> Box<dyn Part> {
            Box::new(part)
        }
        let breaker = self.breaker.take().filter(|(_, mode)| mode.is_asked());
        let witness = breaker.map(|(breaker, mode)| Witness::new(breaker, mode));
        let gate = witness.as_ref().map(Witness::gate);
        let own = [
            self.ageing.take().map(boxed),
            self.recycler.take().map(boxed),
            self.prediction.take().map(boxed),
            witness.map(boxed),
        ];
        let further = std::mem::take(&mut self.parts);
        let all = own.into_iter().flatten().chain(further);
        self.parts = all.filter(|part| part.is_asked()).collect();
        gate
    }
}
