//! What a breaker costs and spares, on virtual time: a server that fails a given share of its calls,
//! callers that come by chance, five seeds, the worst of them counts. Each guard is tried three
//! ways: asked and told one by one, told in batches as by a pool's reviews, and as a pool's admission.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use fastrand::Rng;
use pool_core::{Admission, Admit, Outcome, RequestInfo, Token};
use pool_health::{Breaker, BreakerGate, Circuit, Decision, FailureClass, Mode, Tally, Transition};

const SEEDS: [u64; 5] = [1, 2, 3, 5, 8];
const MINUTE: Duration = Duration::from_secs(60);
const RAMP: Duration = Duration::from_secs(10);

/// What stands between callers and the server.
trait Guard {
    fn enter(&mut self, now: Duration) -> Option<Token>;
    fn end(&mut self, now: Duration, token: Token, succeeded: bool);
    fn circuit(&self) -> Circuit;
    /// Transitions so far.
    fn entered(&self) -> u64;
    fn transitions(&self) -> Vec<Transition>;
}

fn result(succeeded: bool) -> Tally {
    Tally::one(match succeeded {
        true => Ok(()),
        false => Err(FailureClass::Refused),
    })
}

impl Guard for Breaker {
    fn enter(&mut self, now: Duration) -> Option<Token> {
        (self.admit(now) == Decision::Enter).then(Token::default)
    }

    fn end(&mut self, now: Duration, _token: Token, succeeded: bool) {
        self.record(now, &result(succeeded));
    }

    fn circuit(&self) -> Circuit {
        self.circuit()
    }

    fn entered(&self) -> u64 {
        self.snapshot().entered.iter().sum()
    }

    fn transitions(&self) -> Vec<Transition> {
        self.transitions().copied().collect()
    }
}

/// Told every 100 ms.
struct Batched {
    breaker: Breaker,
    good: u64,
    failed: u64,
    told: Duration,
}

impl Batched {
    fn tell(&mut self, now: Duration) {
        if now.saturating_sub(self.told) >= Duration::from_millis(100) {
            self.told = now;
            let (good, failed) = (
                std::mem::take(&mut self.good),
                std::mem::take(&mut self.failed),
            );
            let tally = Tally::successes(good).and(FailureClass::Timeout, failed);
            self.breaker.record(now, &tally);
        }
    }
}

impl Guard for Batched {
    fn enter(&mut self, now: Duration) -> Option<Token> {
        self.tell(now);
        self.breaker.enter(now)
    }

    fn end(&mut self, now: Duration, _token: Token, succeeded: bool) {
        self.good += u64::from(succeeded);
        self.failed += u64::from(!succeeded);
        self.tell(now);
    }

    fn circuit(&self) -> Circuit {
        self.breaker.circuit()
    }

    fn entered(&self) -> u64 {
        self.breaker.entered()
    }

    fn transitions(&self) -> Vec<Transition> {
        Guard::transitions(&self.breaker)
    }
}

impl Guard for BreakerGate {
    fn enter(&mut self, now: Duration) -> Option<Token> {
        match self.admit(now, &RequestInfo::default()) {
            Admit::Enter(token) => Some(token),
            _ => None,
        }
    }

    fn end(&mut self, now: Duration, token: Token, succeeded: bool) {
        let outcome = match succeeded {
            true => Outcome::Returned,
            false => Outcome::ConnectFailed,
        };
        self.leave(now, token, outcome);
    }

    fn circuit(&self) -> Circuit {
        self.circuit()
    }

    fn entered(&self) -> u64 {
        self.snapshot().breaker.entered.iter().sum()
    }

    fn transitions(&self) -> Vec<Transition> {
        self.transitions()
    }
}

fn guards(seed: u64) -> Vec<(&'static str, Box<dyn Guard>)> {
    let breaker = || Breaker::builder().seed(seed).build().expect("defaults");
    let batched = Batched {
        breaker: breaker(),
        good: 0,
        failed: 0,
        told: Duration::ZERO,
    };
    vec![
        ("one by one", Box::new(breaker())),
        ("batched", Box::new(batched)),
        ("gate", Box::new(BreakerGate::new(breaker(), Mode::On))),
    ]
}

/// Calls to a server, in virtual time.
struct World {
    now: Duration,
    arrivals: Rng,
    faults: Rng,
    per_second: f64,
    /// How long a call takes that succeeds, and one that fails.
    takes: Duration,
    fails_after: Duration,
    under_way: BinaryHeap<Reverse<(Duration, u32, bool)>>,
}

#[derive(Debug, Default)]
struct Count {
    offered: u32,
    made: u32,
    /// Calls that would have succeeded, and those of them that were made.
    possible: u32,
    succeeded: u32,
    /// When the state was last other than closed, since the beginning.
    unwell: Duration,
}

