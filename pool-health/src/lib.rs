//! Connections that are known to be good, without asking.
//!
//! Today a pool either asks each connection before it is used, which costs more than many a query,
//! or learns from a failed query that it was dead. Both can be had better: traffic that flows
//! anyway tells, and a connection that is merely *suspected* can be kept back while it is asked, at
//! no risk to a healthy one. So this crate watches the [vital signs](pool_core::Vitals) that adapters
//! write, and decides, apart from any request, what is to become of each connection.
//!
//! ```text
//!  adapter ── vital signs ──▶ subjects ─▶ suspicion ─▶ endpoint ─▶ schedule ─▶ ageing, recycling,
//!                                            │ score       │           │       prediction, breaker
//!                                            ▼             ▼           ▼              ▼
//!  pool ◀── quarantine, check, evict, replace, recycle, flush ── orders and findings ─┘
//! ```
//!
//! All of it is state machines without I/O: told the time, they do the same in production, in a
//! simulation and in a test.
//!
//! ```
//! use std::convert::Infallible;
//! use std::sync::Arc;
//!
//! use pool_core::{ConnectCtx, Manager, Pool};
//! use pool_health::{AdaptiveHealth, Breaker, Mode};
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
//! let health = AdaptiveHealth::builder()
//!     .oltp()
//!     .breaker(Breaker::builder().build()?, Mode::Shadow)
//!     .build()?;
//! let health = Arc::new(health);
//! let pool = health.attach(Pool::builder(Numbers)).build().await?;
//! assert_eq!(*pool.acquire().await?, 1);
//! assert_eq!(health.statistics().suspected, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Parts
//!
//! | part | decides | added by | default |
//! | --- | --- | --- | --- |
//! | suspicion | whether a silence or an error means that a connection is broken | [`suspicion`](AdaptiveHealthBuilder::suspicion) | on |
//! | schedule | when a connection is asked how it is | [`schedule`](AdaptiveHealthBuilder::schedule) | on |
//! | endpoint | what the fate of some connections means for the others | [`endpoint`](AdaptiveHealthBuilder::endpoint) | on |
//! | [`Prediction`] | which scores fall and will be bad | [`prediction`](AdaptiveHealthBuilder::prediction) | off |
//! | [`Ageing`] | which connections are old | [`ageing`](AdaptiveHealthBuilder::ageing) | off |
//! | [`Recycler`] | what happens to a connection between two leases | [`recycling`](AdaptiveHealthBuilder::recycling) | off |
//! | [`Breaker`] | which requests enter while an endpoint fails | [`breaker`](AdaptiveHealthBuilder::breaker) | off |
//! | a [`Part`] | what you like | [`part`](AdaptiveHealthBuilder::part) | none |
//! | [`Retry`], [`Backoff`] | whether and when a call is made again | callers | |
//!
//! Each part has a [`Mode`]. *Off* it is left out, and with all parts off
//! [`attach`](AdaptiveHealth::attach) leaves the pool as it is. In the *shadow* it decides, counts and
//! tells observers ([`Finding`](pool_core::Finding)), and orders nothing: the way to try it out. *On*
//! it acts. All of them count in [`HealthStatistics`].
//!
//! Presets are [`oltp`](AdaptiveHealthBuilder::oltp), for many short requests, and
//! [`analytics`](AdaptiveHealthBuilder::analytics), for few long ones.
//!
//! # What holds, and the test that holds it
//!
//! - A connection in use that falls silent is kept back within 200 ms, once it is known how long
//!   its replies take (`a_connection_that_falls_silent_is_kept_back_within_200_ms`).
//! - A slow query of unknown kind is nobody's fault
//!   (`a_slow_query_of_unknown_kind_among_fast_ones_is_never_given_up`), nor is our own sleep
//!   (`nobody_is_suspected_for_our_own_sleep`).
//! - Suspicion alone never empties a pool (`a_pool_is_never_emptied_on_suspicion`).
//! - A connection that answers its users is not asked
//!   (`a_connection_that_answers_its_users_is_not_asked`); intervals keep to their bounds
//!   (`jitter_is_never_below_the_minimum_nor_above_the_maximum`).
//! - An endpoint that is gone costs its connections once, together
//!   (`three_failures_without_a_sign_of_life_close_all_once`).
//! - Old connections are replaced warm and within the maximum, if that leaves room for as many as are
//!   replaced at a time (`old_connections_are_replaced_warm_and_within_the_maximum`). Of the pool's own
//!   `max_lifetime` and the policy's, the earlier holds
//!   (`of_a_lifetime_of_the_pool_and_one_of_the_policy_the_earlier_holds`).
//! - Nine in ten predictions are right, and eight in ten failures predicted, half a minute ahead
//!   (`degrading_scores_are_told_from_correlated_noise_in_time`).
//! - A dead server gets at most a twentieth of the calls
//!   (`a_dead_server_gets_at_most_a_twentieth_of_the_calls`), one that fails three in ten gets nearly
//!   all (`of_a_server_that_fails_three_in_ten_nearly_all_successes_are_had`), and a breaker hears of
//!   each call once (`a_silence_is_told_once_and_the_reply_that_ends_it_is_no_second_call` and the
//!   others beside it).
//! - Retries of a server that fails everything are a fifth of its calls, and ten per second
//!   (`a_server_on_which_everything_fails_gets_a_fifth_more_and_ten_per_second`).
//! - What is only tried out does nothing (`shadow_decides_and_counts_and_does_nothing`); what is off
//!   is not even looked at (`with_all_parts_off_a_pool_is_not_even_looked_at`).
//! - No number and no clock makes it panic (`any_number_is_a_setting_or_an_error`,
//!   `any_vital_signs_at_any_time_end_in_orders`).
//!
//! # What it does not do
//!
//! It never takes a connection from its holder: one that is given up is closed when it comes back.
//! It knows nothing of queries; without an adapter that writes vital signs it has only checks,
//! connects and closes to go by. It looks at a pool that was quiet once a second, so what befalls the
//! first requests after a quiet time may be seen a second later. It does not know how large a pool
//! may become: a replacement for which there is no room is not warm. A breaker judges one endpoint;
//! it does not choose among several.
//!
//! # What it costs
//!
//! With everything on, acquire and drop take no instruction more (`cargo xtask counts`, path
//! `healthy`); the work is done apart, one pass over the connections per review.

