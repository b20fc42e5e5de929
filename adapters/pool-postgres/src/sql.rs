//! Reads a SQL text as far as a session must know it: what it sets, opens and leaves behind.
//!
//! A session that moves between connections has to follow every statement that changes it, and may
//! skip all others. This is no parser: it knows PostgreSQL's lexical rules, the first words of all
//! statements, and the whole grammar of the few that matter (`SET`, `BEGIN`, `SAVEPOINT`, `LISTEN`,
//! `CREATE TEMP TABLE` …). A parser's tree would say more about queries, which is not asked, and no
//! more about what a function does, which nothing says. So the answer is exact or it is
//! [`Kind::Other`]: *this may have done anything to the session*. Where a statement is malformed, of
//! a newer grammar, or spelled with Unicode escapes, the answer is `Other`; the server refuses most
//! of those, and then nothing has happened.
//!
//! ```text
//!  text ─► Lexer ─► Splitter ─► Extent ─► parse ─► Statement { kind, range, marks }
//!          tokens   first pass:  of one    second pass, over those statements alone
//!                   ends, marks            whose first word asks for it
//! ```
//!
//! # What holds
//!
//! - Statements come in their order. Every token but the semicolons between them is in the range of
//!   one; a text of nothing but space, comments and semicolons has none.
//! - Space, comments, and the case of what is not quoted make no difference.
//! - A script of more than [`MOST_STATEMENTS`] is one statement of kind `Other`. A text is read once,
//!   and the statements that matter twice; memory goes by what is reported.
//! - Literals are read as with `standard_conforming_strings` on; [`Marks::BACKSLASH`] tells where
//!   that matters.
//!
//! # What it cannot tell
//!
//! What functions, triggers, rules, operators and prepared statements do; that a table is temporary
//! because the `search_path` begins with `pg_temp` (naming it there is [marked](Marks::TEMP_SCHEMA));
//! which of two functions of the same name is called.

mod cursor;
mod functions;
mod keywords;
mod lexer;
mod marks;
mod parse;
mod scan;
mod set_config;
mod spelling;
mod statement;

pub(crate) use marks::Marks;
pub(crate) use set_config::{Argument, SetConfig};
pub(crate) use statement::{Assignment, Isolation, Kind, Modes, SetValue, Statement};

use scan::Splitter;

/// Most statements of one text that are told apart.
pub(crate) const MOST_STATEMENTS: usize = 1024;

/// What a text holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    /// Its statements, in their order.
    pub(crate) statements: Vec<Statement>,
    /// What is marked in any of them.
    pub(crate) marks: Marks,
    /// Every call of `set_config`, in the order of the text.
    pub(crate) set_config: Vec<SetConfig>,
}

/// Classifies the statements of a text.
pub(crate) fn classify(text: &str) -> Script {
    let mut splitter = Splitter::new(text);
    let mut script = Script::default();
    for extent in splitter.by_ref() {
        if script.statements.len() == MOST_STATEMENTS {
            return Script::unknown(text);
        }
        let kind = parse::kind(text, &extent);
        let implied = kind.implied(&text[extent.range.clone()]);
        script.push(Statement {
            kind,
            marks: extent.marks | implied,
            range: extent.range,
        });
    }
    script.add_calls(text, splitter.calls);
    script
}

impl Script {
    /// One statement that may do anything.
    pub(crate) fn unknown(text: &str) -> Self {
        let mut script = Self::default();
        script.push(Statement {
            kind: Kind::Other,
            range: 0..text.len(),
            marks: Marks::NONE,
        });
        script
    }

    fn push(&mut self, statement: Statement) {
        self.marks |= statement.marks;
        self.statements.push(statement);
    }

    fn add_calls(&mut self, text: &str, calls: Vec<SetConfig>) {
        // Calls of one statement stand together.
        let mut judged: Option<(usize, bool)> = None;
        for mut call in calls {
            let Some(statement) = self.statements.get_mut(call.statement) else {
                continue;
            };
            let sql = &text[statement.range.clone()];
            call.is_certain = match judged {
                Some((of, is_certain)) if of == call.statement => is_certain,
                _ => set_config::is_nothing_else(sql),
            };
            judged = Some((call.statement, call.is_certain));
            statement.marks |= call.implied(sql);
            self.marks |= statement.marks;
            self.set_config.push(call);
        }
    }

    /// It is one statement, and so can be prepared.
    pub(crate) const fn is_single(&self) -> bool {
        self.statements.len() == 1
    }

    /// It does nothing to the session as far as a text can tell: it may run wherever the session is
    /// and needs no bookkeeping. So does an empty one. Functions that are not known may still do
    /// something; see [`Marks::UNKNOWN_FUNCTION`].
    pub(crate) fn is_plain(&self) -> bool {
        self.marks.without(Marks::UNKNOWN_FUNCTION).is_none()
            && self.statements.iter().all(|one| one.kind.is_plain())
    }

    /// It is known to write nothing, so that nothing is in doubt when its answer is lost.
    pub(crate) fn is_read_only(&self) -> bool {
        self.statements.iter().all(|one| one.kind.is_read_only())
    }
}

#[cfg(test)]
mod tests;
