//! From a record to what people read: tables in the terminal, a page, a Markdown file.
//!
//! The parts, in reading order: [`store`] reads and keeps records, [`criterion`] turns criterion's
//! samples into one, [`statistics`] takes medians and paired ratios, [`catalogue`] knows what each
//! scenario measures and what it is held against; [`section`], [`verdict`] and [`compare`] make
//! [`table`]s of it, [`plot`] makes pictures, and [`terminal`], [`markdown`] and [`page`] write them
//! down. All three write the same cells, so that they cannot say different things.
//!
//! Nothing here measures, and nothing here knows the name of a peer: who is fast is worked out from
//! the record.

pub mod catalogue;
pub mod compare;
pub mod criterion;
pub mod error;
pub mod facts;
pub mod figure;
pub mod markdown;
pub mod page;
pub mod plot;
pub mod section;
pub mod statistics;
pub mod store;
pub mod table;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod verdict;

use self::{compare::Comparison, section::Section, statistics::Lead, table::Table};
use crate::record::{Contestant, Group, Record};

/// Everything that is shown of a record.
#[derive(Clone, Debug)]
pub struct Report<'r> {
    /// What it is made from.
    pub record: &'r Record,
    /// Whether pools of others took part.
    pub has_peers: bool,
    /// The machine and the run, as pairs of word and fact.
    pub facts: Vec<(&'static str, String)>,
    /// Headline figures of this pool beside limits and best peers.
    pub standing: Table,
    /// Where a peer is better by more than noise.
    pub wins: Table,
    /// What stands below that table.
    pub wins_note: String,
    /// What went wrong.
    pub faults: Table,
    /// The scenarios.
    pub sections: Vec<Section<'r>>,
    /// Contestants with remarks.
    pub remarks: Vec<&'r Contestant>,
    /// This run beside a saved one.
    pub comparison: Option<Comparison<'r>>,
}

impl<'r> Report<'r> {
    /// The report on `record`, compared with a saved one if there is one.
    #[must_use]
    pub fn new(record: &'r Record, saved: Option<(&str, &Record)>) -> Self {
        let behind = verdict::behind(record);
        let is_peer = |one: &Contestant| one.group == Group::Peer;
        let remarked = |one: &&Contestant| !one.remarks.is_empty();
        Self {
            record,
            has_peers: record.contestants.iter().any(is_peer),
            facts: facts::facts(record),
            standing: verdict::standing(record),
            wins: verdict::wins_table(record, &behind),
            wins_note: wins_note(&behind),
            faults: verdict::faults(record),
            sections: section::sections(record),
            remarks: record.contestants.iter().filter(remarked).collect(),
            comparison: saved.map(|(name, before)| Comparison::new(name, before, record)),
        }
    }
}

/// How many figures there are in which a peer is better, the doubtful ones included.
fn wins_note(behind: &[verdict::Win<'_>]) -> String {
    let doubtful = behind.iter().filter(|win| win.lead == Lead::Median).count();
    let sure = behind.len() - doubtful;
    let sure = match sure {
        0 => "In no figure is a correct peer better by more than noise.".to_owned(),
        1 => "In one figure a correct peer is better by more than noise.".to_owned(),
        many => format!("In {many} figures a correct peer is better by more than noise."),
    };
    let doubtful = match doubtful {
        0 => "In none is its median better while the ranges overlap.".to_owned(),
        1 => "In one more its median is better while the ranges overlap.".to_owned(),
        many => format!("In {many} more its median is better while the ranges overlap."),
    };
    format!("{sure} {doubtful}")
}
