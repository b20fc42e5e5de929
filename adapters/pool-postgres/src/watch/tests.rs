mod vitals;

use super::stream::{Reader, WatchedStream};
use super::{Facts, Look, Status, Taint, Watch};
use proptest::prelude::*;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
}

fn startup() -> Vec<u8> {
    let body = b"\0\x03\0\0user\0me\0\0";
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&length[..], body].concat()
}

pub(super) fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

pub(super) fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), b"\0"].concat())
}

/// Parse, Bind and Execute of a named statement.
pub(super) fn parse(name: &str, text: &str) -> Vec<u8> {
    let body = [name.as_bytes(), b"\0", text.as_bytes(), b"\0\0\0"].concat();
    message(b'P', &body)
}

pub(super) fn run(name: &str) -> Vec<u8> {
    let bind = [b"\0", name.as_bytes(), b"\0\0\0\0\0\0\0"].concat();
    let sync = message(b'S', b"");
    [message(b'B', &bind), message(b'E', b"\0\0\0\0\0"), sync].concat()
}

pub(super) fn close(name: &str) -> Vec<u8> {
    let close = message(b'C', &[b"S", name.as_bytes(), b"\0"].concat());
    [close, message(b'S', b"")].concat()
}

/// A reader behind a finished startup.
pub(super) fn started() -> Reader {
    let mut reader = Reader::new();
    reader.wrote(&startup());
    let key = message(b'K', &[0, 0, 4, 210, 0, 0, 0, 9]);
    let parameter = message(b'S', b"TimeZone\0UTC\0");
    reader.read(&[message(b'R', &[0; 4]), parameter, key, ready(b'I')].concat());
    reader
}

fn facts(reader: &Reader) -> Facts {
    Facts {
        unread: false,
        ..reader.facts()
    }
}

const IDLE: Facts = Facts {
    status: Status::Idle,
    working: false,
    brief: false,
    confused: false,
    blocked: false,
    unread: false,
    ended: false,
};

#[test]
fn startup_ends_idle_and_untainted_with_the_process_id() {
    let reader = started();
    assert_eq!(facts(&reader), IDLE);
    assert_eq!(reader.findings.taint, Taint::NONE);
    assert_eq!(reader.findings.process_id, 1234);
}

#[test]
fn a_request_is_work_until_ready_for_query() {
    let mut reader = started();
    reader.wrote(&query("SELECT 1"));
    assert!(facts(&reader).working);
    reader.read(&message(b'C', b"SELECT 1\0"));
    assert!(facts(&reader).working);
    reader.read(&ready(b'T'));
    assert_eq!(
        facts(&reader),
        Facts {
            status: Status::Transaction,
            ..IDLE
        }
    );
}

#[test]
fn a_request_without_its_sync_is_work() {
    let mut reader = started();
    let whole = run("s1");
    reader.wrote(&whole[..whole.len() - message(b'S', b"").len()]);
    assert!(facts(&reader).working && !facts(&reader).blocked);
}

#[test]
fn preparing_a_statement_is_brief_and_not_work() {
    let mut reader = started();
    reader.wrote(&parse("s1", "SELECT 1"));
    assert!(facts(&reader).brief && !facts(&reader).working);
    reader.wrote(&message(b'S', b""));
    assert!(facts(&reader).brief && !facts(&reader).working);
    reader.read(&ready(b'I'));
    assert_eq!(facts(&reader), IDLE);
}

#[test]
fn a_pipeline_is_work_until_its_last_answer() {
    let mut reader = started();
    for _ in 0..3 {
        reader.wrote(&run("s1"));
    }
    for answered in 0..3 {
        assert!(facts(&reader).working, "{answered} answered");
        reader.read(&ready(b'I'));
    }
    assert_eq!(facts(&reader), IDLE);
}

