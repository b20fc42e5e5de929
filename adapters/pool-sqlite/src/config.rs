//! The options of a [`SqliteManager`], checked before any file is touched.
//!
//! `build` reports all problems at once, because a list that is mended one entry per start costs
//! an operator a deployment per entry.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::manager::SqliteManager;

/// How SQLite makes a transaction durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalMode {
    /// A write-ahead log: readers and one writer do not wait for each other. The default, because
    /// a pool exists to have several connections at work.
    #[default]
    Wal,
    /// A rollback journal that is deleted after each transaction.
    Delete,
    /// A rollback journal that is cut to length zero after each transaction.
    Truncate,
    /// A rollback journal whose header is overwritten after each transaction.
    Persist,
}

impl JournalMode {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Wal => "wal",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
            Self::Persist => "persist",
        }
    }
}

impl fmt::Display for JournalMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How often SQLite waits for the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Synchronous {
    /// Never. A power failure may corrupt the file.
    Off,
    /// At the critical moments. The default: with a write-ahead log the file stays intact through
    /// a power failure, at which the last transactions may be lost.
    #[default]
    Normal,
    /// At every commit.
    Full,
    /// At every commit, the journal's folder included.
    Extra,
}

impl Synchronous {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Normal => "normal",
            Self::Full => "full",
            Self::Extra => "extra",
        }
    }
}

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    File(PathBuf),
    Memory,
}

/// A pragma of the application. Its value may be a secret (a key) and is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pragma {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl fmt::Debug for Pragma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}

/// Checked options.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) location: Location,
    pub(crate) read_only: bool,
    pub(crate) create: bool,
    pub(crate) busy_timeout: Duration,
    pub(crate) journal_mode: JournalMode,
    pub(crate) synchronous: Synchronous,
    pub(crate) foreign_keys: bool,
    pub(crate) statement_cache_size: usize,
    pub(crate) pragmas: Vec<Pragma>,
}

/// Collects the options of a [`SqliteManager`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until build() is called"]
pub struct Builder {
    config: Config,
}

impl Builder {
    pub(crate) const fn new(location: Location) -> Self {
        Self {
            config: Config {
                location,
                read_only: false,
                create: true,
                busy_timeout: Duration::from_secs(5),
                journal_mode: JournalMode::Wal,
                synchronous: Synchronous::Normal,
                foreign_keys: true,
                statement_cache_size: 100,
                pragmas: Vec::new(),
            },
        }
    }

    /// Opens the database for reading only. Default: no. The journal mode is then left as it is,
    /// and a missing file is not created.
    pub const fn read_only(mut self, read_only: bool) -> Self {
        self.config.read_only = read_only;
        self
    }

    /// Creates the file when it is missing. Default: yes, as everywhere in the world of SQLite.
    pub const fn create(mut self, create: bool) -> Self {
        self.config.create = create;
        self
    }

    /// How long a statement waits for the lock of another connection before it fails as busy.
    /// Default: 5 s, long enough for a queue of short writers and short enough to be noticed.
    /// Whole milliseconds count; at most about 24 days.
    pub const fn busy_timeout(mut self, busy_timeout: Duration) -> Self {
        self.config.busy_timeout = busy_timeout;
        self
    }

    /// The journal mode. Default: [`JournalMode::Wal`].
    pub const fn journal_mode(mut self, journal_mode: JournalMode) -> Self {
        self.config.journal_mode = journal_mode;
        self
    }

    /// How often SQLite waits for the disk. Default: [`Synchronous::Normal`].
    pub const fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.config.synchronous = synchronous;
        self
    }

    /// Whether foreign keys are enforced. Default: yes; SQLite's own default is a relic.
    pub const fn foreign_keys(mut self, foreign_keys: bool) -> Self {
        self.config.foreign_keys = foreign_keys;
        self
    }

    /// How many statements each connection keeps compiled for
    /// [`prepare_cached`](rusqlite::Connection::prepare_cached). Default: 100; a service seldom
    /// has more, and an idle statement takes a few kilobytes. At most 10,000.
    pub const fn statement_cache_size(mut self, statements: usize) -> Self {
        self.config.statement_cache_size = statements;
        self
    }

    /// Runs `PRAGMA name = value` on each new connection, in the order given. At most 64. Names
    /// are words, values are words or numbers.
    pub fn pragma(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.pragmas.push(Pragma {
            name: name.into(),
            value: value.into(),
        });
        self
    }

    /// Checks the options and makes the manager. Opens no file: the pool's first connect does. A
    /// database in memory is made here and lives as long as the manager.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with everything that is wrong; [`Error::Open`] when a database in memory
    /// cannot be made.
    pub fn build(self) -> Result<SqliteManager, Error> {
        let problems = self.config.problems();
        if problems.is_empty() {
            SqliteManager::from_config(self.config)
        } else {
            Err(ConfigError { problems }.into())
        }
    }
}

