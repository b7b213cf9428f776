//! Stores with more data than an instance should read often, or at all.

use std::time::Instant;

use flagstaff::{
    Context, Flags,
    answer::FlagState::{Off, On},
    source::{RedisErrorKind as Kind, WritableBackend},
    write::{Operation, Write},
};
use tokio::time::timeout;

use super::{
    proxy::Proxy,
    pushes::calls,
    server::{Server, patient},
    subject::{Subject, becomes},
};
use crate::support::BOUND;

const MEBI: usize = 1024 * 1024;

fn eval(server: &Server, script: &str) {
    server.cli(&["EVAL", script, "0"]);
}

/// Returns flags that only read the overrides, so that readings can be counted.
async fn unannounced(server: &Server) -> Subject {
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    Subject::with(patient(&server.url()).unannounced()).await
}

/// Waits until the server has received this many more `PING`s.
async fn ticks(server: &Server, more: usize) {
    is_given(server, "ping", more).await;
}

/// Waits until the server has received a command this many more times.
pub(super) async fn is_given(server: &Server, command: &str, more: usize) {
    let before = calls(server, command);
    let given = async {
        while calls(server, command) < before + more {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, given).await.expect(command);
}

#[tokio::test]
async fn a_value_of_many_megabytes_is_not_read() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    let redis = patient(&proxy.url()).unannounced();
    let mut subject = Subject::with(redis).await;

    eval(&server, "redis.call('HSET', 'feature_flags', 'big', string.rep('x', 100 * 1024 * 1024))");

    let message = subject.fails(&[Kind::BadValue]).await;
    assert!(message.contains("field `big`") && message.contains("104857600 bytes"), "{message}");
    // The first answer was cut off; some more of it was in transit.
    let received = proxy.counts().received;
    assert!(received < 30 * MEBI, "{received}");

    server.cli(&["HSET", "feature_flags", "other", "1"]);
    subject.becomes("other", On).await;
    ticks(&server, 0).await;
    let more = proxy.counts().received - received;
    assert!(more < MEBI, "{more}");

    server.cli(&["HSET", "feature_flags", "big", "1"]);
    subject.becomes("big", On).await;
    subject.is_undisturbed("a value of 100 MiB");
}

