//! What is known of a connection without asking it.
//!
//! Whether a connection works is asked in two ways today: by a round trip before each use, which
//! costs more than many a query, or by the query itself, which then fails. But the traffic that
//! flows anyway knows: a request without a reply for longer than its kind ever takes, an error that
//! only a dying server sends, a far end that has not been heard of since. An adapter that sees the
//! traffic notes it here, while its users go on calling the driver; policies read it.
//!
//! ```text
//!  driver ⇄ adapter ─ sent, heard, answered, failed ─▶ Vitals ─ pulse ─▶ HealthPolicy
//! ```
//!
//! Writing takes a few atomic operations on memory that belongs to one connection, and one look at
//! the clock per request and whenever something comes in; nothing is allocated or locked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::{Clock, ErrorClass};

/// The vital signs of one connection: written by its adapter, read by policies.
///
/// A handle; clones are of the same connection. Each connection gets its own, in
/// [`ConnectCtx::vitals`](crate::ConnectCtx::vitals). In a pool without a
/// [`HealthPolicy`](crate::HealthPolicy) they are deaf: writing to them is one branch.
///
/// # Writers
///
/// One at a time, as a connection has one owner; notes made side by side lose counts, no more.
/// A request that is given up stays outstanding until its reply has come or the connection is
/// closed: a cancelled query whose reply never arrives is how a dead connection looks.
#[derive(Clone, Default)]
pub struct Vitals(Option<Arc<Signs>>);

struct Signs {
    clock: Arc<dyn Clock>,
    origin: Instant,
    /// Requests sent, and of these answered.
    sent: AtomicU64,
    answered: AtomicU64,
    /// The adapter does not take what comes in.
    busy: AtomicBool,
    /// When a request went out while none was outstanding, something came in since, or the adapter
    /// began to listen again, whichever is latest. Nanoseconds since the origin.
    waiting_since: AtomicU64,
    /// When the oldest outstanding request went out, or the reply before its own came.
    began: AtomicU64,
    /// The longest silence since then, up to the last thing heard.
    longest: AtomicU64,
    /// What kind the oldest outstanding request is of; a guess when several are.
    kind: AtomicU32,
    /// When something came in last.
    heard: AtomicU64,
    /// The last complete reply: its kind, and in nanoseconds how long it took and the longest silence
    /// in that.
    reply_kind: AtomicU32,
    reply_took: AtomicU64,
    reply_silence: AtomicU64,
    /// Errors by class: see `slot_of`.
    errors: [AtomicU32; 4],
}

impl Vitals {
    /// Vital signs of a new connection, timed by `clock`, in which `origin` counts as zero.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, origin: Instant) -> Self {
        Self(Some(Arc::new(Signs {
            clock,
            origin,
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            waiting_since: AtomicU64::new(0),
            began: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            kind: AtomicU32::new(0),
            heard: AtomicU64::new(0),
            reply_kind: AtomicU32::new(0),
            reply_took: AtomicU64::new(0),
            reply_silence: AtomicU64::new(0),
            errors: Default::default(),
        })))
    }

    /// Vital signs that nobody reads: what is written is lost.
    #[must_use]
    pub const fn deaf() -> Self {
        Self(None)
    }

    /// Whether nobody reads them: what is dear to find out need not be noted.
    #[must_use]
    pub const fn is_deaf(&self) -> bool {
        self.0.is_none()
    }

    /// A request goes out. `kind` stands for requests that take alike long, a hash of the
    /// statement's text, say; 0 when nothing is known.
    pub fn sent(&self, kind: u32) {
        let Some(signs) = &self.0 else { return };
        let sent = signs.sent.load(Ordering::Relaxed);
        if sent == signs.answered.load(Ordering::Relaxed) {
            signs.begin(kind, signs.now());
        }
        // Release: a reader that sees the request sees since when it waits.
        signs.sent.store(sent + 1, Ordering::Release);
    }

    /// Whether the adapter takes what comes in, as it does at first. While it does not, because a user
    /// is slow to read what he asked for, a silence is nobody's fault and counts for nothing.
    ///
    /// To be noted after what came in, which ends the silence under way by what was so until then.
    pub fn listening(&self, listening: bool) {
        let Some(signs) = &self.0 else { return };
        if listening && signs.busy.load(Ordering::Relaxed) && signs.outstanding() > 0 {
            signs.waiting_since.store(signs.now(), Ordering::Relaxed);
        }
        // Release, for the Acquire in `pulse`: who sees that it listens sees since when.
        signs.busy.store(!listening, Ordering::Release);
    }

    /// Something came in that does not end a reply.
    pub fn heard(&self) {
        let Some(signs) = &self.0 else { return };
        let now = signs.now();
        signs.end_silence(now);
        signs.waiting_since.store(now, Ordering::Relaxed);
    }

    /// The reply to the oldest outstanding request is complete.
    pub fn answered(&self) {
        let Some(signs) = &self.0 else { return };
        let outstanding = signs.outstanding();
        if outstanding == 0 {
            return;
        }
        let now = signs.now();
        let longest = signs.end_silence(now);
        let took = now.saturating_sub(signs.began.load(Ordering::Relaxed));
        signs.reply_took.store(took, Ordering::Relaxed);
        signs.reply_silence.store(longest, Ordering::Relaxed);
        let kind = signs.kind.load(Ordering::Relaxed);
        signs.reply_kind.store(kind, Ordering::Relaxed);
        if outstanding > 1 {
            // Which of those sent together is next is not kept.
            signs.begin(0, now);
        }
        let answered = signs.answered.load(Ordering::Relaxed);
        signs.answered.store(answered + 1, Ordering::Release);
    }

    /// The far end reported an error, or could not be reached.
    pub fn failed(&self, class: ErrorClass) {
        if let Some(signs) = &self.0 {
            signs.errors[slot_of(class)].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What the signs say now.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        let Some(signs) = &self.0 else {
            return Pulse::default();
        };
        let answered = signs.answered.load(Ordering::Acquire);
        let sent = signs.sent.load(Ordering::Acquire);
        let outstanding = sent.saturating_sub(answered);
        let waits = outstanding > 0 && !signs.busy.load(Ordering::Acquire);
        let waiting_since = signs.waiting_since.load(Ordering::Relaxed);
        let heard = signs.heard.load(Ordering::Relaxed);
        Pulse {
            outstanding: u32::try_from(outstanding).unwrap_or(u32::MAX),
            kind: signs.kind.load(Ordering::Relaxed),
            waiting_since: waits.then(|| Duration::from_nanos(waiting_since)),
            heard: (heard > 0).then(|| Duration::from_nanos(heard)),
            answered,
            reply_kind: signs.reply_kind.load(Ordering::Relaxed),
            reply_took: Duration::from_nanos(signs.reply_took.load(Ordering::Relaxed)),
            reply_silence: Duration::from_nanos(signs.reply_silence.load(Ordering::Relaxed)),
            errors: Errors([0, 1, 2, 3].map(|class| signs.errors[class].load(Ordering::Relaxed))),
        }
    }
}

