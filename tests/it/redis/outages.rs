//! Servers that stop, hang or lose data, and networks that fail.

use std::time::Duration;

use flagstaff::{
    Context, Definition, Flags, Memory, Reason, Redis,
    answer::FlagState::{Off, On, Unknown},
    definition::OnStale,
    event::Event,
    source::{OnLostStore, RedisErrorKind as Kind, Status},
};

use tokio::time::timeout;

use super::{
    asking::Asking,
    fake::Fake,
    proxy::{Mode, Proxy},
    pushes::calls,
    server::{Server, patient},
    subject::{Subject, becomes, fails, start},
};
use crate::support::{BOUND, next};

/// The time that a start waits for a server that does not answer.
const PATIENCE: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_server_that_refuses_at_the_start_is_started_without() {
    let mut server = Server::start();
    server.kill();

    let flags = start(patient(&server.url()), PATIENCE).await;

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
    let redis = patient(&server.url());

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
    // Saved to disk, the overrides are there after the restart.
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
    let flags = Flags::builder().source(patient(&server.url())).source(declared);
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
async fn a_server_that_comes_back_empty_is_accepted_and_reported() {
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
    let redis = patient(&server.url()).on_lost_store(OnLostStore::Hold);
    let mut subject = Subject::with(redis).await;

    server.restart();

    subject.fails(&[Kind::LostStore]).await;
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    subject.recovers(&server, "restarted empty, held").await;
}

#[tokio::test]
async fn a_server_that_hangs_leaves_its_last_overrides() {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    let mut subject = Subject::with(Redis::open(&server.url()).unwrap()).await;

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
    let mut subject = Subject::with(patient(&proxy.url())).await;

    proxy.set(Mode::Cut);

    subject.fails(&[Kind::Lost]).await;
    proxy.set(Mode::Pass);
    subject.recovers(&server, "connections cut").await;
}

/// Only the first of 100 values of 300 bytes arrive.
#[tokio::test]
async fn a_network_too_slow_for_all_overrides_leaves_the_last_ones() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    let fill = "for n = 1, 100 do \
                redis.call('HSET', 'feature_flags', 'n' .. n, string.rep('x', 300)) end";
    server.cli(&["EVAL", fill, "0"]);
    // Long enough for the first bytes even on a busy machine.
    let redis = patient(&proxy.url()).response_timeout(Duration::from_secs(5)).unannounced();
    let mut subject = Subject::with(redis).await;

    let mut all_events = subject.flags.events();
    proxy.set(Mode::Until { received: proxy.counts().received + 10_000 });

    let message = subject.fails(&[Kind::TooSlow]).await;
    assert!(message.contains("`response_timeout`"), "{message}");
    // The failure is reported at once, not only by the next connection.
    let mut first = next(&mut all_events).await;
    // Warnings: the values are neither on nor off.
    while matches!(first, Event::Warned { .. }) {
        first = next(&mut all_events).await;
    }
    assert!(matches!(first, Event::Failed { kind: "too_slow", .. }), "{first:?}");
    proxy.set(Mode::Pass);
    subject.recovers(&server, "too slow").await;
}

