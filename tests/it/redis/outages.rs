//! Servers that go away, hang or forget, and networks that do.

use std::time::Duration;

use flagstaff::{
    Context, Definition, Flags, Memory, Reason, Redis,
    answer::FlagState::{Off, On},
    definition::OnStale,
    event::Event,
    source::{OnLostStore, RedisErrorKind as Kind, Status},
};

use super::{
    asking::Asking,
    proxy::{Mode, Proxy},
    server::Server,
    subject::{Subject, becomes, fails, start},
};
use crate::support::{BOUND, next};

/// How long a start waits for a server that is away.
const PATIENCE: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_server_that_refuses_at_the_start_is_started_without() {
    let mut server = Server::start();
    server.kill();

    let flags = start(Redis::open(&server.url()).unwrap(), PATIENCE).await;

    let asking = Asking::start(&flags, &["below"]);
    let health = &flags.health().sources[0];
    assert_ne!(health.status, Status::Ready);
    assert_eq!(health.age, None);
    assert!(!flags.is_enabled("kept", &Context::anonymous()));
    let message = fails(&mut flags.events(), Kind::Unreachable).await;
    assert!(message.contains(&format!("127.0.0.1:{}", server.port())), "{message}");

    server.restart();
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    becomes(&flags, "kept", On).await;
    assert_eq!(flags.health().sources[0].status, Status::Ready);
    asking.stop("refused at the start");
}

#[tokio::test]
async fn a_server_that_refuses_at_the_start_can_be_required() {
    let mut server = Server::start();
    server.kill();
    let redis = Redis::open(&server.url()).unwrap();

    let error = Flags::builder().source(redis).require_ready().start().await.unwrap_err();

    assert_eq!(error.name(), "redis");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.starts_with("cannot reach Redis at"), "{source}");
}

#[tokio::test]
async fn a_server_that_is_silent_at_the_start_is_started_without() {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    server.stop();

    let flags = start(Redis::open(&server.url()).unwrap(), PATIENCE).await;

    let asking = Asking::start(&flags, &["below"]);
    fails(&mut flags.events(), Kind::ConnectTimeout).await;
    assert!(!flags.is_enabled("kept", &Context::anonymous()));
    server.resume();
    becomes(&flags, "kept", On).await;
    asking.stop("silent at the start");
}

#[tokio::test]
async fn a_killed_server_leaves_its_last_overrides() {
    let mut server = Server::start();
    let mut subject = Subject::on(&server).await;
    // Beside the test's directory, it comes back with what it had.
    server.cli(&["SAVE"]);

    server.kill();

    let message = subject.fails(&[Kind::Lost, Kind::Unreachable]).await;
    assert!(message.starts_with("cannot reach Redis at"), "{message}");
    server.restart();
    subject.recovers(&server, "killed").await;
}

#[tokio::test]
async fn a_flag_may_change_once_the_server_was_away_for_long() {
    let mut server = Server::start();
    server.cli(&["HSET", "feature_flags", "kept", "1", "closed", "1"]);
    let closed = Definition::new().stale_after(Duration::from_millis(100)).on_stale(OnStale::Off);
    let declared = Memory::new().with("kept", false).with("closed", closed);
    let flags = Flags::builder().source(Redis::open(&server.url()).unwrap()).source(declared);
    let flags = flags.max_wait(BOUND).start().await.unwrap();
    becomes(&flags, "closed", On).await;

    server.kill();

    becomes(&flags, "closed", Off).await;
    assert_eq!(flags.boolean("closed", &Context::anonymous(), false).reason, Reason::Stale);
    assert!(flags.is_enabled("kept", &Context::anonymous()));
    server.restart();
    server.cli(&["HSET", "feature_flags", "closed", "1"]);
    becomes(&flags, "closed", On).await;
}

#[tokio::test]
async fn a_server_that_comes_back_empty_is_believed_and_told_of() {
    let mut server = Server::start();
    let mut subject = Subject::on(&server).await;
    server.kill();
    subject.fails(&[Kind::Unreachable]).await;
    subject.is_undisturbed("killed");

    server.restart();

    let asking = Asking::start(&subject.flags, &["below"]);
    let message = fails(&mut subject.events, Kind::LostStore).await;
    assert!(message.contains("`feature_flags` is gone"), "{message}");
    subject.becomes("kept", Off).await;
    assert_eq!(subject.flags.health().sources[0].status, Status::Ready);
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    subject.becomes("kept", On).await;
    asking.stop("restarted empty");
}

