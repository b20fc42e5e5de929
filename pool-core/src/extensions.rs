//! What other crates keep with a pool.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// One value of each type: a handful at most, so they are looked for one by one.
#[derive(Default)]
pub(crate) struct Extensions(Mutex<Vec<(TypeId, Kept)>>);

type Kept = Arc<dyn Any + Send + Sync>;

impl Extensions {
    /// The value of this type, made by `make` if there is none. `make` runs under a lock and must not
    /// ask for another extension.
    pub(crate) fn obtain<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = TypeId::of::<T>();
        let known = values.iter().find(|(of, _)| *of == wanted);
        let kept = match known {
            Some((_, kept)) => Arc::clone(kept),
            None => {
                let made: Kept = Arc::new(make());
                values.push((wanted, Arc::clone(&made)));
                made
            }
        };
        kept.downcast()
            .unwrap_or_else(|_| unreachable!("a value is kept under its own type"))
    }

    /// Keeps a value, instead of an earlier one of its type.
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        let values = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        values.retain(|(of, _)| *of != TypeId::of::<T>());
        values.push((TypeId::of::<T>(), Arc::new(value)));
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extensions").finish_non_exhaustive()
    }
}