impl Count {
    fn goodput(&self) -> f64 {
        f64::from(self.succeeded) / f64::from(self.possible)
    }

    fn made(&self) -> f64 {
        f64::from(self.made) / f64::from(self.offered)
    }
}

impl World {
    fn new(seed: u64, per_second: f64) -> Self {
        Self {
            now: Duration::ZERO,
            arrivals: Rng::with_seed(seed),
            faults: Rng::with_seed(seed ^ 0xfa17),
            per_second,
            takes: Duration::from_millis(5),
            fails_after: Duration::from_millis(5),
            under_way: BinaryHeap::new(),
        }
    }

    /// Goes on for `span`; `failing` gives the share that fails, by time since the beginning.
    fn run(
        &mut self,
        guard: &mut dyn Guard,
        span: Duration,
        mut failing: impl FnMut(Duration) -> f64,
    ) -> Count {
        let (begin, mut count) = (self.now, Count::default());
        loop {
            let pause = -(1.0 - self.arrivals.f64()).ln() / self.per_second;
            self.now += Duration::from_secs_f64(pause);
            let since = self.now - begin;
            if since >= span {
                return count;
            }
            self.finish(guard);
            let succeeds = self.faults.f64() >= failing(since);
            count.offered += 1;
            count.possible += u32::from(succeeds);
            if let Some(token) = guard.enter(self.now) {
                count.made += 1;
                count.succeeded += u32::from(succeeds);
                let takes = if succeeds {
                    self.takes
                } else {
                    self.fails_after
                };
                let ends = self.now + takes;
                self.under_way
                    .push(Reverse((ends, token.number(), succeeds)));
            }
            if guard.circuit() != Circuit::Closed {
                count.unwell = since;
            }
        }
    }

    fn finish(&mut self, guard: &mut dyn Guard) {
        while let Some(Reverse((at, token, succeeded))) = self.under_way.peek().copied() {
            if at > self.now {
                break;
            }
            self.under_way.pop();
            guard.end(at, Token::new(token), succeeded);
        }
    }
}

/// Judges the worst of all seeds, guards and rates of calls, and prints all.
#[track_caller]
fn worst(
    what: &str,
    rates: &[f64],
    verdict: impl Fn(f64) -> bool,
    worse: impl Fn(f64, f64) -> f64,
    measure: impl Fn(&mut World, &mut dyn Guard) -> f64,
) {
    let mut all = Vec::new();
    for &per_second in rates {
        for seed in SEEDS {
            for (name, mut guard) in guards(seed) {
                let value = measure(&mut World::new(seed, per_second), guard.as_mut());
                println!("{what}: {value:.4} ({name}, {per_second} per second, seed {seed})");
                all.push(value);
            }
        }
    }
    let worst = all.into_iter().reduce(worse).expect("there are seeds");
    println!("{what}: worst {worst:.4}");
    assert!(verdict(worst), "{what}: worst {worst:.4}");
}

/// A healthy minute, and then one in which such a share fails.
fn after_health(world: &mut World, guard: &mut dyn Guard, failing: f64) -> Count {
    let before = world.run(guard, MINUTE, |_| 0.0);
    assert_eq!(before.made, before.offered, "nothing fails");
    world.run(guard, MINUTE, |_| failing)
}

const RATES: [f64; 2] = [100.0, 500.0];

#[test]
fn a_dead_server_gets_at_most_a_twentieth_of_the_calls() {
    worst(
        "calls made",
        &RATES,
        |w| w <= 0.05,
        f64::max,
        |world, guard| after_health(world, guard, 1.0).made(),
    );
}

#[test]
fn a_dead_server_that_says_so_only_after_a_second_does_as_well() {
    worst(
        "calls made",
        &[100.0],
        |w| w <= 0.05,
        f64::max,
        |world, guard| {
            world.fails_after = Duration::from_secs(1);
            after_health(world, guard, 1.0).made()
        },
    );
}

#[test]
fn of_a_server_that_fails_three_in_ten_nearly_all_successes_are_had() {
    worst(
        "goodput",
        &RATES,
        |w| w >= 0.95,
        f64::min,
        |world, guard| after_health(world, guard, 0.3).goodput(),
    );
}

#[test]
fn of_a_server_that_fails_seven_in_ten_most_successes_are_had() {
    worst(
        "goodput",
        &RATES,
        |w| w >= 0.8,
        f64::min,
        |world, guard| after_health(world, guard, 0.7).goodput(),
    );
}

/// In seconds; as long as it takes until all calls are let in and go on being.
#[test]
fn all_calls_are_let_in_within_one_and_a_half_ramps_after_a_server_has_come_back() {
    let limit = (RAMP * 3 / 2).as_secs_f64();
    worst(
        "recovery",
        &RATES,
        |w| w <= limit,
        f64::max,
        |world, guard| {
            after_health(world, guard, 1.0);
            let after = world.run(guard, MINUTE, |_| 0.0);
            assert_eq!(guard.circuit(), Circuit::Closed);
            after.unwell.as_secs_f64()
        },
    );
}

