//! What the harness asks of a way to share connections, and no more.
//!
//! A contestant opens what it needs once a turn, and gives a client to each task. A client does whole
//! transactions, so that each contestant can begin and end them as its users would; their statements
//! are those of [`work`](super::work), and how they are pipelined is said [there](super).

use std::future::Future;

use super::site::Site;
use super::work::{Identity, Seen, Work};
use crate::record::Group;

/// A way for many clients to share few connections.
pub trait Contestant: Sized + Send + Sync + 'static {
    /// As in tables.
    const NAME: &'static str;
    /// What kind of contestant it is.
    const GROUP: Group;
    /// Its settings and why, what could not be made comparable, and other honest remarks.
    const REMARKS: &'static [&'static str];

    /// What a task works with.
    type Client: Client;

    /// Its version. Asked before the run: whatever has to be installed is installed here.
    ///
    /// # Errors
    ///
    /// When it cannot take part, with what would help.
    fn version() -> anyhow::Result<String>;

    /// Whether it can do such work at all.
    fn admits(work: Work) -> bool;

    /// How many clients it has; [`Site::clients`] for all but the limit.
    fn clients(site: &Site) -> usize {
        site.clients()
    }

    /// Opens what its clients share, for one turn. At most [`Site::connections`] connections of the
    /// server may ever be open.
    fn open(site: &Site, work: Work) -> impl Future<Output = anyhow::Result<Self>> + Send;

    /// Logs a client in. For [`Work::Stateful`] it is `who` from now on, for [`Work::Prepared`] it has
    /// [`READ`](super::work::READ) prepared; the time that this takes is not measured.
    fn client(
        &self,
        who: &Identity,
        work: Work,
    ) -> impl Future<Output = anyhow::Result<Self::Client>> + Send;

    /// The process that stands between clients and server, if there is one.
    fn process(&self) -> Option<u32> {
        None
    }

    /// How many settings it has sent to the server so far, if it counts them.
    fn settings_sent(&self) -> Option<u64> {
        None
    }

    /// Closes everything; all clients are gone.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// A client that has logged in.
pub trait Client: Send + 'static {
    /// BEGIN with [`READ`](super::work::READ) of `item`, typed and unprepared; COMMIT. The value read.
    fn read_only(&mut self, item: i64) -> impl Future<Output = anyhow::Result<i64>> + Send;

    /// BEGIN with [`READ`](super::work::READ) of `item`; [`WRITE`](super::work::WRITE) of `own`, which
    /// must write one row; COMMIT. Typed and unprepared. The value read.
    fn read_write(
        &mut self,
        item: i64,
        own: i64,
    ) -> impl Future<Output = anyhow::Result<i64>> + Send;

    /// BEGIN with [`READ_BACK`](super::work::READ_BACK), typed and unprepared, with its settings in
    /// force; COMMIT.
    fn read_back(&mut self) -> impl Future<Output = anyhow::Result<Seen>> + Send;

    /// BEGIN with the prepared [`READ`](super::work::READ) of `item`; COMMIT. The value read.
    fn prepared(&mut self, item: i64) -> impl Future<Output = anyhow::Result<i64>> + Send;

    /// As [`read_back`](Self::read_back), with the settings of a group in force; for those who
    /// [admit](Contestant::admits) it.
    fn act_for(&mut self, group: usize) -> impl Future<Output = anyhow::Result<Seen>> + Send {
        async move { anyhow::bail!("does not act for group {group}") }
    }
}
