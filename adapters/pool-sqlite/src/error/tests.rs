use rusqlite::ffi;

use super::*;

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

fn opening(code: i32) -> Error {
    Error::Open {
        path: PathBuf::from("x"),
        source: failure(code),
    }
}

#[test]
fn faults_of_a_request_leave_the_connection_good() {
    for code in [
        ffi::SQLITE_BUSY,
        ffi::SQLITE_BUSY_SNAPSHOT,
        ffi::SQLITE_LOCKED,
        ffi::SQLITE_CONSTRAINT_UNIQUE,
        ffi::SQLITE_ERROR,
        ffi::SQLITE_FULL,
        ffi::SQLITE_READONLY,
    ] {
        let error = Error::from(failure(code));
        assert_eq!(error.class(), ErrorClass::Harmless, "code {code}");
    }
    let no_rows = Error::from(rusqlite::Error::QueryReturnedNoRows);
    assert_eq!(no_rows.class(), ErrorClass::Harmless);
}

#[test]
fn faults_of_file_or_library_cost_the_connection() {
    for code in [
        ffi::SQLITE_INTERRUPT,
        ffi::SQLITE_IOERR_READ,
        ffi::SQLITE_CORRUPT,
        ffi::SQLITE_NOTADB,
        ffi::SQLITE_CANTOPEN,
        ffi::SQLITE_NOMEM,
        ffi::SQLITE_MISUSE,
    ] {
        let error = Error::from(failure(code));
        assert_eq!(error.class(), ErrorClass::Connection, "code {code}");
    }
}

#[test]
fn only_an_open_that_may_succeed_later_is_retried() {
    assert_eq!(opening(ffi::SQLITE_BUSY).class(), ErrorClass::Endpoint);
    assert_eq!(opening(ffi::SQLITE_IOERR).class(), ErrorClass::Endpoint);
    assert_eq!(opening(ffi::SQLITE_NOTADB).class(), ErrorClass::Permanent);
    assert_eq!(opening(ffi::SQLITE_CANTOPEN).class(), ErrorClass::Permanent);
}