mod adaptive;
mod ageing;
mod backoff;
mod breaker;
mod confidence;
mod endpoint;
mod evidence;
mod expectation;
mod monotone;
mod outbox;
mod recycling;
mod retry;
mod schedule;
mod score;
mod silence;
mod slots;
mod statistics;
mod trend;
mod turnover;

pub use adaptive::{AdaptiveHealth, AdaptiveHealthBuilder, Part, Round};
pub use ageing::{Ageing, AgeingBuilder, AgeingPolicy, AgeingStatistics};
pub use backoff::{Backoff, Jitter};
pub use breaker::{
    Breaker, BreakerBuilder, BreakerGate, BreakerSnapshot, Circuit, Decision, FailureClass,
    GateSnapshot, Tally, Transition,
};
pub use confidence::Bounds;
pub use pool_core::ConfigError;
pub use pool_core::Mode;
pub use recycling::{Recycler, RecyclerBuilder, RecyclingPolicy, RecyclingStatistics};
pub use retry::{
    Attempt, GaveUp, Retry, RetryBudget, RetryBuilder, RetryVerdict, Retryable, WhyGaveUp,
};
pub use score::Score;
pub use silence::phi;
pub use statistics::HealthStatistics;
pub use trend::{
    Prediction, PredictionBuilder, PredictionStatistics, Trend, TrendBuilder, TrendConfig, Verdict,
};