#[test]
fn closing_a_statement_is_no_work() {
    let mut reader = started();
    reader.wrote(&close("s1"));
    assert_eq!(facts(&reader), IDLE);
    // ... but its answer does not pass for the answer of what follows.
    reader.wrote(&run("s2"));
    reader.read(&ready(b'I'));
    assert!(facts(&reader).working);
    reader.read(&ready(b'I'));
    assert_eq!(facts(&reader), IDLE);
}

#[test]
fn a_lone_rollback_is_brief_and_not_work() {
    let mut reader = started();
    reader.wrote(&query("ROLLBACK"));
    assert!(facts(&reader).brief && !facts(&reader).working);
    reader.read(&ready(b'I'));
    assert_eq!(facts(&reader), IDLE);
}

#[test]
fn a_rollback_behind_unanswered_work_leaves_it_work() {
    let mut reader = started();
    reader.wrote(&query("SELECT pg_sleep(9)"));
    reader.wrote(&query("ROLLBACK"));
    assert!(facts(&reader).working);
    reader.read(&ready(b'T'));
    assert!(facts(&reader).brief && !facts(&reader).working);
}

#[test]
fn a_failed_request_is_brief_until_ready_for_query() {
    let mut reader = started();
    reader.wrote(&run("s1"));
    reader.read(&message(b'E', b"SERROR\0\0"));
    assert!(facts(&reader).brief && !facts(&reader).working);
    reader.wrote(&run("s1"));
    assert!(facts(&reader).working);
    reader.read(&ready(b'I'));
    assert!(facts(&reader).working && !facts(&reader).brief);
    reader.read(&ready(b'I'));
    assert_eq!(facts(&reader), IDLE);
}

#[test]
fn an_error_without_a_request_excuses_none() {
    let mut reader = started();
    reader.read(&message(b'E', b"SERROR\0VERROR\0\0"));
    reader.wrote(&run("s1"));
    assert!(facts(&reader).working);
}

#[test]
fn a_farewell_ends_the_trust() {
    for severity in ["FATAL", "PANIC"] {
        let mut reader = started();
        let text = format!("SSCHWERWIEGEND\0V{severity}\0C57P01\0\0");
        chunked(&message(b'E', text.as_bytes()), &[7], |chunk| {
            reader.read(chunk)
        });
        assert!(facts(&reader).confused, "{severity}");
    }
}

#[test]
fn the_sync_that_a_copy_swallows_is_not_waited_for() {
    let mut reader = started();
    reader.wrote(&run("copy"));
    reader.read(&message(b'G', b"\0\0\0"));
    assert!(facts(&reader).working);
    reader.wrote(&message(b'd', b"1\n"));
    reader.wrote(&[message(b'c', b""), message(b'S', b"")].concat());
    assert!(facts(&reader).working);
    reader.read(&ready(b'I'));
    assert_eq!(facts(&reader), IDLE);
}

#[test]
fn an_answer_nobody_asked_for_is_never_trusted_again() {
    let mut reader = started();
    reader.read(&ready(b'I'));
    assert!(facts(&reader).confused);
}

#[test]
fn a_length_that_no_message_can_have_is_never_trusted_again() {
    let mut reader = started();
    reader.read(&[b'T', 0, 0, 0, 3]);
    assert!(facts(&reader).confused);
}

#[test]
fn a_message_written_in_part_is_not_settled() {
    let mut reader = started();
    let whole = query("SELECT 1");
    for accepted in 1..whole.len() {
        let mut reader = started();
        reader.wrote(&whole[..accepted]);
        assert!(facts(&reader).blocked, "{accepted} bytes");
    }
    reader.wrote(&whole);
    assert!(!facts(&reader).blocked);
}

