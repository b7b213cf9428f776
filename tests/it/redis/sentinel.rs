//! A master that is chosen by sentinels.

use std::time::Instant;

use flagstaff::Redis;

use super::server::{Server, cli};
use crate::support::BOUND;

/// A master, a replica of it, and a sentinel that may appoint another master alone.
pub(crate) struct Watched {
    pub(crate) master: Server,
    pub(crate) replica: Server,
    pub(crate) sentinel: Server,
}

impl Watched {
    pub(crate) fn start() -> Self {
        let both = ["--requirepass", "secret", "--masterauth", "secret"];
        let both = [&both[..], &["--repl-diskless-sync-delay", "0"]].concat();
        // The master cannot be demoted. So after a planned change it still takes commands, as any
        // master does for seconds.
        let stays = ["--rename-command", "REPLICAOF", "", "--rename-command", "SLAVEOF", ""];
        let master = Server::with(&[&both[..], &stays].concat());
        // Writes after this may be lost with the master.
        write(&master, "before");
        let port = master.port().to_string();
        let replica = Server::with(&[&both[..], &["--replicaof", "127.0.0.1", &port]].concat());
        let sentinel = Server::sentinel(&format!(
            "requirepass secret2\n\
             sentinel monitor mymaster 127.0.0.1 {port} 1\n\
             sentinel auth-pass mymaster secret\n\
             sentinel down-after-milliseconds mymaster 300\n\
             sentinel failover-timeout mymaster 3000\n"
        ));
        replica.wait_for("Finished with success");
        sentinel.wait_for("+slave slave");
        let watched = Self { master, replica, sentinel };
        // The sentinel appoints no replica before it has queried it, and does not log that query.
        let start = Instant::now();
        while !watched.ask(&["REPLICAS", "mymaster"]).contains("master-link-status\nok") {
            assert!(start.elapsed() < BOUND);
        }
        watched
    }

    pub(crate) fn ask(&self, rest: &[&str]) -> String {
        cli(self.sentinel.port(), &[&["-a", "secret2", "SENTINEL"], rest].concat())
    }

    pub(crate) fn sentinel_url(&self) -> String {
        format!("redis://:secret2@127.0.0.1:{}", self.sentinel.port())
    }

    pub(crate) fn redis(&self) -> Redis {
        Redis::sentinel("redis://:secret@mymaster/0", [self.sentinel_url()]).unwrap()
    }
}

pub(crate) fn write(server: &Server, flag: &str) {
    cli(server.port(), &["-a", "secret", "HSET", "feature_flags", flag, "1"]);
}
