//! A bit per connection: one compare-and-swap takes it, one `fetch_or` gives it back, and it is used
//! where it lies. Less cannot be done with shared memory.
//!
//! A connection here is a counter that only the holder of its bit writes, with plain loads and
//! stores. Nothing can be borrowed from it, so [`conn`](Contestant::conn) is not for these two;
//! scenarios use [`touch`](Contestant::touch).

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;

use super::BARE;
use crate::peers::backend::Conn;
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// Most connections of one word.
const WORD: usize = 64;

/// One word for all.
#[derive(Clone, Debug)]
pub struct Bitmap(Arc<Shard>);

/// A word for each thread, on a cache line of its own.
#[derive(Clone, Debug)]
pub struct ShardedBitmap(Arc<Sharded>);

#[derive(Debug)]
struct Sharded {
    shards: Vec<CachePadded<Shard>>,
}

/// A word, and what its bits stand for.
#[derive(Debug)]
struct Shard {
    idle: AtomicU64,
    slots: Vec<CachePadded<Slot>>,
}

/// As large as a connection.
#[derive(Debug, Default)]
struct Slot {
    touched: AtomicU64,
    payload: [u64; 8],
}

/// A bit taken.
#[derive(Debug)]
pub struct Taken<'a> {
    shard: &'a Shard,
    bit: u32,
}

impl Drop for Taken<'_> {
    #[inline]
    fn drop(&mut self) {
        self.shard.idle.fetch_or(1 << self.bit, Ordering::Release);
    }
}

impl Taken<'_> {
    #[inline]
    fn touch(&mut self) {
        let slot = &*self.shard.slots[self.bit as usize];
        let touched = slot.touched.load(Ordering::Relaxed);
        slot.touched.store(touched + 1, Ordering::Relaxed);
        black_box(&slot.payload);
    }
}

impl Shard {
    fn new(size: usize) -> Self {
        assert!(size <= WORD, "a bitmap of one word has at most 64 places");
        Self {
            idle: AtomicU64::new(u64::MAX >> (WORD - size)),
            slots: (0..size).map(|_| CachePadded::default()).collect(),
        }
    }

    #[inline]
    fn take(&self) -> Option<Taken<'_>> {
        let mut idle = self.idle.load(Ordering::Relaxed);
        while idle != 0 {
            let rest = idle & (idle - 1);
            let taken =
                self.idle
                    .compare_exchange_weak(idle, rest, Ordering::Acquire, Ordering::Relaxed);
            match taken {
                Ok(_) => {
                    let bit = idle.trailing_zeros();
                    return Some(Taken { shard: self, bit });
                }
                Err(now) => idle = now,
            }
        }
        None
    }
}

/// The calling thread's number.
#[inline]
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    NUMBER.with(|number| {
        if number.get() == usize::MAX {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}

/// Why [`Contestant::conn`] panics.
const IN_PLACE: &str = "a slot of a bitmap is used where it lies, by `touch` alone";

impl Contestant for Bitmap {
    const NAME: &'static str = "bitmap";
    const VERSION: &'static str = "std";
    const GROUP: Group = Group::Limit;
    const LACKS: Lacks = BARE;
    const REMARKS: &'static [&'static str] =
        &["one compare-and-swap out, one fetch_or back, used in place; does not wait"];

    type Lease<'a> = Taken<'a>;

    async fn build(setup: &Setup) -> Self {
        Self(Arc::new(Shard::new(setup.size)))
    }

    #[inline]
    async fn acquire(&self) -> Option<Taken<'_>> {
        self.0.take()
    }

    #[inline]
    fn touch(lease: &mut Taken<'_>) {
        lease.touch();
    }

    fn conn<'l>(_lease: &'l mut Taken<'_>) -> &'l mut Conn {
        unreachable!("{IN_PLACE}")
    }
}

impl Contestant for ShardedBitmap {
    const NAME: &'static str = "sharded bitmap";
    const VERSION: &'static str = "std";
    const GROUP: Group = Group::Limit;
    const LACKS: Lacks = BARE;
    const REMARKS: &'static [&'static str] =
        &["a bitmap per thread; a thread whose own is empty looks into the others; does not wait"];

    type Lease<'a> = Taken<'a>;

    async fn build(setup: &Setup) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let shards = cores.clamp(2, setup.size.max(2)).next_power_of_two();
        let each = setup.size.div_ceil(shards);
        let sizes = (0..shards).map(|shard| setup.size.saturating_sub(shard * each).min(each));
        Self(Arc::new(Sharded {
            shards: sizes
                .filter(|&size| size > 0)
                .map(|size| CachePadded::new(Shard::new(size)))
                .collect(),
        }))
    }

    #[inline]
    async fn acquire(&self) -> Option<Taken<'_>> {
        let shards = &self.0.shards;
        let home = thread_number() % shards.len();
        let own = shards[home].take();
        own.or_else(|| shards.iter().find_map(|shard| shard.take()))
    }

    #[inline]
    fn touch(lease: &mut Taken<'_>) {
        lease.touch();
    }

    fn conn<'l>(_lease: &'l mut Taken<'_>) -> &'l mut Conn {
        unreachable!("{IN_PLACE}")
    }
}
