//! Changes in an emergency: a single flag can be changed, whatever is wrong with the store.

use std::{fmt::Write as _, fs, time::Duration};

use flagstaff::{Flags, answer::FlagState, cli::ExitCode};
use serde_json::Value;

use crate::{
    command::{Ran, flagstaff, on, ran},
    proxy::{Mode, Proxy},
    server::{Server, patient},
    support::BOUND,
};

#[tokio::test]
async fn a_rollout_goes_on_where_it_was_when_a_switch_ends() {
    let server = Server::start();
    let run = |arguments: &[&str]| ran(&mut on(&server, arguments));
    let stages = r#"rollout.stages=[{"percentage": 5, "for": "2h"}, {"percentage": 50}]"#;
    run(&["set", "off", "enabled=true", stages]);
    run(&["rollout", "start", "off"]);
    run(&["rollout", "advance", "off", "--force"]);
    let redis = patient(&server.url());
    let flags = Flags::builder().source(redis).max_wait(BOUND).start().await.unwrap();
    let mut state = flags.watch("off");
    assert_eq!(state.borrow_and_update().to_string(), "50%");

    // Long enough that a busy machine observes the override before it ends.
    let told = run(&["disable", "off", "--for", "5s"]).stderr;

    assert!(told.contains("then the settings of the override apply again: 50%"), "{told}");
    assert!(!told.contains("warning"), "{told}");
    state.wait_for(|state| *state == FlagState::Off).await.unwrap();
    state.wait_for(|state| state.to_string() == "50%").await.unwrap();
    assert!(run(&["rollout", "status", "off"]).stdout.contains("\t2\t2\t50%"));
    // The override is not reported as a permanent one.
    run(&["disable", "off", "--for", "1h"]);
    assert!(run(&["history", "off", "-l", "1", "-o", "text"]).stdout.contains(", then "));
    let promote = run(&["promote", "--dry-run"]);
    assert!(promote.stderr.contains("whose override ends by itself"), "{}", promote.stderr);
}

/// The clock of the server is an hour slow here. `--for` counts from the time of the server, not of this machine.
#[cfg(target_os = "linux")]
#[test]
fn an_override_ends_by_the_clock_of_the_server() {
    const HOUR: i64 = 3_600;

    let server = Server::slow();
    let run = |arguments: &[&str]| ran(&mut on(&server, arguments));
    let time = || -> i64 { server.cli(&["time"]).lines().next().unwrap().parse().unwrap() };
    let end = || -> i64 {
        let stored = server.cli(&["hget", "feature_flags", "off"]);
        let stored: Value = serde_json::from_str(&stored).unwrap();
        let end = stored["override"]["expires_at"].as_str().unwrap_or_else(|| panic!("{stored}"));
        end.parse::<jiff::Timestamp>().unwrap().as_second()
    };

    // A store with so many fields cannot be read whole, so no session reads its time.
    for fields in [0, 12_000] {
        let fill = format!("for i = 1, {fields} do redis.call('hset', KEYS[1], 'f' .. i, '1') end");
        server.cli(&["eval", &fill, "1", "feature_flags"]);
        for arguments in [
            &["enable", "off", "--for", "30m"][..],
            &["set", "off", "percentage=25", "--for", "30m"],
        ] {
            let before = time();
            let told = run(&[arguments, &["--by", "ana"]].concat());

            assert_eq!(told.code, ExitCode::Done, "{arguments:?}: {}", told.stderr);
            let possible = before + HOUR / 2..=time() + HOUR / 2 + 1;
            assert!(
                possible.contains(&end()),
                "{arguments:?}, {fields} fields: {}",
                end() - before
            );
            // The override has not ended, as it would have by the clock of this machine.
            assert!(
                told.stderr.contains(" -> ") && told.stderr.contains("until "),
                "{}",
                told.stderr
            );
            let status = run(&["status", "--within", "1h", "-o", "json"]).stdout;
            let status: Value = serde_json::from_str(&status).unwrap();
            if fields == 0 {
                assert_eq!(status["ends"][0]["flag"], "off", "{status}");
                let promote = run(&["promote", "--dry-run"]).stderr;
                assert!(promote.contains("whose override ends by itself"), "{promote}");
            }
        }
        // The restored override has not ended either.
        run(&["unset", "off"]);
        let undone = run(&["undo", "3"]);
        assert_eq!(undone.code, ExitCode::Done, "{}", undone.stderr);
        assert!(undone.stderr.contains("until "), "{}", undone.stderr);
        server.cli(&["flushall"]);
    }
}

