//! Reading the address of a server that was started.

use super::*;

#[test]
fn address_is_found_alone_and_inside_a_line() {
    let plain = "postgres://pool:secret@127.0.0.1:5433/pool";
    assert_eq!(address(plain).as_deref(), Some(plain));
    assert_eq!(
        address(&format!("export POOL_POSTGRES_URL='{plain}'\n")).as_deref(),
        Some(plain)
    );
    let query = "postgresql://pool@localhost/pool?host=/tmp/x&port=5433";
    assert_eq!(
        address(&format!("ready: {query} (pid 3)")).as_deref(),
        Some(query)
    );
}

#[test]
fn output_without_an_address_gives_none() {
    assert_eq!(address("initdb: command not found"), None);
}
