//! Requests that travel together.
//!
//! The driver sends a request when its future is first polled, and answers come in the order of the
//! requests. So requests whose futures are first polled in their order, before any of them is
//! awaited, go out together and take one round trip. Combinators that await several futures promise
//! no order, which is why this module does the first poll itself.
//!
//! A pipeline is no unit: what is behind a request that failed runs all the same. What has to fail
//! together is a [unit](crate::unit).

use futures_util::future::{join_all, maybe_done};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

/// A request among any number of others.
pub(crate) type Request<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Begins all requests, in their order, and then awaits them side by side.
pub(crate) async fn pipeline<'a, T: Send>(
    requests: impl Iterator<Item = Request<'a, T>>,
) -> Vec<T> {
    let mut begun: Vec<_> = requests
        .map(|request| Box::pin(maybe_done(request)))
        .collect();
    poll_fn(|cx| {
        for request in &mut begun {
            let _ = request.as_mut().poll(cx);
        }
        Poll::Ready(())
    })
    .await;
    join_all(begun.iter_mut().map(|request| request.as_mut())).await;
    begun
        .iter_mut()
        .filter_map(|request| request.as_mut().take_output())
        .collect()
}

/// The same for four requests of any type, without boxes. For fewer, give
/// [`ready`](std::future::ready) for the rest.
pub(crate) async fn four<A: Future, B: Future, C: Future, D: Future>(
    first: A,
    second: B,
    third: C,
    fourth: D,
) -> (A::Output, B::Output, C::Output, D::Output) {
    let mut first = pin!(maybe_done(first));
    let mut second = pin!(maybe_done(second));
    let mut third = pin!(maybe_done(third));
    let mut fourth = pin!(maybe_done(fourth));
    poll_fn(|cx| {
        // Each time all of them, in this order.
        let done = [
            first.as_mut().poll(cx).is_ready(),
            second.as_mut().poll(cx).is_ready(),
            third.as_mut().poll(cx).is_ready(),
            fourth.as_mut().poll(cx).is_ready(),
        ];
        if done.contains(&false) {
            return Poll::Pending;
        }
        let taken = (
            first.as_mut().take_output(),
            second.as_mut().take_output(),
            third.as_mut().take_output(),
            fourth.as_mut().take_output(),
        );
        match taken {
            (Some(first), Some(second), Some(third), Some(fourth)) => {
                Poll::Ready((first, second, third, fourth))
            }
            // Each has its output until this poll, which is the last.
            _ => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::{Request, four, pipeline};
    use std::cell::RefCell;
    use std::future::{Future, poll_fn, ready};
    use std::sync::Mutex;
    use std::task::Poll;

    /// Is done at its second poll, and notes the first.
    fn noted(log: &Mutex<Vec<u8>>, number: u8) -> impl Future<Output = u8> + Send + '_ {
        let mut begun = false;
        poll_fn(move |cx| {
            if begun {
                return Poll::Ready(number);
            }
            begun = true;
            log.lock().unwrap().push(number);
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    #[tokio::test]
    async fn requests_begin_in_their_order_and_answer_in_their_places() {
        let log = Mutex::new(Vec::new());
        let requests = (0..40).map(|number| Box::pin(noted(&log, number)) as Request<'_, u8>);
        let answers = pipeline(requests).await;
        let order: Vec<u8> = (0..40).collect();
        assert_eq!(answers, order);
        assert_eq!(*log.lock().unwrap(), order);
    }

    #[tokio::test]
    async fn four_begin_in_their_order_even_where_some_are_done_at_once() {
        let log = Mutex::new(Vec::new());
        let answers = four(noted(&log, 0), ready("x"), noted(&log, 1), noted(&log, 2)).await;
        assert_eq!(answers, (0, "x", 1, 2));
        assert_eq!(*log.lock().unwrap(), [0, 1, 2]);
    }

    #[tokio::test]
    async fn the_next_begins_before_the_first_is_done() {
        let log = RefCell::new(Vec::new());
        let first = async {
            log.borrow_mut().push("begun");
            tokio::task::yield_now().await;
            log.borrow_mut().push("done");
        };
        let second = async { log.borrow_mut().push("next") };
        four(first, second, ready(()), ready(())).await;
        assert_eq!(*log.borrow(), ["begun", "next", "done"]);
    }
}
