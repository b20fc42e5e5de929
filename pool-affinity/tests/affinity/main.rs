//! The rules of [`Affinity`](pool_affinity::Affinity), on connections made by hand.

mod desk;
mod load;
mod pool;
mod routing;
mod selection;
mod sessions;
mod settings;
