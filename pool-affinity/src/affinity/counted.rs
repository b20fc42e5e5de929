//! Counts of all slots, put together.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Affinity;
use crate::record::Why;
use crate::{AffinityStatistics, LoadStatistics, RoutingStatistics, SelectionStatistics};

impl Affinity {
    pub(super) fn counted(&self) -> AffinityStatistics {
        let mut routing = RoutingStatistics::default();
        let mut selection = SelectionStatistics::default();
        let bound = self.loads.bound();
        let mut highest = 0f32;
        for record in self.records.iter() {
            let counts = &record.counts;
            let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let chosen = |why: Why| read(&counts.chosen[why as usize]);
            routing.bound += chosen(Why::Bound);
            routing.medium += chosen(Why::Medium);
            routing.last += chosen(Why::Last);
            routing.fitting += chosen(Why::Fits);
            routing.home += chosen(Why::Home);
            routing.adopted += chosen(Why::Adopted);
            routing.best += chosen(Why::Best);
            routing.above_bound += chosen(Why::Least);
            routing.statement_hits += read(&counts.statement_hits);
            routing.statement_misses += read(&counts.statement_misses);
            routing.label_hits += read(&counts.label_hits);
            routing.label_misses += read(&counts.label_misses);
            selection.scored += chosen(Why::Score);
            selection.explored += chosen(Why::Explored);
            highest = highest.max(bound.relative(record.load.at(bound.epoch)));
        }
        (selection.rejected, selection.unclassified) = self.grades.refused();
        AffinityStatistics {
            sessions: self.sessions.statistics(),
            routing,
            selection,
            load: LoadStatistics {
                connections: bound.connections,
                mean: f64::from(bound.mean),
                highest: f64::from(highest),
            },
        }
    }
}
