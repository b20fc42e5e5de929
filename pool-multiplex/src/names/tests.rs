//! Names beside the sets of the standard library.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Names, Temporaries};

proptest! {
    #[test]
    fn a_set_holds_what_was_put_in_and_a_copy_what_it_held(
        steps in prop::collection::vec((any::<bool>(), 0u8..8), 0..40),
    ) {
        let (mut names, mut model) = (Names::default(), BTreeSet::new());
        for (put_in, name) in steps {
            let (before, kept) = (names.clone(), model.clone());
            let name = name.to_string();
            if put_in {
                prop_assert!(names.insert(&*name));
                model.insert(name);
            } else {
                prop_assert_eq!(names.remove(&name), model.remove(&name));
            }
            let text = |names: &Names| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
            prop_assert_eq!(text(&names), model.clone());
            prop_assert_eq!(names.is_empty(), model.is_empty());
            prop_assert_eq!(text(&before), kept);
        }
    }
}

#[test]
fn a_full_set_takes_no_more_but_what_it_has() {
    let mut names = Names::default();
    for name in 0..Names::MOST {
        assert!(names.insert(name.to_string()));
    }
    assert!(!names.insert("one more"));
    assert!(names.insert("0"));
    assert_eq!(names.len(), Names::MOST);
}

#[test]
fn a_commit_leaves_what_does_not_end_with_it() {
    let mut temporary = Temporaries::default();
    temporary.insert("stays", false);
    temporary.insert("goes", true);
    temporary.commit();
    assert!(temporary.contains("stays") && !temporary.contains("goes"));
    temporary.insert("stays", true);
    temporary.commit();
    assert!(temporary.is_empty());
}
