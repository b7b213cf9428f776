//! `flagstaff status`: overrides, ends, rollouts and instances on one page, and the gaps in its data.

use std::fs;

use flagstaff::{
    File, Flags,
    cli::ExitCode::{self, Done, No, Unreachable, Usage},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    command::{Ran, flagstaff, on, ran},
    server::{Server, patient},
    support::BOUND,
};

struct World {
    server: Server,
    here: TempDir,
}

impl World {
    fn new(flags: &str) -> Self {
        let here = tempfile::tempdir().unwrap();
        fs::write(here.path().join("flags.toml"), flags).unwrap();
        Self { server: Server::start(), here }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(on(&self.server, arguments).current_dir(self.here.path()))
    }

    /// Stores a value, with a change in the log at an instant.
    fn changed_at(&self, at: &str, flag: &str, stored: &str) {
        self.server.cli(&["hset", "feature_flags", flag, stored]);
        let log = "{feature_flags}:log";
        let change = ["xadd", log, "1-0", "flag", flag, "at", at, "after", stored];
        self.server.cli(&change);
    }

    fn json(&self) -> (ExitCode, Value) {
        let Ran { code, stdout, .. } = self.run(&["status", "-o", "json"]);
        (code, serde_json::from_str(&stdout).unwrap())
    }
}

fn names(part: &Value) -> Vec<&str> {
    part.as_array().unwrap().iter().map(|item| item["flag"].as_str().unwrap()).collect()
}

#[test]
fn all_is_well_where_nothing_needs_attention() {
    let world = World::new("[flags]\na = true\nb = false\n");
    world.run(&["set", "a", "percentage=25", "--for", "2h", "--by", "ana", "-m", "try it"]);
    world.run(&["disable", "b", "--by", "bob", "-m", "kept off"]);

    let (code, status) = world.json();

    assert_eq!(code, Done, "{status}");
    assert_eq!(names(&status["overrides"]), ["a", "b"]);
    let [a, b] = [&status["overrides"][0], &status["overrides"][1]];
    assert_eq!(
        (&a["state"], &a["by"], &a["reason"]),
        (&json!("25%"), &json!("ana"), &json!("try it"))
    );
    assert!(a["ends"].is_string());
    // The author of a plain value is in the log.
    assert_eq!((&b["by"], &b["reason"]), (&json!("bob"), &json!("kept off")));
    assert_eq!(names(&status["ends"]), ["a"]);
    for empty in ["rollouts", "instances", "rejected", "unknown", "attention"] {
        assert_eq!(status[empty], json!([]), "{empty}");
    }
    let text = world.run(&["status", "-o", "text"]).stdout;
    assert!(text.ends_with("\nnothing needs attention\n"), "{text}");
    assert!(text.contains("Overrides: 2\n") && text.contains("Instances: none\n"), "{text}");
    // Two hours are not within one.
    let soon = world.run(&["status", "--within", "1h"]).stdout;
    assert!(!soon.contains("end\ta"), "{soon}");
}

#[test]
fn what_needs_attention_is_the_exit_code() {
    let world = World::new(
        "[flags]\nbad = 3\nold = { expires = 2026-01-01 }\nstays = { expires = 2026-01-01, permanent = true }\n\
         [flags.waits.rollout]\nstart = 2026-01-01T00:00:00Z\nstage = 1\nstage_started = 2026-01-01T00:00:00Z\n\
         stages = [{ percentage = 1, for = \"2h\", auto = false }, { percentage = 100 }]\n",
    );

    let (code, status) = world.json();

    assert_eq!(code, No, "{status}");
    assert_eq!(names(&status["rejected"]), ["bad"]);
    assert_eq!(status["rejected"][0]["location"], "flags.toml:2:7");
    assert_eq!(names(&status["rollouts"]), ["waits"]);
    assert_eq!(names(&status["ends"]), ["old"]);
    assert_eq!(
        status["attention"],
        json!([
            "the rollout of `waits` waits to be advanced",
            "`old` has expired",
            "`bad` of the file is rejected",
        ])
    );
}

