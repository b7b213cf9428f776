//! Redis, and all that can go wrong with it.

mod harness;
mod proxy;
mod python;
mod server;
