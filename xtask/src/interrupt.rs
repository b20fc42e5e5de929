//! Ctrl-c and SIGTERM, noted down.
//!
//! An interrupt must not leave a server or a test process behind. So it only sets a flag; whoever
//! waits for a child sees it, stops the child, and what is left to tidy up runs as always.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Starts listening. Called once, at the start of the program.
pub(crate) fn install() -> anyhow::Result<()> {
    ctrlc::set_handler(|| REQUESTED.store(true, Ordering::Relaxed))
        .context("cannot listen for ctrl-c")
}

/// Whether somebody asked this program to stop.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
