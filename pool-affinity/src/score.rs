//! How well a connection suits a kind of work, as one number.
//!
//! Each [`Features`] is a part of a whole, from 0 to 1, so that weights can be compared; what is not
//! such a number is refused where it comes in, and no comparison ever meets one. What is not known of
//! a connection counts as the mean of what it may be, neither for nor against: a connection that was
//! never tried must not be the last choice for ever, nor the first for everybody.

use pool_core::Problems;

/// A number that is no part of a whole.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is not between 0 and 1")]
pub struct NotAPart(pub f64);

/// `value`, if it is from 0 to 1.
pub(crate) fn part(value: f64) -> Result<f64, NotAPart> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(value),
        false => Err(NotAPart(value)),
    }
}

/// What is known of a connection, for one kind of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Features {
    statement: f64,
    success: f64,
    speed: f64,
    health: f64,
    age: f64,
    over_use: f64,
}

impl Default for Features {
    /// Of a connection of which nothing is known.
    fn default() -> Self {
        Self {
            statement: 0.0,
            success: 0.5,
            speed: 0.5,
            health: 1.0,
            age: 0.0,
            over_use: 0.0,
        }
    }
}

/// `/// Documentation.  name;`
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// When it is not a number from 0 to 1.
            pub fn $name(mut self, $name: f64) -> Result<Self, NotAPart> {
                self.$name = part($name)?;
                Ok(self)
            }
        )*
    };
}

impl Features {
    /// Whether the statement is cached there. Default: it is not.
    #[must_use]
    pub fn statement(mut self, cached: bool) -> Self {
        self.statement = f64::from(u8::from(cached));
        self
    }

    features! {
        /// The rate of success of this kind of work there. Default 0.5, the mean of Beta(1, 1).
        success;
        /// How fast this kind of work is there: 1 takes no time, 0 takes the 95th percentile and
        /// longer. Default 0.5.
        speed;
        /// How well the connection does as a whole. Default 1: nothing is known against it.
        health;
        /// Its age, as a part of the oldest it may become. Default 0.
        age;
        /// By how much it is used above the mean, as a part of what the load bound allows. Default 0.
        over_use;
    }
}

/// What each feature counts for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// That the statement is cached. Default 0.35.
    pub statement: f64,
    /// The rate of success. Default 0.25.
    pub success: f64,
    /// The speed. Default 0.2.
    pub speed: f64,
    /// The health. Default 0.15.
    pub health: f64,
    /// Taken off for an age above four fifths of the oldest, in full at the oldest. Default 0.3.
    pub age: f64,
    /// Taken off for use above the mean. Default 0.2.
    pub over_use: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            statement: 0.35,
            success: 0.25,
            speed: 0.2,
            health: 0.15,
            age: 0.3,
            over_use: 0.2,
        }
    }
}

impl Weights {
    /// The higher the better.
    #[must_use]
    pub fn score(&self, features: &Features) -> Score {
        let old = ((features.age - 0.8) / 0.2).max(0.0);
        let merits = self.statement * features.statement
            + self.success * features.success
            + self.speed * features.speed
            + self.health * features.health;
        Score(merits - self.age * old - self.over_use * features.over_use)
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        let merits = [
            ("statement", self.statement),
            ("success", self.success),
            ("speed", self.speed),
            ("health", self.health),
        ];
        let penalties = [("age", self.age), ("over_use", self.over_use)];
        for (name, weight) in merits.into_iter().chain(penalties) {
            problems.within(&format!("the weight of {name}"), weight, 0.0..=1000.0);
        }
        problems.check(merits.iter().all(|(_, weight)| *weight == 0.0), || {
            "the weights of all merits are 0; give one of them more".to_owned()
        });
    }
}

/// How well a connection suits. Ordered, and always a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score(f64);

impl Score {
    /// As a number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
