//! What a session costs while it does nothing.
//!
//! The allocator counts what is asked for and not what is given back, so a count over the making of
//! something is no less than what lives of it, and a count over its copying is exact.

use pool_multiplex::{Catalogue, Interner, SessionStatements, State};
use pool_testkit::alloc::{CountingAllocator, measure};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

const SESSIONS: usize = 500;
const KIB: u64 = 1024;

#[test]
fn a_hundred_statements_of_a_session_cost_no_more_than_3_kib() {
    let catalogue = Catalogue::new(1 << 10);
    let mut statements = SessionStatements::default();
    let texts: Vec<_> = (0..150)
        .map(|at| catalogue.intern(&at.to_string(), &[], ""))
        .collect();
    let ((), made) = measure(|| texts.iter().for_each(|text| drop(statements.touch(text))));
    assert_eq!(statements.len(), 100);
    let (copy, copied) = measure(|| statements.clone());
    assert_eq!(copied.bytes, 100 * 16);
    assert!(made.bytes <= 4 * KIB, "{made:?}");
    let ((), used) = measure(|| {
        texts[50..]
            .iter()
            .for_each(|text| drop(statements.touch(text)))
    });
    assert_eq!((used.allocations, copy.len()), (0, 100));
    assert!(size_of::<SessionStatements>() as u64 + copied.bytes <= 3 * KIB);
}

#[test]
fn an_idle_session_costs_no_more_than_8_kib_with_its_place_in_the_interner() {
    let interner = Interner::new(1 << 16);
    let catalogue = Catalogue::new(1 << 16);
    let texts: Vec<_> = (0..1_000)
        .map(|at| catalogue.intern(&at.to_string(), &[], ""))
        .collect();
    let shared = (0..5).map(|at| (format!("shared.{at}"), at.to_string()));
    let shared = interner.intern(shared);
    let mut sessions = Vec::with_capacity(SESSIONS);
    let ((), cost) = measure(|| {
        for session in 0..SESSIONS {
            let mut state = State::new(interner.clone(), shared.clone(), 100);
            assert!(state.want("app.id", session.to_string()));
            for at in 0..100 {
                let text = &texts[(session * 37 + at * 7) % texts.len()];
                drop(state.statements_mut().touch(text));
            }
            state.set_physical(state.wanted().clone());
            drop(state.left());
            sessions.push(state);
        }
    });
    assert_eq!((interner.len(), sessions.len()), (SESSIONS + 1, SESSIONS));
    let each = size_of::<State>() as u64 + cost.bytes / SESSIONS as u64;
    assert!(each <= 8 * KIB, "{each} bytes");
}
