//! Orders on their way out.

use pool_core::{Candidate, Finding, Order, Orders};

use crate::Mode;

/// Lets orders through as far as the mode of their part allows, and tells observers of all of them.
pub(crate) struct Outbox<'a> {
    pub(crate) orders: &'a mut Orders,
    pub(crate) part: &'static str,
    pub(crate) mode: Mode,
}

impl Outbox<'_> {
    /// Gives an order.
    pub(crate) fn order(&mut self, order: Order) {
        if self.mode.acts() {
            self.orders.push(order);
        }
    }

    /// Has observers told of something.
    pub(crate) fn tell(&mut self, connection: Option<Candidate>, text: &'static str) {
        self.orders.tell(Finding {
            connection,
            part: self.part,
            text,
            acted: self.mode.acts(),
        });
    }
}
