//! Behaviour through the public interface.

mod allocations;
mod support;
