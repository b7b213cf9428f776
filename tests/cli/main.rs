//! The command, run as scripts and people run it.

mod changes;
mod codes;
mod command;
mod files;
mod import;
mod manners;
mod lint;
mod manners;
mod python;
mod stale;
mod transcripts;
mod watch;

#[allow(dead_code, reason = "the other test binary uses the rest")]
#[path = "../it/redis/server.rs"]
mod server;
mod stale;
mod support;
mod transcripts;
