//! Tests of the command, run as scripts and people run it.

mod changes;
mod chapters;
mod codes;
mod command;
#[cfg(unix)]
mod completion;
mod corpus;
mod environments;
mod files;
mod fleet;
mod hostile;
mod import;
mod incident;
mod lint;
mod manners;
mod pictures;
mod places;
mod python;
mod readings;
mod renaming;
mod reports;
mod stale;
mod status;
mod stores;
#[cfg(target_os = "linux")]
mod terminal;
mod transcripts;
mod unreadable;
mod watch;
mod words;

#[path = "../it/random_files.rs"]
mod random_files;
#[allow(dead_code, reason = "the other test binary uses the rest")]
#[path = "../it/words/rows.rs"]
mod rows;

#[allow(dead_code, reason = "the other test binary uses the rest")]
#[path = "../it/redis/cluster.rs"]
mod cluster;
#[allow(dead_code, reason = "the other test binary uses the rest")]
#[path = "../it/redis/proxy.rs"]
mod proxy;
#[allow(dead_code, reason = "the other test binary uses the rest")]
#[path = "../it/redis/sentinel.rs"]
mod sentinel;
#[allow(dead_code, reason = "the other test binary uses the rest")]
#[path = "../it/redis/server.rs"]
mod server;
#[allow(dead_code, reason = "the other test binary uses the rest")]
#[path = "../it/support.rs"]
mod support;
