use super::*;

#[test]
fn a_job_given_up_before_the_thread_took_it_comes_back() {
    let mailbox = Mailbox::new();
    mailbox.post("job").expect("the place is free");
    assert_eq!(mailbox.condition(), Condition::Broken);
    assert_eq!(mailbox.give_up(), Some("job"));
    assert_eq!(mailbox.condition(), Condition::Clean);
    mailbox.post("next").expect("the place is free again");
}

#[test]
fn a_running_job_keeps_the_connection_broken_until_it_settles() {
    let mailbox = Mailbox::new();
    mailbox.post("job").expect("the place is free");
    assert!(matches!(mailbox.next(), Next::Run("job")));
    assert_eq!(mailbox.give_up(), None);
    assert!(mailbox.is_abandoned());
    assert_eq!(mailbox.condition(), Condition::Broken);
    assert!(matches!(
        mailbox.post("next"),
        Err(("next", Error::Outstanding))
    ));

    mailbox.settle(Session {
        transaction: true,
        changed: false,
    });
    assert_eq!(mailbox.condition(), Condition::Dirty);
    assert!(!mailbox.is_abandoned());
}

#[test]
fn a_stop_is_heard_once_and_before_a_job() {
    let mailbox = Mailbox::new();
    mailbox.post("job").expect("the place is free");
    let (closed, _receiver) = oneshot::channel();
    mailbox.stop(Some(closed));
    mailbox.stop(None);
    assert!(matches!(mailbox.next(), Next::Close(Some(_))));
    mailbox.end();
    assert!(matches!(mailbox.post("late"), Err(("late", Error::Ended))));
    assert_eq!(mailbox.condition(), Condition::Broken);
}

#[test]
fn whoever_waits_for_a_close_learns_that_the_thread_ended() {
    let mailbox: Mailbox<()> = Mailbox::new();
    let (closed, mut receiver) = oneshot::channel();
    mailbox.stop(Some(closed));
    mailbox.end();
    assert!(receiver.try_recv().is_err(), "the sender must be gone");
}
