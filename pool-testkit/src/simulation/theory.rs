//! What theory says of servers and a line.

/// The probability of having to wait for one of `servers` when `offered` of them would be busy in
/// the mean, customers come by chance and their service has no memory: Erlang's second formula, by
/// the recursion for the first, which neither overflows nor loses digits. 1 when there is more work
/// than servers, 0 when there is none or `offered` is no number.
#[must_use]
pub fn erlang_c(servers: u32, offered: f64) -> f64 {
    if offered.is_nan() || offered <= 0.0 {
        return 0.0;
    }
    if offered >= f64::from(servers) {
        return 1.0;
    }
    let blocked = (1..=servers).fold(1.0, |b, k| offered * b / (f64::from(k) + offered * b));
    let busy = offered / f64::from(servers);
    blocked / (1.0 - busy * (1.0 - blocked))
}

/// The mean wait, in mean times of service; endless when there is more work than servers.
#[must_use]
pub fn mean_wait(servers: u32, offered: f64) -> f64 {
    let free = f64::from(servers) - offered;
    if free > 0.0 {
        erlang_c(servers, offered) / free
    } else {
        f64::INFINITY
    }
}