/// Everything that is wrong with the options.
#[derive(Debug, thiserror::Error)]
#[error("the options of SqliteManager do not make sense: {}", list(.problems))]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

impl ConfigError {
    /// The problems, in the order of the options.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

fn list(problems: &[ConfigProblem]) -> String {
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// One thing that is wrong with the options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// The path is empty.
    #[error("the path is empty: name a file, or use in_memory()")]
    EmptyPath,
    /// The path is a folder.
    #[error("the path {0:?} is a folder: name a file in it")]
    Folder(PathBuf),
    /// The folder that should hold the file does not exist.
    #[error("the folder of the path {0:?} does not exist: create it first")]
    MissingFolder(PathBuf),
    /// SQLite would read the path as something else than a file's name.
    #[error(
        "SQLite does not take {0:?} for a file's name: write ./ in front of a name that begins \
         with file: or a colon, use no zero byte, or use in_memory()"
    )]
    SpecialPath(PathBuf),
    /// The busy timeout is longer than SQLite can count.
    #[error("a busy timeout of {0:?} is longer than SQLite can wait: use at most 24 days")]
    BusyTimeout(Duration),
    /// The statement cache is too large.
    #[error("a cache of {0} statements is out of reason: use at most 10000")]
    StatementCacheSize(usize),
    /// There are too many pragmas.
    #[error("{0} pragmas are too many: use at most 64")]
    TooManyPragmas(usize),
    /// A pragma's name is not a word.
    #[error("{0:?} is no name of a pragma: use letters, digits and underscores")]
    PragmaName(String),
    /// A pragma's value is not a word or number.
    #[error(
        "the value of the pragma {0} has characters that are not allowed: use letters, digits, \
         underscores, points and signs"
    )]
    PragmaValue(String),
    /// A pragma has an option of its own.
    #[error("the pragma {0} is set by an option: call {0}() instead")]
    PragmaHasOption(String),
}

impl Config {
    fn problems(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        if let Location::File(path) = &self.location {
            problems.extend(path_problem(path));
        }
        if i32::try_from(self.busy_timeout.as_millis()).is_err() {
            problems.push(ConfigProblem::BusyTimeout(self.busy_timeout));
        }
        if self.statement_cache_size > 10_000 {
            problems.push(ConfigProblem::StatementCacheSize(self.statement_cache_size));
        }
        if self.pragmas.len() > 64 {
            problems.push(ConfigProblem::TooManyPragmas(self.pragmas.len()));
        }
        problems.extend(self.pragmas.iter().filter_map(pragma_problem));
        problems
    }
}

fn path_problem(path: &Path) -> Option<ConfigProblem> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() {
        return Some(ConfigProblem::EmptyPath);
    }
    if bytes.starts_with(b"file:") || bytes.starts_with(b":") || bytes.contains(&0) {
        return Some(ConfigProblem::SpecialPath(path.to_owned()));
    }
    if path.is_dir() || bytes.ends_with(b"/") {
        return Some(ConfigProblem::Folder(path.to_owned()));
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => Some(ConfigProblem::MissingFolder(path.to_owned())),
        _ => None,
    }
}

/// Pragmas that have an option: set twice, the later would win by accident.
const OPTIONS: [&str; 4] = [
    "busy_timeout",
    "foreign_keys",
    "journal_mode",
    "synchronous",
];

fn pragma_problem(pragma: &Pragma) -> Option<ConfigProblem> {
    let Pragma { name, value } = pragma;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(word)
    {
        return Some(ConfigProblem::PragmaName(name.clone()));
    }
    if OPTIONS.contains(&name.to_ascii_lowercase().as_str()) {
        return Some(ConfigProblem::PragmaHasOption(name.to_ascii_lowercase()));
    }
    let plain = |c: char| word(c) || matches!(c, '.' | '+' | '-');
    if value.is_empty() || value.contains("--") || !value.chars().all(plain) {
        return Some(ConfigProblem::PragmaValue(name.clone()));
    }
    None
}

#[cfg(test)]
mod tests;