#[test]
fn a_prepared_statement_taints_each_time_it_runs() {
    let mut reader = started();
    reader.wrote(&parse("s1", "SELECT pg_advisory_lock($1)"));
    assert_eq!(reader.findings.taint, Taint::NONE);
    for _ in 0..2 {
        reader.findings.taint = Taint::NONE;
        reader.wrote(&run("s1"));
        assert_eq!(reader.findings.taint, Taint::SESSION);
    }
    reader.findings.taint = Taint::NONE;
    reader.wrote(&parse("", "SELECT 1"));
    reader.wrote(&run(""));
    reader.wrote(&close("s1"));
    reader.wrote(&run("s1"));
    assert_eq!(reader.findings.taint, Taint::NONE);
}

#[test]
fn more_tainting_statements_than_remembered_taint_every_run() {
    let mut reader = started();
    for number in 0..300 {
        reader.wrote(&parse(&format!("s{number}"), "LISTEN x"));
    }
    reader.wrote(&run("other"));
    assert_eq!(reader.findings.taint, Taint::SESSION);
}

#[test]
fn a_parameter_that_changes_after_the_startup_taints() {
    let mut reader = started();
    reader.read(&message(b'S', b"TimeZone\0CET\0"));
    assert_eq!(reader.findings.taint, Taint::SESSION);
}

fn exchange() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let texts = vec!["SELECT 1", "SET a = 1", "ROLLBACK", "", "SELECT setseed(1)"];
    let answer = prop::sample::select(b"ITE".to_vec()).prop_map(ready);
    let asks = prop_oneof![
        prop::sample::select(texts.clone()).prop_map(query),
        prop::sample::select(texts).prop_map(|text| [parse("s", text), run("s")].concat()),
        Just(close("s")),
    ];
    let noise = prop::collection::vec(any::<u8>(), 0..40).prop_map(|row| message(b'D', &row));
    (asks, noise, answer).prop_map(|(asked, noise, ready)| (asked, [noise, ready].concat()))
}

proptest! {
    /// The bytes of each direction may be cut anywhere.
    #[test]
    fn chunks_read_like_the_whole(
        exchanges in prop::collection::vec(exchange(), 1..8),
        answered in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1usize..9, 1..6),
    ) {
        let sent: Vec<u8> = exchanges.iter().flat_map(|(sent, _)| sent.clone()).collect();
        let answered = answered.index(exchanges.len() + 1);
        let received: Vec<u8> =
            exchanges[..answered].iter().flat_map(|(_, got)| got.clone()).collect();

        let mut whole = started();
        let (healthy, cut_up) = (vitals::counted(), vitals::counted());
        whole.attend(healthy.clone());
        whole.wrote(&sent);
        if !received.is_empty() {
            whole.read(&received);
        }
        let mut cut = started();
        cut.attend(cut_up.clone());
        chunked(&sent, &sizes, |chunk| cut.wrote(chunk));
        chunked(&received, &sizes, |chunk| cut.read(chunk));

        prop_assert_eq!(cut.facts(), whole.facts());
        prop_assert_eq!(cut.findings.taint, whole.findings.taint);
        prop_assert_eq!(cut.findings.ledger.work(), whole.findings.ledger.work());
        prop_assert!(!cut.facts().confused);
        prop_assert_eq!(cut_up.pulse().outstanding, healthy.pulse().outstanding);
        prop_assert_eq!(cut_up.pulse().answered, healthy.pulse().answered);
        if answered == exchanges.len() {
            prop_assert!(!cut.facts().working && !cut.facts().brief);
            prop_assert_eq!(cut_up.pulse().outstanding, 0);
        }
    }

    /// Whatever arrives, reading it neither panics nor ends in trust that was not earned.
    #[test]
    fn garbage_is_survived(out in any::<Vec<u8>>(), inn in prop::collection::vec(any::<u8>(), 1..200)) {
        let mut reader = Reader::new();
        reader.wrote(&out);
        reader.read(&inn);
        let _ = reader.facts();
    }

    /// Facts survive the trip through one byte.
    #[test]
    fn facts_fit_their_byte(bits in any::<u8>()) {
        prop_assert_eq!(Facts::from_bits(bits).to_bits(), bits);
    }
}

