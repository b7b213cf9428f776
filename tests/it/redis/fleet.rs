//! The list of instances, the changes that they have seen, and the overrides that an instance keeps for its next start.

use std::{collections::BTreeSet, path::Path, sync::mpsc, time::Duration};

use flagstaff::{
    Context, Definition, File, Flags, Memory, Redis,
    source::{Fleet, Instance, OnLostStore, RedisHandle, Status},
};
use tokio::time::{self, Instant, timeout};

use super::{
    proxy::{Mode, Proxy},
    server::{Server, patient},
    subject::over,
};
use crate::{
    http::{answer, get},
    support::BOUND,
};

fn configured(server: &Server, name: &str) -> Redis {
    patient(&server.url()).instance(name)
}

fn redis(server: &Server, name: &str) -> RedisHandle {
    configured(server, name).handle()
}

/// Waits until this many instances are listed.
async fn fleet(redis: &RedisHandle, instances: usize) -> Fleet {
    fleet_with(redis, instances, |_| true).await
}

/// Waits until this many instances are listed, all of which are `like` this.
async fn fleet_with(
    redis: &RedisHandle,
    instances: usize,
    like: impl Fn(&Instance) -> bool,
) -> Fleet {
    let wait = async {
        loop {
            let fleet = redis.fleet().await.unwrap();
            if fleet.instances.len() == instances && fleet.instances.iter().all(&like) {
                return fleet;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, wait).await.expect("they announce themselves")
}

#[tokio::test]
async fn all_instances_see_a_change_and_report_it() {
    let server = Server::start();
    let (one, two) = (redis(&server, "one"), redis(&server, "two"));
    let flags = Flags::builder().source(one.clone()).max_wait(BOUND).start().await.unwrap();
    let _two = Flags::builder().source(two).max_wait(BOUND).start().await.unwrap();
    fleet(&one, 2).await;

    let written = flags.enable("beta").await.unwrap().revision.unwrap();
    let seen = one.wait_until_seen(written, BOUND).await.unwrap();

    assert!(seen.is_complete());
    let names: Vec<_> = seen.confirmed.iter().map(|instance| &*instance.name).collect();
    assert_eq!(names, ["one", "two"]);
    let late = one.wait_until_seen(written + 1, Duration::ZERO).await.unwrap();
    assert_eq!(late.laggards.len(), 2);
}

#[tokio::test]
async fn an_instance_that_cannot_see_a_change_is_named() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let one = redis(&server, "one");
    let two = patient(&proxy.url()).instance("two");
    let flags = Flags::builder().source(one.clone()).max_wait(BOUND).start().await.unwrap();
    let _two = Flags::builder().source(two).max_wait(BOUND).start().await.unwrap();
    fleet(&one, 2).await;
    let seen = flags.disable("beta").await.unwrap().revision.unwrap();
    let all = one.wait_until_seen(seen, BOUND).await.unwrap();
    assert!(all.is_complete());

    proxy.set(Mode::Drop);
    let written = flags.enable("beta").await.unwrap().revision.unwrap();

    // The first instance reports in a moment that it has seen the change.
    let named = async {
        loop {
            let seen = one.wait_until_seen(written, Duration::ZERO).await.unwrap();
            let laggards: Vec<_> = seen.laggards.iter().map(|laggard| &*laggard.name).collect();
            if laggards == ["two"] {
                return;
            }
        }
    };
    timeout(BOUND, named).await.expect("it lags behind");
    proxy.set(Mode::Pass);
    assert!(one.wait_until_seen(written, BOUND).await.unwrap().is_complete());
}

/// The instance may be cut off from Redis and still serve its last overrides.
#[tokio::test]
async fn an_instance_that_fell_silent_is_listed_and_waited_for() {
    let server = Server::start();
    let now: u64 = server.cli(&["TIME"]).lines().next().unwrap().parse().unwrap();
    let silent = |name: &str, age: u64| {
        let said = format!(r#"{{"at":{},"generation":1,"revision":null,"file":null}}"#, now - age);
        server.cli(&["HSET", "{feature_flags}:instances", name, &said]);
    };
    for (name, age) in [("minutes", 600), ("hours", 7_300), ("days", 90_000)] {
        silent(name, age);
    }
    let one = redis(&server, "one");
    let flags = Flags::builder().source(one.clone()).max_wait(BOUND).start().await.unwrap();
    fleet(&one, 3).await;

    let written = flags.disable("beta").await.unwrap().revision.unwrap();
    let fleet = one.fleet().await.unwrap();
    let named = async {
        loop {
            let seen = one.wait_until_seen(written, Duration::ZERO).await.unwrap();
            if seen.confirmed.len() == 1 {
                return seen;
            }
        }
    };
    let seen = timeout(BOUND, named).await.expect("the one that is there has it");

    let names: Vec<_> = fleet.instances.iter().map(|it| (&*it.name, it.is_silent())).collect();
    assert_eq!(names, [("hours", true), ("minutes", true), ("one", false)]);
    let laggards: Vec<_> = seen.laggards.iter().map(|laggard| &*laggard.name).collect();
    assert_eq!(laggards, ["minutes"]);
    assert!(one.forget("minutes").await.unwrap());
    assert!(!one.forget("minutes").await.unwrap());
    assert!(one.wait_until_seen(written, BOUND).await.unwrap().is_complete());
}

#[tokio::test]
async fn an_instance_that_shuts_down_leaves_the_fleet() {
    let server = Server::start();
    let one = redis(&server, "one");
    let flags =
        Flags::builder().source(redis(&server, "two")).max_wait(BOUND).start().await.unwrap();
    fleet(&one, 1).await;

    flags.shutdown().await;

    assert_eq!(one.fleet().await.unwrap().instances, []);
    assert!(!one.wait_until_seen(1, BOUND).await.unwrap().is_complete());
}

#[tokio::test]
async fn instances_report_the_definition_below_an_override() {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", "beta", "0"]);
    let one = redis(&server, "one");
    let declared = || Definition::new().owner("web");
    let below = Memory::new().with("beta", declared());
    let _flags = over(one.clone(), below).await;

    let fleet = fleet(&one, 1).await;

    let instance = &fleet.instances[0];
    assert_eq!(instance.declares("beta", Some(&declared())), Some(true));
    assert_eq!(instance.declares("beta", Some(&Definition::new())), Some(false));
    assert_eq!(instance.declares("beta", None), Some(false));
    assert_eq!(instance.declares("other", None), None);
}

#[tokio::test]
async fn an_instance_reports_that_it_rejects_its_file() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    let text = "[flags]\na = true\nb = 3\n";
    std::fs::write(&path, text).unwrap();
    let file = File::open(&path).unwrap();
    let one = redis(&server, "one");
    let _flags = over(one.clone(), file).await;

    let fleet = fleet_with(&one, 1, |instance| instance.file.is_some()).await;

    assert!(fleet.instances[0].has_refused_file);
    assert!(fleet.instances[0].runs(text.as_bytes()));
    assert!(!fleet.instances[0].runs(b"[flags]\n"));
}

/// An announcement at a heartbeat would take up to five seconds of a clock that moves by one at most.
#[tokio::test]
async fn an_instance_says_at_once_that_it_refuses_its_file() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    std::fs::write(&path, "[flags]\na = true\n").unwrap();
    let file = File::open(&path).unwrap();
    let one = redis(&server, "one");
    let flags =
        Flags::builder().source(one.clone()).source(file).max_wait(BOUND).start().await.unwrap();
    fleet_with(&one, 1, |instance| !instance.has_refused_file).await;
    // A runtime with something to do does not move a paused clock by itself.
    tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });

    for refuses in [true, false, true, false] {
        let value = if refuses { "3" } else { "true" };
        std::fs::write(&path, format!("[flags]\na = {value}\n")).unwrap();
        let refused = async {
            while (flags.health().sources[1].status == Status::Error) != refuses {
                tokio::task::yield_now().await;
            }
        };
        timeout(BOUND, refused).await.expect("the file is read");

        time::pause();
        let begun = Instant::now();
        while one.fleet().await.unwrap().instances[0].has_refused_file != refuses {
            assert!(begun.elapsed() < Duration::from_secs(1), "waits for a heartbeat");
            time::advance(Duration::from_millis(1)).await;
        }
        time::resume();
    }
}

