//! Behaviour through the public API, in one binary.

mod allocations;