#[tokio::test]
async fn a_key_of_many_megabytes_is_not_read() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    server.cli(&["SET", "ff:kept", r#"{"enabled": true}"#]);
    let redis = patient(&proxy.url()).key_per_flag("ff").unannounced();
    let mut subject = Subject::with(redis).await;

    eval(&server, "redis.call('SET', 'ff:big', string.rep('x', 100 * 1024 * 1024))");

    let message = subject.fails(&[Kind::BadValue]).await;
    assert!(message.contains("`ff:big`") && message.contains("104857600 bytes"), "{message}");
    let received = proxy.counts().received;
    assert!(received < 30 * MEBI, "{received}");
    server.cli(&["SET", "ff:other", r#"{"enabled": true}"#]);
    subject.becomes("other", On).await;
    let more = proxy.counts().received - received;
    assert!(more < MEBI, "{more}");
    subject.is_undisturbed("a key of 100 MiB");
}

/// A kill switch neither reads the old value nor logs it, so instances can read its log entry.
#[tokio::test]
async fn a_value_of_many_megabytes_can_be_replaced() {
    let server = Server::start();
    for (redis, write) in [
        (patient(&server.url()), "redis.call('HSET', 'feature_flags', 'big', x)"),
        (patient(&server.url()).key_per_flag("ff"), "redis.call('SET', 'ff:big', x)"),
    ] {
        let redis = redis.response_timeout(BOUND).handle();
        let flags = Flags::builder().source(redis.clone()).max_wait(BOUND).start().await.unwrap();
        eval(&server, &format!("local x = string.rep('{{', 70 * 1024 * 1024); {write}"));

        let written = flags.disable("big").await.unwrap().revision.unwrap();

        becomes(&flags, "big", Off).await;
        let logged = redis.revision(written).await.unwrap().unwrap();
        assert_eq!(logged.before, None);
        let undo = flags.undo(written).await.unwrap_err();
        assert!(format!("{undo:?}").contains("73400320 bytes"), "{undo:?}");
    }
}

/// Without the right to read lengths, the answer is cut off.
#[tokio::test]
async fn a_store_of_many_megabytes_is_not_read_again_until_it_changes() {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    server.cli(&["ACL", "SETUSER", "default", "-hstrlen"]);
    let redis = patient(&server.url()).unannounced();
    let mut subject = Subject::with(redis).await;

    eval(&server, "redis.call('HSET', 'feature_flags', 'big', string.rep('x', 70 * 1024 * 1024))");

    let message = subject.fails(&[Kind::TooLarge]).await;
    assert!(message.contains("64 MiB"), "{message}");
    ticks(&server, 1).await;
    let read = calls(&server, "hgetall");
    ticks(&server, 2).await;
    assert_eq!(calls(&server, "hgetall"), read);

    server.cli(&["HDEL", "feature_flags", "big"]);
    subject.recovers(&server, "too large").await;
}

/// The number of the last change can only be read together with its whole entry.
#[tokio::test]
async fn a_log_with_an_entry_of_many_megabytes_is_not_asked_for_again_and_again() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    let entry =
        "'{feature_flags}:log', '1-0', 'flag', 'x', 'after', string.rep('x', 70 * 1024 * 1024)";
    eval(&server, &format!("redis.call('XADD', {entry})"));
    let redis = patient(&proxy.url()).unannounced();

    let subject = Subject::with(redis).await;

    let asked = || (calls(&server, "xrevrange"), proxy.counts().connections);
    let before = asked();
    is_given(&server, "hgetall", 3).await;
    server.cli(&["HSET", "feature_flags", "other", "1"]);
    subject.becomes("other", On).await;
    assert_eq!(asked(), before);
}

/// Sixty values of 10 KB have as many bytes as thousands of small ones.
#[tokio::test]
async fn few_values_with_many_bytes_are_not_read_all_the_time() {
    let server = Server::start();
    let fill = "for n = 1, 60 do \
                redis.call('HSET', 'feature_flags', 'n' .. n, string.rep('x', 10000)) end";
    eval(&server, fill);
    let subject = unannounced(&server).await;
    ticks(&server, 1).await;
    let read = calls(&server, "hgetall");

    ticks(&server, 2).await;

    assert_eq!(calls(&server, "hgetall"), read);
    server.cli(&["HSET", "feature_flags", "other", "1"]);
    subject.becomes("other", On).await;
}

#[tokio::test]
async fn a_large_store_is_read_at_most_once_a_second_however_often_it_changes() {
    let server = Server::start();
    eval(&server, "for n = 1, 600 do redis.call('HSET', 'feature_flags', 'n' .. n, '1') end");
    let subject = unannounced(&server).await;
    let writer = patient(&server.url()).handle();
    // 600 fields have 1,024 places, which are read in pieces of 100.
    let readings = || calls(&server, "hgetall") + calls(&server, "hscan").div_ceil(11);
    let (before, start) = (readings(), Instant::now());

    // The log names each changed flag, so each is in force long before all flags are read again.
    for n in 0..200 {
        let (operation, state) =
            if n % 2 == 0 { (Operation::Disable, Off) } else { (Operation::Enable, On) };
        writer.write("n7", Write::new(operation)).await.unwrap();
        subject.becomes("n7", state).await;
    }

    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    let read = readings() - before;
    assert!(read <= seconds + 2, "{read} times in {seconds} s");
    // Other writers name no flag in a log.
    server.cli(&["HSET", "feature_flags", "n8", "0"]);
    subject.becomes("n8", Off).await;
}

#[tokio::test]
async fn a_change_of_ours_is_in_force_although_there_are_too_many_flags() {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", "kept", "1", "other", "1"]);
    let redis = |name: &str| patient(&server.url()).max_fields(2).instance(name);
    let mut subject = Subject::with(redis("one")).await;
    let flags = Flags::builder().source(redis("two")).max_wait(BOUND).start().await.unwrap();
    server.cli(&["HSET", "feature_flags", "a", "1", "b", "1", "c", "1"]);
    subject.fails(&[Kind::TooManyFields]).await;

    flags.disable("other").await.unwrap();

    assert!(!flags.is_enabled("other", &Context::anonymous()));
    assert_eq!(server.cli(&["HGET", "feature_flags", "other"]), "0");
    // All other instances read its name in the log.
    subject.becomes("other", Off).await;
    flags.disable("new").await.unwrap();
    subject.becomes("new", Off).await;
    server.cli(&["HDEL", "feature_flags", "a", "b", "c", "new"]);
    subject.recovers(&server, "too many flags").await;
}
