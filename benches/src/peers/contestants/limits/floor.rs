//! No pool at all.

use std::hint::black_box;

use super::IN_PLACE;
use crate::peers::backend::Conn;
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::peers::contestants::Refused;
use crate::record::Group;

/// Gives everybody something at once that is shared with nobody: what a scenario costs by itself.
#[derive(Clone, Copy, Debug)]
pub struct Floor;

/// As large as a connection, and nobody else's.
#[derive(Debug, Default)]
pub struct Own {
    touched: u64,
    payload: [u64; 8],
}

impl Contestant for Floor {
    const NAME: &'static str = "no pool";
    const VERSION: &'static str = "std";
    const GROUP: Group = Group::Limit;
    const LACKS: Lacks = Lacks {
        connecting: true,
        checking: true,
        deadline: true,
        discarding: true,
        limit: true,
        ..Lacks::NOTHING
    };
    const REMARKS: &'static [&'static str] =
        &["what the scenario costs by itself: everybody uses something of their own, at once"];

    type Lease<'a> = Own;
    type Refused = Refused;

    async fn build(_setup: &Setup) -> Self {
        Self
    }

    #[inline]
    async fn request(&self) -> Result<Own, Refused> {
        Ok(Own::default())
    }

    #[inline]
    fn touch(lease: &mut Own) {
        lease.touched += 1;
        black_box(&mut lease.payload);
    }

    fn conn(_lease: &mut Own) -> &mut Conn {
        unreachable!("{IN_PLACE}")
    }
}
