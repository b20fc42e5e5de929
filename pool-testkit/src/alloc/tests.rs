use std::thread;

use super::{CountingAllocator, measure, thread_cost};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

#[test]
fn allocations_and_their_bytes_are_counted() {
    let (memory, cost) = measure(|| Vec::<u8>::with_capacity(100));
    assert_eq!((cost.allocations, cost.bytes), (1, 100));
    assert_eq!(cost.deallocations, 0);
    let ((), cost) = measure(|| drop(memory));
    assert_eq!((cost.allocations, cost.deallocations), (0, 1));
}

#[test]
fn growing_counts_as_an_allocation() {
    let mut memory = Vec::<u8>::with_capacity(10);
    let ((), cost) = measure(|| memory.reserve_exact(1000));
    assert_eq!((cost.allocations, cost.bytes), (1, 1000));
    let zeroed = measure(|| vec![0_u8; 64]).1;
    assert_eq!(zeroed.allocations, 1);
}

#[test]
fn live_bytes_are_those_not_given_back() {
    let (mut memory, cost) = measure(|| Vec::<u8>::with_capacity(100));
    assert_eq!(cost.live(), 100);
    let ((), cost) = measure(|| memory.reserve_exact(1000));
    assert_eq!((cost.freed, cost.live()), (100, 900));
    let ((), cost) = measure(|| drop(memory));
    assert_eq!(cost.live(), -1000);
}

#[test]
fn work_without_the_heap_costs_nothing() {
    let (sum, cost) = measure(|| (0..1000_u64).sum::<u64>());
    assert_eq!(sum, 499_500);
    assert_eq!(cost, super::Cost::default());
}

#[test]
fn each_thread_counts_for_itself() {
    let before = thread_cost();
    thread::scope(|scope| {
        scope.spawn(|| drop(std::hint::black_box(vec![0_u8; 1 << 20])));
    });
    assert!(thread_cost().bytes - before.bytes < 1 << 20);
}
