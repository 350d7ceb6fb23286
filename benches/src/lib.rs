//! Criterion benches, and the comparison with peers.
