//! What a contestant did in a variant, over all rounds.

use hdrhistogram::Histogram;

use crate::latency::quantiles;
use crate::outcome::{Outcome, Value};
use crate::record::{Distribution, Fault, Record, Series};

/// Whose figures they are, and of what.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// As in [`Series`].
    pub scenario: &'a str,
    /// As in [`Series`].
    pub variant: &'a str,
    /// As in [`Series`].
    pub contestant: &'a str,
}

/// Figures, faults and latencies so far.
#[derive(Debug, Default)]
pub struct Collected {
    series: Vec<(Value, Vec<Option<f64>>)>,
    faults: Vec<(String, usize)>,
    latencies: Option<Histogram<u64>>,
    rounds: usize,
    out: bool,
}

impl Collected {
    /// Whether it got stuck and takes no more part.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.out
    }

    /// Spares it all further rounds.
    pub fn retire(&mut self) {
        self.out = true;
    }

    /// Whether this fault was not seen before.
    #[must_use]
    pub fn is_new(&self, fault: &str) -> bool {
        self.faults.iter().all(|(known, _)| known != fault)
    }

    /// A round without it.
    pub fn skip(&mut self, round: usize) {
        self.rounds = round + 1;
    }

    /// A round.
    pub fn add(&mut self, round: usize, outcome: Outcome) {
        for value in outcome.values {
            let known = |(known, _): &(Value, _)| known.metric == value.metric;
            let index = self.series.iter().position(known).unwrap_or_else(|| {
                self.series.push((value.clone(), Vec::new()));
                self.series.len() - 1
            });
            let values = &mut self.series[index].1;
            values.resize(round, None);
            values.push(Some(value.value));
        }
        for fault in outcome.faults {
            match self.faults.iter_mut().find(|(known, _)| *known == fault) {
                Some((_, rounds)) => *rounds += 1,
                None => self.faults.push((fault, 1)),
            }
        }
        self.merge(outcome.latencies);
        self.out |= outcome.stuck;
        self.rounds = round + 1;
    }

    fn merge(&mut self, latencies: Option<Histogram<u64>>) {
        match (&mut self.latencies, latencies) {
            (_, None) => {}
            (Some(all), Some(more)) => all.add(more).expect("all histograms grow as needed"),
            (none, some) => *none = some,
        }
    }

    /// Adds it to a record.
    pub fn into_record(self, place: Place<'_>, record: &mut Record) {
        let scenario = place.scenario.to_owned();
        let contestant = place.contestant.to_owned();
        for (value, mut values) in self.series {
            values.resize(self.rounds, None);
            record.series.push(Series {
                scenario: scenario.clone(),
                variant: place.variant.to_owned(),
                contestant: contestant.clone(),
                metric: value.metric.to_owned(),
                unit: value.unit.to_owned(),
                better: value.better,
                values,
            });
        }
        for (what, rounds) in self.faults {
            record.faults.push(Fault {
                scenario: scenario.clone(),
                variant: place.variant.to_owned(),
                contestant: contestant.clone(),
                what,
                rounds,
            });
        }
        if let Some(latencies) = self.latencies.filter(|latencies| !latencies.is_empty()) {
            record.distributions.push(Distribution {
                scenario,
                variant: place.variant.to_owned(),
                contestant,
                unit: "ns".to_owned(),
                quantiles: quantiles(&latencies),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Better;

    fn outcome(values: &[(&'static str, f64)]) -> Outcome {
        let mut outcome = Outcome::default();
        for &(metric, value) in values {
            outcome.value(metric, "", Better::Higher, value);
        }
        outcome
    }

    #[test]
    fn a_figure_that_a_round_lacks_is_none_in_its_place() {
        let mut collected = Collected::default();
        collected.add(0, outcome(&[("a", 1.0)]));
        collected.add(1, outcome(&[("b", 2.0)]));
        collected.add(2, outcome(&[("a", 3.0)]));
        collected.skip(3);
        let values: Vec<_> = collected
            .series
            .iter()
            .map(|(_, values)| values.clone())
            .collect();
        assert_eq!(
            values,
            [vec![Some(1.0), None, Some(3.0)], vec![None, Some(2.0)]]
        );
        assert_eq!(collected.rounds, 4);
    }

    #[test]
    fn a_fault_is_counted_by_rounds() {
        let mut collected = Collected::default();
        for round in 0..3 {
            let mut outcome = outcome(&[]);
            outcome.faults(["lost".to_owned()]);
            collected.add(round, outcome);
        }
        assert_eq!(collected.faults, [("lost".to_owned(), 3)]);
    }

    #[test]
    fn whoever_got_stuck_is_out() {
        let mut collected = Collected::default();
        collected.add(
            0,
            Outcome {
                stuck: true,
                ..Outcome::default()
            },
        );
        assert!(collected.is_out());
    }
}
