//! Users with the least rights that they need.

use std::time::Duration;

use flagstaff::{
    Flags, Redis,
    source::{RedisError, RedisErrorKind, RedisHandle},
};
use tokio::time::timeout;

use super::{follow, health};
use crate::{
    redis::server::{Server, patient},
    support::{BOUND, next},
};

/// Returns the rules of a `reader` or a `writer` in the document, without the password.
fn documented(user: &str) -> Vec<&'static str> {
    let start = format!("ACL SETUSER {user} on >secret ");
    let mut lines = include_str!("../../../../src/docs/reliability.md").lines();
    let rules = lines.find_map(|line| line.strip_prefix(&start)).unwrap();
    rules.split(' ').collect()
}

/// Returns a store for a user with only these rules.
fn user(server: &Server, rules: &[&str]) -> Redis {
    let reset = ["ACL", "SETUSER", "flags", "reset", "on", ">secret"];
    server.cli(&[&reset, rules].concat());
    patient(&format!("redis://flags:secret@127.0.0.1:{}", server.port()))
}

fn without<'a>(rules: &[&'a str], rule: &str) -> Vec<&'a str> {
    rules.iter().copied().filter(|other| *other != rule).collect()
}

/// Returns the failure of the first attempt to read.
async fn failure(redis: Redis) -> RedisError {
    let flags = Flags::builder().source(redis).max_wait(Duration::ZERO).start().await.unwrap();
    let mut events = flags.events();
    loop {
        if let Some(error) = health(&flags).last_error {
            return error.downcast_ref::<RedisError>().unwrap().clone();
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
        let error =
            failure(user(&server, &without(&documented("reader"), missing)).unannounced()).await;

        assert_eq!(error.kind(), RedisErrorKind::Permission, "{missing}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

/// Runs every operation that changes flags or reads changes.
async fn write(redis: Redis) -> Result<(), Box<dyn std::error::Error>> {
    let redis = redis.handle();
    // A source whose user is refused never becomes ready.
    let flags = Flags::builder().source(redis.clone()).max_wait(Duration::ZERO).start().await?;
    let revision = flags.enable("beta").author("ana").await?.revision.expect("a log");
    flags.disable("beta").await?;
    flags.undo(revision + 1).await?;
    flags.clear("beta").await?;
    assert_eq!(flags.history_of("beta", 10).await?.len(), 4);
    redis.fleet().await?;
    Ok(())
}

#[tokio::test]
async fn a_writer_needs_these_rules_and_no_others() {
    let server = Server::start();

    let (reader, writer) = (documented("reader"), documented("writer"));
    write(user(&server, &writer)).await.unwrap();

    // Another test checks the rules of a reader. `+expire` is only for reporting seen changes to other instances.
    for missing in writer.iter().filter(|rule| !reader.contains(rule) && **rule != "+expire") {
        server.cli(&["FLUSHALL"]);
        server.cli(&["SCRIPT", "FLUSH"]);
        let written = write(user(&server, &without(&writer, missing))).await;
        assert!(written.is_err(), "`{missing}` is not needed");
    }
}

#[tokio::test]
async fn a_writer_is_one_of_the_fleet() {
    let server = Server::start();
    let redis = user(&server, &documented("writer")).instance("here").handle();
    let _flags = follow(redis.clone()).await;

    is_announced(&redis).await;
}

async fn is_announced(redis: &RedisHandle) {
    let met = timeout(BOUND, async {
        while redis.fleet().await.unwrap().instances.is_empty() {
            tokio::task::yield_now().await;
        }
    });
    assert!(met.await.is_ok());
}

#[tokio::test]
async fn an_instance_that_may_not_report_usage_is_still_in_the_fleet() {
    let server = Server::start();
    let mut rules = without(&documented("writer"), "~{feature_flags}:*");
    rules.extend(["~{feature_flags}:log", "~{feature_flags}:instances"]);
    let redis = user(&server, &rules).instance("here").handle();
    let flags = follow(redis.clone()).await;
    is_announced(&redis).await;

    for _ in 0..3 {
        let written = flags.enable("beta").await.unwrap().revision.unwrap();
        let fleet = redis.wait_until_seen(written, BOUND).await.unwrap();

        assert_eq!((fleet.confirmed.len(), fleet.laggards.len()), (1, 0));
    }
    assert_eq!(redis.usage().await.unwrap_err().kind(), RedisErrorKind::Permission);
}
