//! The stream under the driver.

use super::frame::Framer;
use super::read::{Client, Findings, Reading, Server};
use super::record::Recorder;
use super::signs::Signs;
use super::{Facts, Watch};
use pool_core::Vitals;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Passes bytes through and writes what they mean into a [`Watch`].
pub(crate) struct WatchedStream<S> {
    inner: S,
    reader: Reader,
    watch: Arc<Watch>,
    /// The vital signs have been asked for.
    attended: bool,
}

/// The sequential half, without I/O.
#[derive(Debug)]
pub(super) struct Reader {
    outbound: Framer,
    inbound: Framer,
    client: Client,
    server: Server,
    pub(super) findings: Findings,
    blocked: bool,
    unread: bool,
    ended: bool,
    /// Something came since the last that was sent.
    turned: bool,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            outbound: Framer::client(),
            inbound: Framer::server(),
            client: Client::new(),
            server: Server::new(),
            findings: Findings::default(),
            blocked: false,
            unread: false,
            ended: false,
            turned: true,
        }
    }

    /// The far side has accepted `bytes`.
    pub(super) fn wrote(&mut self, bytes: &[u8]) {
        let mut reading = Reading {
            reader: &mut self.client,
            findings: &mut self.findings,
        };
        self.outbound.feed(bytes, &mut reading);
        let counts = &mut self.findings.counts;
        counts.turns += u64::from(std::mem::take(&mut self.turned));
        counts.requests = self.findings.ledger.requests();
        let signs = &mut self.findings.signs;
        if let Some(all) = signs {
            all.paused();
            if all.are_lost() {
                *signs = None;
            }
        }
    }

    /// The driver has been given `bytes`; none means the end.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.end();
        } else {
            self.take_in(bytes);
        }
        // Last: whether it listened until now says what the silence before the bytes was.
        self.listens(false);
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.turned = true;
        let mut reading = Reading {
            reader: &mut self.server,
            findings: &mut self.findings,
        };
        self.inbound.feed(bytes, &mut reading);
        if let Some(signs) = &mut self.findings.signs {
            signs.heard();
        }
    }

    /// Whether the driver has read all there is. If it does not go on, its user does not read.
    pub(super) fn listens(&mut self, listens: bool) {
        self.unread = !listens;
        if let Some(signs) = &self.findings.signs {
            signs.listening(listens);
        }
    }

    /// Writes vital signs from here on; to be called between two requests.
    pub(super) fn attend(&mut self, vitals: Vitals) {
        self.findings.signs = Some(Box::new(Signs::new(vitals)));
    }

    /// Records from here on, under another number than before; zero ends it.
    pub(super) fn record(&mut self, epoch: u32) {
        let before = self.findings.ledger.requests();
        let too_late = self.findings.farewell;
        let begun = || Box::new(Recorder::new(epoch, before, too_late));
        self.findings.recorder = (epoch != 0).then(begun);
    }

    /// Under which number it records.
    fn recording(&self) -> u32 {
        let recorder = self.findings.recorder.as_deref();
        recorder.map_or(0, Recorder::epoch)
    }

    fn end(&mut self) {
        self.ended = true;
        if let Some(signs) = &mut self.findings.signs {
            signs.lost();
        }
    }

    pub(super) fn facts(&self) -> Facts {
        let ledger = &self.findings.ledger;
        Facts {
            status: ledger.status(),
            working: ledger.is_working(),
            brief: ledger.is_brief(),
            confused: ledger.is_confused()
                || self.outbound.is_malformed()
                || self.inbound.is_malformed(),
            blocked: self.blocked || !self.outbound.at_boundary(),
            unread: self.unread || !self.inbound.at_boundary(),
            ended: self.ended,
        }
    }

    fn publish(&mut self, watch: &Watch) {
        watch.add_taint(std::mem::take(&mut self.findings.taint));
        // Before the facts: whoever reads that all is answered finds the answers.
        if let Some(recorder) = &mut self.findings.recorder
            && recorder.has_news()
        {
            watch.keep(recorder);
        }
        watch.publish(
            self.facts(),
            self.findings.ledger.work(),
            self.findings.process_id,
        );
    }
}

impl<S> WatchedStream<S> {
    pub(crate) fn new(inner: S, watch: Arc<Watch>) -> Self {
        Self {
            inner,
            reader: Reader::new(),
            watch,
            attended: false,
        }
    }

    /// Begins to write vital signs once they are asked for.
    fn attend(&mut self) {
        if !self.attended
            && let Some(vitals) = self.watch.vitals()
        {
            self.attended = true;
            self.reader.attend(vitals.clone());
        }
    }

    /// Begins or ends a recording when that is asked for.
    fn record(&mut self) {
        let wanted = self.watch.recording();
        if wanted != self.reader.recording() {
            self.reader.record(wanted);
        }
    }

    pub(crate) const fn inner(&self) -> &S {
        &self.inner
    }

    /// Notes how a write or flush went.
    fn blocked<T>(&mut self, outcome: &Poll<io::Result<T>>) {
        self.reader.blocked = outcome.is_pending();
        if matches!(outcome, Poll::Ready(Err(_))) {
            self.reader.end();
        }
        self.reader.publish(&self.watch);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.attend();
        let before = buf.filled().len();
        let outcome = Pin::new(&mut this.inner).poll_read(cx, buf);
        match &outcome {
            Poll::Ready(Ok(())) => this.reader.read(&buf.filled()[before..]),
            Poll::Ready(Err(_)) => this.reader.end(),
            Poll::Pending => this.reader.listens(true),
        }
        this.reader.publish(&this.watch);
        outcome
    }
}

/// Vectored writes are left out: the driver writes from one buffer.
impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.attend();
        self.record();
        let outcome = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(accepted)) = outcome {
            self.reader.wrote(&buf[..accepted]);
            self.watch.publish_counts(&self.reader.findings.counts);
        }
        self.blocked(&outcome);
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        self.blocked(&outcome);
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
