//! Calls as policies of health see them.
//!
//! A job on the connection's thread is a request, and its end the reply: a disk that hangs is seen
//! as a silent server is. A job is of the kind of its SQL where that is known; what a closure does is
//! not.

use pool_core::{ErrorClass, Vitals};

use crate::error::Error;

/// A job that was handed to the thread. It is answered when it goes, whether it has run or not, and
/// before the connection takes the next, so that its vital signs have one writer.
pub(crate) struct Request {
    vitals: Vitals,
    runs: bool,
}

impl Request {
    /// Notes that a job of a kind is about to be handed over.
    pub(crate) fn new(vitals: &Vitals, kind: u32) -> Self {
        vitals.sent(kind);
        Self {
            vitals: vitals.clone(),
            runs: false,
        }
    }

    /// Runs the job and notes how it ended.
    pub(crate) fn run<T>(mut self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.runs = true;
        let outcome = work();
        self.runs = false;
        if let Err(error) = &outcome {
            self.vitals.failed(error.class());
        }
        outcome
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.runs {
            // It has panicked, which ends the connection.
            self.vitals.failed(ErrorClass::Connection);
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
