//! What the tests of policies share.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, Once};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_facade::{Admission, Admit, Outcome, RequestInfo, Token};

/// Milliseconds.
pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Keeps the panics that are planned off the screen.
pub(crate) fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or_default();
            if !text.starts_with("the script of") && text != "planned" {
                loud(info);
            }
        }));
    });
}

/// The output of a future, if it is ready.
pub(crate) fn poll_once<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Lets everybody in, with a number of his own, and keeps the book. What is wrong with it is noted
/// rather than shouted out, since a policy's panics are contained.
#[derive(Debug, Default)]
pub(crate) struct Doorman(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    inside: BTreeSet<u32>,
    asked: Vec<RequestInfo>,
    left: Vec<Outcome>,
    wrong: Vec<String>,
    now: Duration,
}

impl Doorman {
    pub(crate) fn entered(&self) -> usize {
        self.book(|book| book.asked.len())
    }

    pub(crate) fn inside(&self) -> usize {
        self.book(|book| book.inside.len())
    }

    pub(crate) fn asked(&self) -> Vec<RequestInfo> {
        self.book(|book| book.asked.clone())
    }

    /// How the last one left.
    pub(crate) fn last(&self) -> Outcome {
        self.book(|book| *book.left.last().expect("somebody has left"))
    }

    /// Nobody is inside, and nobody left twice.
    pub(crate) fn assert_balanced(&self) {
        self.assert_holds(0);
    }

    /// So many are inside, and nobody left twice.
    pub(crate) fn assert_holds(&self, inside: usize) {
        self.book(|book| {
            assert_eq!(book.wrong, [""; 0]);
            assert_eq!(book.inside.len(), inside, "{book:?}");
            assert_eq!(book.asked.len(), book.left.len() + inside);
        });
    }

    fn book<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(
            &mut self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }
}

impl Book {
    fn tick(&mut self, now: Duration) {
        if now < self.now {
            self.wrong
                .push(format!("{now:?} comes after {:?}", self.now));
        }
        self.now = now;
    }
}

impl Admission for Doorman {
    fn admit(&self, now: Duration, request: &RequestInfo) -> Admit {
        self.book(|book| {
            book.tick(now);
            // Numbers with bits everywhere, and zero.
            let number = u32::try_from(book.asked.len()).unwrap_or(u32::MAX);
            let number = number.wrapping_mul(0x9E37_79B9);
            book.asked.push(request.clone());
            book.inside.insert(number);
            Admit::Enter(Token::new(number))
        })
    }

    fn leave(&self, now: Duration, token: Token, outcome: Outcome) {
        self.book(|book| {
            book.tick(now);
            if !book.inside.remove(&token.number()) {
                book.wrong
                    .push(format!("{token:?} is not inside: {outcome:?}"));
            }
            book.left.push(outcome);
        });
    }
}
