//! One session.

use pool_core::Candidate;

use crate::strength::{Reason, Strength};

/// A session that finds its connection busy so many times in a row is at home where it went instead.
const MISSED: u8 = 8;

/// How a session is tied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tie {
    pub(crate) connection: Candidate,
    pub(crate) strength: Strength,
    /// The strongest reason.
    pub(crate) reason: Reason,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entry {
    /// 0 if the place is free.
    pub(crate) session: u64,
    pub(crate) at: Candidate,
    /// By reason.
    pub(crate) ties: [Strength; Reason::ALL.len()],
    /// Statements that it left in the connection's cache.
    pub(crate) learned: u32,
    /// Leases of other connections in a row.
    pub(crate) missed: u8,
    /// Used since the clock came by.
    pub(crate) recent: bool,
}

impl Entry {
    pub(crate) fn of(session: u64, at: Candidate) -> Self {
        Self {
            session,
            at,
            recent: true,
            ..Self::default()
        }
    }

    pub(crate) fn strength(&self) -> Strength {
        self.ties.into_iter().max().unwrap_or_default()
    }

    pub(crate) fn tie(&self) -> Option<Tie> {
        let strength = self.strength();
        let tied = Reason::ALL
            .into_iter()
            .find(|why| self.ties[*why as usize] == strength);
        tied.filter(|_| strength > Strength::None)
            .map(|reason| Tie {
                connection: self.at,
                strength,
                reason,
            })
    }

    /// Whether a lease of another connection makes that one its own.
    pub(crate) fn may_move(&self) -> bool {
        match self.strength() {
            Strength::None | Strength::Weak => true,
            Strength::Medium => self.missed >= MISSED,
            Strength::Strong | Strength::Pinned => false,
        }
    }

    /// Reasons that tie it, no stronger than this.
    pub(crate) fn reasons_up_to(&self, most: Strength) -> impl Iterator<Item = Reason> + use<> {
        let ties = self.ties;
        Reason::ALL
            .into_iter()
            .filter(move |why| (Strength::Weak..=most).contains(&ties[*why as usize]))
    }
}
