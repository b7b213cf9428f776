//! `flags.toml` on disk.

#![allow(
    dead_code,
    reason = "the backend that uses the watcher is not here yet"
)]

mod arm;
mod chain;
mod read;
mod watch;
