//! What is a trend, what is none, and what follows.

mod acceptance;
mod edges;
mod series;
