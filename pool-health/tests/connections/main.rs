//! What the parts that look after connections order, and what they leave alone.

mod ageing;
mod prediction;
mod recycling;
mod subjects;
mod warm_up;
