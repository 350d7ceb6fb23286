//! Streams and viewers over HTTP: the controller that wires the whole watch path.
