//! Files that this process, and whatever it starts, may have open.

use anyhow::ensure;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files that a run needs besides those of its clients.
const SPARE: u64 = 256;

/// Makes room for as many connections: systems often allow a thousand files unless asked for more.
///
/// # Errors
///
/// When the system does not allow as many.
pub(super) fn make_room(clients: usize) -> anyhow::Result<()> {
    let needed = clients as u64 + SPARE;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(
        hard >= needed,
        "{clients} clients need {needed} open files and this system allows {hard}: raise the limit \
         (`ulimit -Hn`), or choose fewer with `--clients`"
    );
    if soft < needed {
        setrlimit(Resource::RLIMIT_NOFILE, needed, hard)?;
    }
    Ok(())
}
