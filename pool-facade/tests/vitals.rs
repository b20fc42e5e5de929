//! Vital signs: what an adapter notes is what a policy reads.

use std::time::Duration;

use pool_facade::{Clock, ErrorClass, Pulse, Vitals};
use pool_testkit::clock::ManualClock;
use proptest::prelude::*;
use std::sync::Arc;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn vitals() -> (ManualClock, Vitals) {
    let clock = ManualClock::new();
    let vitals = Vitals::new(Arc::new(clock.clone()), clock.now());
    // So that no time is zero.
    clock.advance(ms(1000));
    (clock, vitals)
}

#[test]
fn silence_counts_from_the_request_or_from_what_came_in_since_and_only_while_something_is_owed() {
    let (clock, vitals) = vitals();
    let silence = |vitals: &Vitals, after| vitals.pulse().silence(ms(after));
    assert_eq!(silence(&vitals, 9000), Duration::ZERO, "nothing is owed");
    vitals.sent(1);
    assert_eq!(silence(&vitals, 1500), ms(500));
    clock.advance(ms(300));
    vitals.heard();
    assert_eq!(silence(&vitals, 1500), ms(200), "it has been heard of");
    vitals.answered();
    assert_eq!(silence(&vitals, 9000), Duration::ZERO);
    assert_eq!(vitals.pulse().heard, Some(ms(1300)));
    assert_eq!(silence(&vitals, 0), Duration::ZERO, "the past");
}

#[test]
fn silence_of_a_far_end_that_is_not_listened_to_does_not_count() {
    let (clock, vitals) = vitals();
    vitals.sent(1);
    clock.advance(ms(100));
    vitals.heard();
    vitals.listening(false);
    clock.advance(ms(5000));
    assert_eq!(vitals.pulse().silence(ms(6100)), Duration::ZERO);
    assert_eq!(vitals.pulse().outstanding, 1);
    vitals.heard();
    vitals.listening(true);
    assert_eq!(vitals.pulse().silence(ms(6150)), ms(50));
}

#[test]
fn time_in_which_nobody_listened_is_no_silence_of_the_reply_whatever_ends_it() {
    let after_a_pause = |go_on: fn(&ManualClock, &Vitals)| {
        let (clock, vitals) = vitals();
        vitals.sent(1);
        clock.advance(ms(100));
        vitals.heard();
        vitals.listening(false);
        clock.advance(ms(60_000));
        go_on(&clock, &vitals);
        vitals.pulse().reply_silence
    };
    let more = after_a_pause(|_, vitals| {
        vitals.heard();
        vitals.answered();
    });
    let end = after_a_pause(|_, vitals| vitals.answered());
    let wait = after_a_pause(|clock, vitals| {
        vitals.listening(true);
        clock.advance(ms(200));
        vitals.answered();
    });
    assert_eq!([more, end, wait].map(|it| it.as_millis()), [100, 100, 200]);
}

#[test]
fn silence_of_a_far_end_that_is_listened_to_again_counts_from_then() {
    let (clock, vitals) = vitals();
    vitals.sent(1);
    clock.advance(ms(100));
    vitals.heard();
    vitals.listening(false);
    clock.advance(ms(5000));
    vitals.listening(true);
    assert_eq!(vitals.pulse().waiting_since, Some(ms(6100)));
    clock.advance(ms(50));
    vitals.listening(true);
    assert_eq!(
        vitals.pulse().silence(ms(6150)),
        ms(50),
        "it listened all the time"
    );
}

#[test]
fn reply_is_told_with_its_kind_and_what_it_took() {
    let (clock, vitals) = vitals();
    vitals.sent(7);
    clock.advance(ms(40));
    vitals.answered();
    let pulse = vitals.pulse();
    assert_eq!(
        (pulse.reply_kind, pulse.reply_took, pulse.answered),
        (7, ms(40), 1)
    );
}

#[test]
fn longest_silence_in_a_reply_is_told_beside_all_that_it_took() {
    let (clock, vitals) = vitals();
    vitals.sent(7);
    for silence in [10, 500, 20] {
        clock.advance(ms(silence));
        vitals.heard();
    }
    clock.advance(ms(1));
    vitals.answered();
    let pulse = vitals.pulse();
    assert_eq!((pulse.reply_took, pulse.reply_silence), (ms(531), ms(500)));
    vitals.sent(7);
    clock.advance(ms(3));
    vitals.answered();
    assert_eq!(
        vitals.pulse().reply_silence,
        ms(3),
        "of the last reply only"
    );
}

#[test]
fn kind_of_the_next_of_several_requests_under_way_is_not_guessed() {
    let (clock, vitals) = vitals();
    vitals.sent(7);
    vitals.sent(8);
    assert_eq!((vitals.pulse().kind, vitals.pulse().outstanding), (7, 2));
    clock.advance(ms(10));
    vitals.answered();
    assert_eq!((vitals.pulse().kind, vitals.pulse().outstanding), (0, 1));
    clock.advance(ms(5));
    vitals.answered();
    let pulse = vitals.pulse();
    assert_eq!(
        (pulse.reply_kind, pulse.reply_took),
        (0, ms(5)),
        "since the one before"
    );
    vitals.sent(9);
    assert_eq!(vitals.pulse().kind, 9);
}

#[test]
fn reply_that_nobody_asked_for_counts_for_nothing() {
    let (_, vitals) = vitals();
    vitals.answered();
    assert_eq!(vitals.pulse(), Pulse::default());
    vitals.sent(1);
    assert_eq!(vitals.pulse().outstanding, 1);
}

#[test]
fn errors_are_counted_by_class() {
    let (_, vitals) = vitals();
    vitals.failed(ErrorClass::Harmless);
    vitals.failed(ErrorClass::Endpoint);
    vitals.failed(ErrorClass::Endpoint);
    let errors = vitals.pulse().errors;
    let all = [
        ErrorClass::Harmless,
        ErrorClass::Connection,
        ErrorClass::Endpoint,
        ErrorClass::Permanent,
    ];
    assert_eq!(all.map(|class| errors.of(class)), [1, 0, 2, 0]);
    assert_eq!(
        errors.plus(ErrorClass::Permanent).of(ErrorClass::Permanent),
        1
    );
}

#[test]
fn deaf_vitals_say_nothing() {
    let vitals = Vitals::deaf();
    vitals.sent(1);
    vitals.failed(ErrorClass::Connection);
    assert_eq!(vitals.pulse(), Pulse::default());
}

proptest! {
    #[test]
    fn what_is_outstanding_is_what_was_sent_and_not_answered(notes in proptest::collection::vec(0u8..3, 0..60)) {
        let (clock, vitals) = vitals();
        let mut outstanding = 0u32;
        for note in notes {
            clock.advance(ms(1));
            match note {
                0 => { vitals.sent(1); outstanding += 1; }
                1 => { vitals.answered(); outstanding = outstanding.saturating_sub(1); }
                _ => vitals.heard(),
            }
            let pulse = vitals.pulse();
            prop_assert_eq!(pulse.outstanding, outstanding);
            prop_assert_eq!(pulse.waiting_since.is_some(), outstanding > 0);
        }
    }
}
