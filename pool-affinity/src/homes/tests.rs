use std::collections::BTreeSet;

use pool_core::Candidate;
use proptest::prelude::*;

use super::*;
use crate::load::Loads;

fn records(slots: u32) -> PerSlot<Record> {
    let (records, loads) = (PerSlot::default(), Loads::new(1.25));
    for slot in 0..slots {
        records.begin(Candidate::new(slot, 1), &loads).unwrap();
    }
    records
}

fn ring(homes: &Homes, set: u32, records: &PerSlot<Record>) -> Vec<u32> {
    homes
        .walk(set, 1_000, records)
        .map(|(slot, _)| slot)
        .collect()
}

#[test]
fn a_ring_is_walked_from_behind_the_one_chosen_last() {
    let (homes, records) = (Homes::new(16), records(8));
    let set = homes.index(77).unwrap();
    (0..4).for_each(|slot| assert!(homes.adopt(Some(set), slot, &records)));
    assert_eq!(ring(&homes, set, &records), [0, 1, 2, 3]);
    homes.chosen(set, records.look(1).unwrap());
    assert_eq!(ring(&homes, set, &records), [2, 3, 0, 1]);
    assert_eq!(homes.walk(set, 2, &records).count(), 2);
}

#[test]
fn a_set_too_many_inherits_the_ring_of_another_and_the_table_does_not_grow() {
    let (homes, records) = (Homes::new(4), records(8));
    let sets = homes.sets.len();
    let first: Vec<u32> = (1..=4).map(|key| homes.index(key).unwrap()).collect();
    for (slot, set) in (0..).zip(&first) {
        homes.adopt(Some(*set), slot, &records);
    }
    let fifth = homes.index(5).unwrap();
    assert!(first.contains(&fifth));
    assert_eq!(ring(&homes, fifth, &records).len(), 1);
    assert_eq!(homes.sets.len(), sets);
}

#[test]
fn few_keys_move_when_a_slot_is_added_and_all_of_them_to_it() {
    for slots in [1, 2, 10, 100, 1_000] {
        let moved = (0..10_000).map(mix).filter(|key| {
            let (before, after) = (jump(*key, slots), jump(*key, slots + 1));
            assert!(before < slots && (after == before || after == slots));
            after != before
        });
        let part = moved.count() as f64 / 10_000.0;
        let expected = 1.0 / f64::from(slots + 1);
        assert!((part - expected).abs() < 0.02, "{slots}: {part}");
    }
}

#[test]
fn with_no_slot_there_is_still_an_order() {
    assert_eq!(Homes::new(1).of_order(5, 0), 0);
}

proptest! {
    #[test]
    fn a_slot_is_in_one_ring_at_most_and_all_rings_are_whole(
        steps in proptest::collection::vec((proptest::option::of(0u64..5), 0u32..12, any::<bool>()), 1..200),
    ) {
        let (homes, records) = (Homes::new(64), records(12));
        let mut model = [None; 12];
        for (key, slot, chosen) in steps {
            let set = key.map(|key| homes.index(key + 1).unwrap());
            homes.adopt(set, slot, &records);
            model[slot as usize] = key;
            if let (Some(set), true) = (set, chosen) {
                homes.chosen(set, records.look(slot).unwrap());
            }
            for key in 0..5 {
                let expected: BTreeSet<u32> = (0..12).filter(|slot| model[*slot as usize] == Some(key)).collect();
                let found = ring(&homes, homes.index(key + 1).unwrap(), &records);
                prop_assert_eq!(found.len(), expected.len());
                prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
            }
        }
    }
}