#[tokio::test]
async fn a_server_that_comes_back_empty_can_be_waited_for() {
    let mut server = Server::start();
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    let redis = Redis::open(&server.url()).unwrap().on_lost_store(OnLostStore::Hold);
    let mut subject = Subject::with(redis).await;

    server.restart();

    subject.fails(&[Kind::LostStore]).await;
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    subject.recovers(&server, "restarted empty, held").await;
}

#[tokio::test]
async fn a_server_that_hangs_leaves_its_last_overrides() {
    let server = Server::start();
    let mut subject = Subject::on(&server).await;

    server.stop();

    subject.fails(&[Kind::ResponseTimeout, Kind::ConnectTimeout]).await;
    server.resume();
    subject.recovers(&server, "hung").await;
}

#[tokio::test]
async fn a_network_that_drops_everything_leaves_the_last_overrides() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    let mut subject = Subject::with(Redis::open(&proxy.url()).unwrap()).await;

    proxy.set(Mode::Drop);

    subject.fails(&[Kind::ResponseTimeout, Kind::ConnectTimeout]).await;
    proxy.set(Mode::Pass);
    subject.recovers(&server, "packets dropped").await;
}

#[tokio::test]
async fn a_network_that_cuts_connections_leaves_the_last_overrides() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    let mut subject = Subject::with(Redis::open(&proxy.url()).unwrap()).await;

    proxy.set(Mode::Cut);

    subject.fails(&[Kind::Lost]).await;
    proxy.set(Mode::Pass);
    subject.recovers(&server, "connections cut").await;
}

/// 100 values of 300 bytes at 3 bytes per millisecond.
#[tokio::test]
async fn a_network_too_slow_for_all_overrides_leaves_the_last_ones() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    let fill = "for n = 1, 100 do \
                redis.call('HSET', 'feature_flags', 'n' .. n, string.rep('x', 300)) end";
    server.cli(&["EVAL", fill, "0"]);
    let mut subject = Subject::with(Redis::open(&proxy.url()).unwrap()).await;

    let mut all_events = subject.flags.events();
    proxy.set(Mode::Slow { bytes: 60, rest: Duration::from_millis(20) });

    let message = subject.fails(&[Kind::TooSlow]).await;
    assert!(message.contains("`response_timeout`"), "{message}");
    // It is noticed at once, not only by the next connection.
    let first = next(&mut all_events).await;
    assert!(matches!(first, Event::Failed { kind: "too_slow", .. }), "{first:?}");
    proxy.set(Mode::Pass);
    subject.recovers(&server, "too slow").await;
}

/// Each answer comes in time, and all of them do not: 9,000 keys are read in 18 parts.
#[tokio::test]
async fn a_network_too_slow_for_all_keys_leaves_the_last_overrides() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    server.cli(&["SET", "ff:kept", r#"{"enabled": true}"#]);
    let fill = "for n = 1, 9000 do redis.call('SET', 'ff:number_' .. n, '{\"enabled\": true}') end";
    server.cli(&["EVAL", fill, "0"]);
    let redis = Redis::open(&proxy.url()).unwrap().key_per_flag("ff");
    let mut subject = Subject::with(redis.response_timeout(Duration::from_secs(1))).await;

    proxy.set(Mode::Slow { bytes: 6_000, rest: Duration::from_millis(20) });
    server.cli(&["SET", "ff:other", r#"{"enabled": true}"#]);

    subject.fails(&[Kind::TooSlow]).await;
    proxy.set(Mode::Pass);
    subject.becomes("other", On).await;
    subject.is_undisturbed("too slow for all keys");
}

#[tokio::test]
async fn a_slow_network_is_followed() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    let mut subject = Subject::with(Redis::open(&proxy.url()).unwrap()).await;

    proxy.set(Mode::Slow { bytes: 60, rest: Duration::from_millis(5) });

    server.cli(&["HSET", "feature_flags", "other", "1"]);
    subject.becomes("other", On).await;
    subject.is_undisturbed("slow");
}

#[tokio::test]
async fn a_replica_without_its_master_leaves_the_last_overrides() {
    let server = Server::with(&["--replica-serve-stale-data", "no"]);
    let mut subject = Subject::on(&server).await;
    let mut master = Server::start();
    master.kill();

    server.cli(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]);

    subject.fails(&[Kind::MasterDown]).await;
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    subject.recovers(&server, "master down").await;
}