/// Each answer arrives at once, but the scan never ends.
#[tokio::test]
async fn a_scan_that_does_not_end_leaves_the_last_overrides() {
    let (flag, kept) = ("*2\r\n$1\r\n0\r\n*1\r\n$7\r\nff:kept\r\n", r#"{"enabled": true}"#);
    let value = format!("*1\r\n${}\r\n{kept}\r\n", kept.len());
    let answers = [("CLIENT", "+OK\r\n"), ("HLEN", ":0\r\n"), ("SCAN", flag), ("MGET", &*value)];
    let server = Fake::start(&answers);
    let redis = Redis::open(&server.url()).unwrap().key_per_flag("ff").unannounced();
    let mut subject = Subject::with(redis).await;

    server.answer("SCAN", "*2\r\n$1\r\n1\r\n*0\r\n");

    subject.fails(&[Kind::TooSlow]).await;
    server.answer("SCAN", flag);
    subject.is_well_again("a scan without an end").await;
}

/// The client library reads nil as a hash without fields, or as no value.
#[tokio::test]
async fn an_answer_of_nil_leaves_the_last_overrides() {
    let kept = "%1\r\n$4\r\nkept\r\n$1\r\n1\r\n";
    for nil in ["_\r\n", "*-1\r\n", "$-1\r\n"] {
        let answers = [("CLIENT", "+OK\r\n"), ("HLEN", ":1\r\n"), ("HGETALL", kept)];
        let server = Fake::start(&answers);
        let redis = patient(&server.url()).unannounced();
        let mut subject = Subject::with(redis).await;

        server.answer("HGETALL", nil);

        let message = subject.fails(&[Kind::Protocol]).await;
        assert!(message.contains("HGETALL was answered with nil"), "{message}");
        server.answer("HGETALL", kept);
        subject.is_well_again("nil").await;
    }
}

#[tokio::test]
async fn a_slow_network_is_followed() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    let mut subject = Subject::with(patient(&proxy.url())).await;

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

/// A replica still answers, unless it is configured otherwise.
#[tokio::test]
async fn a_replica_whose_master_is_dead_leaves_the_last_overrides() {
    let (mut master, server) = (Server::start(), Server::start());
    master.cli(&["HSET", "feature_flags", "kept", "1"]);
    server.cli(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]);
    let link = async {
        while !server.cli(&["INFO", "replication"]).contains("master_link_status:up") {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, link).await.expect("the replica finds its master");
    let redis = || patient(&server.url()).unannounced();
    let mut subject = Subject::with(redis()).await;

    master.kill();

    let message = subject.fails(&[Kind::MasterDown]).await;
    assert!(message.contains("has lost its master"), "{message}");
    // A process that starts now uses the data of the replica.
    let late = start(redis(), PATIENCE).await;
    becomes(&late, "kept", On).await;
    assert_ne!(late.health().sources[0].status, Status::Ready);
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    subject.recovers(&server, "master dead").await;
}

#[tokio::test]
async fn a_store_that_is_evicted_leaves_the_last_overrides() {
    let server = Server::with(&["--maxmemory", "4mb", "--maxmemory-policy", "allkeys-random"]);
    let mut subject = Subject::on(&server).await;

    evict(&server, "feature_flags");

    let message = subject.fails(&[Kind::Evicted]).await;
    assert!(message.contains("1 override is gone"), "{message}");
    // A new connection gives the same result.
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    subject.fails(&[Kind::Lost, Kind::Evicted]).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    subject.recovers(&server, "evicted").await;
}

/// Other keys are still followed, and a change of this crate can still remove the override.
#[tokio::test]
async fn a_key_that_is_evicted_leaves_its_last_override() {
    let server = Server::with(&["--maxmemory", "4mb", "--maxmemory-policy", "allkeys-random"]);
    server.cli(&["SET", "ff:kept", r#"{"enabled": true}"#]);
    let redis = patient(&server.url()).key_per_flag("ff").handle();
    let mut subject = Subject::with(redis.clone()).await;

    evict(&server, "ff:kept");

    subject.fails(&[Kind::Evicted]).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    server.cli(&["SET", "ff:other", r#"{"enabled": true}"#]);
    subject.becomes("other", On).await;
    subject.flags.clear("other").await.unwrap();
    subject.becomes("other", Unknown).await;
    server.cli(&["SET", "ff:kept", r#"{"enabled": true}"#]);
    subject.is_well_again("a key evicted").await;
}

/// Fills the server until it evicts this key.
fn evict(server: &Server, key: &str) {
    let fill = "for n = 1, 500 do redis.call('SET', KEYS[1] .. n, string.rep('x', 1000)) end";
    for n in 0..1_000 {
        server.cli(&["EVAL", fill, "1", &format!("fill:{n}:")]);
        if server.cli(&["EXISTS", key]) == "0" {
            return;
        }
    }
    panic!("it is never evicted");
}

/// The server does not name a flag, so all keys of other programs are scanned once.
#[tokio::test]
async fn flags_among_a_million_keys_of_others_are_followed() {
    let server = Server::with(&["--enable-debug-command", "yes"]);
    server.cli(&["DEBUG", "POPULATE", "1000000", "other", "1"]);
    server.cli(&["SET", "ff:kept", r#"{"enabled": true}"#]);
    let redis = patient(&server.url()).key_per_flag("ff");
    let mut subject = Subject::with(redis.unannounced()).await;
    let scans = calls(&server, "scan");
    assert!(scans >= 1_000, "{scans}");

    for n in 0..20 {
        server.cli(&["SET", &format!("ff:n{n}"), r#"{"enabled": true}"#]);
        subject.becomes(&format!("n{n}"), On).await;
    }

    // At most one reading is under way.
    let more = calls(&server, "scan") - scans;
    assert!(more <= scans, "{more}");
    subject.is_undisturbed("a million keys");
}
