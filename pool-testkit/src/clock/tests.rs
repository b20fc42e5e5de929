use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pool_core::{Clock, Timer};

use super::ManualClock;

const SECOND: Duration = Duration::from_secs(1);

/// Notes its name, and the clock's time in seconds, when it is woken.
struct Bell {
    name: u32,
    clock: ManualClock,
    rung: Arc<Mutex<Vec<(u32, u64)>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let since = self.clock.show() - self.clock.0.coarse.origin();
        self.rung.lock().unwrap().push((self.name, since.as_secs()));
    }
}

#[derive(Clone)]
struct Bells {
    clock: ManualClock,
    rung: Arc<Mutex<Vec<(u32, u64)>>>,
}

impl Bells {
    fn new() -> Self {
        Self {
            clock: ManualClock::new(),
            rung: Arc::default(),
        }
    }

    fn poll(&self, name: u32, timer: &mut dyn Timer) -> Poll<()> {
        let bell = Bell {
            name,
            clock: self.clock.clone(),
            rung: Arc::clone(&self.rung),
        };
        let waker = Waker::from(Arc::new(bell));
        timer.poll_elapsed(&mut Context::from_waker(&waker))
    }

    fn timer(&self, name: u32, seconds: u32) -> Box<dyn Timer> {
        let mut timer = self.clock.timer();
        timer.reset(self.clock.show() + SECOND * seconds);
        assert!(self.poll(name, &mut *timer).is_pending());
        timer
    }

    fn rung(&self) -> Vec<(u32, u64)> {
        self.rung.lock().unwrap().clone()
    }
}

#[test]
fn timers_fire_in_the_order_of_their_deadlines_at_their_exact_time() {
    let bells = Bells::new();
    let _timers = [(3, 5), (1, 2), (2, 2), (4, 9)].map(|(name, at)| bells.timer(name, at));
    bells.clock.advance(SECOND * 6);
    assert_eq!(bells.rung(), [(1, 2), (2, 2), (3, 5)]);
    assert_eq!(bells.clock.armed_timers(), 1);
}

#[test]
fn timer_is_ready_from_its_deadline_on_and_not_before() {
    let bells = Bells::new();
    let mut timer = bells.timer(1, 2);
    bells.clock.advance(SECOND * 2 - Duration::from_nanos(1));
    assert!(bells.poll(1, &mut *timer).is_pending());
    bells.clock.advance(Duration::from_nanos(1));
    assert!(bells.poll(1, &mut *timer).is_ready());
    assert!(bells.poll(1, &mut *timer).is_ready());
    assert_eq!(bells.rung().len(), 1);
}

#[test]
fn timer_without_a_deadline_never_fires() {
    let bells = Bells::new();
    let mut timer = bells.clock.timer();
    assert!(bells.poll(1, &mut *timer).is_pending());
    bells.clock.advance(SECOND * 1_000_000);
    assert!(bells.poll(1, &mut *timer).is_pending());
    assert!(!bells.clock.advance_to_next());
}

#[test]
fn moved_timer_fires_at_its_new_deadline_only() {
    let bells = Bells::new();
    let mut timer = bells.timer(1, 2);
    timer.reset(bells.clock.show() + SECOND * 4);
    assert!(bells.poll(1, &mut *timer).is_pending());
    bells.clock.advance(SECOND * 3);
    assert_eq!(bells.rung(), []);
    assert!(bells.clock.advance_to_next());
    assert_eq!(bells.rung(), [(1, 4)]);
}

#[test]
fn dropped_timer_leaves_nothing_behind() {
    let bells = Bells::new();
    drop(bells.timer(1, 2));
    assert_eq!(bells.clock.armed_timers(), 0);
    bells.clock.advance(SECOND * 3);
    assert_eq!(bells.rung(), []);
}

#[test]
fn coarse_time_is_exact_after_every_move() {
    let clock = ManualClock::new();
    let coarse = clock.coarse(SECOND);
    for _ in 0..10 {
        clock.advance(Duration::from_millis(17));
        assert_eq!(coarse.millis(), coarse.millis_at(clock.show()));
    }
    assert_eq!(coarse.millis(), 170);
    assert!(Arc::ptr_eq(&coarse, &clock.clone().coarse(SECOND)));
}

#[test]
fn only_now_counts_as_a_read() {
    let clock = ManualClock::new();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    clock.advance(SECOND);
    assert!(clock.show() > clock.0.coarse.origin());
    assert_eq!(clock.reads(), 0);
    shared.now();
    assert_eq!(clock.reads(), 1);
}

#[tokio::test]
async fn run_for_serves_deadlines_that_come_up_on_the_way() {
    let clock = ManualClock::new();
    let times = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    let (ticking, seen) = (clock.clone(), Arc::clone(&times));
    let origin = clock.show();
    tasks.spawn(async move {
        let mut timer = ticking.timer();
        loop {
            timer.reset(ticking.show() + SECOND);
            poll_fn(|cx| timer.poll_elapsed(cx)).await;
            seen.lock()
                .unwrap()
                .push((ticking.show() - origin).as_secs());
        }
    });
    clock.run_for(SECOND * 3 + SECOND / 2).await;
    assert_eq!(*times.lock().unwrap(), [1, 2, 3]);
}
