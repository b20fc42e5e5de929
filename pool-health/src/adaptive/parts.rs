//! The parts that are built apart, in the review.

use std::time::Duration;

use pool_core::{Candidate, Orders};

use super::part::{Part, Round};
use crate::{Ageing, HealthStatistics, Prediction, Recycler};

/// Ages are told in seconds at the finest.
const SELDOM: Duration = Duration::from_secs(1);

impl Part for Ageing {
    fn is_asked(&self) -> bool {
        self.mode().is_asked()
    }

    fn review(&mut self, round: &Round<'_>, orders: &mut Orders) -> Option<Duration> {
        Self::review(self, round.now, round.subjects, orders);
        (!round.subjects.is_empty()).then_some(SELDOM)
    }

    fn count(&self, statistics: &mut HealthStatistics) {
        statistics.ageing = self.statistics();
    }
}

impl Part for Recycler {
    fn is_asked(&self) -> bool {
        self.mode().is_asked()
    }

    fn review(&mut self, round: &Round<'_>, orders: &mut Orders) -> Option<Duration> {
        for (connection, score) in scores(round) {
            self.observe(connection, score);
        }
        Self::review(self, round.now, round.subjects, orders);
        None
    }

    fn count(&self, statistics: &mut HealthStatistics) {
        statistics.recycling = self.statistics();
    }
}

impl Part for Prediction {
    fn is_asked(&self) -> bool {
        self.mode().is_asked()
    }

    fn review(&mut self, round: &Round<'_>, orders: &mut Orders) -> Option<Duration> {
        for (connection, score) in scores(round) {
            self.observe(round.now, connection, score);
        }
        Self::review(self, round.now, round.subjects, orders);
        None
    }

    fn count(&self, statistics: &mut HealthStatistics) {
        statistics.prediction = self.statistics();
    }
}

/// The connections of which anything is known.
fn scores<'a>(round: &'a Round<'_>) -> impl Iterator<Item = (Candidate, f64)> + 'a {
    round.subjects.iter().filter_map(|subject| {
        let score = round.score(subject.connection);
        let known = score.is_known();
        known.then_some((subject.connection, score.value()))
    })
}
