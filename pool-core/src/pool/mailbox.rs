//! What reaches the driver: chores, and alarms.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::body::{Berth, Loan};
use crate::Manager;
use crate::queue;

/// Work on a connection that needs a task.
pub(crate) enum Chore<M: Manager> {
    /// Make it clean, run the hooks, give it on.
    Restore(Loan<M>, Restore),
    /// Close it, then free its slot.
    Close(Berth<M>, M::Connection),
}

/// What a returned connection needs before the next user may have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restore {
    pub(crate) reset: bool,
    /// It ends a lease, so the hooks and checks on return apply.
    pub(crate) released: bool,
    /// Make it clean of everything.
    pub(crate) fully: bool,
    /// Ask the far end.
    pub(crate) validate: bool,
}

impl Restore {
    /// Whether it is a check and nothing else: nobody has just used the connection, and nobody waits
    /// for it by name.
    pub(crate) const fn is_check(&self) -> bool {
        self.validate && !self.reset && !self.released
    }

    /// Ask the far end whether an idle connection works.
    pub(crate) const CHECK: Self = Self {
        reset: false,
        released: false,
        fully: false,
        validate: true,
    };
    /// Make a connection clean that was taken to be given out.
    pub(crate) const RESET: Self = Self {
        reset: true,
        released: false,
        fully: false,
        validate: false,
    };
}

/// The driver's inbox. At most one chore per slot, so it is bounded.
pub(crate) struct Mailbox<M: Manager> {
    mail: Mutex<Mail<M>>,
    /// A driver is there. Changed under the lock of `mail`; read without it as a hint.
    alive: AtomicBool,
    /// The time the driver sleeps until; `u64::MAX` while it is awake, so that nobody who adds a
    /// deadline behind its back goes unheard.
    sleeps_until: AtomicU64,
}

struct Mail<M: Manager> {
    /// There while the driver sleeps: what is left while it is awake it finds before it sleeps.
    waker: Option<Waker>,
    chores: VecDeque<Chore<M>>,
    /// Checks of idle connections, of which a few at a time are made.
    checks: VecDeque<Chore<M>>,
    /// The earliest alarm set since the driver last looked.
    alarm: u64,
    /// Wake at once.
    called: bool,
}

impl<M: Manager> Mailbox<M> {
    /// `alive`: whether a driver is on its way.
    pub(crate) fn new(alive: bool) -> Self {
        Self {
            mail: Mutex::new(Mail {
                waker: None,
                chores: VecDeque::new(),
                checks: VecDeque::new(),
                alarm: u64::MAX,
                called: false,
            }),
            alive: AtomicBool::new(alive),
            sleeps_until: AtomicU64::new(u64::MAX),
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    /// Claims the right to start a driver, if none is alive.
    pub(crate) fn enlist(&self) -> bool {
        let _mail = self.lock();
        !self.alive.swap(true, Ordering::Relaxed)
    }

    /// The driver has ended; what it left comes back.
    pub(crate) fn dismiss(&self) -> VecDeque<Chore<M>> {
        let mut mail = self.lock();
        self.alive.store(false, Ordering::Relaxed);
        self.sleeps_until.store(u64::MAX, Ordering::Release);
        let waker = mail.waker.take();
        let mut chores = std::mem::take(&mut mail.chores);
        chores.append(&mut mail.checks);
        drop(mail);
        drop(waker);
        chores
    }

    /// Leaves a chore, or gives it back when there is no driver.
    pub(crate) fn post(&self, chore: Chore<M>) -> Result<(), Chore<M>> {
        let mut mail = self.lock();
        if !self.is_alive() {
            return Err(chore);
        }
        match chore {
            Chore::Restore(_, restore) if restore.is_check() => mail.checks.push_back(chore),
            _ => mail.chores.push_back(chore),
        }
        let waker = mail.waker.take();
        drop(mail);
        wake(waker);
        Ok(())
    }

    /// Wakes the driver at `at` at the latest.
    #[inline]
    pub(crate) fn alarm(&self, at: u64) {
        // Acquire, with the Release of `settle`. A driver that is about to sleep has stored MAX
        // before it asked the queue for its next deadline; whoever added a later one under the
        // queue's lock sees that, or what was stored after it.
        if at < self.sleeps_until.load(Ordering::Acquire) {
            self.wake_by(at);
        }
    }

    #[cold]
    fn wake_by(&self, at: u64) {
        let mut mail = self.lock();
        mail.alarm = mail.alarm.min(at);
        let waker = mail.waker.take();
        drop(mail);
        wake(waker);
    }

    /// Wakes the driver now.
    pub(crate) fn call(&self) {
        let mut mail = self.lock();
        mail.called = true;
        let waker = mail.waker.take();
        drop(mail);
        wake(waker);
    }

    /// The driver is awake and about to look at everything.
    pub(crate) fn awake(&self) {
        self.sleeps_until.store(u64::MAX, Ordering::Release);
        let mut mail = self.lock();
        mail.alarm = u64::MAX;
        mail.called = false;
        let old = mail.waker.take();
        drop(mail);
        drop(old);
    }

    /// The driver has done its chores and is about to look at what they, too, may have called for.
    pub(crate) fn heed(&self) {
        self.lock().called = false;
    }

    /// How many checks wait.
    pub(crate) fn checks_waiting(&self) -> usize {
        self.lock().checks.len()
    }

    /// All checks that wait.
    pub(crate) fn take_checks(&self) -> VecDeque<Chore<M>> {
        std::mem::take(&mut self.lock().checks)
    }

    /// The next chore. A check only if one more may be made.
    pub(crate) fn chore(&self, may_check: bool) -> Option<Chore<M>> {
        let mut mail = self.lock();
        let chore = mail.chores.pop_front();
        chore.or_else(|| may_check.then(|| mail.checks.pop_front()).flatten())
    }

    /// The driver means to sleep until `next`, or until `waker` is called. Returns the time to do so,
    /// which an alarm may have brought forward, or `None` if there is something to do at once; checks
    /// are if they may be made.
    pub(crate) fn settle(&self, next: u64, may_check: bool, waker: &Waker) -> Option<u64> {
        let waker = waker.clone();
        let mut mail = self.lock();
        if mail.called || !mail.chores.is_empty() || (may_check && !mail.checks.is_empty()) {
            drop(mail);
            drop(waker);
            return None;
        }
        let next = next.min(mail.alarm);
        self.sleeps_until.store(next, Ordering::Release);
        mail.waker = Some(waker);
        Some(next)
    }

    fn lock(&self) -> MutexGuard<'_, Mail<M>> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        queue::wake(waker);
    }
}
