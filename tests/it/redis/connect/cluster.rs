//! Stores in a cluster of which one node has the flags.

use flagstaff::{
    Context, Flags, Redis,
    answer::FlagState,
    source::{InvalidRedis, RedisErrorKind},
};

use tokio::time::timeout;

use super::{becomes, follow, health, recovers, refusal};
use crate::{
    redis::{
        asking::Asking,
        cluster::Cluster,
        server::{Port, Server, cli, patient},
    },
    support::BOUND,
};

fn write(node: &Server, flag: &str) {
    cli(node.port(), &["HSET", "feature_flags", flag, "1"]);
}

fn is_on(flags: &Flags, flag: &str) -> bool {
    flags.is_enabled(flag, &Context::anonymous())
}

#[tokio::test]
async fn the_node_with_the_flags_is_found_through_any_other() {
    let cluster = Cluster::start();
    write(&cluster.nodes[Cluster::OWNER], "before");

    for node in 0..3 {
        let flags = follow(Redis::cluster([cluster.url(node)]).unwrap()).await;
        assert!(is_on(&flags, "before"));
        assert_eq!(health(&flags).mode, Some("tracking"));
    }
    // A plain URL may belong to a cluster.
    let flags = follow(patient(&cluster.url(0))).await;
    flags.enable("after").await.unwrap();
    assert!(is_on(&flags, "after"));

    // One node that answers is enough.
    let nobody = Port::take();
    let nobody = format!("redis://127.0.0.1:{}", nobody.number);
    follow(Redis::cluster([nobody.clone(), cluster.url(2)]).unwrap()).await;
    let (kind, _) = refusal(Redis::cluster([nobody]).unwrap()).await;
    assert_eq!(kind, RedisErrorKind::Unreachable);
}

#[tokio::test]
async fn flags_follow_their_key_to_another_node_and_back() {
    let cluster = Cluster::start();
    write(&cluster.nodes[1], "before");
    let flags = follow(Redis::cluster([cluster.url(0)]).unwrap()).await;
    let asking = Asking::start(&flags, &["before"]);

    for (from, to) in [(1, 2), (2, 1)] {
        let flag = format!("on-{to}");
        cluster.announce_move(from, to);
        cluster.move_keys(from, to);
        cluster.finish_move(to);
        write(&cluster.nodes[to], &flag);

        recovers("a slot on another node", &flags, &flag).await;
    }
    asking.stop("a slot moves");
}

#[tokio::test]
async fn the_fleet_is_found_on_another_node() {
    let cluster = Cluster::start();
    let watching = Redis::cluster([cluster.url(0)]).unwrap().handle();
    let flags = follow(Redis::cluster([cluster.url(0)]).unwrap().instance("one")).await;
    flags.enable("before").await.unwrap();
    let announced = async { while watching.fleet().await.unwrap().instances.is_empty() {} };
    timeout(BOUND, announced).await.expect("it announces itself");

    cluster.announce_move(1, 2);
    cluster.move_keys(1, 2);
    cluster.finish_move(2);

    // The old connection is still to the former node.
    let fleet = watching.fleet().await.unwrap();
    assert_eq!(fleet.instances[0].name, "one");
}

#[tokio::test]
async fn flags_are_read_and_written_while_their_key_moves() {
    let cluster = Cluster::start();
    let flags = follow(Redis::cluster([cluster.url(0)]).unwrap()).await;
    // Creates the log, too, since a script does not run on a node that has only some of its keys.
    flags.enable("before").await.unwrap();

    cluster.announce_move(1, 2);
    cluster.move_keys(1, 2);

    // The old node redirects all clients. The new node serves only clients that send `ASKING` first.
    let late = follow(Redis::cluster([cluster.url(0)]).unwrap()).await;
    assert!(is_on(&late, "before"));
    late.enable("meanwhile").await.unwrap();
    becomes(&flags, "meanwhile", FlagState::On).await;

    cluster.finish_move(2);
    write(&cluster.nodes[2], "after");
    becomes(&flags, "after", FlagState::On).await;
    becomes(&late, "after", FlagState::On).await;
}

#[tokio::test]
async fn a_store_without_flags_is_read_while_its_key_moves() {
    let cluster = Cluster::start();
    cluster.announce_move(1, 2);

    let flags = follow(Redis::cluster([cluster.url(0)]).unwrap()).await;

    assert_eq!(health(&flags).flags, 0);
}

#[tokio::test]
async fn a_node_that_dies_is_replaced() {
    let mut cluster = Cluster::start();
    let seeds = [cluster.url(0), cluster.url(2)];
    let redis = Redis::cluster(seeds).unwrap().handle();
    let flags = follow(redis.clone()).await;
    // Writes after this may be lost with the node.
    let seen = flags.enable("before").await.unwrap().revision.unwrap();
    let replica = cluster.add();
    cluster.meet(replica);
    cluster.nodes[replica].wait_for("Cluster state changed: ok");
    let owner = cluster.id(Cluster::OWNER);
    cluster.nodes[replica].cli(&["CLUSTER", "REPLICATE", &owner]);
    cluster.nodes[replica].wait_for("Finished with success");

    let asking = Asking::start(&flags, &["before"]);
    cluster.nodes[Cluster::OWNER].kill();
    let waited = tokio::spawn(async move { redis.wait_until_seen(seen, BOUND).await });
    cluster.nodes[replica].wait_for("Cluster state changed: ok");
    write(&cluster.nodes[replica], "after");

    recovers("another node after the death of one", &flags, "after").await;
    // Waiting for instances includes waiting for the server.
    waited.await.unwrap().unwrap();
    asking.stop("the death of a node");
}

#[test]
fn a_cluster_has_a_node_and_no_databases() {
    let none: [&str; 0] = [];

    assert_eq!(Redis::cluster(none).unwrap_err(), InvalidRedis::NoNodes);
    assert_eq!(
        Redis::cluster(["redis://a:7000", "redis://b:7000/1"]).unwrap_err(),
        InvalidRedis::ClusterDatabase { node: "b:7000".to_owned() }
    );
}
