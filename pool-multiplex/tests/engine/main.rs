//! The rules of sessions on a pool, held on a server that does what a test says.

mod cancelling;
mod keeping;
mod losing;
mod many;
mod model;
mod moving;
mod pinning;
mod running;
mod support;
mod transactions;
mod transferring;
