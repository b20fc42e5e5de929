//! Which connection suits a request best.
//!
//! To a pool all idle connections are alike. To a session they are not: on one its statements are
//! prepared and its settings in force, on the next they must be made so. A pool of a hundred
//! connections that hands out any of them finds 45 % of statements prepared, where each connection
//! caches as many as one module of the program uses. That a session comes back to its own last
//! connection, which is what affinity is usually taken to mean, changes nothing about it: half of the
//! time that one is busy, and others have used it since. What helps is to keep *kinds of work* together: the
//! same pool finds 97 %, with no connection used more than a quarter above the mean.
//!
//! ```text
//!  request with a profile            Affinity                      pool
//!  session, label, statements ──▶ bound session?      own ──┐
//!  statement, class, last         much there?         own ──┤
//!                                 class of work?    score ──┼──▶ a hint, which the
//!                                 label, statement,         │    pool confirms or not
//!                                 home of the set?   rank ──┤
//!                                 had it last?        own ──┘
//!                                        ▲
//!  leases, statements cached and dropped, work that ended
//! ```
//!
//! A choice is a hint: it keeps nobody waiting, overtakes nobody, and when it is wrong it costs the
//! work that it would have saved.
//!
//! ```
//! use std::convert::Infallible;
//! use std::sync::Arc;
//!
//! use pool_affinity::{Affinity, statement_set};
//! use pool_core::{ConnectCtx, Manager, Pool, PooledConnection, Profile};
//!
//! struct Numbers;
//!
//! impl Manager for Numbers {
//!     type Connection = u64;
//!     type Error = Infallible;
//!
//!     async fn connect(&self, cx: &ConnectCtx) -> Result<u64, Infallible> {
//!         Ok(cx.connection_id)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let affinity = Arc::new(Affinity::builder().build()?);
//! let pool = affinity.attach(Pool::builder(Numbers)).build().await?;
//! let orders = Profile::new(1).statements(statement_set("orders")).statement(7);
//! let conn = pool.request().profile(orders).acquire().await?;
//! PooledConnection::note_cached(&conn, 7);
//! drop(conn);
//! let conn = pool.request().profile(orders).acquire().await?;
//! assert_eq!(affinity.statistics().routing.statement_hits, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Parts
//!
//! | part | decides | set by | default |
//! | --- | --- | --- | --- |
//! | sessions | how strongly a session is tied to a connection, and why ([`Strength`], [`Reason`]) | [`sessions`](AffinityBuilder::sessions) | on |
//! | breaking | which ties give way to load: Weak ones, 30 % above the mean | [`breaking`](AffinityBuilder::breaking) | on |
//! | routing | which connection has the label and the statements, within the load bound | [`routing`](AffinityBuilder::routing) | on |
//! | selection | which connection does this [`Class`] of work best | [`selection`](AffinityBuilder::selection) | off |
//!
//! Each has a [`Mode`]. In the *shadow* it decides and counts ([`AffinityStatistics`]) and changes
//! nothing. With all of them *off*, [`attach`](Affinity::attach) leaves the pool as it is.
//!
//! # What goes before what
//!
//! 1. A session that is Strong or Pinned gets its own connection. (Whoever is in a transaction mostly
//!    keeps its lease; this is for those who give it back.)
//! 2. A session that is Medium gets its own, unless that is above the load bound or is known to lack the
//!    statement for whose neighbours the session would be sent there.
//! 3. Then the *label* counts before the *statement*. Both can be put right in the round trip of the
//!    request itself, a label by a few settings, a statement by parsing and planning, which takes the
//!    server longer. But a connection has one label and many statements. To take one with another label
//!    costs the difference now, and again when those come back whose label it was; to prepare a
//!    statement costs once, and takes nothing from anybody. So whoever finds its label takes it, above
//!    the load bound, too, if none below has it. Eight tenants on eight connections would otherwise
//!    change places all the time as soon as one of them does a quarter more than the mean, and each
//!    change has two tenants' settings sent.
//! 4. Between wrong labels, the difference is lost either way, and what counts is the sum: the
//!    steps that [`Labels`](pool_core::Labels) names, and four for a statement that is missing. One
//!    without a label goes before its equals, as nobody will miss it.
//! 5. Among those with the right label: has the statement; is a *home* of the set of statements; may
//!    become one; had it last; is used least. A home is a slot that a set has worked on and whose share of the
//!    load the set needs; sets adopt slots that nobody needs, beginning with the first in an order of
//!    their own, and lose those that they use too little.
//!
//! The order is not a setting: the reasons are the same in every pool, and where the costs of labels
//! differ, `Labels` says so. What is idle and used least goes before what the pool would take, the one
//! used last: whoever comes to stay must find it below the bound the next time.
//!
//! A request that has a class gets, if selection is on, the best score of up to eight instead of 3 to 5;
//! see [`Weights`].
//!
//! # What holds, and the test that holds it
//!
//! - No connection gets above 1.25 times the mean load while one that is idle, below, and of the wanted
//!   label is seen (`no_load_is_above_the_bound_while_any_is_below_it`), even if all work is of one set
//!   (`a_module_that_is_all_the_work_is_spread_within_the_bound`). *Bound* sessions are exempt
//!   (`a_bound_session_gets_its_own_connection_whatever_its_load`), and so is the only one that has a
//!   label (`the_only_connection_with_the_label_is_taken_above_the_bound_and_of_several_one_below_it`).
//! - Only Weak ties are broken for load, and Medium ones yield while it lasts
//!   (`only_weak_ties_are_broken_for_load_and_medium_ones_yield_while_it_lasts`).
//! - A transaction makes a tie Strong, and its end makes it what it was
//!   (`a_transaction_makes_a_tie_strong_and_its_end_makes_it_what_it_was`); ten cached statements make it Medium
//!   (`ten_statements_in_the_cache_make_a_tie_medium_and_nine_do_not`).
//! - Memory is bounded: sessions (`sessions_are_bounded_and_those_that_are_bound_stay`), sets
//!   (`a_set_too_many_inherits_the_ring_of_another_and_the_table_does_not_grow`), histories
//!   (`history_is_bounded_so_that_a_connection_can_change`).
//! - What is known of a connection is not taken for its successor's
//!   (`the_next_connection_in_a_slot_has_nothing_cached`, `a_tie_to_a_connection_that_is_gone_is_undone`).
//! - With selection on, every idle connection is used within ten acquires per connection
//!   (`every_idle_connection_is_used_within_ten_acquires_per_connection`); scores rise with each merit
//!   (`a_score_never_falls_when_a_merit_rises_nor_rises_with_a_fault`), are ordered whatever was told
//!   (`what_is_no_part_of_a_whole_is_refused_and_counted_and_changes_nothing`), and do not depend on who is
//!   listed first (`the_order_of_candidates_does_not_matter`).
//! - No setting and no word makes it panic (`any_number_is_a_setting_or_an_error`,
//!   `any_word_of_any_connection_is_borne`).
//! - What is only tried out changes nothing (`in_the_shadow_it_decides_and_counts_and_changes_nothing`).
//!
//! # What it does not do
//!
//! It never keeps anybody waiting for a better connection, and cannot: where nothing idle suits,
//! something idle that does not is taken. A session that would rather wait asks
//! [`preferred`](Affinity::preferred) and waits itself. It does not see what is behind a label or a
//! number of a statement; two that share one cost work. It keeps all connections in use, as even load
//! demands, so a pool that it serves hardly ever shrinks for want of use. A connection that is closed
//! is known to be gone only when another takes its slot or nothing was seen there for two
//! epochs of sixteen acquires per connection each. Health and age of connections are known if somebody tells
//! ([`rated`](Affinity::rated)), and the length of work if whoever ran it does
//! ([`completed`](Affinity::completed)). That a transaction goes to no degraded connection is a
//! preference, too: if all that are seen are degraded, the best of them is chosen. One policy serves
//! one pool.
//!
//! # What it costs
//!
//! A choice looks at up to 8 homes, 8 slots with the label, 4 in the order of the set, 8 slots in turn, 8
//! that are listed, and the last one, and stops at the first that has all; if all of them are above the bound,
//! at 16 more. That does not grow with the pool
//! (`one_choice_looks_at_a_bounded_number_of_connections_however_many_there_are`). It takes no lock but
//! that of one bucket of sixteen sessions, and allocates nothing once a slot is known. A lease writes
//! one word that all leases share, the count of acquires, and otherwise words of its own connection.
//!
//! In nanoseconds, on one thread with all data in its caches, without what the pool adds (on a machine
//! that was busy otherwise; `cargo run --release -p pool-affinity --example cost`):
//!
//! | request | choose | begin and end of the lease |
//! | --- | --- | --- |
//! | of nobody | 2 | 20 |
//! | of a session whose last connection is idle | 80 | 60 |
//! | for a statement, at a home of its set | 80 | 20 |
//! | for a statement that is cached nowhere | 170 | 20 |
//! | for a label that is nowhere | 170 | 20 |
//! | of a class | 170 | 15 |
//!
//! Memory: 50 bytes for each session there may be, 0.8 MB by default, at once; some 450 bytes for each
//! slot, and 350 more once work is told of.

mod affinity;
mod class;
mod grades;
mod homes;
mod load;
mod number;
mod per_slot;
mod record;
mod score;
mod sessions;
mod sketch;
mod statistics;
mod strength;
mod whereabouts;

pub use affinity::{Affinity, AffinityBuilder, Preference};
pub use class::{Class, Complexity};
pub use number::statement_set;
pub use pool_core::ConfigError;
pub use pool_core::Mode;
pub use score::{Features, NotAPart, Score, Weights};
pub use statistics::{
    AffinityStatistics, ClassStatistics, ConnectionStatistics, LoadStatistics, RoutingStatistics,
    SelectionStatistics, SessionStatistics,
};
pub use strength::{ByReason, Reason, Strength};
