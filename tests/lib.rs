//! End-to-end tests: the built binary as a black box.