#[tokio::test]
async fn who_does_not_announce_itself_is_not_there() {
    let server = Server::start();
    let quiet = configured(&server, "quiet").unannounced();
    let one = redis(&server, "one");
    let _quiet = Flags::builder().source(quiet).max_wait(BOUND).start().await.unwrap();
    let _one = Flags::builder().source(one.clone()).max_wait(BOUND).start().await.unwrap();

    let fleet = fleet(&one, 1).await;

    assert_eq!(fleet.instances[0].name, "one");
    assert_eq!(fleet.instances[0].file, None);
    assert!(fleet.instances[0].generation > 0);
}

#[tokio::test]
async fn two_files_split_the_fleet() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for (name, text) in
        [("one", "[flags]\n"), ("two", "[flags]\na = true\n"), ("three", "[flags]\n")]
    {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        let file = File::open(&path).unwrap();
        all.push(over(redis(&server, name), file).await);
    }

    // An instance that announces itself before its file is read reports the file with the next heartbeat.
    let other = redis(&server, "other");
    let fleet = fleet_with(&other, 3, |instance| instance.file.is_some()).await;

    assert!(fleet.is_split());
    assert_eq!(fleet.files().len(), 2);
}

/// Waits until the file of the kept overrides contains a flag.
async fn is_kept(flag: &str, file: &Path) {
    let kept = async {
        while !std::fs::read_to_string(file).is_ok_and(|text| text.contains(flag)) {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, kept).await.expect("it is kept");
}

#[tokio::test]
async fn what_was_kept_is_in_force_until_the_server_is_back() {
    let mut server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("overrides.json");
    let below = || Memory::new().with("beta", false);
    let first = configured(&server, "one").keep_at(&kept);
    let first = over(first, below()).await;
    first.enable("beta").await.unwrap();
    is_kept("beta", &kept).await;
    first.shutdown().await;
    server.kill();

    let second = configured(&server, "one").keep_at(&kept);
    let second = Flags::builder().source(second).source(below()).max_wait(Duration::ZERO);
    let second = second.start().await.unwrap();

    assert!(second.is_enabled("beta", &Context::anonymous()));
    assert_ne!(second.health().sources[0].status, Status::Ready);
    assert_eq!(second.health().sources[0].age, None);

    let mut beta = second.watch("beta");
    server.restart();
    let gone =
        timeout(BOUND, beta.wait_for(|&beta| beta == flagstaff::answer::FlagState::Off)).await;
    drop(gone.expect("the empty server counts").unwrap());
}

/// The flags end before the file is written, since another task occupies the only thread for it.
#[test]
fn what_was_cleared_does_not_come_back_with_an_empty_server() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut server = Server::start();
        let directory = tempfile::tempdir().unwrap();
        let kept = directory.path().join("overrides.json");
        let holding = || configured(&server, "one").keep_at(&kept).on_lost_store(OnLostStore::Hold);
        let (first, second) = (holding(), holding());
        let first = Flags::builder().source(first).max_wait(BOUND).start().await.unwrap();
        first.enable("beta").await.unwrap();
        is_kept("beta", &kept).await;
        let (_until_dropped, wait) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || wait.recv());

        first.clear("beta").await.unwrap();
        first.shutdown().await;
        server.restart();
        let second = Flags::builder().source(second).max_wait(BOUND).start().await.unwrap();

        assert!(!second.is_enabled("beta", &Context::anonymous()));
        assert_eq!(second.health().sources[0].status, Status::Ready);
    });
}

