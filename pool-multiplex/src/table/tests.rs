//! A table whose hashes can be chosen.

use std::sync::Arc;

use super::{Table, Ticket};

struct Thing(u32, Ticket<Self>);

impl PartialEq for Thing {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

fn share(table: &Arc<Table<Thing>>, hash: u64, key: u32) -> Arc<Thing> {
    table.share(hash, key, |thing, key| thing.0 == *key, Thing)
}

#[test]
fn different_things_with_one_hash_are_both_there_and_one_is_shared() {
    let table = Arc::new(Table::new(8));
    let one = share(&table, 7, 1);
    let other = share(&table, 7, 2);
    assert_eq!((one.0, other.0, table.len()), (1, 2, 1));
    assert_ne!(one.1.id(), other.1.id());
    assert!(Arc::ptr_eq(&one, &share(&table, 7, 1)));
    drop(other);
    assert_eq!(table.len(), 1);
    drop(one);
    assert_eq!(table.len(), 0);
}

#[test]
fn numbers_begin_anew_after_the_last_and_skip_those_in_use() {
    let table = Arc::new(Table::new(8));
    let first = share(&table, 1, 1);
    table.lock(0).last = super::LARGEST_COUNT - 1;
    let last = share(&table, 2, 2);
    let next = share(&table, 3, 3);
    assert_eq!(last.1.id(), super::LARGEST_COUNT << super::SHARD_BITS);
    assert_ne!(next.1.id(), first.1.id());
    assert_ne!(next.1.id(), 0);
    assert!(Arc::ptr_eq(&next, &table.by_id(next.1.id()).unwrap()));
}

#[test]
fn a_thing_made_while_an_equal_one_goes_stays_in_the_table() {
    let table = Arc::new(Table::new(8));
    let going = share(&table, 1, 1);
    let (hash, id) = (going.1.hash, going.1.id());
    // As if its last owner had let go and had not come to take it out yet.
    table.lock(0).by_id.insert(id, std::sync::Weak::new());
    let came = share(&table, 1, 1);
    assert_ne!(came.1.id(), id);
    table.remove(hash, id);
    assert_eq!(table.len(), 1);
    assert!(Arc::ptr_eq(&came, &share(&table, 1, 1)));
}

/// What another thread could do meanwhile, the making itself does: no lock is held.
#[test]
fn of_two_equal_things_made_at_once_the_first_is_the_one_that_both_get() {
    let table = Arc::new(Table::new(8));
    let mut first = None;
    let make = |key, ticket| {
        first = Some(share(&table, 1, 1));
        Thing(key, ticket)
    };
    let second = table.share(1, 1, |thing, key| thing.0 == *key, make);
    let first = first.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&first, &share(&table, 1, 1)));
    assert_eq!(table.len(), 1);
}