pub(super) fn chunked(mut bytes: &[u8], sizes: &[usize], mut feed: impl FnMut(&[u8])) {
    let mut sizes = sizes.iter().cycle();
    while !bytes.is_empty() {
        let size = sizes.next().map_or(1, |size| *size).min(bytes.len());
        feed(&bytes[..size]);
        bytes = &bytes[size..];
    }
}

/// A watch behind a settled, idle connection.
fn settled() -> (Arc<Watch>, Waker) {
    let watch = Arc::new(Watch::new());
    watch.publish(IDLE, 1, 7);
    let waker = Waker::from(Arc::clone(&watch));
    drive(&watch, &waker, || Poll::Pending);
    assert_eq!(watch.look(), Look::Settled(Status::Idle));
    (watch, waker)
}

fn drive(watch: &Arc<Watch>, waker: &Waker, poll: impl FnOnce() -> Poll<()>) {
    let _ = watch.drive(&Context::from_waker(Waker::noop()), waker, |_| poll());
}

#[test]
fn a_wake_makes_the_look_uncertain_until_the_driver_has_run() {
    let (watch, waker) = settled();
    waker.wake_by_ref();
    assert_eq!(watch.look(), Look::Uncertain);
    drive(&watch, &waker, || Poll::Pending);
    assert_eq!(watch.look(), Look::Settled(Status::Idle));
}

#[test]
fn a_wake_during_a_poll_outlasts_it() {
    let (watch, waker) = settled();
    drive(&watch, &waker, || {
        waker.wake_by_ref();
        Poll::Pending
    });
    assert_eq!(watch.look(), Look::Uncertain);
}

#[test]
fn a_running_driver_is_uncertain() {
    let (watch, waker) = settled();
    drive(&watch, &waker, || {
        assert_eq!(watch.look(), Look::Uncertain);
        Poll::Pending
    });
}

#[test]
fn a_driver_that_has_ended_stays_lost() {
    let (watch, waker) = settled();
    drive(&watch, &waker, || Poll::Ready(()));
    waker.wake_by_ref();
    assert_eq!(watch.look(), Look::Lost);
}

#[test]
fn a_wake_reaches_the_task() {
    struct Counter(std::sync::atomic::AtomicUsize);
    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let (watch, waker) = settled();
    let counter = Arc::new(Counter(std::sync::atomic::AtomicUsize::new(0)));
    let task = Waker::from(Arc::clone(&counter));
    let _ = watch.drive(&Context::from_waker(&task), &waker, |_| Poll::<()>::Pending);
    waker.wake_by_ref();
    assert_eq!(counter.0.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn partial_writes_and_reads_are_counted_as_far_as_they_went() {
    // Four bytes at a time: every write is partial.
    let (near, mut far) = tokio::io::duplex(4);
    let watch = Arc::new(Watch::new());
    let mut stream = WatchedStream::new(near, Arc::clone(&watch));
    let server = async move {
        let mut request = vec![0; startup().len()];
        far.read_exact(&mut request).await.unwrap();
        far.write_all(&ready(b'I')).await.unwrap();
        let mut request = vec![0; query("SELECT 1").len()];
        far.read_exact(&mut request).await.unwrap();
        far
    };
    let client = async {
        stream.write_all(&startup()).await.unwrap();
        let mut answer = vec![0; ready(b'I').len()];
        stream.read_exact(&mut answer).await.unwrap();
        let before = Facts::from_bits(watch.facts.load(std::sync::atomic::Ordering::Relaxed));
        assert_eq!((before.status, before.working), (Status::Idle, false));
        stream.write_all(&query("SELECT 1")).await.unwrap();
    };
    let (_far, ()) = tokio::join!(server, client);
    let after = Facts::from_bits(watch.facts.load(std::sync::atomic::Ordering::Relaxed));
    assert!(after.working);
}
