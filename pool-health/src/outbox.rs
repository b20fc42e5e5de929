//! Orders on their way out.

use pool_core::{Candidate, Finding, Order, Orders};

use crate::Mode;

/// Lets orders through as far as the mode of their part allows, and tells observers of all of them.
#[derive(Debug)]
pub(crate) struct Outbox<'a> {
    orders: &'a mut Orders,
    part: &'static str,
    mode: Mode,
}

impl<'a> Outbox<'a> {
    /// Where a part puts what it decides.
    pub(crate) const fn new(orders: &'a mut Orders, part: &'static str, mode: Mode) -> Self {
        Self { orders, part, mode }
    }

    /// Whether orders are let through.
    pub(crate) const fn acts(&self) -> bool {
        self.mode.acts()
    }

    /// Gives an order.
    pub(crate) fn order(&mut self, order: Order) {
        if self.acts() {
            self.orders.push(order);
        }
    }

    /// Has observers told of something that an order follows from.
    pub(crate) fn tell(&mut self, connection: Option<Candidate>, text: &'static str) {
        let acted = self.acts();
        self.put(connection, text, acted);
    }

    /// Has observers told of something that nothing follows from, whatever the mode.
    pub(crate) fn remark(&mut self, connection: Option<Candidate>, text: &'static str) {
        self.put(connection, text, false);
    }

    fn put(&mut self, connection: Option<Candidate>, text: &'static str, acted: bool) {
        self.orders.tell(Finding {
            connection,
            part: self.part,
            text,
            acted,
        });
    }
}
