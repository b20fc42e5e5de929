//! Tables of statements, laws that hold for any text, and the server's own opinion.

mod functions;
mod laws;
mod server;
mod settings;
mod statements;

use super::{Kind, Modes, SetValue, classify};

/// The kind of a text that is one statement.
fn kind(text: &str) -> Kind {
    let script = classify(text);
    assert!(script.is_single(), "{text}: {script:?}");
    script.statements[0].kind.clone()
}

fn kinds(text: &str) -> Vec<Kind> {
    let statements = classify(text).statements;
    statements.into_iter().map(|one| one.kind).collect()
}

const READ: Kind = Kind::Read {
    calls_unknown_function: false,
    locks_rows: false,
};
const WRITE: Kind = Kind::Write {
    stands_alone: false,
};
const WRITE_ALONE: Kind = Kind::Write { stands_alone: true };
const BEGIN: Kind = Kind::Begin(Modes {
    isolation: None,
    read_only: None,
    deferrable: None,
});

/// The kind of SET for one setting.
fn set(name: &str, value: SetValue, is_local: bool) -> Kind {
    Kind::Set {
        assignments: vec![super::Assignment {
            name: name.to_owned(),
            value,
        }],
        is_local,
    }
}

fn literal(value: &str) -> SetValue {
    SetValue::Literal(value.to_owned())
}
