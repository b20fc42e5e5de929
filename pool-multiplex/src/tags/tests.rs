//! Tags are few, in order, and count by their weight.

use super::{Tag, TagError, TagName, Tags};

fn tags(tags: &[Tag]) -> Tags {
    let mut all = Tags::new();
    for tag in tags {
        assert_eq!(all.insert(tag.clone()), Ok(None));
    }
    all
}

#[test]
fn tags_are_in_the_order_of_their_weight_and_one_for_each_name() {
    let mut tags = tags(&[
        Tag::custom("b", "1"),
        Tag::application("shop"),
        Tag::schema("eu"),
    ]);
    let replaced = tags.insert(Tag::custom("b", "2").priority(9));
    assert_eq!(replaced, Ok(Some(Tag::custom("b", "1"))));
    tags.insert(Tag::custom("a", "3").priority(9)).unwrap();
    let order: Vec<_> = tags.iter().map(|tag| tag.name.to_string()).collect();
    assert_eq!(order, ["a", "b", "schema", "application"]);
    assert_eq!(
        tags.get(&TagName::Schema).map(|tag| &*tag.value),
        Some("eu")
    );
    assert_eq!(
        tags.remove(&TagName::Schema).map(|tag| tag.priority),
        Some(2)
    );
    assert_eq!((tags.get(&TagName::Schema), tags.len()), (None, 3));
}

#[test]
fn too_many_or_too_long_a_tag_changes_nothing() {
    let mut tags = Tags::new();
    for at in 0..Tags::MOST {
        tags.insert(Tag::custom(at.to_string(), "")).unwrap();
    }
    let full = tags.clone();
    assert_eq!(tags.insert(Tag::schema("s")), Err(TagError::TooMany));
    let long = "x".repeat(Tags::LONGEST + 1);
    let too_long = Err(TagError::TooLong {
        bytes: Tags::LONGEST + 1,
    });
    assert_eq!(tags.insert(Tag::custom("0", &*long)), too_long);
    assert_eq!(tags.insert(Tag::custom(&*long, "0")), too_long);
    assert_eq!(tags, full);
    let longest = "x".repeat(Tags::LONGEST);
    assert!(tags.insert(Tag::custom("0", longest)).is_ok());
}

#[test]
fn a_key_is_that_of_what_is_said_and_never_changes() {
    let one = tags(&[Tag::application("shop"), Tag::schema("eu")]);
    let other = tags(&[
        Tag::schema("eu").priority(0),
        Tag::application("shop").priority(7),
    ]);
    assert_eq!(one.key(), other.key());
    assert_eq!(one.key(), KEY_OF_SHOP_AND_EU);
    assert_eq!(Tags::new().key(), 0);
    let keys = [
        tags(&[Tag::application("eu"), Tag::schema("shop")]).key(),
        tags(&[Tag::custom("application", "shop"), Tag::schema("eu")]).key(),
        tags(&[Tag::application("shope"), Tag::schema("u")]).key(),
        tags(&[Tag::schema("eu")]).key(),
    ];
    assert!(keys.iter().all(|key| *key != one.key() && *key != 0));
}

/// Other processes and versions have it, too.
const KEY_OF_SHOP_AND_EU: u64 = 0x1460_77c5_34c8_5b71;

#[test]
fn what_both_say_counts_by_its_weight_here() {
    let one = tags(&[
        Tag::application("shop"),
        Tag::schema("eu"),
        Tag::custom("a", "1"),
    ]);
    let other = tags(&[Tag::application("shop").priority(9), Tag::schema("us")]);
    assert_eq!(one.matches(&other), 2);
    assert_eq!(other.matches(&one), 10);
    assert_eq!(one.matches(&one), 2 + 3 + 1);
    assert_eq!(one.matches(&Tags::new()), 0);
}
