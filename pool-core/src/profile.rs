//! What a request would like of its connection, and what a connection carries.
//!
//! Connections of a pool are alike to a request that brings all it needs along. To one that does not,
//! a session whose settings are on some connections and not on others, a statement that is prepared
//! on some and not on others, the choice decides what it must do first. The pool knows nothing of
//! settings or statements; it keeps numbers for those who do:
//!
//! - A **label** on a connection stands for state that was left on it on purpose. Requests whose
//!   [`Profile`] has been told [which label they want](Profile::label), be it none, may meet it; for
//!   any other the connection is reset first. So both kinds can share a pool, and neither sees the
//!   other's state.
//! - A **profile** on a request says which label it wants, which statements it will run and where it
//!   was last. A [`Placement`](crate::Placement) reads it.
//!
//! Numbers are hints: whoever acts on them compares the state itself afterwards. Two things that
//! share a number by chance cost some work and never a mistake.

use crate::placement::Candidate;

/// What a request would like of its connection. Equal numbers stand for equal things; zero stands for
/// nothing in particular.
///
/// A request whose profile [knows of labels](Self::label) is told what state a connection carries by
/// the connection itself, and puts it right before it relies on anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Profile {
    /// Who asks, across requests.
    pub session: u64,
    /// The label that the connection had best have; 0 for none.
    pub label: u32,
    /// The set of statements that it will run one or the other of: a module of a program, say.
    pub statements: u64,
    /// The statement that it will run first.
    pub statement: u32,
    /// What kind of work it is: see the classes of `pool-affinity`.
    pub class: u32,
    /// The connection that it had last.
    pub last: Option<Candidate>,
    /// It puts right what state a connection carries, and so may be given one with any label.
    pub knows_labels: bool,
}

impl Profile {
    /// A profile of which nothing is known but who asks.
    #[must_use]
    pub const fn new(session: u64) -> Self {
        Self {
            session,
            label: 0,
            statements: 0,
            statement: 0,
            class: 0,
            last: None,
            knows_labels: false,
        }
    }

    /// Wants a connection with this label, best of all; 0 for one without. It may be given one with
    /// another, and puts right what that stands for: without a call of this, connections with labels
    /// are reset first.
    #[must_use]
    pub const fn label(mut self, label: u32) -> Self {
        self.label = label;
        self.knows_labels = true;
        self
    }

    /// Will run statements of this set.
    #[must_use]
    pub const fn statements(mut self, set: u64) -> Self {
        self.statements = set;
        self
    }

    /// Will run this statement first.
    #[must_use]
    pub const fn statement(mut self, statement: u32) -> Self {
        self.statement = statement;
        self
    }

    /// Does this kind of work.
    #[must_use]
    pub const fn class(mut self, class: u32) -> Self {
        self.class = class;
        self
    }

    /// Had this connection last.
    #[must_use]
    pub const fn last(mut self, last: Option<Candidate>) -> Self {
        self.last = last;
        self
    }
}

/// What it costs to turn the state behind one label into that behind another, for placements that
/// choose between labels neither of which is the wanted one.
pub trait Labels: Send + Sync + 'static {
    /// The cost of making a connection with label `from` fit for a request that wants `to`, in steps
    /// (settings to change, say); `None` if that is not known. 0 stands for a connection, or a
    /// request, without state. Called for each candidate: no more than a look into a table.
    fn cost(&self, from: u32, to: u32) -> Option<u32>;
}
