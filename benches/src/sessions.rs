//! A thousand clients on twenty connections: sessions inside the process beside PgBouncer in front of
//! the server.
//!
//! A service whose clients each have a login of their own has two ways to keep the server's connections
//! few: a pooler in a process of its own, of which PgBouncer is the one that everybody knows, or
//! sessions that share a pool inside the service. This program runs both on the same private
//! PostgreSQL over TCP, round by round, and beside them as the limit as many direct connections as the
//! others may open, each with a task of its own: nobody has to wait or to hand anything over there.
//!
//! ```text
//! pgbouncer   1,000 tasks ── 1,000 TCP connections ── PgBouncer ── 20 connections ┐
//! ours        1,000 tasks ── 1,000 sessions ── pool ───────────── 20 connections ─┼─ PostgreSQL
//! direct         20 tasks ─────────────────────────────────────── 20 connections ┘
//! ```
//!
//! Clients work in a closed loop without a pause, so that all of them always compete. What they do is
//! in [`work`], statements and all; a [contestant] only says how a statement gets to the
//! server. **All are pipelined alike**: BEGIN, and whatever settings have to come with it, travel with
//! the first statement in one round trip; every further statement, COMMIT included, waits for the
//! reply before it, as a program that looks at what it has read must.
//!
//! Each [turn] of a contestant begins with the same tables and no connection of anybody else, and ends
//! with checks: every reply was the right one, every client got something done, the server counted every
//! write, and never had more connections than allowed. A turn in which anything of this is wrong is a
//! fault, and a run with faults fails.
//!
//! One scenario is about this pool alone: sixteen clients act for eight groups, each with settings in
//! common, on eight connections, and what differs is whether the pool chooses connections for them and
//! whether those who wait may pass each other for one that suits them. No pooler outside the process has
//! such a choice, so nobody is beside.
//!
//! Processor time is taken for the server, PgBouncer and this process, each apart: on a machine of few
//! cores they take it from each other, and a client that needs less leaves more to the server. That
//! counts for whoever saves it, and is shown.
//!
//! To add a contestant, implement [`Contestant`](contestant::Contestant) and
//! [`Client`](contestant::Client) in a file of its own and name it in [`contestants::all`].

pub mod command;
pub mod contestant;
pub mod contestants;
pub mod judge;
pub mod runner;
pub mod site;
pub mod turn;
pub mod work;

mod backends;
mod clients;
mod limits;
#[cfg(test)]
mod tests;
mod usage;
