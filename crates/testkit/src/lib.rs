//! Test patterns that carry their number, and other instruments of Frameway's own tests.
