//! Redis, and all that can go wrong with it.

mod access;
mod asking;
mod connect;
mod contents;
mod fleet;
mod harness;
mod interop;
mod keys;
mod outages;
mod proxy;
mod pushes;
mod python;
mod rollout;
pub(crate) mod server;
mod subject;
mod writing;
