//! Facts about the machine that a run is made on.
//!
//! They are read from where Linux keeps them; another system gives fewer facts and the word
//! `unknown`. Nothing here names a host, a person or a path.

#[cfg(any(feature = "peers", feature = "sessions"))]
pub mod watch;

use std::{fs, thread};

use crate::record::Machine;

/// What a fact is that the system does not tell.
const UNKNOWN: &str = "unknown";

/// This machine; what a run takes from it (steal, load) is left open.
#[must_use]
pub fn here() -> Machine {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = field(&file("/proc/cpuinfo"), "model name");
    let memory = field(&file("/proc/meminfo"), "MemTotal").and_then(|text| kibibytes(&text));
    let release = file("/proc/sys/kernel/osrelease");
    let system = match release.trim() {
        "" => std::env::consts::OS.to_owned(),
        release => format!("{} {release}", file("/proc/sys/kernel/ostype").trim()),
    };
    Machine {
        cpu: cpu.unwrap_or_else(|| UNKNOWN.to_owned()),
        cores: thread::available_parallelism().map_or(1, usize::from),
        memory: memory.unwrap_or(0),
        system,
        compiler: env!("POOL_BENCHES_COMPILER").to_owned(),
        target: env!("POOL_BENCHES_TARGET").to_owned(),
        steal_percent: None,
        load_before: None,
    }
}

/// The first value of `name` in lines of `name: value`.
fn field(text: &str, name: &str) -> Option<String> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|(key, _)| key.trim() == name)?;
    Some(found.1.trim().to_owned())
}

/// Bytes of a text like `24576 kB`.
fn kibibytes(text: &str) -> Option<u64> {
    let number = text.strip_suffix("kB")?.trim();
    number.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::{field, kibibytes};

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "MemTotalHuge: 1 kB\nMemTotal:   24 kB\nMemTotal: 3 kB\n";
        assert_eq!(field(text, "MemTotal").as_deref(), Some("24 kB"));
        assert_eq!(field(text, "MemFree"), None);
    }

    #[test]
    fn memory_is_bytes_and_never_wraps() {
        assert_eq!(kibibytes("24 kB"), Some(24 * 1024));
        assert_eq!(kibibytes("24 MB"), None);
        assert_eq!(kibibytes(&format!("{} kB", u64::MAX)), None);
    }
}
