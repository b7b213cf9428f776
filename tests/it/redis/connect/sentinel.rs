//! Masters that sentinels choose.

use std::time::Instant;

use flagstaff::{
    FlagState, Redis, Status, WritableBackend,
    backend::{InvalidRedis, Operation, RedisErrorKind, Write},
};

use super::{becomes, follow, health, recovers, refusal};
use crate::{
    redis::server::{Port, Server, cli},
    support::BOUND,
};

/// A master, a replica of it and a sentinel that may appoint another master on its own.
struct Watched {
    master: Server,
    replica: Server,
    sentinel: Server,
}

impl Watched {
    fn start() -> Self {
        let both = ["--requirepass", "secret", "--masterauth", "secret"];
        let both = [&both[..], &["--repl-diskless-sync-delay", "0"]].concat();
        // It cannot be demoted: after a planned change it goes on as if nothing had happened, as
        // any master does for seconds.
        let stays = ["--rename-command", "REPLICAOF", "", "--rename-command", "SLAVEOF", ""];
        let master = Server::with(&[&both[..], &stays].concat());
        // What is written later may die with the master.
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
        // It is silent about when it has asked the replica how it is, and appoints none before.
        let start = Instant::now();
        while !watched.ask(&["REPLICAS", "mymaster"]).contains("master-link-status\nok") {
            assert!(start.elapsed() < BOUND);
        }
        watched
    }

    fn ask(&self, rest: &[&str]) -> String {
        cli(self.sentinel.port(), &[&["-a", "secret2", "SENTINEL"], rest].concat())
    }

    fn sentinel_url(&self) -> String {
        format!("redis://:secret2@127.0.0.1:{}", self.sentinel.port())
    }

    fn redis(&self) -> Redis {
        Redis::sentinel("redis://:secret@mymaster/0", [self.sentinel_url()]).unwrap()
    }
}

fn write(server: &Server, flag: &str) {
    cli(server.port(), &["-a", "secret", "HSET", "feature_flags", flag, "1"]);
}

#[tokio::test]
async fn a_planned_change_of_the_master_is_followed() {
    let watched = Watched::start();
    let flags = follow(watched.redis()).await;
    assert_eq!(*flags.watch("before").borrow(), FlagState::On);

    watched.ask(&["FAILOVER", "mymaster"]);
    watched.sentinel.wait_for("+switch-master");
    write(&watched.replica, "after");

    recovers("a planned change of the master", &flags, "after").await;
}

/// Nobody follows the store here, who would notice for the writer.
#[tokio::test]
async fn a_change_right_after_a_planned_change_of_the_master_is_not_lost() {
    let watched = Watched::start();
    let redis = watched.redis();
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

    watched.master.kill();
    watched.sentinel.wait_for("+switch-master");
    write(&watched.replica, "after");

    recovers("another master after the death of one", &flags, "after").await;
    assert_eq!(*flags.watch("before").borrow(), FlagState::On);
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
async fn one_sentinel_that_answers_is_enough() {
    let watched = Watched::start();
    let nobody = Port::take();
    let sentinels = [format!("redis://127.0.0.1:{}", nobody.number), watched.sentinel_url()];

    let flags = follow(Redis::sentinel("redis://:secret@mymaster", sentinels).unwrap()).await;

    assert_eq!(*flags.watch("before").borrow(), FlagState::On);
}

#[tokio::test]
async fn what_keeps_us_from_the_master_is_told() {
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