#[test]
fn an_override_that_no_file_declares_is_named_with_the_flag_that_was_meant() {
    let world = World::new("[flags]\ncheckout = true\nbad = 3\n");
    for flag in ["chekout", "elsewhere", "checkout", "bad"] {
        world.server.cli(&["HSET", "feature_flags", flag, "0"]);
    }

    let list = world.run(&["list"]).stderr;
    let (code, status) = world.json();

    let misspelled = "no file declares `chekout`, which the store overrides: a flag with a similar name exists: \
                      `checkout`";
    assert!(list.contains(&format!("warning: {misspelled}\n")), "{list}");
    // A flag may be in the store alone.
    let alone = "no file declares `elsewhere`, which the store overrides";
    assert!(list.contains(&format!("warning: {alone}\n")), "{list}");
    assert_eq!(list.matches("no file declares").count(), 2, "{list}");
    assert_eq!(code, No, "{status}");
    let attention = status["attention"].as_array().unwrap();
    assert!(attention.contains(&json!(misspelled)), "{status}");
    assert!(!status["attention"].to_string().contains("elsewhere"), "{status}");
    let shown: Vec<_> = status["overrides"].as_array().unwrap().iter().collect();
    let similar: Vec<_> = shown.iter().map(|it| (&it["flag"], &it["similar"])).collect();
    assert!(similar.contains(&(&json!("chekout"), &json!("checkout"))), "{status}");
    assert!(similar.contains(&(&json!("elsewhere"), &Value::Null)), "{status}");
    // A name that is similar leaves the other parts known.
    for known in ["rollouts", "ends", "unknown"] {
        assert_eq!(status[known], json!([]), "{known}: {status}");
    }
    // Without a file, nothing is known of what is declared.
    let without = ran(on(&world.server, &["list", "--no-file"]).current_dir(world.here.path()));
    assert!(!without.stderr.contains("no file declares"), "{}", without.stderr);
}

#[test]
fn a_window_that_has_ended_is_among_the_ends() {
    let world = World::new(
        "[flags]\nover = { active = { until = 2026-01-01 } }\n\
         open = { active = { from = 2026-01-01 } }\nlater = { active = { until = 2999-01-01 } }\n",
    );

    let (code, status) = world.json();

    assert_eq!((code, names(&status["ends"])), (Done, vec!["over"]), "{status}");
    let what = (&status["ends"][0]["what"], &status["ends"][0]["at"]);
    assert_eq!(what, (&json!("active window"), &json!("2026-01-01T00:00:00Z")));
}

#[test]
fn the_rejected_flags_of_each_file_and_of_the_store_are_on_the_page() {
    let world = World::new("[flags]\nbad = 3\ngood = true\n");
    fs::write(world.here.path().join("own.toml"), "[flags]\nodd = 4\n").unwrap();
    world.server.cli(&["hset", "feature_flags", "good", "{"]);

    let run = world.run(&["status", "-o", "json", "-f", "flags.toml", "-f", "own.toml"]);

    let status: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(names(&status["rejected"]), ["bad", "odd", "good"], "{status}");
    let locations: Vec<_> = (0..3).map(|at| status["rejected"][at]["location"].clone()).collect();
    assert_eq!(locations, ["flags.toml:2:7", "own.toml:2:7", "redis"]);
    let attention = status["attention"].to_string();
    for line in ["`bad` of `flags.toml` is rejected", "`odd` of `own.toml` is rejected"] {
        assert!(attention.contains(line), "{attention}");
    }
}

