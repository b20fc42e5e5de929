//! Which pragmas a session may set, and why not the others.
//!
//! A session can have a pragma of its own if it belongs to the connection (what is in the file is
//! everybody's), if it can be read back (what cannot be read cannot be checked after a replay), and if
//! setting it disturbs nobody else. One table says so for each, and is all that the rest of the crate
//! knows of pragmas: what a closure sets by SQL is followed if it is followed here, and costs the
//! connection if it is refused or not in the table.

use crate::signals::Signals;

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Pragma {
    pub(crate) name: &'static str,
    pub(crate) treatment: Treatment,
}

/// What becomes of a pragma that is set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Treatment {
    /// It goes wherever the session goes.
    Followed(Form, When),
    /// SQLite itself takes it back at the end of the transaction.
    TransactionOnly,
    /// It changes nothing about the connection.
    Harmless,
    /// It is not for sessions; what to do instead.
    Refused(&'static str),
}

/// What its values look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// On or off.
    Switch,
    /// One of these words, or its place among them.
    Level(&'static [&'static str]),
    /// A whole number.
    Number,
}

/// When it can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// SQLite refuses or, worse, ignores it in a transaction.
    OutsideTransactions,
    /// That, and temporary tables would be dropped by it.
    WithoutTemporaries,
}

use Form::{Level, Number, Switch};
use Treatment::{Followed, Harmless, Refused, TransactionOnly};
use When::{Always, OutsideTransactions, WithoutTemporaries};

const SYNCHRONOUS: Form = Level(&["off", "normal", "full", "extra"]);
const TEMP_STORE: Form = Level(&["default", "file", "memory"]);
const SECURE_DELETE: Form = Level(&["off", "on", "fast"]);

const OF_THE_FILE: &str =
    "it belongs to the file that all connections share: set it with pragma() on the manager";
const OF_THE_PROCESS: &str = "it counts for the whole process: set it once, outside the pool";
const OF_THE_CACHE: &str = "what SQLite gives back depends on the size of the cache, so no replay \
    could be checked: set it with pragma() on the manager";
const RUINOUS: &str = "it can ruin the file: use a connection of your own, outside the sessions";
const FOR_DEBUGGING: &str = "it is for debugging SQLite itself: use a build and a process for that";
const OBSOLETE: &str =
    "it is obsolete and changes what others' statements return: name columns in the query";
const UNREADABLE: &str = "SQLite does not give its value back, so no replay could be checked: say it in the \
    query, with GLOB or COLLATE";

const fn row(name: &'static str, treatment: Treatment) -> Pragma {
    Pragma { name, treatment }
}

/// Those that are followed come first: their places are bits of [`Signals`].
pub(crate) const TABLE: [Pragma; 60] = [
    row("analysis_limit", Followed(Number, Always)),
    row("automatic_index", Followed(Switch, Always)),
    row("busy_timeout", Followed(Number, Always)),
    row("cache_size", Followed(Number, Always)),
    row("cell_size_check", Followed(Switch, Always)),
    row("checkpoint_fullfsync", Followed(Switch, Always)),
    row("foreign_keys", Followed(Switch, OutsideTransactions)),
    row("fullfsync", Followed(Switch, Always)),
    row("ignore_check_constraints", Followed(Switch, Always)),
    row("legacy_alter_table", Followed(Switch, Always)),
    row("query_only", Followed(Switch, Always)),
    row("read_uncommitted", Followed(Switch, Always)),
    row("recursive_triggers", Followed(Switch, Always)),
    row("reverse_unordered_selects", Followed(Switch, Always)),
    row("secure_delete", Followed(SECURE_DELETE, Always)),
    row("synchronous", Followed(SYNCHRONOUS, OutsideTransactions)),
    row("temp_store", Followed(TEMP_STORE, WithoutTemporaries)),
    row("threads", Followed(Number, Always)),
    row("trusted_schema", Followed(Switch, Always)),
    row("defer_foreign_keys", TransactionOnly),
    // Questions with an argument, and work on the file.
    row("foreign_key_check", Harmless),
    row("foreign_key_list", Harmless),
    row("incremental_vacuum", Harmless),
    row("index_info", Harmless),
    row("index_list", Harmless),
    row("index_xinfo", Harmless),
    row("integrity_check", Harmless),
    row("optimize", Harmless),
    row("quick_check", Harmless),
    row("table_info", Harmless),
    row("table_list", Harmless),
    row("table_xinfo", Harmless),
    row("wal_checkpoint", Harmless),
    row("application_id", Harmless),
    row("user_version", Harmless),
    row("auto_vacuum", Refused(OF_THE_FILE)),
    row("cache_spill", Refused(OF_THE_CACHE)),
    row("case_sensitive_like", Refused(UNREADABLE)),
    row("count_changes", Refused(OBSOLETE)),
    row("data_store_directory", Refused(OF_THE_PROCESS)),
    row("default_cache_size", Refused(OBSOLETE)),
    row("empty_result_callbacks", Refused(OBSOLETE)),
    row("encoding", Refused(OF_THE_FILE)),
    row("full_column_names", Refused(OBSOLETE)),
    row("hard_heap_limit", Refused(OF_THE_PROCESS)),
    row(
        "journal_mode",
        Refused(
            "it belongs to the file that all connections share: use journal_mode() on the manager",
        ),
    ),
    row("journal_size_limit", Refused(OF_THE_FILE)),
    row(
        "locking_mode",
        Refused("an exclusive lock would shut all other connections out: use a transaction"),
    ),
    row("max_page_count", Refused(OF_THE_FILE)),
    row("mmap_size", Refused(OF_THE_FILE)),
    row("page_size", Refused(OF_THE_FILE)),
    row("schema_version", Refused(RUINOUS)),
    row("short_column_names", Refused(OBSOLETE)),
    row("soft_heap_limit", Refused(OF_THE_PROCESS)),
    row("temp_store_directory", Refused(OF_THE_PROCESS)),
    row("wal_autocheckpoint", Refused(OF_THE_FILE)),
    row("parser_trace", Refused(FOR_DEBUGGING)),
    row("sql_trace", Refused(FOR_DEBUGGING)),
    row("vdbe_trace", Refused(FOR_DEBUGGING)),
    row("writable_schema", Refused(RUINOUS)),
];

