//! Differences beside a map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Difference, Settings};
use crate::interner::Interner;

type Map = BTreeMap<String, String>;

fn map(settings: &Settings) -> Map {
    let settings = settings.iter();
    settings
        .map(|(n, v)| (n.to_string(), v.to_string()))
        .collect()
}

fn some() -> impl Strategy<Value = Map> {
    prop::collection::btree_map("[a-e]{1,2}", "[xy]", 0..8)
}

proptest! {
    #[test]
    fn a_difference_leads_from_one_to_the_other_in_the_fewest_steps(from in some(), to in some()) {
        let interner = Interner::new(8);
        let (one, other) = (interner.intern(from.clone()), interner.intern(to.clone()));
        let difference = Difference::between(&one, &other);
        let same = |(name, value): &(&String, &String)| to.get(*name) == Some(value);
        let kept = from.iter().filter(same).count();
        let renewed = from.keys().filter(|name| to.contains_key(*name)).count() - kept;
        prop_assert_eq!(difference.len(), from.len() + to.len() - 2 * kept - renewed);
        prop_assert_eq!(difference.len(), Difference::count(&one, &other));

        let mut reached = from.clone();
        for name in &difference.reset {
            prop_assert!(reached.remove(&**name).is_some());
        }
        let set = difference.set.iter().map(|(n, v)| (n.to_string(), v.to_string()));
        reached.extend(set);
        prop_assert_eq!(reached, to);
        prop_assert_eq!(one == other, difference.is_empty());
    }
}

#[test]
fn names_are_found_in_any_case_and_keep_their_spelling() {
    let interner = Interner::new(8);
    let settings = interner.intern([("TimeZone", "UTC"), ("work_mem", "4MB")]);
    let same = interner.intern([("WORK_MEM", "4MB"), ("timezone", "UTC")]);
    assert!(settings.same(&same));
    assert_eq!(same.get("TIMEZONE").map(|value| &**value), Some("UTC"));
    assert!(map(&same).contains_key("TimeZone"));
    assert!(Difference::between(&settings, &same).is_empty());
}

#[test]
fn what_is_shown_of_settings_has_no_values() {
    let interner = Interner::new(8);
    let settings = interner.intern([("app.key", "secret")]);
    let difference = Difference::between(&Settings::default(), &settings);
    assert_eq!(format!("{settings:?}"), r#"{"app.key"}"#);
    assert!(!format!("{difference:?}").contains("secret"));
}

#[test]
fn the_empty_set_is_one_and_has_no_number() {
    let interner = Interner::new(8);
    let emptied = interner.without(&interner.intern([("a", "b")]), "A");
    assert!(emptied.same(&Settings::default()));
    assert_eq!((emptied.id(), emptied.len()), (0, 0));
}
