//! One runnable example per crate.
