//! Redis, with its failures.

mod access;
mod asking;
mod bounds;
mod cluster;
mod connect;
mod contents;
mod fake;
mod fleet;
mod harness;
mod interop;
mod keys;
mod outages;
mod proxy;
mod pushes;
mod python;
mod renaming;
mod rollout;
mod scan;
mod sentinel;
pub(crate) mod server;
mod subject;
mod types;
mod writing;
