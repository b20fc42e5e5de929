//! How fast and how right, against every detector with a fixed time-out.
//!
//! Healthy pauses here are spread log-normally with a median of 80 ms and σ = 1, so that 1 in 170
//! lasts for more than a second; a dead connection is silent for ever. A fixed detector listens as
//! well as ours, and closes after so many time-outs in a row: it is as fast and as wrong as their
//! product, without the wait for its next turn that real ones add. All are judged on the same pauses.

use std::time::Duration;

use pool_core::CloseReason;
use pool_health::{AdaptiveHealth, AdaptiveHealthBuilder, Mode};

use crate::sim::{FAST, Sim, TOOK, ms, s};

const TIMEOUTS: [u64; 9] = [50, 100, 150, 225, 500, 1_000, 1_500, 2_500, 5_000];

/// What a detector does to the healthy, as parts of their pauses, and to the dead, in the mean.
#[derive(Debug)]
struct Figures {
    closed: f64,
    kept_back: f64,
    found_after: Duration,
}

fn pauses(seed: u64, count: usize) -> Vec<Duration> {
    let mut chance = fastrand::Rng::with_seed(seed);
    let pause = |_| {
        // Box and Muller.
        let radius = (-2.0 * (1.0 - chance.f64()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * chance.f64()).cos();
        Duration::from_secs_f64(0.080 * normal.exp())
    };
    (0..count).map(pause).collect()
}

/// The policy itself, on one connection of three after the other.
fn ours(settings: AdaptiveHealthBuilder, pauses: &[Duration]) -> Figures {
    let settings = settings.schedule(Mode::Off).endpoint(Mode::Off);
    let mut sim = Sim::taught(3, settings);
    let mut given_up = 0;
    for (number, pause) in (100..).zip(pauses) {
        sim.request(1, FAST);
        sim.pass(*pause);
        if sim.evictions() > 0 {
            given_up += 1;
            sim.closed(1, CloseReason::Evicted);
            sim.open(1, number);
        } else {
            sim.reply(1);
        }
        sim.log.clear();
        sim.findings.clear();
        sim.teach(FAST, TOOK, 10);
    }
    let share = |count: u64| count as f64 / pauses.len() as f64;
    Figures {
        closed: share(given_up),
        kept_back: share(sim.health.statistics().suspected),
        found_after: found_after(&mut sim),
    }
}

/// How long a connection is dead before it is kept back, whenever reviews fall.
fn found_after(sim: &mut Sim) -> Duration {
    const ROUNDS: u32 = 50;
    let found = (0..ROUNDS).map(|round| {
        sim.open(1, 1_000_000 + u64::from(round));
        sim.pass(ms(u64::from(round)));
        sim.request(1, FAST);
        sim.log.clear();
        let died = sim.now;
        sim.pass(s(1));
        let (at, _) = sim.log.first().expect("kept back");
        *at - died
    });
    found.sum::<Duration>() / ROUNDS
}

#[test]
fn a_dead_connection_is_found_in_150_ms_and_one_pause_in_a_thousand_closes_a_healthy_one() {
    let figures = ours(AdaptiveHealth::builder(), &pauses(1, 100_000));
    assert!(figures.found_after < ms(150), "{figures:?}");
    assert!(figures.closed <= 0.001, "{figures:?}");
    assert!((0.25..0.33).contains(&figures.kept_back), "{figures:?}");
}

#[test]
fn no_fixed_timeout_is_as_fast_and_as_right() {
    let pauses = pauses(2, 20_000);
    let sharp = AdaptiveHealth::builder()
        .phi(1.0)
        .pause(ms(0))
        .deviation_floor(ms(1))
        .review_interval(ms(10));
    let sharp = ours(sharp, &pauses);
    let strikes = TIMEOUTS
        .iter()
        .flat_map(|timeout| [1, 2, 3].map(|strikes| timeout * strikes));
    let mut products: Vec<u64> = strikes.collect();
    products.sort_unstable();
    products.dedup();
    let mut calm = ours(AdaptiveHealth::builder(), &pauses);
    for product in products.into_iter().map(ms) {
        let wrong = pauses.iter().filter(|pause| **pause > product).count();
        let wrong = wrong as f64 / pauses.len() as f64;
        if product > s(1) && calm.closed > wrong {
            let patient = AdaptiveHealth::builder()
                .confirm_horizon(product)
                .patience(s(20));
            calm = ours(patient, &pauses);
        }
        let ours = if product < ms(200) { &sharp } else { &calm };
        assert!(ours.found_after < product, "{product:?}: {ours:?}");
        assert!(ours.closed <= wrong, "{product:?}, {wrong}: {ours:?}");
    }
}