#[test]
fn outages_of_any_length_end_as_soon() {
    let limit = (RAMP * 3 / 2).as_secs_f64();
    worst(
        "recovery",
        &[100.0],
        |w| w <= limit,
        f64::max,
        |world, guard| {
            let lengths = (1..20).step_by(3).map(|length| {
                world.run(guard, Duration::from_secs(3 * length), |_| 1.0);
                let after = world.run(guard, MINUTE, |_| 0.0);
                assert_eq!(guard.circuit(), Circuit::Closed);
                after.unwell.as_secs_f64()
            });
            lengths.fold(0.0, f64::max)
        },
    );
}

/// Transitions per minute, over ten of them. The share that fails wavers around 0.4 with such a
/// deviation, from second to second with a correlation of 0.8.
fn flaps(world: &mut World, guard: &mut dyn Guard, deviation: f64) -> f64 {
    let mut noise = world.faults.clone();
    let mut off = 0.0_f64;
    let before = guard.entered();
    for _ in 0..600 {
        // Twelve uniform draws less six: normal enough.
        let normal = (0..12).map(|_| noise.f64()).sum::<f64>() - 6.0;
        off = 0.8 * off + 0.6 * deviation * normal;
        world.run(guard, Duration::from_secs(1), |_| {
            (0.4 + off).clamp(0.0, 1.0)
        });
    }
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let transitions = (guard.entered() - before) as f64;
    transitions / 10.0
}

#[test]
fn a_failure_rate_that_wavers_around_four_in_ten_does_not_make_it_go_to_and_fro() {
    worst(
        "flaps",
        &[100.0],
        |w| w <= 1.0,
        f64::max,
        |world, guard| flaps(world, guard, 0.05),
    );
}

#[test]
fn nor_does_one_that_wavers_twice_as_much_around_it_with_a_breaker_that_was_degraded_before() {
    worst(
        "flaps",
        &[100.0],
        |w| w <= 1.0,
        f64::max,
        |world, guard| {
            world.run(guard, MINUTE, |_| 0.7);
            assert_eq!(guard.circuit(), Circuit::Degraded);
            flaps(world, guard, 0.1)
        },
    );
}

#[test]
fn the_degraded_state_is_entered_and_left_in_both_directions() {
    for seed in SEEDS {
        for (name, mut guard) in guards(seed) {
            let mut world = World::new(seed, 200.0);
            let mut path = Vec::new();
            for failing in [0.0, 0.7, 0.0, 0.7] {
                world.run(guard.as_mut(), MINUTE, |_| failing);
                path.push(guard.circuit());
            }
            let (closed, degraded) = (Circuit::Closed, Circuit::Degraded);
            assert_eq!(path, [closed, degraded, closed, degraded], "{name}");
            world.run(guard.as_mut(), Duration::from_secs(5), |_| 1.0);
            let last = guard.transitions();
            let went = |from, to| last.iter().any(|one| (one.from, one.to) == (from, to));
            assert!(
                went(degraded, Circuit::Open),
                "{name}, seed {seed}: {last:?}"
            );
        }
    }
}

/// As the server fails less and less, more and more gets through.
#[test]
fn a_server_that_comes_back_by_steps_gets_back_by_steps() {
    for seed in SEEDS {
        for (name, mut guard) in guards(seed) {
            let mut world = World::new(seed, 200.0);
            let counts = [1.0, 0.7, 0.3, 0.0].map(|f| world.run(guard.as_mut(), MINUTE, |_| f));
            let [_, seventy, thirty, none] = counts.map(|count| count.goodput());
            println!("{name}, seed {seed}: {seventy:.3} {thirty:.3} {none:.3}");
            assert!(
                seventy > 0.6 && thirty > 0.95 && none > 0.99,
                "{name}, seed {seed}"
            );
        }
    }
}

/// All that wait come at once, when they were told to.
#[test]
fn a_crowd_that_waits_for_a_half_open_breaker_gets_in_one_by_one() {
    for seed in SEEDS {
        for (name, mut guard) in guards(seed) {
            let mut world = World::new(seed, 100.0);
            world.run(guard.as_mut(), Duration::from_secs(10), |_| 1.0);
            // Nobody asks until it is surely no longer open.
            world.now += Duration::from_secs(5);
            world.finish(guard.as_mut());
            let entered = (0..10_000).filter(|_| guard.enter(world.now).is_some());
            assert_eq!(entered.count(), 5, "{name}, seed {seed}: the probes");
        }
    }
}