/// Each answer is delayed. The delay neither shortens nor extends the override.
#[test]
fn an_override_on_a_far_server_lasts_for_its_time() {
    let server = Server::start();
    let far = Proxy::to(server.port());
    far.set(Mode::Slow { bytes: 512, rest: Duration::from_millis(5) });
    let now = || jiff::Timestamp::now().as_second();

    let before = now();
    let set = ["set", "off", "percentage=25", "--for", "30m", "--redis", &far.url()];
    let told = ran(&mut flagstaff(&set));
    let after = now();

    assert_eq!(told.code, ExitCode::Done, "{}", told.stderr);
    let stored: Value =
        serde_json::from_str(&server.cli(&["hget", "feature_flags", "off"])).unwrap();
    let end = stored["override"]["expires_at"].as_str().unwrap();
    let end = end.parse::<jiff::Timestamp>().unwrap().as_second() - 1_800;
    assert!((before - 1..=after + 1).contains(&end), "{before} {end} {after}");
}

#[test]
fn setting_enabled_ends_a_switch_that_has_an_end() {
    let server = Server::start();
    let run = |arguments: &[&str]| ran(&mut on(&server, arguments));
    for (switch, enabled) in [("disable", "enabled=true"), ("enable", "enabled=false")] {
        run(&["set", "off", "enabled=true", "percentage=60"]);
        run(&[switch, "off", "--for", "1h"]);

        let told = run(&["set", "off", enabled]).stderr;

        assert!(!told.contains("ends at") && !told.contains("then "), "{told}");
        assert!(!run(&["show", "off"]).stdout.contains("until"));
        run(&["unset", "off"]);
    }
}

#[test]
fn a_change_of_another_store_is_taken_back_there() {
    let server = Server::start();

    let told = ran(&mut on(&server, &["disable", "on", "--key", "other"])).stderr;

    assert!(told.contains("undo with: flagstaff undo 1 --key other\n"), "{told}");
}

#[test]
fn a_kill_switch_works_among_flags_that_require_each_other_in_many_ways() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.toml");
    let mut text = "[flags]\nf40_0 = true\nf40_1 = true\n".to_owned();
    for (layer, side) in (0..40).flat_map(|layer| [(layer, 0), (layer, 1)]) {
        let below = layer + 1;
        writeln!(text, "[flags.f{layer}_{side}]\nrequires = [\"f{below}_0\", \"f{below}_1\"]")
            .unwrap();
    }
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();

    let told = ran(&mut on(&server, &["disable", "f40_0", "-f", path, "--yes"]));

    assert_eq!(told.code, ExitCode::Done, "{}", told.stderr);
    assert_eq!(server.cli(&["HGET", "feature_flags", "f40_0"]), "0");
}

/// Starts a server with more fields than any reader accepts.
fn with_too_many_fields() -> Server {
    let server = Server::start();
    let fill = "for i = 1, 12000 do redis.call('HSET', 'feature_flags', 'f' .. i, '1') end";
    server.cli(&["EVAL", fill, "0"]);
    server
}

#[test]
fn a_single_flag_can_be_changed_in_a_store_with_too_many_fields() {
    let server = with_too_many_fields();
    let run = |arguments: &[&str]| ran(&mut on(&server, arguments));
    let field = |flag: &str| server.cli(&["HGET", "feature_flags", flag]);

    let list = run(&["list"]);
    assert_eq!(list.code, ExitCode::Usage, "{}", list.stderr);
    for (change, flag, state, stored) in [
        (&["disable", "f1"][..], "f1", "off", "0"),
        (&["disable", "on"], "on", "off", "0"),
        (&["undo", "2"], "on", "on", ""),
        (&["unset", "f2"], "f2", "unset", ""),
        (&["enable", "off"], "off", "on", "1"),
        (&["restore", "off", "--to", "4"], "off", "off", ""),
    ] {
        let Ran { code, stdout, stderr } = run(change);
        assert_eq!(code, ExitCode::Done, "{change:?}: {stderr}");
        assert!(stderr.starts_with("warning: the store cannot be read as a whole"), "{stderr}");
        assert_eq!((stdout, field(flag)), (format!("{flag} {state}\n"), stored.to_owned()));
    }
    assert_eq!(run(&["set", "quarter", "percentage=10"]).stdout, "quarter 10%\n");
    assert_eq!(run(&["rollout", "start", "staged"]).stdout, "staged 5%\n");
}

