//! Stores whose master is chosen by sentinels.

use flagstaff::{
    Context, Redis,
    answer::FlagState,
    source::{InvalidRedis, RedisErrorKind, Status, WritableBackend},
    write::{Operation, Write},
};

use super::{becomes, follow, health, recovers, refusal};
use crate::redis::{
    asking::Asking,
    sentinel::{Watched, write},
    server::{Port, Server, cli},
    subject::Subject,
};

#[tokio::test]
async fn a_planned_change_of_the_master_is_followed() {
    let watched = Watched::start();
    let flags = follow(watched.redis()).await;
    let asking = Asking::start(&flags, &["before"]);

    watched.ask(&["FAILOVER", "mymaster"]);
    watched.sentinel.wait_for("+switch-master");
    write(&watched.replica, "after");

    recovers("a planned change of the master", &flags, "after").await;
    asking.stop("a planned change of the master");
}

/// No source follows the store here, which would notice the new master before the writer does.
#[tokio::test]
async fn a_change_right_after_a_planned_change_of_the_master_is_not_lost() {
    let watched = Watched::start();
    let redis = watched.redis().handle();
    redis.write("before", Write::new(Operation::Disable)).await.unwrap();
    watched.ask(&["FAILOVER", "mymaster"]);
    watched.sentinel.wait_for("+switch-master");

    redis.write("after", Write::new(Operation::Enable)).await.unwrap();

    let stored =
        |server: &Server| cli(server.port(), &["-a", "secret", "HGET", "feature_flags", "after"]);
    assert_eq!((&*stored(&watched.replica), &*stored(&watched.master)), ("1", ""));
}

#[tokio::test]
async fn a_master_that_dies_is_replaced() {
    let mut watched = Watched::start();
    let flags = follow(watched.redis()).await;
    let asking = Asking::start(&flags, &["before"]);

    watched.master.kill();
    watched.sentinel.wait_for("+switch-master");
    write(&watched.replica, "after");

    recovers("another master after the death of one", &flags, "after").await;
    asking.stop("the death of a master");
}

#[tokio::test]
async fn flags_do_not_need_the_sentinels_once_the_master_is_found() {
    let mut watched = Watched::start();
    let flags = follow(watched.redis()).await;

    watched.sentinel.kill();
    write(&watched.master, "after");

    becomes(&flags, "after", FlagState::On).await;
    assert_eq!(health(&flags).status, Status::Ready);
}

#[tokio::test]
async fn a_hanging_sentinel_does_not_disturb_flags() {
    let watched = Watched::start();
    let flags = follow(watched.redis()).await;
    flags.enable("changed").await.unwrap();

    watched.sentinel.stop();
    write(&watched.master, "after");
    becomes(&flags, "after", FlagState::On).await;
    flags.disable("changed").await.unwrap();

    assert!(!flags.is_enabled("changed", &Context::anonymous()));
    assert_eq!(health(&flags).status, Status::Ready);
    watched.sentinel.resume();
}

#[tokio::test]
async fn a_master_that_hangs_beside_a_sentinel_that_hangs_leaves_the_last_overrides() {
    let watched = Watched::start();
    write(&watched.master, "kept");
    let mut subject = Subject::with(watched.redis()).await;

    watched.sentinel.stop();
    watched.master.stop();

    // First the master fails, then the sentinel, which is asked for the master.
    subject.fails(&[RedisErrorKind::ResponseTimeout, RedisErrorKind::ConnectTimeout]).await;
    watched.master.resume();
    watched.sentinel.resume();
    write(&watched.master, "after");
    recovers("master and sentinel hung", &subject.flags, "after").await;
    subject.is_undisturbed("master and sentinel hung");
}

#[tokio::test]
async fn one_sentinel_that_answers_is_enough() {
    let watched = Watched::start();
    let nobody = Port::take();
    let sentinels = [format!("redis://127.0.0.1:{}", nobody.number), watched.sentinel_url()];

    let flags = follow(Redis::sentinel("redis://:secret@mymaster", sentinels).unwrap()).await;

    assert_eq!(*flags.watch("before").borrow(), FlagState::On);
}

#[tokio::test]
async fn the_reason_for_not_reaching_the_master_is_reported() {
    let watched = Watched::start();
    let at = |master: &str, sentinel: &str| Redis::sentinel(master, [sentinel]).unwrap();
    let sentinel = watched.sentinel_url();

    let (kind, message) = refusal(at("redis://:secret@other", &sentinel)).await;
    assert_eq!(kind, RedisErrorKind::NoMaster);
    assert!(message.contains("`other` is unknown"), "{message}");

    let (kind, message) = refusal(at("redis://:secret3@mymaster", &sentinel)).await;
    assert_eq!(kind, RedisErrorKind::Auth);
    assert!(message.contains(&watched.master.port().to_string()), "{message}");

    let (kind, message) =
        refusal(at("redis://:secret@mymaster", &sentinel.replace("secret2", "secret3"))).await;
    assert_eq!(kind, RedisErrorKind::Auth);
    assert!(message.contains(&watched.sentinel.port().to_string()), "{message}");
}

#[test]
fn sentinels_have_an_address() {
    let none: [&str; 0] = [];

    assert_eq!(Redis::sentinel("mymaster", none).unwrap_err(), InvalidRedis::NoNodes);
    assert!(Redis::sentinel("mymaster", ["localhost"]).is_err());
    assert!(Redis::sentinel("unix:///run/redis.sock", ["redis://localhost"]).is_err());
}
