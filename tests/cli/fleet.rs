//! The command beside running services: their flag file compared with the local one, and the flags that they use.

use std::fs;

use flagstaff::{File, Flags, cli::ExitCode, source::RedisHandle};
use tempfile::TempDir;

use crate::{
    command::{Ran, on, ran},
    server::{Server, patient},
    support::BOUND,
};

/// A service with a file of its own, and a directory with another one.
struct Fleet {
    server: Server,
    redis: RedisHandle,
    _flags: Flags,
    here: TempDir,
    there: TempDir,
}

impl Fleet {
    async fn start() -> Self {
        let (server, here, there) =
            (Server::start(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(here.path().join("flags.toml"), "[flags]\ncheckout = true\n").unwrap();
        let theirs = there.path().join("flags.toml");
        fs::write(&theirs, "[flags]\ncheckout = false\nonly_there = true\n").unwrap();
        let redis = patient(&server.url()).instance("web-1").handle();
        let file = File::open(&theirs).unwrap();
        let flags = Flags::builder().source(redis.clone()).source(file).max_wait(BOUND);
        let flags = flags.start().await.unwrap();
        let announced = async {
            while redis.fleet().await.unwrap().files().is_empty()
                || redis.usage().await.unwrap().is_empty()
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(BOUND, announced).await.expect("it announces itself");
        Self { server, redis, _flags: flags, here, there }
    }

    /// Runs a command while the service runs.
    async fn run(&self, directory: &TempDir, arguments: &[&str]) -> Ran {
        let mut command = on(&self.server, arguments);
        command.current_dir(directory);
        tokio::task::spawn_blocking(move || ran(&mut command)).await.unwrap()
    }
}

#[tokio::test]
async fn commands_that_read_warn_if_instances_run_another_file() {
    let fleet = Fleet::start().await;
    let told = "warning: `flags.toml` is not the file that 1 of 1 instance runs";

    for look in [&["list"][..], &["eval", "checkout"], &["explain", "checkout"], &["instances"]] {
        let other = fleet.run(&fleet.here, look).await.stderr;
        let same = fleet.run(&fleet.there, look).await.stderr;
        assert!(other.contains(told), "{look:?}: {other}");
        assert!(!same.contains("is not the file"), "{look:?}: {same}");
    }
    let json = fleet.run(&fleet.here, &["instances", "-o", "json"]).await.stdout;
    assert!(json.contains("\"runsFileAtHand\": false"), "{json}");
}

#[tokio::test]
async fn without_a_file_the_names_of_used_flags_are_known() {
    let fleet = Fleet::start().await;
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(fleet.redis.usage().await.unwrap().contains_key("only_there"));

    let known = fleet.run(&elsewhere, &["disable", "only_there", "--no-file"]).await;
    let unknown = fleet.run(&elsewhere, &["disable", "only_their", "--no-file"]).await;

    assert_eq!(known.code, ExitCode::Done, "{}", known.stderr);
    assert_eq!(unknown.code, ExitCode::Refused, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("no source and no instance has a flag"), "{}", unknown.stderr);
    assert_eq!(fleet.server.cli(&["HGETALL", "feature_flags"]), "only_there\n0");
}
