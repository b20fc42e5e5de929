//! Calls as policies of health see them.
//!
//! A job on the connection's thread is a request, and its end the reply: a disk that hangs is seen
//! as a silent server is. A job is of the kind of its SQL where that is known; what a closure does is
//! not.
//!
//! All of it is noted on the thread, from the moment at which the job begins, so that the vital signs
//! have one writer, and a job that never begins (refused, because another is under way, or given up)
//! leaves no trace: its end must not pass for the reply to the one that runs.

use pool_core::{ErrorClass, Vitals};

/// Runs a job of a kind and notes that it began, how it ended (by `failure`), and that it did; to be
/// called before the connection takes the next.
pub(crate) fn watched<T>(
    vitals: &Vitals,
    kind: u32,
    work: impl FnOnce() -> T,
    failure: impl FnOnce(&T) -> Option<ErrorClass>,
) -> T {
    vitals.sent(kind);
    let mut request = Request {
        vitals,
        failure: Some(ErrorClass::Connection),
    };
    let outcome = work();
    request.failure = failure(&outcome);
    outcome
}

/// A job under way, which is answered when it goes.
struct Request<'a> {
    vitals: &'a Vitals,
    /// What is wrong if it goes now: at first that it has panicked, which ends the connection.
    failure: Option<ErrorClass>,
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        if let Some(class) = self.failure {
            self.vitals.failed(class);
        }
        self.vitals.answered();
    }
}

/// What stands for all runs of the same SQL: FNV-1a, folded; never 0, which stands for nothing.
pub(crate) fn kind_of(sql: &str) -> u32 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = sql.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let [a, b, c, d, e, f, g, h] = hash.to_be_bytes();
    u32::from_be_bytes([a ^ e, b ^ f, c ^ g, d ^ h]).max(1)
}
