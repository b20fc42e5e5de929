//! A back end that does what the script says, and sees everything.
//!
//! The far end of a pool is where its promises are broken or kept, and only the far end can tell
//! for sure: how many connections there were at once, whether one was given to two users, whether
//! a check was abandoned and its connection used all the same. So the fake plays the *server*: it
//! keeps the counts, one owner word per connection, and a log, and it panics at the moment at
//! which something happens that a correct pool never does:
//!
//! * a connection is claimed while another user, a check or a reset has it;
//! * a connection is checked or reset while a user has it;
//! * a connection is used after a check or reset of it has failed or was abandoned.
//!
//! Each [`Step`] can be scripted call by call ([`FakeBackend::script`]) or by a rule
//! ([`FakeBackend::rule`]); without either it succeeds at once. A script is used up before the
//! rule is asked. Tests wait for [`counts`](FakeBackend::until) instead of sleeping, and hold a
//! step at a [`Gate`] instead of guessing how long it takes.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use pool_core::ErrorClass;
//! use pool_testkit::fake::{Action, FakeBackend, Step};
//!
//! let backend = FakeBackend::new();
//! backend.script(Step::Connect, [Action::fail(ErrorClass::Endpoint)]);
//! let manager = backend.manager();
//! assert!(manager.open().await.is_err());
//! let conn = manager.open().await.unwrap();
//! assert_eq!(backend.counts().open, 1);
//! drop(conn);
//! assert_eq!(backend.counts().open, 0);
//! # }
//! ```

mod backend;
mod conn;
mod manager;
mod script;

pub use backend::{Entry, FakeBackend, FakeCounts, What};
pub use conn::{FakeConn, Owned};
pub use manager::{FakeError, FakeManager};
pub use script::{Action, Call, Gate, Step};

#[cfg(test)]
mod tests;