#[test]
fn instances_that_are_behind_silent_or_refuse_their_file_need_attention() {
    let world = World::new("[flags]\na = true\n");
    world.changed_at("2026-01-01T00:00:00Z", "a", "0");
    let now: u64 = world.server.cli(&["time"]).lines().next().unwrap().parse().unwrap();
    for (name, age, revision, refused) in [
        ("well", 0, 1, false),
        ("behind", 0, 0, false),
        ("silent", 600, 1, false),
        ("refuses", 0, 1, true),
        ("gone", 90_000, 1, false),
    ] {
        let said = json!({
            "at": now - age, "generation": 1, "revision": revision, "file": null, "refused": refused,
        });
        let key = "{feature_flags}:instances";
        world.server.cli(&["hset", key, name, &said.to_string()]);
    }

    let (code, status) = world.json();

    assert_eq!(code, No, "{status}");
    let instances = status["instances"].as_array().unwrap().iter();
    let states: Vec<_> = instances
        .map(|it| (it["instance"].as_str().unwrap(), it["state"].as_str().unwrap()))
        .collect();
    let expected =
        [("behind", "behind"), ("refuses", "refuses"), ("silent", "silent"), ("well", "ready")];
    assert_eq!(states, expected);
    assert_eq!(
        status["attention"],
        json!([
            "instance `behind` is behind",
            "instance `refuses` refuses its flag file",
            "instance `silent` is silent",
        ])
    );
    let text = world.run(&["status", "-o", "text"]).stdout;
    assert!(
        text.contains("\nInstances: 4\n") && text.contains("silent   10 minutes ago"),
        "{text}"
    );
}

#[test]
fn an_instance_has_a_moment_to_see_a_change() {
    let world = World::new("[flags]\na = true\n");
    // The change is never older than a moment.
    world.changed_at("2999-01-01T00:00:00Z", "a", "0");
    let now: u64 = world.server.cli(&["time"]).lines().next().unwrap().parse().unwrap();
    let announce = |refused| {
        let said = json!({
            "at": now + 600, "generation": 1, "revision": 0, "file": null, "refused": refused,
        });
        let key = "{feature_flags}:instances";
        world.server.cli(&["hset", key, "web-1", &said.to_string()]);
    };
    announce(false);

    let (code, status) = world.json();
    let instances = world.run(&["instances"]);

    assert_eq!((code, &status["attention"]), (Done, &json!([])), "{status}");
    assert_eq!(status["instances"][0]["state"], "behind");
    assert_eq!(instances.code, Done, "{}", instances.stderr);
    assert!(instances.stdout.contains("web-1\tbehind\t"), "{}", instances.stdout);
    // Any other fault of it needs attention at once.
    announce(true);
    let (code, status) = world.json();
    let refuses = json!(["instance `web-1` refuses its flag file"]);
    assert_eq!((code, &status["attention"]), (No, &refuses), "{status}");
    assert_eq!(world.run(&["instances"]).code, No);
}

#[test]
fn an_override_that_has_ended_is_among_the_ends_while_it_is_stored() {
    let world = World::new("[flags]\nhidden = false\n");
    let end = "2026-01-01T00:00:00Z";
    let stored = json!({ "enabled": true, "override": { "by": "ana", "expires_at": end } });
    world.changed_at("2025-12-31T00:00:00Z", "hidden", &stored.to_string());

    let (code, status) = world.json();

    let ended = json!([{ "flag": "hidden", "what": "override", "at": end }]);
    assert_eq!((code, &status["ends"]), (Done, &ended), "{status}");
    assert_eq!(status["overrides"], json!([]), "{status}");
    // A writer without a log has stored something else since.
    world.server.cli(&["hset", "feature_flags", "hidden", "1"]);
    let (_, status) = world.json();
    assert_eq!((&status["ends"], names(&status["overrides"])), (&json!([]), vec!["hidden"]));
}

