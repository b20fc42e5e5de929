//! Servers and a line in front of them.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Account, Agenda, Chance, Spread};

/// A model of nothing but waiting: customers come, take the first free server in the order in which
/// they came, and leave.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    /// How many can be served at a time.
    pub servers: usize,
    /// From one customer to the next.
    pub between: Spread,
    /// How long one is served.
    pub service: Spread,
}

/// What became of a [`Queue`].
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// The part of the customers that had to wait.
    pub waited: f64,
    /// How long a customer waited in the mean, those counted that did not wait.
    pub mean_wait: f64,
    /// How long a customer was there in the mean, in seconds.
    pub mean_stay: f64,
    /// The part of the servers' time in which they served.
    pub busy: f64,
    /// By which part L and λW differ.
    pub law_error: f64,
    /// Events that it took.
    pub events: u64,
}

enum Event {
    Comes,
    Leaves { came: Duration },
}

impl Queue {
    /// Serves so many customers.
    #[must_use]
    pub fn serve(&self, seed: u64, customers: u64) -> Served {
        let mut run = Run {
            arrivals: Chance::new(seed, "arrivals"),
            work: Chance::new(seed, "service"),
            agenda: Agenda::new(),
            account: Account::new(),
            line: VecDeque::new(),
            free: self.servers,
            waited: 0,
            waits: 0.0,
            served: 0.0,
        };
        run.agenda
            .after(run.arrivals.draw(self.between), Event::Comes);
        while let Some(event) = run.agenda.next() {
            match event {
                Event::Comes => run.comes(self, customers),
                Event::Leaves { came } => run.leaves(came),
            }
        }
        run.outcome(self.servers)
    }
}

struct Run {
    arrivals: Chance,
    work: Chance,
    agenda: Agenda<Event>,
    account: Account,
    /// When those in the line came, and how long they will be served.
    line: VecDeque<(Duration, Duration)>,
    free: usize,
    waited: u64,
    /// Sums, in seconds.
    waits: f64,
    served: f64,
}

impl Run {
    fn comes(&mut self, queue: &Queue, customers: u64) {
        let now = self.agenda.now();
        self.account.enter(now);
        if self.account.came() < customers {
            let next = self.arrivals.draw(queue.between);
            self.agenda.after(next, Event::Comes);
        }
        let work = self.work.draw(queue.service);
        if self.free == 0 {
            self.waited += 1;
            self.line.push_back((now, work));
        } else {
            self.free -= 1;
            self.start(now, work);
        }
    }

    fn leaves(&mut self, came: Duration) {
        self.account.leave(self.agenda.now(), came);
        match self.line.pop_front() {
            Some((came, work)) => self.start(came, work),
            None => self.free += 1,
        }
    }

    fn start(&mut self, came: Duration, work: Duration) {
        self.waits += self.agenda.now().saturating_sub(came).as_secs_f64();
        self.served += work.as_secs_f64();
        self.agenda.after(work, Event::Leaves { came });
    }

    fn outcome(&self, servers: usize) -> Served {
        let now = self.agenda.now();
        let customers = self.account.came() as f64;
        Served {
            waited: self.waited as f64 / customers,
            mean_wait: self.waits / customers,
            mean_stay: self.account.mean_stay(),
            busy: self.served / (now.as_secs_f64() * servers as f64),
            law_error: self.account.error(now),
            events: self.agenda.handled(),
        }
    }
}
