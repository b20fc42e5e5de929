//! Rules of the report, on records made by hand: every figure in them is invented for its rule.

mod comparing;
mod files;
mod samples;
mod shown;
mod standing;
mod statistics;

use super::statistics::Spot;
use crate::record::{Better, Contestant, Fault, Group, Machine, Record, Run, Series, VERSION};

/// A record without figures: one contestant of ours, two peers, one limit.
fn record() -> Record {
    Record {
        version: VERSION,
        machine: Machine {
            cpu: "some processor".to_owned(),
            cores: 2,
            memory: 8 << 30,
            system: "Linux 6".to_owned(),
            compiler: "rustc 1".to_owned(),
            target: "x86_64".to_owned(),
            steal_percent: None,
            load_before: None,
        },
        run: Run {
            kind: "peers".to_owned(),
            quick: false,
            rounds: 3,
            seconds: 1.0,
            began: 0,
            seed: 1,
        },
        contestants: vec![
            contestant("ours", Group::Ours),
            contestant("swift", Group::Peer),
            contestant("calm", Group::Peer),
            contestant("semaphore + queue", Group::Limit),
        ],
        series: Vec::new(),
        distributions: Vec::new(),
        faults: Vec::new(),
    }
}

fn contestant(name: &str, group: Group) -> Contestant {
    Contestant {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        group,
        remarks: Vec::new(),
    }
}

/// Throughput of the scenario `heavy`, one value a round; more is better.
fn throughput(record: &mut Record, contestant: &str, values: &[f64]) {
    let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
    add(record, contestant, "throughput", Better::Higher, &values);
}

fn add(record: &mut Record, name: &str, metric: &str, better: Better, values: &[Option<f64>]) {
    record.series.push(Series {
        scenario: HEAVY.scenario.to_owned(),
        variant: HEAVY.variant.to_owned(),
        contestant: name.to_owned(),
        metric: metric.to_owned(),
        unit: "ops/s".to_owned(),
        better,
        values: values.to_vec(),
    });
}

fn fault(contestant: &str, scenario: &str) -> Fault {
    Fault {
        scenario: scenario.to_owned(),
        variant: String::new(),
        contestant: contestant.to_owned(),
        what: "forgot a waiter".to_owned(),
        rounds: 1,
    }
}

/// Where [`throughput`] puts its figures.
const HEAVY: Spot<'static> = Spot {
    scenario: "heavy",
    variant: "9 on 1",
    metric: "throughput",
};