impl Pragma {
    /// The row of this name.
    pub(crate) fn named(name: &str) -> Option<(usize, &'static Self)> {
        let mut rows = TABLE.iter().enumerate();
        rows.find(|(_, row)| row.name.eq_ignore_ascii_case(name))
    }

    /// The rows that are followed, with their places.
    pub(crate) fn followed() -> impl Iterator<Item = (usize, &'static Self)> {
        let rows = TABLE.iter().enumerate();
        rows.take_while(|(_, row)| matches!(row.treatment, Followed(..)))
    }

    /// What setting it touches, in the bits of [`Signals`].
    pub(crate) fn touched_by(name: &str) -> u64 {
        match Self::named(name) {
            Some((place, row)) => match row.treatment {
                Harmless => 0,
                // Changing where temporary tables are drops them.
                Followed(_, WithoutTemporaries) => 1 << place | Signals::OBJECTS,
                Followed(..) | TransactionOnly => 1 << place,
                Refused(_) => Signals::OTHER,
            },
            None => Signals::OTHER,
        }
    }
}

impl Form {
    /// A value as SQLite gives it back, if it is one.
    pub(crate) fn canonical(self, value: &str) -> Option<String> {
        let value = value.trim();
        let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
        match self {
            Switch if is(&["on", "true", "yes", "1"]) => Some("1".to_owned()),
            Switch if is(&["off", "false", "no", "0"]) => Some("0".to_owned()),
            Switch => None,
            Level(words) => {
                let place = words.iter().position(|word| is(&[word]));
                let number = || value.parse().ok().filter(|place| *place < words.len());
                place.or_else(number).map(|place| place.to_string())
            }
            Number => value.parse::<i32>().ok().map(|number| number.to_string()),
        }
    }

    /// What to give instead of what is none.
    pub(crate) const fn hint(self) -> &'static str {
        match self {
            Switch => "give it on or off",
            Number => "give it a whole number",
            Level(_) => "give it one of the words, or their numbers, that SQLite's manual lists",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followed_pragmas_come_first_and_their_places_are_bits_of_their_own() {
        let followed = |row: &Pragma| matches!(row.treatment, Followed(..));
        assert_eq!(
            Pragma::followed().count(),
            TABLE.iter().filter(|row| followed(row)).count()
        );
        assert!(TABLE.len() <= 62, "places below the other bits");
    }

    #[test]
    fn no_pragma_is_in_the_table_twice() {
        for (place, row) in TABLE.iter().enumerate() {
            let (found, _) = Pragma::named(row.name).expect("it is there");
            assert_eq!(found, place, "{}", row.name);
        }
    }

    #[test]
    fn values_are_words_or_numbers_and_nothing_else() {
        assert_eq!(Switch.canonical("ON").as_deref(), Some("1"));
        assert_eq!(SYNCHRONOUS.canonical("Full").as_deref(), Some("2"));
        assert_eq!(SYNCHRONOUS.canonical("3").as_deref(), Some("3"));
        assert_eq!(Number.canonical("-2000").as_deref(), Some("-2000"));
        for (form, bad) in [
            (Switch, "1; DROP TABLE t"),
            (Switch, "maybe"),
            (SYNCHRONOUS, "4"),
            (Number, "0x10"),
            (Number, "99999999999"),
            (Number, ""),
        ] {
            assert_eq!(form.canonical(bad), None, "{bad}");
        }
    }
}
