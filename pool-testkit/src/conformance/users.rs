//! What one user of a connection leaves to the next: nothing but speed.

use super::support::{lease, ping, pool};
use super::{Caching, Subject};

/// How often a connection changes hands: a reset that works once may spoil the second.
const ROUNDS: usize = 3;

/// A lease dropped in a transaction: its uncommitted write is gone for the next user.
pub async fn transaction_left_open_is_gone_for_the_next_user<S: Subject>(subject: S) {
    let pool = pool(&subject, 1, |builder| builder).await;
    for _ in 0..ROUNDS {
        let mut user = lease(&pool).await;
        assert_eq!(S::written(&mut user).await, 0);
        S::begin(&mut user).await;
        assert_eq!(S::written(&mut user).await, 1, "the write is to be seen");
        drop(user);
    }
    assert_eq!(S::written(&mut *lease(&pool).await).await, 0);
}

/// Session state of every kind, set by one user, is not there for the next.
pub async fn no_session_state_reaches_the_next_user<S: Subject>(subject: S) {
    let pool = pool(&subject, 1, |builder| builder).await;
    for _ in 0..ROUNDS {
        let mut user = lease(&pool).await;
        assert_eq!(S::residue(&mut user).await, Vec::<String>::new());
        let kinds = S::leave_residue(&mut user).await;
        let left = S::residue(&mut user).await;
        assert!(kinds > 0 && left.len() == kinds, "{left:?} of {kinds}");
        drop(user);
    }
    let mut last = lease(&pool).await;
    assert_eq!(S::residue(&mut last).await, Vec::<String>::new());
    ping::<S>(&mut last).await;
}

/// A statement prepared in one lease is there in the next ones of the same connection.
pub async fn statement_cache_outlives_the_lease<S: Caching>(subject: S) {
    let pool = pool(&subject, 1, |builder| builder).await;
    let mut hits = Vec::new();
    for _ in 0..4 {
        hits.push(S::cached(&mut *lease(&pool).await).await);
    }
    assert_eq!(hits, [false, true, true, true]);
    assert_eq!(pool.status().opened, 1);
}
