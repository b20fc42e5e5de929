//! How many messages a connection has sent.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many messages a connection has sent since it was opened, and in how many turns.
///
/// For tests and for judging what an access path costs: two readings, and their difference. A reading
/// taken while something is under way may miss messages that are being sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WireCounts {
    /// Units that the server answers with one ReadyForQuery each: the startup, simple queries, and
    /// whatever ends with a Sync, requests that only close a statement among them.
    pub requests: u64,
    /// How often something was sent after something had been received, the startup included. Where
    /// requests are not begun while others are being answered, that is the number of round trips.
    pub turns: u64,
    /// Parse messages: statements prepared, the unnamed one included.
    pub parses: u64,
    /// Bind messages.
    pub binds: u64,
    /// Execute messages.
    pub executes: u64,
    /// Simple queries.
    pub queries: u64,
    /// Sync messages.
    pub syncs: u64,
    /// Close messages: statements and portals given up.
    pub closes: u64,
}

impl WireCounts {
    /// What was sent after `earlier`.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.wrapping_sub(earlier.requests),
            turns: self.turns.wrapping_sub(earlier.turns),
            parses: self.parses.wrapping_sub(earlier.parses),
            binds: self.binds.wrapping_sub(earlier.binds),
            executes: self.executes.wrapping_sub(earlier.executes),
            queries: self.queries.wrapping_sub(earlier.queries),
            syncs: self.syncs.wrapping_sub(earlier.syncs),
            closes: self.closes.wrapping_sub(earlier.closes),
        }
    }

    /// The client has sent the header of a message.
    pub(super) const fn sent(&mut self, kind: u8) {
        match kind {
            b'P' => self.parses += 1,
            b'B' => self.binds += 1,
            b'E' => self.executes += 1,
            b'Q' => self.queries += 1,
            b'S' => self.syncs += 1,
            b'C' => self.closes += 1,
            _ => {}
        }
    }
}

/// The counts as their connection shares them. One writer.
#[derive(Debug, Default)]
pub(super) struct SharedCounts([AtomicU64; 8]);

impl SharedCounts {
    pub(super) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 8])
    }

    pub(super) fn store(&self, counts: &WireCounts) {
        let values = [
            counts.requests,
            counts.turns,
            counts.parses,
            counts.binds,
            counts.executes,
            counts.queries,
            counts.syncs,
            counts.closes,
        ];
        for (shared, value) in self.0.iter().zip(values) {
            shared.store(value, Ordering::Relaxed);
        }
    }

    pub(super) fn load(&self) -> WireCounts {
        let [
            requests,
            turns,
            parses,
            binds,
            executes,
            queries,
            syncs,
            closes,
        ] = self.0.each_ref().map(|count| count.load(Ordering::Relaxed));
        WireCounts {
            requests,
            turns,
            parses,
            binds,
            executes,
            queries,
            syncs,
            closes,
        }
    }
}
