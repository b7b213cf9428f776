//! Stores behind sentinels and in clusters.

use flagstaff::cli::ExitCode;

use crate::{
    cluster::Cluster,
    command::{Ran, flagstaff, ran},
    sentinel::Watched,
    server::{Port, Server, cli},
};

/// Runs commands that read and change the store. `stored` reads a field from its server.
fn looks_and_changes(store: &[&str], stored: &dyn Fn(&str) -> String) {
    let run = |arguments: &[&str]| ran(&mut flagstaff(&[arguments, store].concat()));
    let done = |arguments: &[&str]| {
        let Ran { code, stdout, stderr } = run(arguments);
        assert_eq!(code, ExitCode::Done, "{arguments:?}: {stderr}");
        stdout
    };

    assert_eq!(done(&["get", "off"]), "off off\n");
    done(&["enable", "off", "--reason", "incident 42"]);
    assert_eq!(stored("off"), "1");
    assert_eq!(done(&["get", "off"]), "off on\n");
    done(&["set", "quarter", "percentage=50"]);
    assert!(stored("quarter").contains("\"percentage\":50"), "{}", stored("quarter"));
    assert!(done(&["history"]).contains("incident 42"));
    assert_eq!(run(&["disable", "off", "--if-rev", "7"]).code, ExitCode::Changed);
    done(&["unset", "off"]);
    assert_eq!(stored("off"), "");
}

#[test]
fn the_master_is_found_through_sentinels() {
    let watched = Watched::start();
    let stored = |server: &Server, flag: &str| {
        cli(server.port(), &["-a", "secret", "HGET", "feature_flags", flag])
    };
    let sentinel = watched.sentinel_url();
    let store = ["--redis", "redis://:secret@mymaster", "--sentinel", &sentinel];

    looks_and_changes(&store, &|flag| stored(&watched.master, flag));

    // The store is given by variables, with one sentinel that does not answer.
    let nobody = format!("redis://127.0.0.1:{}", Port::take().number);
    watched.ask(&["FAILOVER", "mymaster"]);
    watched.sentinel.wait_for("+switch-master");
    let enable = ran(flagstaff(&["enable", "off"])
        .env("REDIS_URL", "redis://:secret@mymaster")
        .env("REDIS_SENTINELS", format!("{nobody},{sentinel}")));
    assert_eq!(enable.code, ExitCode::Done, "{}", enable.stderr);
    assert_eq!(stored(&watched.replica, "off"), "1");
    assert_eq!(stored(&watched.master, "off"), "");
}

#[test]
fn the_node_with_the_flags_is_found_in_a_cluster() {
    let cluster = Cluster::start();
    let stored = |flag: &str| cluster.nodes[Cluster::OWNER].cli(&["HGET", "feature_flags", flag]);
    let nobody = format!("redis://127.0.0.1:{}", Port::take().number);

    looks_and_changes(&["--redis", &format!("{nobody},{}", cluster.url(0))], &stored);

    let nodes = format!("{nobody},{}", cluster.url(2));
    let enable = ran(flagstaff(&["enable", "off"]).env("REDIS_URL", nodes));
    assert_eq!(enable.code, ExitCode::Done, "{}", enable.stderr);
    assert_eq!(stored("off"), "1");
}

/// A contradiction is reported before any server is contacted.
#[test]
fn stores_that_contradict_each_other_are_refused() {
    let one = "redis://127.0.0.1:1";
    for store in [
        &["--sentinel", one, "--redis", "redis://a,redis://b"][..],
        &["--sentinel", one],
        &["--redis", "redis://127.0.0.1:1/1,redis://127.0.0.1:2"],
    ] {
        let get = ran(&mut flagstaff(&[&["get", "on"], store].concat()));
        assert_eq!((get.code, &*get.stdout), (ExitCode::Usage, ""), "{store:?}: {}", get.stderr);
        assert!(get.stderr.starts_with("error: "), "{}", get.stderr);
    }

    // No sentinel answers.
    let away = ["--redis", "redis://mymaster", "--sentinel", one];
    let is_on = ran(&mut flagstaff(&[&["is-on", "on"], &away[..]].concat()));
    assert_eq!(is_on.code, ExitCode::Unreachable, "{}", is_on.stderr);
}
