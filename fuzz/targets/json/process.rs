//! The place that the parser has in its crate, so that its own visibility holds here too.

pub mod worker;
