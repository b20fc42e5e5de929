//! Sessions on SQLite: what each has set follows it, and nobody sees anybody else's.

mod failing;
mod following;
mod house;
mod life;
mod model;
mod pinning;
mod refusing;
mod transactions;
