//! The command, run as scripts and people run it.

mod codes;
mod command;
mod manners;
mod transcripts;

#[allow(dead_code, reason = "the other test binary uses the rest")]
#[path = "../it/redis/server.rs"]
mod server;
#[allow(dead_code, reason = "the other test binary uses the rest")]
#[path = "../it/support.rs"]
mod support;
