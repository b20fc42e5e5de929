//! Statements that are shared, and the list of a session beside a naive one.

use std::sync::Arc;
use std::thread;

use proptest::prelude::*;

use super::{Catalogue, SessionStatements, Statement};

fn some(catalogue: &Catalogue, count: usize) -> Vec<Arc<Statement>> {
    let statement = |at| catalogue.intern(&format!("select {at}"), &[], "");
    (0..count).map(statement).collect()
}

#[test]
fn a_statement_is_the_same_for_the_same_text_types_and_scope_only() {
    let catalogue = Catalogue::new(8);
    let one = catalogue.intern("select $1", &[23], "sa");
    assert!(Arc::ptr_eq(
        &one,
        &catalogue.intern("select $1", &[23], "sa")
    ));
    let others = [
        catalogue.intern("select $2", &[23], "sa"),
        catalogue.intern("select $1", &[25], "sa"),
        catalogue.intern("select $1", &[], "sa"),
        catalogue.intern("select $1", &[23], "sb"),
    ];
    for other in &others {
        assert_ne!(one, *other);
        assert_ne!(one.id(), other.id());
        assert_ne!(other.id(), 0);
    }
    assert_eq!(
        (one.text(), one.types(), one.scope()),
        ("select $1", &[23][..], "sa")
    );
}

#[test]
fn statements_that_nobody_uses_are_forgotten() {
    let catalogue = Catalogue::new(1 << 16);
    for _ in 0..2 {
        let used = some(&catalogue, 10_000);
        assert_eq!(catalogue.len(), 10_000);
        drop(used);
        assert!(catalogue.is_empty());
    }
}

#[test]
fn beyond_its_capacity_statements_work_and_are_not_shared() {
    let catalogue = Catalogue::new(0);
    let (one, other) = (
        catalogue.intern("select 1", &[], ""),
        catalogue.intern("select 1", &[], ""),
    );
    assert_eq!(one, other);
    assert_ne!(one.id(), other.id());
    assert!(catalogue.is_empty());
}

#[test]
fn what_was_learned_is_known_to_all_until_it_is_learned_anew_or_forgotten() {
    let catalogue = Catalogue::new(8);
    let statement = catalogue.intern("select 1", &[], "");
    assert_eq!(statement.learned::<u64>(), None);
    assert_eq!(*statement.learn(1u64), 1);
    let again = catalogue.intern("select 1", &[], "");
    assert_eq!(again.learned::<u64>().as_deref(), Some(&1));
    assert_eq!(again.learned::<u32>(), None);
    again.learn("two columns");
    assert_eq!(statement.learned::<&str>().as_deref(), Some(&"two columns"));
    statement.forget();
    assert_eq!(again.learned::<&str>(), None);
}

/// Drops of what was learned may come back to the statement.
#[test]
fn what_was_learned_is_dropped_without_a_lock() {
    struct Asks(std::sync::Weak<Statement>);
    impl Drop for Asks {
        fn drop(&mut self) {
            if let Some(statement) = self.0.upgrade() {
                statement.learn(7u64);
            }
        }
    }
    let statement = Catalogue::new(8).intern("select 1", &[], "");
    drop(statement.learn(Asks(Arc::downgrade(&statement))));
    statement.forget();
    assert_eq!(statement.learned::<u64>().as_deref(), Some(&7));
}

#[test]
fn threads_that_make_and_drop_the_same_statements_see_one_copy_of_each() {
    let catalogue = Catalogue::new(1 << 10);
    thread::scope(|scope| {
        for thread in 0..4 {
            let catalogue = &catalogue;
            scope.spawn(move || {
                for round in 0..2_000 {
                    let text = format!("select {}", (round + thread) % 8);
                    let (one, other) = (
                        catalogue.intern(&text, &[], ""),
                        catalogue.intern(&text, &[], ""),
                    );
                    assert!(Arc::ptr_eq(&one, &other) && one.text() == text);
                }
            });
        }
    });
    assert!(catalogue.is_empty());
}

proptest! {
    #[test]
    fn a_session_forgets_what_it_used_longest_ago(
        capacity in 0usize..6,
        steps in prop::collection::vec((0u8..8, 0usize..10), 0..200),
    ) {
        let statements = some(&Catalogue::new(16), 10);
        let mut session = SessionStatements::new(capacity);
        let mut model: Vec<(u32, u64)> = Vec::new();
        for (what, at) in steps {
            let statement = &statements[at];
            let id = statement.id();
            let known = model.iter().position(|(known, _)| *known == id);
            let known = known.map(|at| model.remove(at));
            if what == 0 {
                let removed = session.remove(id).map(|removed| removed.id());
                prop_assert_eq!(removed, known.map(|_| id));
            } else {
                let evicted = session.touch(statement).map(|evicted| evicted.id());
                let leaves = known.is_none() && capacity > 0 && model.len() == capacity;
                let left = if leaves { model.pop() } else { None };
                prop_assert_eq!(evicted, left.map(|(id, _)| id));
                if capacity > 0 {
                    model.insert(0, (id, known.map_or(1, |(_, count)| count + 1)));
                }
            }
            let kept: Vec<_> = session.iter().map(|(kept, count)| (kept.id(), count)).collect();
            prop_assert_eq!(&kept, &model);
            let count = model.iter().find(|(known, _)| *known == id);
            prop_assert_eq!(session.executions(id), count.map_or(0, |(_, count)| *count));
        }
        session.clear();
        prop_assert!(session.is_empty());
    }
}
