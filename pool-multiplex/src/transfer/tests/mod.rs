//! What both sides of a transfer keep to.
