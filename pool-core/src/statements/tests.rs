use super::StatementCache;
use proptest::prelude::*;

proptest! {
    /// The cache agrees with a list that keeps the most recently used keys in front.
    #[test]
    fn least_recently_used_leaves_first(
        capacity in 0usize..6,
        ops in prop::collection::vec((any::<bool>(), 0u8..10), 0..200),
    ) {
        let mut cache = StatementCache::new(capacity);
        let mut model: Vec<u8> = Vec::new();
        for (insert, key) in ops {
            let known = model.iter().position(|k| *k == key);
            if insert {
                let left = cache.insert(key, key).map(|(k, _)| k);
                match known {
                    Some(at) => {
                        model.remove(at);
                        prop_assert_eq!(left, Some(key));
                    }
                    None if capacity == 0 => prop_assert_eq!(left, Some(key)),
                    None if model.len() == capacity => prop_assert_eq!(left, model.pop()),
                    None => prop_assert_eq!(left, None),
                }
                if capacity > 0 {
                    model.insert(0, key);
                }
            } else {
                prop_assert_eq!(cache.get(&key).copied(), known.map(|_| key));
                if let Some(at) = known {
                    model.remove(at);
                    model.insert(0, key);
                }
            }
            prop_assert_eq!(cache.len(), model.len());
        }
        let order: Vec<u8> = cache.clear().into_iter().map(|(k, _)| k).collect();
        prop_assert_eq!(order, model);
    }
}
