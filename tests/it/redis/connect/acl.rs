//! Users who may do no more than they need.

use std::time::Duration;

use flagstaff::{Flags, Redis, backend::RedisErrorKind};

use super::{follow, health};
use tokio::time::timeout;

use crate::{
    redis::server::Server,
    support::{BOUND, next},
};

const READER: &[&str] = &["%R~feature_flags", "+hgetall", "+hlen", "+ping", "+client|tracking"];
const WRITER: &[&str] = &[
    "~feature_flags",
    "~{feature_flags}:*",
    "+hgetall",
    "+hlen",
    "+ping",
    "+client|tracking",
    "+hget",
    "+hset",
    "+hdel",
    "+evalsha",
    "+script|load",
    "+xadd",
    "+xrange",
    "+xrevrange",
    "+time",
    "+expire",
];

/// A store for a user with these rules and no others.
fn user(server: &Server, rules: &[&str]) -> Redis {
    let reset = ["ACL", "SETUSER", "flags", "reset", "on", ">secret", "-@all"];
    server.cli(&[&reset, rules].concat());
    Redis::open(&format!("redis://flags:secret@127.0.0.1:{}", server.port())).unwrap()
}

fn without<'a>(rules: &[&'a str], rule: &str) -> Vec<&'a str> {
    rules.iter().copied().filter(|other| *other != rule).collect()
}

/// The failure of the first attempt to read.
async fn failure(redis: Redis) -> flagstaff::backend::RedisError {
    let flags = Flags::builder().layer(redis).max_wait(Duration::ZERO).start().await.unwrap();
    let mut events = flags.events();
    loop {
        if let Some(error) = health(&flags).last_error {
            return error.downcast_ref::<flagstaff::backend::RedisError>().unwrap().clone();
        }
        next(&mut events).await;
    }
}

#[tokio::test]
async fn a_missing_rule_is_named() {
    let server = Server::start();

    for (missing, named) in [
        ("%R~feature_flags", "`ACL SETUSER flags ~feature_flags`"),
        ("+hgetall", "`ACL SETUSER flags +hgetall`"),
        ("+hlen", "`ACL SETUSER flags +hlen`"),
    ] {
        let error = failure(user(&server, &without(READER, missing)).unannounced()).await;

        assert_eq!(error.kind(), RedisErrorKind::Permission, "{missing}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

/// Everything that changes and tells of changes.
async fn write(redis: Redis) -> Result<(), Box<dyn std::error::Error>> {
    let flags = Flags::builder().layer(redis.clone()).start().await?;
    let revision = flags.enable("beta").author("ana").await?.revision.expect("a log");
    flags.disable("beta").await?;
    flags.undo(revision + 1).await?;
    flags.clear("beta").await?;
    assert_eq!(flags.history(Some("beta"), 10).await?.len(), 4);
    redis.fleet().await?;
    Ok(())
}

#[tokio::test]
async fn a_writer_needs_these_rules_and_no_others() {
    let server = Server::start();

    write(user(&server, WRITER)).await.unwrap();

    // What a reader needs has a test of its own; the last is for telling the others what is seen.
    for missing in WRITER.iter().filter(|rule| !READER.contains(rule) && **rule != "+expire") {
        server.cli(&["FLUSHALL"]);
        server.cli(&["SCRIPT", "FLUSH"]);
        let written = write(user(&server, &without(WRITER, missing))).await;
        assert!(written.is_err(), "`{missing}` is not needed");
    }
}

#[tokio::test]
async fn a_writer_is_one_of_the_fleet() {
    let server = Server::start();
    let redis = user(&server, WRITER).instance("here");
    let _flags = follow(redis.clone()).await;

    let met = timeout(BOUND, async {
        while redis.fleet().await.unwrap().instances.is_empty() {
            tokio::task::yield_now().await;
        }
    });

    assert!(met.await.is_ok());
}
