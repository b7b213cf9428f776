//! Notifications that the server pushes.

use flagstaff::{
    Flags,
    answer::FlagState::{Off, On, Unknown},
};

use super::{
    python::Python,
    server::{Server, patient},
    subject::becomes,
};
use crate::support::BOUND;

/// Stores so many overrides that they are read only every 15 seconds, with a `PING` each second in between.
const FILL: &str = "for n = 1, 600 do redis.call('HSET', KEYS[1], 'n' .. n, '1') end \
                    redis.call('HSET', KEYS[1], 'flag', ARGV[1])";

fn fill(server: &Server, key: &str, flag: &str) {
    server.cli(&["EVAL", FILL, "1", key, flag]);
}

/// Returns the number of times that the server has received a command, such as `ping`.
pub(crate) fn calls(server: &Server, command: &str) -> usize {
    let stats = server.cli(&["INFO", "commandstats"]);
    let start = format!("cmdstat_{command}:calls=");
    let calls = stats.lines().find_map(|line| line.strip_prefix(&start));
    calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
}

async fn follow(server: &Server) -> Flags {
    let redis = patient(&server.url());
    Flags::builder().source(redis).max_wait(BOUND).start().await.unwrap()
}

/// A change by any command is pushed, and so in force long before the next regular reading.
#[tokio::test]
async fn changes_by_any_command_are_pushed() {
    let server = Server::start();
    fill(&server, "feature_flags", "1");
    let flags = follow(&server).await;

    for (command, state) in [
        ("HSET feature_flags flag 0", Off),
        ("HDEL feature_flags flag", Unknown),
        ("DEL feature_flags", Unknown),
        ("UNLINK feature_flags", Unknown),
        ("FLUSHDB", Unknown),
        ("FLUSHALL", Unknown),
        ("FLUSHALL ASYNC", Unknown),
        ("-n 5 FLUSHALL", Unknown),
        ("PEXPIRE feature_flags 1", Unknown),
        ("RENAME feature_flags elsewhere", Unknown),
        ("RENAME other feature_flags", Off),
        ("COPY other feature_flags REPLACE", Off),
        ("MOVE feature_flags 3", Unknown),
        ("RESTORE", Off),
    ] {
        fill(&server, "other", "0");
        fill(&server, "feature_flags", "1");
        becomes(&flags, "flag", On).await;
        let before = calls(&server, "ping");

        match command {
            "RESTORE" => {
                let copy =
                    "redis.call('RESTORE', KEYS[1], 0, redis.call('DUMP', KEYS[2]), 'REPLACE')";
                server.cli(&["EVAL", copy, "2", "feature_flags", "other"])
            }
            command => server.cli(&command.split(' ').collect::<Vec<_>>()),
        };

        becomes(&flags, "flag", state).await;
        let asked = calls(&server, "ping") - before;
        assert!(asked < 10, "{command}: {asked}");
    }
}

#[tokio::test]
async fn a_burst_of_changes_ends_in_the_last_one() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    let flags = follow(&server).await;

    // Reading and writing alternate in any order.
    let burst = tokio::task::spawn_blocking(move || {
        for n in 0..2_001 {
            python.set("flag", n % 2 == 0);
        }
    });
    burst.await.unwrap();

    becomes(&flags, "flag", On).await;
}