/// The store has so many fields that the next change would fail, too.
#[test]
fn a_full_store_takes_no_new_field() {
    let server = Server::start();
    let fill = "for i = 1, 10000 do redis.call('HSET', 'feature_flags', 'f' .. i, '1') end";
    server.cli(&["EVAL", fill, "0"]);

    let refused = ran(&mut on(&server, &["disable", "on"]));
    let changed = ran(&mut on(&server, &["disable", "f1"]));

    assert_eq!(refused.code, ExitCode::Usage, "{}", refused.stderr);
    assert!(refused.stderr.contains("`max_fields` is 10000"), "{}", refused.stderr);
    assert_eq!(changed.code, ExitCode::Done, "{}", changed.stderr);
}

#[test]
fn a_single_key_can_be_changed_among_too_many() {
    let server = Server::start();
    let fill = "for i = 1, 12000 do redis.call('SET', 'ff:f' .. i, '{\"enabled\": true}') end";
    server.cli(&["EVAL", fill, "0"]);

    let disable = ran(&mut on(&server, &["disable", "f1", "--key-prefix", "ff"]));

    assert_eq!(
        (disable.code, &*disable.stdout),
        (ExitCode::Done, "f1 off\n"),
        "{}",
        disable.stderr
    );
    let stored: Value = serde_json::from_str(&server.cli(&["GET", "ff:f1"])).unwrap();
    assert_eq!(stored["enabled"], false);
}

#[test]
fn garbage_in_other_fields_keeps_no_flag_from_being_changed() {
    let server = Server::start();
    let garbage = r#"
        redis.call('HSET', 'feature_flags', 'a', '{"percentage": 400}', 'b', '{', 'c', '\255', '\255', '1')
        redis.call('HSET', 'feature_flags', 'd', string.rep('x', 600000), '', '[]')
    "#;
    server.cli(&["EVAL", garbage, "0"]);

    for (change, state) in [
        (&["disable", "on"][..], "on off\n"),
        (&["enable", "off"], "off on\n"),
        (&["set", "quarter", "percentage=10"], "quarter 10%\n"),
        (&["disable", "a"], "a off\n"),
        (&["unset", "d"], "d unset\n"),
    ] {
        let Ran { code, stdout, stderr } = ran(&mut on(&server, change));
        assert_eq!((code, &*stdout), (ExitCode::Done, state), "{change:?}: {stderr}");
    }
}

#[test]
fn the_instances_of_a_store_with_too_many_fields_are_listed_by_its_log() {
    let server = with_too_many_fields();
    let now = server.cli(&["TIME"]).lines().next().unwrap().to_owned();
    let instance = format!(r#"{{"at":{now},"generation":1,"revision":0}}"#);
    server.cli(&["HSET", "{feature_flags}:instances", "web-1", &instance]);

    let instances = ran(&mut on(&server, &["instances"]));

    assert!(instances.stdout.starts_with("web-1\t"), "{}", instances.stdout);
    assert_eq!(instances.code, ExitCode::Done, "{}", instances.stderr);
    assert!(instances.stderr.starts_with("warning: "), "{}", instances.stderr);
}

/// Nothing can be stored beside what is not a hash.
#[test]
fn a_key_that_holds_something_else_is_an_error() {
    let server = Server::start();
    server.cli(&["SET", "feature_flags", "x"]);

    let refused = ran(&mut on(&server, &["disable", "on"]));
    let unreachable = ran(flagstaff(&["disable", "on"]).env("REDIS_URL", "redis://127.0.0.1:1"));

    assert_eq!(refused.code, ExitCode::Usage, "{}", refused.stderr);
    assert_eq!(unreachable.code, ExitCode::Unreachable, "{}", unreachable.stderr);
}