impl Signs {
    /// How many replies are owed, to the writer.
    fn outstanding(&self) -> u64 {
        let answered = self.answered.load(Ordering::Relaxed);
        let sent = self.sent.load(Ordering::Relaxed);
        sent.saturating_sub(answered)
    }

    /// The connection owes a reply from `now` on.
    fn begin(&self, kind: u32, now: u64) {
        self.kind.store(kind, Ordering::Relaxed);
        self.began.store(now, Ordering::Relaxed);
        self.longest.store(0, Ordering::Relaxed);
        self.waiting_since.store(now, Ordering::Relaxed);
    }

    /// Something has come at `now`. Returns the longest silence so far.
    fn end_silence(&self, now: u64) -> u64 {
        self.heard.store(now, Ordering::Relaxed);
        let silence = match self.busy.load(Ordering::Relaxed) {
            true => 0,
            false => now.saturating_sub(self.waiting_since.load(Ordering::Relaxed)),
        };
        let longest = silence.max(self.longest.load(Ordering::Relaxed));
        self.longest.store(longest, Ordering::Relaxed);
        longest
    }

    fn now(&self) -> u64 {
        let since = self.clock.now().saturating_duration_since(self.origin);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pulse().fmt(f)
    }
}

/// What the vital signs of a connection said at one moment. Times count from the origin of the
/// pool's coarse clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Requests without a complete reply.
    pub outstanding: u32,
    /// The kind of the oldest of them; 0 if unknown. Means nothing while none is outstanding.
    pub kind: u32,
    /// Since when the connection owes something and nothing has come; `None` while none is
    /// outstanding, or nobody listens.
    pub waiting_since: Option<Duration>,
    /// When something came in last.
    pub heard: Option<Duration>,
    /// Replies so far.
    pub answered: u64,
    /// The kind of the last one.
    pub reply_kind: u32,
    /// How long the last one took in all, with the time in which nobody listened.
    pub reply_took: Duration,
    /// The longest time in that in which nothing came while it was listened for: what a silence is to
    /// be measured by.
    pub reply_silence: Duration,
    /// Errors so far.
    pub errors: Errors,
}

impl Pulse {
    /// For how long something has been owed and nothing has come; zero while nothing is owed.
    #[must_use]
    pub fn silence(&self, now: Duration) -> Duration {
        let silent = |since| now.saturating_sub(since);
        self.waiting_since.map_or(Duration::ZERO, silent)
    }
}

/// How many errors of each class there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors([u32; 4]);

impl Errors {
    /// How many were of this class.
    #[must_use]
    pub fn of(&self, class: ErrorClass) -> u32 {
        self.0[slot_of(class)]
    }

    /// One more of this class.
    #[must_use]
    pub fn plus(mut self, class: ErrorClass) -> Self {
        let count = &mut self.0[slot_of(class)];
        *count = count.saturating_add(1);
        self
    }
}

const fn slot_of(class: ErrorClass) -> usize {
    match class {
        ErrorClass::Harmless => 0,
        ErrorClass::Connection => 1,
        ErrorClass::Endpoint => 2,
        ErrorClass::Permanent => 3,
    }
}
