//! Video frames over message lanes: chunks, acks, reassembly and EOF as two pure state machines.
