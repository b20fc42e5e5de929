use pool_testkit::alloc::CountingAllocator;

use super::{
    command::well,
    judge::{Judged, Verdict, judge},
    row::{Bound, Contender, Figure, Landing, Outcome, Row, Target, Trial},
    rows,
    run::{self, Pair, Plan, Runs},
    show, sound,
};

/// For the row that counts memory.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

/// So many percent of the full length. With less, chance alone moves a baseline off its place.
const PERCENT: u32 = 50;

fn plan(rows: &[&str], sabotage: bool, percent: u32) -> Plan {
    Plan {
        rows: rows.iter().map(|&id| id.to_owned()).collect(),
        seeds: 2,
        sabotage,
        percent,
    }
}

fn judged(runs: &[Runs]) -> Vec<Judged> {
    runs.iter().map(judge).collect()
}

/// What `--sabotage` comes to, without running the baselines again.
fn sabotaged(runs: &[Runs]) -> Vec<Runs> {
    let mut runs = runs.to_vec();
    for pair in runs.iter_mut().flat_map(|runs| &mut runs.pairs) {
        pair.ours = pair.baseline.clone();
    }
    runs
}

#[test]
fn every_row_passes_and_misses_when_its_policy_is_the_baseline() {
    let (runs, _) = run::run(&rows::all(), &plan(&[], false, PERCENT)).expect("no row is named");
    let rows = judged(&runs);
    assert!(well(&rows, false), "{}", show::render(&[], &rows));
    let rows = judged(&sabotaged(&runs));
    assert!(well(&rows, true), "{}", show::render(&[], &rows));
}

#[test]
fn sabotage_runs_the_baseline_in_our_place() {
    let run = |sabotage| run::run(&rows::all(), &plan(&["p3"], sabotage, 10));
    let (runs, _) = run(true).expect("there is such a row");
    let calls = |run: &Outcome| run.figure("calls").map(|figure| figure.value);
    assert!(
        runs[0]
            .pairs
            .iter()
            .all(|pair| calls(&pair.ours) == calls(&pair.baseline))
    );
    let (runs, _) = run(false).expect("there is such a row");
    assert!(
        runs[0]
            .pairs
            .iter()
            .all(|pair| calls(&pair.ours) < calls(&pair.baseline))
    );
}

#[test]
fn row_that_does_not_exist_is_an_error_that_names_those_that_do() {
    let error = run::run(&rows::all(), &plan(&["H9"], false, 1)).expect_err("there is no H9");
    let text = error.to_string();
    assert!(text.contains("H9") && text.contains("H1, H2, H3"), "{text}");
}

#[test]
fn runs_of_one_seed_are_the_same_to_the_last_bit() {
    for experiment in rows::all() {
        let run = |seed| {
            let contender = Contender::Ours;
            let trial = Trial {
                contender,
                seed,
                percent: 2,
            };
            let bits = |figure: &Figure| (figure.name, figure.value.to_bits());
            experiment
                .run(trial)
                .figures
                .iter()
                .filter(|figure| !figure.measured)
                .map(bits)
                .collect::<Vec<_>>()
        };
        // M3 counts the memory of this process, whose tables hash by chance.
        if experiment.rows().iter().any(|row| row.id == "M3") {
            continue;
        }
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}

#[test]
fn rows_have_ids_of_their_own() {
    let experiments = rows::all();
    let mut ids: Vec<&str> = experiments
        .iter()
        .flat_map(|one| one.rows())
        .map(|row| row.id)
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn simulator_agrees_with_theory() {
    for check in sound::checks(100) {
        assert!(check.holds(), "{check:?}");
    }
}

const ROW: Row = Row {
    id: "X1",
    claim: "ten times less",
    baseline: "naive",
    lands: &[Landing {
        figure: "cost",
        at: 100.0,
        within: 0.1,
    }],
    targets: &[Target {
        figure: "cost",
        bound: Bound::AtMost(20.0),
        stretch: Some(Bound::PartOfBaseline(0.1)),
    }],
    beside: &[],
};

/// The row with these costs of ours and of the baseline, one pair a seed.
fn costs(pairs: &[(f64, f64)]) -> Runs {
    let outcome = |cost| {
        let mut outcome = Outcome::default();
        outcome.push("cost", "", cost);
        outcome
    };
    let pair = |(seed, &(ours, baseline)): (usize, &(f64, f64))| Pair {
        seed: seed as u64 + 1,
        ours: outcome(ours),
        baseline: outcome(baseline),
    };
    Runs {
        row: &ROW,
        pairs: pairs.iter().enumerate().map(pair).collect(),
    }
}

#[test]
fn one_bad_seed_is_enough_to_miss() {
    assert_eq!(
        judge(&costs(&[(15.0, 100.0), (20.0, 95.0)])).verdict,
        Verdict::Pass
    );
    assert_eq!(
        judge(&costs(&[(15.0, 100.0), (21.0, 95.0)])).verdict,
        Verdict::Missed
    );
}

#[test]
fn baseline_off_its_place_fails_a_row_whatever_ours_does() {
    let verdict = |baseline| judge(&costs(&[(1.0, 100.0), (1.0, baseline)])).verdict;
    assert_eq!(verdict(110.0), Verdict::Pass);
    assert_eq!(verdict(111.0), Verdict::BaselineDrift);
    assert_eq!(verdict(89.0), Verdict::BaselineDrift);
}

#[test]
fn figure_that_is_no_number_passes_nothing() {
    assert_eq!(
        judge(&costs(&[(f64::NAN, 100.0)])).verdict,
        Verdict::Unsound
    );
    assert_eq!(
        judge(&costs(&[(1.0, f64::INFINITY)])).verdict,
        Verdict::Unsound
    );
    let mut runs = costs(&[(1.0, 100.0)]);
    runs.pairs[0].ours.figures.clear();
    assert_eq!(judge(&runs).verdict, Verdict::Unsound);
}

#[test]
fn model_that_loses_customers_passes_nothing() {
    let mut runs = costs(&[(1.0, 100.0)]);
    runs.pairs[0].baseline.law_error = Some(0.02);
    assert_eq!(judge(&runs).verdict, Verdict::Unsound);
}

#[test]
fn stretch_is_told_apart_from_the_target() {
    assert!(judge(&costs(&[(10.0, 100.0)])).stretch);
    assert!(!judge(&costs(&[(11.0, 100.0)])).stretch);
}

#[test]
fn run_fails_when_a_sabotaged_row_drifts_instead_of_missing() {
    let missed = [judge(&costs(&[(100.0, 100.0)]))];
    assert!(well(&missed, true) && !well(&missed, false));
    let drifted = judge(&costs(&[(150.0, 150.0)]));
    assert!(!well(&[drifted], true));
}