#[tokio::test]
async fn a_server_that_is_required_and_away_fails_the_start() {
    let mut server = Server::start();
    server.kill();
    let redis = redis(&server, "one");

    let start = Flags::builder().source(redis).max_wait(Duration::from_secs(1)).require_ready();
    let error = start.start().await.unwrap_err();

    assert_eq!(error.name(), "redis");
    assert!(format!("{error:?}").contains("cannot reach Redis"), "{error:?}");
}

#[tokio::test]
async fn one_handle_is_not_shared_by_two_stacks() {
    let server = Server::start();
    let redis = redis(&server, "one");
    let first = Flags::builder().source(redis.clone()).max_wait(BOUND).start().await.unwrap();

    let second = Flags::builder().source(redis.clone()).start().await.unwrap_err();
    assert!(format!("{second:?}").contains("a source of other flags already"), "{second:?}");

    first.shutdown().await;
    assert!(Flags::builder().source(redis).max_wait(BOUND).start().await.is_ok());
}

#[tokio::test]
async fn clones_of_a_configuration_share_nothing() {
    let server = Server::start();
    let redis = patient(&server.url());
    let watching = redis.handle();

    let first = Flags::builder().source(redis.clone()).max_wait(BOUND).start().await.unwrap();
    let second = Flags::builder().source(redis).max_wait(BOUND).start().await.unwrap();

    let instances = fleet(&watching, 2).await.instances;
    assert_ne!(instances[0].name, instances[1].name);
    first.shutdown().await;
    second.enable("beta").await.unwrap();
    assert!(second.is_enabled("beta", &Context::anonymous()));
}