#[test]
fn a_stage_that_is_left_by_hand_runs_until_it_is_due() {
    let world = World::new(
        "[flags.stage.rollout]\nstage = 1\nstage_started = 2999-01-01T00:00:00Z\n\
         stages = [{ percentage = 1, for = \"2h\", auto = false }, { percentage = 100 }]\n",
    );
    let page = |text: &str| {
        let page = world.run(&["status", "-o", "text"]).stdout;
        assert!(page.contains(text), "{page}");
    };

    page("stage  1%, stage 1 of 2, running, then by hand  due in ");

    let file = world.here.path().join("flags.toml");
    let text = fs::read_to_string(&file).unwrap().replace("2999", "2025");
    fs::write(&file, text).unwrap();
    page("stage  1%, stage 1 of 2, waiting  due ");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_instances_are_on_the_page() {
    let world = World::new("[flags]\na = true\n");
    let path = world.here.path().join("flags.toml");
    let redis = patient(&world.server.url()).instance("web-1").handle();
    let flags = Flags::builder().source(redis.clone()).source(File::open(&path).unwrap());
    let _flags = flags.max_wait(BOUND).start().await.unwrap();
    let announced = async {
        while redis.fleet().await.unwrap().files().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, announced).await.expect("it announces itself");

    let mut command = on(&world.server, &["status", "-o", "json"]);
    command.current_dir(world.here.path());
    let ran = tokio::task::spawn_blocking(move || ran(&mut command)).await.unwrap();

    let status: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(ran.code, Done, "{status}");
    assert_eq!(status["instances"][0]["instance"], "web-1");
    assert_eq!(status["instances"][0]["state"], "ready");
    fs::write(world.here.path().join("other.toml"), "[flags]\na = false\n").unwrap();
    let (code, status) = {
        let run = || world.run(&["status", "-f", "other.toml", "-o", "json"]);
        let Ran { code, stdout, .. } = tokio::task::block_in_place(run);
        (code, serde_json::from_str::<Value>(&stdout).unwrap())
    };
    let other = "`other.toml` is not the file that 1 of 1 instance runs";
    assert_eq!((code, &status["attention"]), (No, &json!([other])));
}

/// Each machine starts a rollout by its own clock, so this machine may be in another stage.
#[cfg(target_os = "linux")]
#[test]
fn a_clock_that_is_not_that_of_the_server_needs_attention() {
    let world = World { server: Server::slow(), ..World::new("[flags]\na = true\n") };

    let (code, status) = world.json();

    assert_eq!(code, No, "{status}");
    let attention = status["attention"][0].as_str().unwrap();
    assert!(attention.contains("the clock of this machine"), "{attention}");
    assert!(attention.ends_with(" fast"), "{attention}");
}

#[test]
fn a_part_that_cannot_be_read_is_named_and_never_empty() {
    let world = World::new("[flags]\na = true\n");
    world.server.cli(&["hset", "feature_flags", "a", "{"]);

    let (code, status) = world.json();
    assert_eq!(code, Usage, "{status}");
    assert_eq!(status["unknown"][0]["what"], "override of a");
    assert!(status["overrides"][0]["problem"].is_string());

    // A store that cannot be reached.
    let gone = ran(flagstaff(&["status", "--redis", "redis://127.0.0.1:1", "-o", "json"])
        .current_dir(world.here.path()));
    let status: Value = serde_json::from_str(&gone.stdout).unwrap();
    assert_eq!(gone.code, Unreachable);
    assert_eq!((&status["overrides"], &status["instances"]), (&Value::Null, &Value::Null));
    assert_eq!(status["unknown"].as_array().unwrap().len(), 2);
    let text = ran(flagstaff(&["status", "--redis", "redis://127.0.0.1:1", "-o", "text"])
        .current_dir(world.here.path()));
    assert!(text.stdout.contains("\nOverrides\n  (not known)\n"), "{}", text.stdout);
    assert!(text.stdout.contains("cannot reach Redis at `127.0.0.1:1`"), "{}", text.stdout);

    // If the file cannot be used, the store is still shown.
    fs::write(world.here.path().join("flags.toml"), "[flags\n").unwrap();
    world.server.cli(&["hset", "feature_flags", "a", "1"]);
    let (code, status) = world.json();
    assert_eq!(code, Usage);
    assert_eq!(
        (&status["rejected"], &status["unknown"][0]["what"]),
        (&Value::Null, &json!("file"))
    );
    assert_eq!(names(&status["overrides"]), ["a"]);
}

#[test]
fn the_flags_of_a_missing_file_are_unknown() {
    let world = World::new("[flags]\na = true\n");
    world.run(&["set", "a", "percentage=25", "--for", "2h"]);
    let run = |form| world.run(&["status", "--file", "gone.toml", "-o", form]);

    let gone = run("json");

    let status: Value = serde_json::from_str(&gone.stdout).unwrap();
    assert_eq!((gone.code, &status["unknown"][0]["what"]), (Usage, &json!("file")));
    for null in [&status["rollouts"], &status["rejected"], &status["overrides"][0]["declared"]] {
        assert_eq!(null, &Value::Null, "{status}");
    }
    // The end of the override is known.
    assert_eq!(names(&status["ends"]), ["a"]);
    let text = run("text").stdout;
    assert!(text.contains("\nUnfinished rollouts\n  (not known)\n"), "{text}");
    assert!(!text.contains("no file declares it"), "{text}");
    // The override that cannot be read may contain a rollout.
    world.server.cli(&["hset", "feature_flags", "a", "{"]);
    let (_, status) = world.json();
    assert_eq!(status["rollouts"], Value::Null, "{status}");
    assert_eq!(status["attention"], json!(["the override of `a` cannot be read"]));
}

#[test]
fn a_rollout_that_has_not_started_is_listed_with_its_start() {
    let world = World::new(
        "[flags.later.rollout]\nstart = 2999-01-01T00:00:00Z\n\
         stages = [{ percentage = 1, for = \"2h\" }, { percentage = 100 }]\n",
    );
    fs::write(world.here.path().join("own.toml"), "[flags]\n").unwrap();

    let files = ["-f", "flags.toml", "-f", "own.toml"];
    let text = world.run(&[&["status", "-o", "text"][..], &files].concat()).stdout;

    assert!(text.contains("\nUnfinished rollouts: 1\n"), "{text}");
    assert!(text.contains("stage 0 of 2, not started  starts in "), "{text}");
    let header = text.lines().next().unwrap();
    assert!(header.ends_with(", `flags.toml`, `own.toml`"), "{header}");
}

#[test]
fn a_store_with_too_many_fields_is_reported_as_such() {
    let world = World::new("[flags]\na = true\n");
    let fill = "for i = 1, 12000 do redis.call('hset', KEYS[1], 'f' .. i, '1') end";
    world.run(&["disable", "a", "-m", "why"]);
    world.server.cli(&["eval", fill, "1", "feature_flags"]);

    let (code, status) = world.json();
    assert_eq!((code, &status["overrides"]), (Usage, &Value::Null), "{status}");

    // The log can still be read.
    let history = world.run(&["history", "-l", "1"]);
    assert_eq!(history.code, Done, "{}", history.stderr);
    assert!(history.stdout.contains("why"), "{}", history.stdout);
    assert!(history.stderr.contains("warning: "), "{}", history.stderr);
}

#[test]
fn without_a_store_the_page_says_so() {
    let world = World::new("[flags]\na = true\n");
    let run = |form| ran(flagstaff(&["status", "-o", form]).current_dir(world.here.path()));

    assert_eq!(run("text").code, Done);
    assert!(run("text").stdout.contains("Overrides\n  (no store is named)\n"));
    let status: Value = serde_json::from_str(&run("json").stdout).unwrap();
    assert_eq!((&status["store"], &status["overrides"]), (&Value::Null, &Value::Null));
}