#[tokio::test]
async fn a_right_to_announce_that_is_granted_later_is_used_without_a_restart() {
    let server = Server::start();
    server
        .cli(&["ACL", "SETUSER", "web", "on", ">secret", "~*", "&*", "+@all", "-evalsha", "-eval"]);
    let url = server.url().replace("redis://", "redis://web:secret@");
    let watching = redis(&server, "watching");
    let web = patient(&url).instance("web");
    let _flags = Flags::builder().source(web).max_wait(BOUND).start().await.unwrap();
    let denied = || server.cli(&["ACL", "LOG"]).contains("evalsha");
    timeout(BOUND, async {
        while !denied() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it tries");

    server.cli(&["ACL", "SETUSER", "web", "+evalsha", "+eval"]);

    let announced = fleet(&watching, 1).await;
    assert_eq!(announced.instances[0].name, "web");
}

#[tokio::test]
async fn a_right_to_the_log_that_is_granted_later_is_used_on_the_same_connection() {
    let server = Server::start();
    let user = ["ACL", "SETUSER", "web", "on", ">secret", "~*", "&*", "+@all", "-xrevrange"];
    server.cli(&user);
    let url = server.url().replace("redis://", "redis://web:secret@");
    let watching = redis(&server, "watching");
    let revision = watching.store("beta", None, Some("1"), None, None).await.unwrap().revision;
    // Longer than the test moves the clock.
    let web = patient(&url).response_timeout(BOUND * 2).instance("web");
    let _flags = Flags::builder().source(web).max_wait(BOUND).start().await.unwrap();
    assert_eq!(fleet(&watching, 1).await.instances[0].revision, None);
    let connections = || {
        let clients = server.cli(&["CLIENT", "LIST"]);
        let clients = clients.lines().filter(|line| line.contains(" user=web "));
        let ids = clients.filter_map(|line| Some(line.split_once(' ')?.0.to_owned()));
        ids.collect::<BTreeSet<_>>()
    };
    let before = connections();

    server.cli(&["ACL", "SETUSER", "web", "+xrevrange"]);
    time::pause();
    time::advance(BOUND).await;
    time::resume();

    fleet_with(&watching, 1, |instance| instance.revision == revision).await;
    assert!(revision.is_some() && before.is_subset(&connections()), "{before:?}");
}

#[tokio::test]
async fn evaluated_flags_are_reported_to_the_store() {
    let server = Server::start();
    let one = redis(&server, "one");
    let declared = Memory::new()
        .with("by_name", true)
        .with("by_handle", true)
        .with("gated", false)
        .with("listed", true)
        .with("required", true)
        .with("requiring", Definition::new().requires(["required"]));
    let flags = over(one.clone(), declared).await;
    let nobody = Context::anonymous();
    let usage = || async {
        // Instances report a seen change at once, and their usage along with it.
        let written = flags.enable("written").await.unwrap().revision.unwrap();
        timeout(BOUND, async {
            while one.usage().await.unwrap().len() < 7 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("it tells");
        one.wait_until_seen(written, BOUND).await.unwrap();
        let usage = one.usage().await.unwrap();
        let evaluated = usage.into_iter().filter(|(_, usage)| usage.evaluated.is_some());
        evaluated.map(|(flag, _)| flag).collect::<Vec<_>>()
    };

    flags.snapshot().all(&nobody).for_each(drop);
    assert_eq!(usage().await, [""; 0]);

    assert!(flags.is_enabled("by_name", &nobody));
    let _handle = flags.flag("by_handle");
    assert!(flags.is_enabled("requiring", &nobody));
    assert_eq!(answer(flags.gate("gated"), get("/")).await.0.status, 404);
    let expected = ["by_handle", "by_name", "gated", "required", "requiring"];
    flags.disable("written").await.unwrap();
    timeout(BOUND, async { while usage().await != expected {} }).await.expect("it tells");
}
