//! Changes, alone and several at once.

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Stdio},
    thread,
};

use flagstaff::{Flags, cli::ExitCode};
use regex::Regex;
use serde_json::Value;

use crate::{
    command::{Ran, done, flagstaff, on, ran},
    server::{Server, patient},
    support::{BOUND, python},
};

fn stored(server: &Server, flag: &str) -> Value {
    serde_json::from_str(&server.cli(&["HGET", "feature_flags", flag])).unwrap()
}

#[test]
fn changes_of_different_settings_at_once_all_survive() {
    let server = Server::start();
    let settings =
        ["owner=ana", "percentage=25", "salt=s", "tags=x", "description=d", "enabled=true"];

    let children: Vec<_> = settings
        .iter()
        .map(|setting| {
            let mut command = on(&server, &["set", "quarter", setting]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }

    let stored = stored(&server, "quarter");
    for name in ["owner", "percentage", "salt", "tags", "description", "enabled"] {
        assert!(!stored[name].is_null(), "{stored}");
    }
}

#[test]
fn members_that_several_add_to_a_list_at_once_are_all_there() {
    let server = Server::start();
    let users: Vec<_> = (0..6).map(|n| format!("user_{n}")).collect();

    let children: Vec<_> = users
        .iter()
        .map(|user| {
            let mut command = on(&server, &["set", "quarter", &format!("allowed_users+={user}")]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }

    let mut stored: Vec<String> =
        serde_json::from_value(stored(&server, "quarter")["allowed_users"].clone()).unwrap();
    stored.sort();
    assert_eq!(stored, users);
}

#[test]
fn of_several_changes_at_one_revision_one_succeeds() {
    let server = Server::start();
    assert_eq!(ran(&mut on(&server, &["enable", "off"])).code, ExitCode::Done);

    let threads = (0..6).map(|n| {
        let mut command = on(&server, &["set", "off", &format!("percentage={n}"), "--if-rev", "1"]);
        thread::spawn(move || ran(&mut command).code.number())
    });
    let mut ends = BTreeMap::new();
    for thread in threads.collect::<Vec<_>>() {
        *ends.entry(thread.join().unwrap()).or_insert(0) += 1;
    }

    assert_eq!(
        ends,
        BTreeMap::from([(ExitCode::Done.number(), 1), (ExitCode::Changed.number(), 5)])
    );
}

#[test]
fn a_dry_run_prints_what_the_real_run_prints_and_changes_nothing() {
    let server = Server::start();

    for change in [
        &["enable", "off"][..],
        &["enable", "off"],
        &["set", "quarter", "percentage=50", "allowed_users+=ana", "--for", "1h"],
        &["set", "quarter", "owner=web"],
        &["set", "quarter", "percentage-", "owner-"],
        &["enable", "quarter"],
        &["undo", "5"],
        &["undo", "6"],
        &["set", "off", "percentage=5"],
        &["disable", "quarter", "--for", "2h"],
        &["unset", "quarter", "on"],
        &["unset", "quarter"],
        &["rollout", "start", "staged"],
        &["rollout", "pause", "staged"],
        &["rollout", "resume", "staged"],
        &["rollout", "advance", "staged"],
        &["rollout", "advance", "staged", "--force"],
        &["rollout", "rollback", "staged"],
        &["disable", "staged"],
        &["rollout", "rollback", "staged", "--completely"],
    ] {
        let before = server.cli(&["HGETALL", "feature_flags"]);
        let dry = told(on(&server, change).arg("--dry-run"));
        assert_eq!(server.cli(&["HGETALL", "feature_flags"]), before, "{change:?}");
        let real = told(&mut on(&server, change));

        assert_eq!(dry, real, "{change:?}");
        assert!(!real.stderr.is_empty(), "{change:?}");
    }
}

#[test]
fn a_dry_run_knows_the_layout_and_what_cannot_be_changed() {
    let server = Server::start();
    server.cli(&["SET", "ff:off", r#"{"enabled": false, "percentage": 10, "note": 1}"#]);
    server.cli(&["SET", "ff:quarter", "{broken"]);

    for change in [
        &["enable", "off"][..],
        &["set", "off", "percentage=20"],
        &["set", "off", "percentage-"],
        &["disable", "off"],
        &["disable", "off"],
        &["set", "quarter", "owner=web"],
        &["enable", "quarter"],
        &["set", "quarter", "owner=web"],
        &["unset", "off"],
    ] {
        let with_prefix = |arguments: &[&str]| {
            let mut command = on(&server, change);
            command.args(["--key-prefix", "ff", "-o", "json"]).args(arguments);
            let mut ran = ran(&mut command);
            if let Ok(mut made) = serde_json::from_str::<Value>(&ran.stdout) {
                made["changes"][0]["revision"].take();
                made["changes"][0]["dryRun"].take();
                ran.stdout = made.to_string();
            }
            without_ways_back(&mut ran);
            ran
        };
        let stored = || server.cli(&["MGET", "ff:off", "ff:quarter"]);
        let before = stored();
        let dry = with_prefix(&["--dry-run"]);
        assert_eq!(stored(), before, "{change:?}");
        assert_eq!(dry, with_prefix(&[]), "{change:?}");
    }
}

/// Removes the hints on the way back, which need the revision of a real change.
fn without_ways_back(ran: &mut Ran) {
    let hint = Regex::new(r"(?m)^.*hint.*(restores the former override|restores the state of).*\n")
        .unwrap();
    ran.stderr = hint.replace_all(&ran.stderr, "").into_owned();
}

/// Runs a command. Returns its output without times, revisions and the note of a dry run.
fn told(command: &mut Command) -> Ran {
    let mut ran = ran(command);
    let revision =
        Regex::new(r"(?m)^(\w+: )?revision \d+ at .*; undo with: flagstaff undo \d+\n").unwrap();
    ran.stderr = revision.replace_all(&ran.stderr, "").into_owned();
    let time = Regex::new(r"\d{4}-\d\d-\d\dT[\d:.]+Z|lasts .+ more").unwrap();
    ran.stderr = time.replace_all(&ran.stderr, "TIME").into_owned();
    ran.stderr = ran.stderr.replace("nothing was changed: this is a dry run\n", "");
    without_ways_back(&mut ran);
    ran
}

#[test]
fn a_change_that_changes_nothing_writes_nothing_and_says_so() {
    let server = Server::start();
    let log = || server.cli(&["XLEN", "{feature_flags}:log"]);
    done(&mut on(&server, &["enable", "quarter"]));
    done(&mut on(&server, &["disable", "off"]));
    done(&mut on(&server, &["set", "on", "percentage=50", "--for", "1h"]));
    let before = (log(), server.cli(&["HGETALL", "feature_flags"]));

    for nothing in [
        &["enable", "quarter"][..],
        &["set", "quarter", "enabled=true"],
        &["disable", "off"],
        &["set", "on", "percentage=50", "-m", "again"],
        &["set", "on", "owner-"],
        &["unset", "staged"],
    ] {
        let ran = ran(&mut on(&server, nothing));
        assert_eq!(ran.code, ExitCode::Done, "{nothing:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("as before: nothing to change"), "{nothing:?}: {}", ran.stderr);
        assert_eq!((log(), server.cli(&["HGETALL", "feature_flags"])), before, "{nothing:?}");
    }

    // These leave the flag as it is, but change the end of the override.
    for something in [
        &["set", "on", "percentage=50", "--for", "2h"][..],
        &["disable", "off", "--for", "1h"],
        &["disable", "off"],
    ] {
        let before = log();
        assert_eq!(ran(&mut on(&server, something)).code, ExitCode::Done);
        assert_ne!(log(), before, "{something:?}");
    }
    // Enabling twice is one change, so undoing revision 1 removes it.
    done(&mut on(&server, &["enable", "quarter"]));
    assert_eq!(ran(&mut on(&server, &["undo", "1"])).code, ExitCode::Done);
    assert_eq!(server.cli(&["HGET", "feature_flags", "quarter"]), "");
}

#[test]
fn the_state_after_the_end_of_an_override_is_shown_before_the_change() {
    let server = Server::start();
    let says = |arguments: &[&str]| told(&mut on(&server, arguments)).stderr;

    let on_for_an_hour = says(&["enable", "off", "--for", "1h"]);
    assert!(
        on_for_an_hour.contains("  until TIME; then flags.toml decides: off\n"),
        "{on_for_an_hour}"
    );
    assert!(!on_for_an_hour.contains("warning"), "{on_for_an_hour}");

    // When the override ends, the flag does not go back to the kill switch in the store.
    says(&["disable", "quarter"]);
    let again = says(&["disable", "quarter", "--for", "1h"]);
    let ends = "  until TIME; then flags.toml decides, not the former override: 25%\n";
    assert!(again.contains(ends), "{again}");
    let warning =
        "warning: at its end `quarter` may be on for more users than now: now `off`, then `25%`\n";
    assert!(again.contains(warning), "{again}");

    // `--for` on one setting ends the whole override.
    says(&["set", "on", "denied_users=mallory"]);
    let one = says(&["set", "on", "percentage=50", "--for", "1h"]);
    assert!(
        one.contains(
            "  until TIME, with the override's denied_users; then flags.toml decides: on\n"
        ),
        "{one}"
    );
    let kept = says(&["set", "on", "percentage=20"]);
    assert!(
        kept.contains(
            "  ends at TIME with the rest of the override; then flags.toml decides: on\n"
        ),
        "{kept}"
    );
    assert!(kept.contains("may be on for more"), "{kept}");
    let stays = says(&["enable", "on"]);
    assert!(
        stays.contains("  it stays: the former override would have ended at TIME\n"),
        "{stays}"
    );

    let nobody = says(&["enable", "new_one", "--new", "--for", "1h"]);
    assert!(nobody.contains("  until TIME; then no source has the flag\n"), "{nobody}");
    let json = ran(&mut on(&server, &["enable", "off", "--for", "2h", "-n", "-o", "json"]));
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["changes"][0]["then"], "off");
    assert!(json["changes"][0]["ends"].is_string());
}

#[test]
fn a_terminal_asks_before_the_end_of_an_override_widens_a_flag() {
    let server = Server::start();
    done(&mut on(&server, &["disable", "quarter"]));

    let (refused, question) =
        at_a_terminal(&on(&server, &["disable", "quarter", "--for", "1h"]), "n");
    assert_eq!(refused, i32::from(ExitCode::Refused.number()), "{question}");
    assert!(
        question.contains("let `quarter` be on for more users than now at its end?"),
        "{question}"
    );
    assert_eq!(server.cli(&["HGET", "feature_flags", "quarter"]), "0");

    let (done, asked) = at_a_terminal(&on(&server, &["enable", "off", "--for", "1h"]), "y");
    assert!(done == 0 && !asked.contains("at its end"), "{asked}");
    let sure = ["disable", "quarter", "--for", "1h", "--yes"];
    let (done, asked) = at_a_terminal(&on(&server, &sure), "");
    assert!(done == 0 && !asked.contains("[y/N]"), "{asked}");
}

#[test]
fn a_terminal_asks_before_an_override_with_an_end_is_written_into_the_file() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.toml");
    fs::write(&file, "[flags]\nquarter = \"25%\"\n").unwrap();
    let promote = |more: &[&str]| {
        let arguments = [&["promote", "quarter", "--file", file.to_str().unwrap()], more].concat();
        on(&server, &arguments)
    };
    done(&mut on(&server, &["disable", "quarter", "--for", "1h"]));

    let (refused, question) = at_a_terminal(&promote(&[]), "n");
    assert_eq!(refused, i32::from(ExitCode::Refused.number()), "{question}");
    assert!(question.contains("let `quarter` stay like that permanently?"), "{question}");
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "1");
    assert_eq!(fs::read_to_string(&file).unwrap(), "[flags]\nquarter = \"25%\"\n");

    let (done, asked) = at_a_terminal(&promote(&["--yes"]), "");
    assert!(done == 0 && !asked.contains("[y/N]"), "{asked}");
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "1");
}

#[test]
fn a_terminal_asks_before_an_undo_switches_off_or_widens_a_flag() {
    let server = Server::start();
    done(&mut on(&server, &["disable", "quarter"]));
    done(&mut on(&server, &["enable", "off"]));

    let (refused, question) = at_a_terminal(&on(&server, &["undo", "1"]), "n");
    assert_eq!(refused, i32::from(ExitCode::Refused.number()), "{question}");
    assert!(question.contains("quarter: off -> 25%"), "{question}");
    assert!(question.contains("let `quarter` be on for more users than now?"), "{question}");
    let (_, question) = at_a_terminal(&on(&server, &["undo", "2"]), "n");
    assert!(question.contains("switch it off for all users?"), "{question}");
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "2");

    assert_eq!(at_a_terminal(&on(&server, &["undo", "1"]), "y").0, 0);
    assert_eq!(server.cli(&["HGET", "feature_flags", "quarter"]), "");
}

#[test]
fn a_setting_behind_a_flag_takes_nothing_away() {
    let server = Server::start();
    done(&mut on(&server, &["set", "quarter", "percentage=50", "owner=web"]));
    let before = server.cli(&["HGETALL", "feature_flags"]);

    for arguments in [&["unset", "quarter", "percentage"][..], &["disable", "quarter", "owner"]] {
        let refused = ran(&mut on(&server, arguments));
        assert_eq!(refused.code, ExitCode::Usage, "{arguments:?}");
        assert!(refused.stderr.contains("flagstaff set quarter "), "{}", refused.stderr);
        assert_eq!(server.cli(&["HGETALL", "feature_flags"]), before);
    }

    for (arguments, hint) in [
        (&["unset", "quarter", "percentage-"][..], "`flagstaff set quarter percentage-`"),
        (&["unset", "quarter", "variants.red=5"], "`flagstaff set quarter variants-`"),
        (&["enable", "quarter", "percentage=75"], "`flagstaff set quarter percentage=VALUE`"),
        (&["enable", "tags+=x", "quarter"], "`flagstaff set quarter tags=VALUE`"),
        (&["disable", "quarter", "owner-"], "`flagstaff set quarter owner-`"),
        (&["disable", "quarter=false"], "`flagstaff set FLAG FIELD=VALUE`"),
        (&["set", "percentage=75", "owner=web"], "`flagstaff set FLAG percentage=VALUE`"),
        (&["disable", "quarter=false", "--source", "file"], "`flagstaff set FLAG FIELD=VALUE`"),
    ] {
        let refused = ran(&mut on(&server, arguments));
        assert_eq!(refused.code, ExitCode::Usage, "{arguments:?}");
        assert!(refused.stderr.contains(hint), "{arguments:?}: {}", refused.stderr);
        assert_eq!(server.cli(&["HGETALL", "feature_flags"]), before, "{arguments:?}");
    }

    let taken_out = ran(&mut on(&server, &["set", "quarter", "percentage-"]));
    assert!(taken_out.stderr.contains("  percentage  50 -> 25\n"), "{}", taken_out.stderr);
    assert_eq!(stored(&server, "quarter")["owner"], "web");
    done(&mut on(&server, &["set", "quarter", "owner-"]));
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "0");
}

#[test]
fn a_flag_named_like_an_assignment_can_be_removed() {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", "percentage=50", "1", "owner-", "1"]);

    for arguments in [
        &["disable", "percentage=50"][..],
        &["unset", "percentage=50"],
        &["undo", "2"],
        &["unset", "owner-"],
    ] {
        let ran = ran(&mut on(&server, arguments));
        assert_eq!(ran.code, ExitCode::Done, "{arguments:?}: {}", ran.stderr);
    }

    assert_eq!(server.cli(&["HGETALL", "feature_flags"]).replace('\n', " "), "percentage=50 0");
}

#[test]
fn settings_that_several_take_out_at_once_are_all_gone() {
    let server = Server::start();
    let settings =
        ["owner=ana", "percentage=50", "salt=s", "tags=x", "description=d", "on_stale=off"];
    done(on(&server, &["set", "quarter"]).args(settings));

    let children: Vec<_> = settings[1..]
        .iter()
        .map(|setting| {
            let setting = setting.split('=').next().unwrap();
            let mut command = on(&server, &["set", "quarter", &format!("{setting}-")]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }

    let stored = stored(&server, "quarter");
    let left: Vec<_> =
        stored.as_object().unwrap().keys().filter(|name| *name != "override").collect();
    assert_eq!(left, ["owner"], "{stored}");
}

#[test]
fn a_flag_with_a_mistake_in_the_file_is_reported_with_its_location() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.toml");
    fs::write(&file, "[flags]\nright = true\nwrong = 25\n").unwrap();
    let at = |arguments: &[&str]| {
        let ran = ran(on(&server, arguments).arg("--file").arg(&file));
        ran.stderr
    };

    let disabled = at(&["disable", "wrong", "-n"]);
    let place = format!("`wrong` has a mistake in the file: {}:3:9: ", file.display());
    assert!(disabled.contains(&place), "{disabled}");
    assert!(!disabled.contains("no source has"), "{disabled}");
    assert!(at(&["get", "wrong"]).contains("`wrong` (line 3)"));
    assert!(at(&["rollout", "status", "wrong"]).contains(&place));
    assert!(at(&["rollout", "start", "wrong"]).contains(&place));
}

#[test]
fn both_wordings_of_a_conflict_are_one() {
    let server = Server::start();
    for percentage in ["percentage=1", "percentage=2"] {
        done(&mut on(&server, &["set", "quarter", percentage, "--by", "bob"]));
    }

    let said: Vec<_> = [
        &["undo", "1"][..],
        &["undo", "1", "-n"],
        &["set", "quarter", "percentage=3", "--if-rev", "1"],
        &["set", "quarter", "percentage=3", "--if-rev", "1", "-n"],
        &["unset", "quarter", "--if-rev", "1"],
    ]
    .map(|arguments| ran(&mut on(&server, arguments)))
    .into();

    let one = "error: revision 1 is not the latest change of `quarter`: it is 2, by bob\n\
               hint: `flagstaff history quarter` lists its changes\n";
    for ran in said {
        // An undo has a way back of its own.
        let undo = "; `flagstaff unset quarter` brings back what was before revision 1";
        assert_eq!((ran.code, &*ran.stderr.replace(undo, "")), (ExitCode::Changed, one));
    }
}

#[test]
fn who_and_why_are_kept_and_shown() {
    let server = Server::start();
    let mut enable = on(&server, &["enable", "off", "-m", "launch day", "--by", "ana"]);
    let mut set = on(&server, &["set", "quarter", "percentage=50", "-m", "going well"]);

    done(&mut enable);
    done(set.env("FLAGSTAFF_AUTHOR", "bob"));

    // Readers in other languages treat any other value as off.
    assert_eq!(server.cli(&["HGET", "feature_flags", "off"]), "1");
    for (flag, who, why) in [("off", "ana", "launch day"), ("quarter", "bob", "going well")] {
        let shown = ran(&mut on(&server, &["show", flag, "-o", "json"]));
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        let source = &shown["sources"][0];
        assert_eq!(
            (&source["source"], &source["by"], &source["reason"]),
            (&"redis".into(), &who.into(), &why.into())
        );
    }
}

#[tokio::test]
async fn a_change_waits_until_every_instance_has_it_and_names_those_that_have_not() {
    let server = Server::start();
    let redis = patient(&server.url()).instance("web-1").handle();
    let flags = Flags::builder().source(redis.clone()).max_wait(BOUND).start().await.unwrap();
    while redis.fleet().await.unwrap().instances.is_empty() {
        tokio::task::yield_now().await;
    }
    let enable = |wait: &'static str| {
        let mut command = on(&server, &["enable", "off", "--wait", wait]);
        tokio::task::spawn_blocking(move || ran(&mut command))
    };

    let done = enable("60s").await.unwrap();
    assert_eq!(done.code, ExitCode::Done, "{}", done.stderr);
    assert!(
        done.stderr.contains("the one instance of `feature_flags` in Redis at `127.0.0.1:"),
        "{}",
        done.stderr
    );

    // An instance that hangs.
    let now = server.cli(&["TIME"]).lines().next().unwrap().to_owned();
    let stuck = format!(r#"{{"at":{now},"generation":1,"revision":0}}"#);
    server.cli(&["HSET", "{feature_flags}:instances", "web-2", &stuck]);
    let late = enable("1100ms").await.unwrap();
    assert_eq!(late.code, ExitCode::No, "{}", late.stderr);
    assert!(late.stderr.contains("waiting for web-2"), "{}", late.stderr);
    assert!(
        late.stderr.contains("still without the change after 1s 100ms: web-2"),
        "{}",
        late.stderr
    );

    flags.shutdown().await;
}

/// Runs a command at a terminal that types `answer`. Returns its exit code and its output.
fn at_a_terminal(command: &Command, answer: &str) -> (i32, String) {
    const PTY: &str = r"
import os, pty, sys
answer, arguments = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(arguments[0], arguments)
said = b''
while True:
    try:
        data = os.read(terminal, 1024)
    except OSError:
        break
    if not data:
        break
    said += data
    if b'[y/N]' in data:
        if 'CHANGE_BEFORE' in os.environ:
            open(os.environ['CHANGE_BEFORE'], 'a').write('# by another hand\n')
        if 'RUN_BEFORE' in os.environ:
            os.system(os.environ['RUN_BEFORE'])
        os.write(terminal, answer.encode() + b'\n')
_, status = os.waitpid(pid, 0)
sys.stdout.write(said.decode())
sys.exit(os.waitstatus_to_exitcode(status))
";
    let mut python = python();
    python.args(["-c", PTY, answer]).arg(command.get_program()).args(command.get_args());
    python.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => python.env(name, value),
            None => python.env_remove(name),
        };
    }
    // Without colours, so that the question is plain text.
    let output = python.env("NO_COLOR", "1").output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_terminal_asks_before_a_flag_is_off_for_all_users() {
    let server = Server::start();

    let (refused, question) = at_a_terminal(&on(&server, &["disable", "on"]), "n");
    assert_eq!(refused, i32::from(ExitCode::Refused.number()), "{question}");
    assert!(question.contains("switch it off for all users?"), "{question}");
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "0");

    assert_eq!(at_a_terminal(&on(&server, &["disable", "on"]), "y").0, 0);
    assert_eq!(server.cli(&["HGET", "feature_flags", "on"]), "0");

    let (done, asked) = at_a_terminal(&on(&server, &["enable", "on", "off"]), "y");
    assert!(asked.contains("let `on`, `off` be on for more users than now?"), "{asked}");
    assert_eq!(done, 0, "{asked}");
    let (done, asked) = at_a_terminal(&on(&server, &["unset", "off", "on", "--yes"]), "");
    assert!(done == 0 && !asked.contains("[y/N]"), "{asked}");
}

#[test]
fn a_terminal_asks_before_several_overrides_are_removed() {
    let server = Server::start();
    done(&mut on(&server, &["enable", "off", "quarter"]));

    let (refused, question) = at_a_terminal(&on(&server, &["unset", "off", "quarter"]), "");

    assert_eq!(refused, i32::from(ExitCode::Refused.number()), "{question}");
    assert!(question.contains("remove the overrides of 2 flags?"), "{question}");
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "2");
}

/// The question leaves time for that.
#[test]
fn a_confirmed_change_is_not_made_if_its_effect_has_changed_meanwhile() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.toml");
    fs::write(&file, "[flags]\na = true\nother = true\n\n[flags.asks]\nrequires = [\"a\"]\n")
        .unwrap();
    let disable = |meanwhile: &str| {
        server.cli(&["DEL", "feature_flags"]);
        let mut disable = on(&server, &["disable", "a", "--file", file.to_str().unwrap()]);
        let write = format!("redis-cli -p {} HSET feature_flags {meanwhile} > got", server.port());
        disable.env("RUN_BEFORE", write).current_dir(&directory);
        at_a_terminal(&disable, "y")
    };
    let stored = |flag: &str| server.cli(&["HGET", "feature_flags", flag]);

    // The flag itself changes, or a flag that would go off with it.
    for meanwhile in ["a '{\"percentage\": 5}'", "asks '{\"requires\": []}'"] {
        let (code, said) = disable(meanwhile);
        assert_eq!(code, i32::from(ExitCode::Changed.number()), "{meanwhile}: {said}");
        assert!(said.contains("the flags were changed while you were asked"), "{said}");
        assert_ne!(stored("a"), "0", "{meanwhile}");
    }
    // An unrelated flag changes.
    let (code, said) = disable("other 0");
    assert_eq!((code, &*stored("a")), (0, "0"), "{said}");
}

#[test]
fn a_terminal_asks_before_a_promotion_is_finished() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.toml");
    fs::write(&file, "[flags]\na = false\n").unwrap();
    done(&mut on(&server, &["disable", "a", "--new", "--file", file.to_str().unwrap()]));
    let finish = on(&server, &["promote", "--finish", "a", "--file", file.to_str().unwrap()]);

    let (refused, question) = at_a_terminal(&finish, "n");
    assert_eq!(refused, i32::from(ExitCode::Refused.number()), "{question}");
    assert!(question.contains("remove the override, so that the file decides?"), "{question}");
    assert_eq!(server.cli(&["HGET", "feature_flags", "a"]), "0");

    assert_eq!(at_a_terminal(&finish, "y").0, 0);
    assert_eq!(server.cli(&["HGET", "feature_flags", "a"]), "");
}

#[test]
fn flags_that_were_changed_before_a_failure_are_reported() {
    let server = Server::start();
    // One more field is the maximum that readers accept.
    let fill = "for i = 1, 9999 do redis.call('HSET', 'feature_flags', 'f' .. i, '1') end";
    server.cli(&["EVAL", fill, "0"]);

    let disable = ran(&mut on(&server, &["disable", "f1", "on", "quarter", "off"]));

    assert_eq!(disable.code, ExitCode::Usage, "{}", disable.stderr);
    let told = "warning: `f1`, `on` changed before this failed; `quarter`, `off` not\n";
    assert!(disable.stderr.contains(told), "{}", disable.stderr);
    assert_eq!(disable.stdout, "f1 off\non off\n");
    assert_eq!(server.cli(&["HGET", "feature_flags", "on"]), "0");
}

/// The question leaves time for that.
#[test]
fn a_file_that_changed_since_it_was_read_is_left_alone() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "[flags]\non = true\n").unwrap();
    let mut disable = flagstaff(&["disable", "on", "--source", "file", "--file"]);
    disable.arg(file.path()).env("CHANGE_BEFORE", file.path());

    let (code, said) = at_a_terminal(&disable, "y");

    assert_eq!(code, i32::from(ExitCode::Changed.number()), "{said}");
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "[flags]\non = true\n# by another hand\n");
}

#[test]
fn a_change_of_the_file_shows_which_source_decides() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.toml");
    fs::write(&file, "[flags]\non = true\nhalf = \"50%\"\nquiet = true\n").unwrap();
    for (flag, said) in [("on", "1"), ("half", r#"{"percentage": 20}"#), ("quiet", "0")] {
        server.cli(&["HSET", "feature_flags", flag, said]);
    }
    let in_the_file = |arguments: &[&str]| {
        let file = ["--source", "file", "-f", file.to_str().unwrap()];
        on(&server, &[arguments, &file[..]].concat())
    };
    let decides = |who: &str, flag: &str, state: &str| {
        format!("warning: {who} about `{flag}`, not the file: the flag is {state}\n")
    };
    let redis = "the override in Redis decides";

    for (arguments, warning) in [
        (&["disable", "on", "-n"][..], decides(redis, "on", "on")),
        (&["disable", "on"], decides(redis, "on", "on")),
        (&["set", "half", "percentage=30"], decides(redis, "half", "20%")),
        (&["unset", "half"], decides(redis, "half", "20%")),
    ] {
        let ran = ran(&mut in_the_file(arguments));
        assert_eq!(ran.code, ExitCode::Done, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(&warning), "{arguments:?}: {}", ran.stderr);
    }
    for arguments in
        [&["enable", "on"][..], &["disable", "quiet"], &["disable", "on", "--no-redis"]]
    {
        let ran = ran(&mut in_the_file(arguments));
        assert!(!ran.stderr.contains("warning"), "{arguments:?}: {}", ran.stderr);
    }

    let mut disable = in_the_file(&["disable", "on", "--no-redis", "--env-prefix", "SHOP_"]);
    let by_variable = ran(disable.env("SHOP_ON", "true"));
    let warning = decides("the environment decides", "on", "on");
    assert!(by_variable.stderr.contains(&warning), "{}", by_variable.stderr);
    let mut enable = in_the_file(&["enable", "on"]);
    let unreachable = ran(enable.env("REDIS_URL", "redis://127.0.0.1:1"));
    let warning = "warning: it is unknown whether an override decides: ";
    assert_eq!((unreachable.code, &*unreachable.stdout), (ExitCode::Done, "on on\n"));
    assert!(unreachable.stderr.contains(warning), "{}", unreachable.stderr);
}

#[test]
fn a_broken_file_does_not_block_the_kill_switch() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.toml");
    fs::write(&file, "[flags\n").unwrap();

    let ran = ran(&mut on(&server, &["disable", "on", "--file", file.to_str().unwrap()]));

    assert_eq!((ran.code, &*ran.stdout), (ExitCode::Done, "on off\n"));
    assert!(ran.stderr.contains("is left out"), "{}", ran.stderr);
    assert_eq!(server.cli(&["HGET", "feature_flags", "on"]).trim(), "0");
}

/// Each hint is followed, and the rollout is in force after it.
#[test]
fn a_hint_names_the_command_that_continues_a_rollout() {
    for (first, hint) in [
        (&["disable", "staged"][..], "unset staged"),
        (&["enable", "staged"], "unset staged"),
        (&["set", "staged", "percentage=0"], "unset staged"),
        (&["set", "staged", "enabled=false"], "set staged enabled-"),
        (&["rollout", "stop", "staged"], "rollout resume staged"),
    ] {
        let server = Server::start();
        let run = |arguments: &[&str]| ran(&mut on(&server, arguments));
        // The state of the rollout is in the store only if the first change keeps it.
        let keeps = first[0] == "rollout" || first[2..].contains(&"enabled=false");
        if keeps {
            run(&["rollout", "start", "staged"]);
        }
        run(first);

        let status = run(&["rollout", "status", "staged", "-o", "text"]);

        assert!(
            status.stderr.contains(&format!("hint: `flagstaff {hint}`")),
            "{first:?}: {}",
            status.stderr
        );
        assert!(status.stdout.contains("not in force"), "{first:?}: {}", status.stdout);
        run(&hint.split(' ').collect::<Vec<_>>());
        let status = run(&["rollout", "status", "staged", "-o", "text"]);
        assert!(!status.stdout.contains("not in force"), "{first:?}: {}", status.stdout);
        let state = run(&["get", "staged"]).stdout;
        assert_eq!(state, if keeps { "staged 5%\n" } else { "staged off\n" }, "{first:?}");
    }
}

#[test]
fn a_rollout_that_is_switched_off_beside_its_settings_is_enabled_again() {
    let server = Server::start();
    let run = |arguments: &[&str]| ran(&mut on(&server, arguments));
    run(&["rollout", "start", "staged"]);
    run(&["disable", "staged"]);

    let status = run(&["rollout", "status", "staged", "-o", "text"]).stderr;
    let hidden = "an override has 40%, which hides the rollout: `flagstaff rollout status staged`";

    assert!(status.contains("hint: `flagstaff enable staged` switches it on again"), "{status}");
    assert!(!run(&["enable", "staged"]).stderr.contains("hint"));
    assert_eq!(run(&["get", "staged"]).stdout, "staged 5%\n");
    run(&["unset", "staged"]);
    run(&["set", "staged", "percentage=40"]);
    let pause = run(&["rollout", "pause", "staged"]);
    assert_eq!(pause.code, ExitCode::Refused);
    assert!(pause.stderr.contains(hidden), "{}", pause.stderr);
}

#[test]
fn an_unknown_flag_is_reported() {
    let server = Server::start();

    let told = |arguments: &[&str]| {
        let ran = ran(&mut on(&server, arguments));
        assert!(ran.stderr.contains("`quarter`"), "{}", ran.stderr);
        ran.code
    };

    assert_eq!(told(&["disable", "quartr"]), ExitCode::Refused);
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "0");
    assert_eq!(told(&["unset", "quartr"]), ExitCode::Refused);
    assert_eq!(told(&["is-on", "quartr"]), ExitCode::No);
    assert_eq!(told(&["disable", "quartr", "--new"]), ExitCode::Done);
    assert_eq!(server.cli(&["HGET", "feature_flags", "quartr"]), "0");
}

#[test]
fn a_flag_that_the_file_lacks_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    let run = |arguments: &[&str]| {
        let mut command = flagstaff(&[arguments, &["--source", "file"]].concat());
        ran(command.current_dir(&directory))
    };

    for change in
        [&["set", "quartr", "percentage=5"][..], &["enable", "quartr"], &["disable", "quartr"]]
    {
        fs::write(&path, "[flags]\nquarter = \"25%\"\n").unwrap();
        let refused = run(change);
        assert_eq!(refused.code, ExitCode::Refused, "{change:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("`quarter`; `--new` creates a flag"), "{}", refused.stderr);
        assert!(!fs::read_to_string(&path).unwrap().contains("quartr"));
        let made = run(&[change, &["--new"]].concat());
        assert_eq!(made.code, ExitCode::Done, "{change:?}: {}", made.stderr);
        assert!(fs::read_to_string(&path).unwrap().contains("quartr"), "{change:?}");
    }
    let plain = run(&["disable", "quarter", "--plain"]);
    assert_eq!(plain.code, ExitCode::Usage);
    assert!(plain.stderr.contains("a file does not support `--plain`"), "{}", plain.stderr);
}

#[test]
fn an_override_that_cannot_be_read_is_reported() {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", "on", "{bad json"]);

    for arguments in [&["get", "on"][..], &["list"], &["is-on", "on"], &["show", "on"]] {
        let ran = ran(&mut on(&server, arguments));
        assert!(ran.stderr.contains("field `on`"), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn an_answer_about_a_value_that_cannot_be_read_is_an_error() {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", "quarter", r#"{"percentage": 400}"#]);
    let run = |arguments: &[&str]| ran(&mut on(&server, arguments));

    for arguments in [&["is-on", "quarter"][..], &["get", "quarter"], &["list"], &["diff"]] {
        let told = run(arguments);
        assert_eq!(told.code, ExitCode::Usage, "{arguments:?}: {}", told.stderr);
        assert!(told.stderr.contains("cannot be read"), "{arguments:?}: {}", told.stderr);
    }
    assert_eq!(run(&["is-on", "on"]).code, ExitCode::Done);

    assert_eq!(run(&["unset", "quarter"]).code, ExitCode::Done);
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "0");
    server.cli(&["HSET", "feature_flags", "quarter", "{"]);
    assert_eq!(run(&["disable", "quarter"]).code, ExitCode::Done);
    assert_eq!(server.cli(&["HGET", "feature_flags", "quarter"]), "0");
}

#[test]
fn storing_json_is_reported_and_refused_with_plain() {
    let server = Server::start();
    done(&mut on(&server, &["enable", "off"]));

    let refused = ran(&mut on(&server, &["set", "off", "owner=web", "--plain"]));
    assert_eq!(refused.code, ExitCode::Refused, "{}", refused.stderr);
    assert_eq!(server.cli(&["HGET", "feature_flags", "off"]), "1");

    let told = ran(&mut on(&server, &["set", "off", "owner=web"]));
    assert!(told.stderr.contains("other languages"), "{}", told.stderr);
}

#[test]
fn a_flag_comes_back_as_it_was_at_a_revision() {
    let server = Server::start();
    let run = |arguments: &[&str]| ran(&mut on(&server, arguments));
    run(&["set", "off", "percentage=10"]);
    run(&["enable", "on"]);
    let told = run(&["set", "off", "percentage=20"]);
    assert!(
        told.stderr.contains("revision 3 at ")
            && told.stderr.ends_with("undo with: flagstaff undo 3\n"),
        "{}",
        told.stderr
    );
    run(&["unset", "off"]);

    let back = run(&["restore", "off", "--to", "2"]);

    assert_eq!(back.code, ExitCode::Done, "{}", back.stderr);
    assert_eq!(stored(&server, "off")["percentage"], 10);
    assert_eq!(run(&["restore", "off", "--to", "99"]).code, ExitCode::Refused);
}

/// Without any instance, or with instances of another store, no change can be confirmed.
#[test]
fn waiting_without_any_instance_fails() {
    let server = Server::start();

    let waited = ran(&mut on(&server, &["disable", "on", "--wait", "3s", "-o", "json"]));

    assert_eq!(waited.code, ExitCode::No, "{}", waited.stderr);
    let json: Value = serde_json::from_str(&waited.stdout).unwrap();
    assert_eq!(json["changes"][0]["wait"]["complete"], false);
    assert_eq!(json["changes"][0]["store"]["key"], "feature_flags");
}

/// The flags `v`, which has variants, and `on` and `needs`, of which the second requires `v`.
const LINKED: &str =
    "[flags]\non = true\nneeds.requires = [\"v\"]\n\n[flags.v]\nvariants = { x = 1, y = 1 }\n";

#[test]
fn a_store_refuses_the_needs_that_the_file_refuses() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.toml");
    let run = |arguments: &[&str]| ran(on(&server, arguments).args(["--yes", "--file"]).arg(&file));
    let variant = |name: &str| format!("{{\"flag\":\"v\",\"variant\":\"{name}\"}}");
    let rule = |flag: &str| format!("rules=[{{\"when\":{{\"flag\":{flag}}},\"serve\":true}}]");
    let required = |flag: &str| format!("requires=[{flag}]");

    for (flag, setting, code) in [
        ("on", required(&variant("nope")), ExitCode::Refused),
        ("on", rule(&variant("nope")), ExitCode::Refused),
        ("v", rule(&variant("nope")), ExitCode::Refused),
        ("v", rule(&variant("x")), ExitCode::Refused),
        ("v", required("\"v\""), ExitCode::Refused),
        ("v", required("\"needs\""), ExitCode::Refused),
        ("v", rule("\"needs\""), ExitCode::Refused),
        ("on", required(&variant("x")), ExitCode::Done),
        ("on", rule(&variant("y")), ExitCode::Done),
        ("v", required("\"on\""), ExitCode::Done),
    ] {
        for source in ["file", "redis"] {
            fs::write(&file, LINKED).unwrap();
            server.cli(&["FLUSHALL"]);

            let set = run(&["set", flag, &setting, "--source", source]);

            assert_eq!(set.code, code, "{source}: {flag} {setting}: {}", set.stderr);
            if code == ExitCode::Refused {
                assert_eq!(fs::read_to_string(&file).unwrap(), LINKED);
                assert_eq!(server.cli(&["HLEN", "feature_flags"]), "0", "{flag} {setting}");
            }
        }
    }
}

#[test]
fn a_cycle_that_is_in_a_store_hinders_no_change_of_other_settings() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.toml");
    fs::write(&file, LINKED).unwrap();
    for change in [
        &["disable", "v"][..],
        &["enable", "v"],
        &["disable", "on"],
        &["set", "v", "percentage=5"],
        &["set", "v", "requires-"],
    ] {
        server.cli(&["HSET", "feature_flags", "v", r#"{"requires":["needs"]}"#]);

        let changed = ran(on(&server, change).args(["--yes", "--file"]).arg(&file));

        assert_eq!(changed.code, ExitCode::Done, "{change:?}: {}", changed.stderr);
    }
}

#[test]
fn the_effect_on_flags_that_require_a_changed_flag_is_shown() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.toml");
    fs::write(&file, "[flags]\na = true\nc = false\n\n[flags.b]\nrequires = [\"a\"]\n").unwrap();
    let file = file.to_str().unwrap();
    let told = |arguments: &[&str]| ran(on(&server, arguments).args(["-n", "--file", file])).stderr;

    for (arguments, expected) in [
        (&["disable", "a"][..], "b: off for all users then, since it requires `a`"),
        (&["unset", "a", "--source", "file"], "b: off for all users then, since it requires `a`"),
        (
            &["set", "a", "requires+=nosuch"],
            "a: off for all users then, since it requires `nosuch`",
        ),
        (&["set", "a", "requires+=a"], "flag `a` would depend on itself: `a` -> `a`"),
        (&["set", "a", "requires+=b"], "flag `a` would depend on itself: `a` -> `b` -> `a`"),
    ] {
        let told = told(arguments);
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
    let (refused, asked) =
        at_a_terminal(on(&server, &["disable", "a", "--file", file]).arg("-m").arg("x"), "n");
    assert_eq!(refused, i32::from(ExitCode::Refused.number()), "{asked}");

    done(on(&server, &["disable", "a", "--file", file]).arg("--yes"));
    let back = told(&["enable", "a"]);
    assert!(back.contains("b: may be on for more users then, since it requires `a`"), "{back}");
}

#[test]
fn the_effect_on_flags_with_a_condition_on_a_changed_flag_is_shown() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.toml");
    let text = "[flags]\na = true\nz = false\n\n[flags.opposite]\nrequires = [{ flag = \"a\", on = false }]\n\n\
                [flags.opposite_z]\nrequires = [{ flag = \"z\", on = false }]\n\n\
                [[flags.asks.rules]]\nunless = { segment = \"ready\" }\nserve = false\n\n\
                [[flags.held.rules]]\nwhen = { segment = \"ready\" }\nserve = false\n\n\
                [flags.only]\npercentage = 0\nrules = [{ when = { flag = \"a\" }, serve = true }]\n\n\
                [flags.behind]\nrequires = [\"asks\"]\n\n[segments.ready]\nwhen = { flag = \"a\" }\n";
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let told = |arguments: &[&str]| ran(on(&server, arguments).args(["-n", "--file", file])).stderr;

    let disabled = told(&["disable", "a"]);
    for expected in [
        "opposite: may be on for more users then, since it depends on `a`",
        "held: may be on for more users then, since it depends on `a`",
        // The rule of `asks` turns it off while `a` is off.
        "asks: off for all users then, since it depends on `a`",
        "behind: off for all users then, since it depends on `a`",
        // The only rule of `only` depends on `a`.
        "only: off for all users then, since it depends on `a`",
    ] {
        assert!(disabled.contains(expected), "{disabled}");
    }
    let enabled = told(&["enable", "z"]);
    let expected = "opposite_z: off for all users then, since it depends on `z`";
    assert!(enabled.contains(expected), "{enabled}");

    let set = ["set", "z", "requires+={ flag = \"a\", on = false }", "--source", "file"];
    let set = ran(on(&server, &set).args(["--file", file, "--yes"]));
    assert_eq!(set.code, ExitCode::Done, "{}", set.stderr);
    let written = fs::read_to_string(file).unwrap();
    assert!(written.contains("requires = [{ flag = \"a\", on = false }]"), "{written}");
}

#[test]
fn a_value_that_is_neither_on_nor_off_is_reported() {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", "on", "enabled"]);

    let told = ran(&mut on(&server, &["list"]));

    assert_eq!(told.code, ExitCode::Done, "{}", told.stderr);
    assert!(told.stderr.contains("`on` in redis ("), "{}", told.stderr);
    assert!(told.stderr.contains("neither on nor off"), "{}", told.stderr);
}

#[test]
fn a_change_without_effect_says_why_and_what_would_help() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flags.toml");
    let declared = "[flags]\non = true\nneeds.requires = [\"off\"]\n\n[flags.off]\nowner = \"web\"\nenabled = false\n";
    fs::write(&file, declared).unwrap();
    let stderr = |arguments: &[&str]| {
        let ran =
            ran(on(&server, arguments).current_dir(folder.path()).args(["--file", "flags.toml"]));
        assert_eq!(ran.code, ExitCode::Done, "{arguments:?}: {}", ran.stderr);
        ran.stderr
    };
    let off = "warning: this changes no answer of `off`: it stays off: `enabled` is false in source \
               `file` (flags.toml:7)\nhint: set `enabled` to true as well\n";

    let dry = stderr(&["set", "off", "percentage=25", "--dry-run"]);
    assert!(dry.contains(off), "{dry}");
    let real = stderr(&["set", "off", "percentage=25"]);
    assert!(real.contains(off), "{real}");
    let helped = stderr(&["set", "off", "percentage=25", "enabled=true"]);
    assert!(!helped.contains("no answer"), "{helped}");

    stderr(&["disable", "off"]);
    let needs = stderr(&["set", "needs", "percentage=25"]);
    assert!(
        needs.contains("it stays off: it requires `off`, which is never as required"),
        "{needs}"
    );

    let mut overridden = on(&server, &["disable", "on", "--env-prefix", "FEATURE_", "--dry-run"]);
    let overridden = ran(overridden.current_dir(folder.path()).env("FEATURE_ON", "1"));
    assert!(!overridden.stderr.contains("no answer"), "Redis is stronger: {}", overridden.stderr);

    let mut json = on(&server, &["set", "needs", "salt=x", "-o", "json"]);
    let json = ran(json.current_dir(folder.path()));
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["changes"][0]["noEffect"]["kind"], "prerequisite", "{json}");

    let in_file = stderr(&["set", "off", "percentage=25", "--source", "file"]);
    let expected = "warning: this changes no answer of `off`: it stays off: `enabled` is false\n\
                    hint: set `enabled` to true as well\n";
    assert!(in_file.contains(expected), "{in_file}");
}

#[test]
fn lists_that_add_up_grow_from_the_stores_own_and_null_asks() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("flags.toml"), "[flags.x]\ndenied_users = [\"mallory\"]\n")
        .unwrap();
    let on = |arguments: &[&str]| {
        let mut command = on(&server, arguments);
        command.current_dir(folder.path());
        command
    };

    done(&mut on(&["set", "x", "denied_users+=eve"]));
    assert_eq!(stored(&server, "x")["denied_users"], serde_json::json!(["eve"]));
    let shown = ran(&mut on(&["show", "x", "-o", "tsv"])).stdout;
    assert!(shown.contains("decides\tdenied_users\tmallory, eve\tredis, file\n"), "{shown}");

    // The file still denies the user.
    let none = ran(&mut on(&["set", "x", "denied_users-=mallory"])).stderr;
    assert!(none.contains("nothing to change") || none.contains("no answer"), "{none}");

    let (refused, asked) = at_a_terminal(&on(&["set", "x", "denied_users=null"]), "n");
    assert_eq!(refused, i32::from(ExitCode::Refused.number()), "{asked}");
    assert!(asked.contains("let `x` be on for more users than now?"), "{asked}");
}

/// By the clock of this machine, the changes would be an hour old.
#[cfg(target_os = "linux")]
#[test]
fn ages_of_changes_count_from_the_clock_of_the_store() {
    let server = Server::slow();
    let set = ran(&mut on(&server, &["set", "quarter", "percentage=30"]));
    assert_eq!(set.code, ExitCode::Done, "{}", set.stderr);

    for command in ["history", "diff"] {
        let ran = ran(&mut on(&server, &[command, "--output", "text"]));

        assert!(ran.stdout.contains("quarter"), "{command}: {}{}", ran.stdout, ran.stderr);
        assert!(!ran.stdout.contains("hour"), "{command}: {}", ran.stdout);
        assert!(!ran.stdout.contains(" minutes ago"), "{command}: {}", ran.stdout);
    }
}

/// Code that asks for an integer would get its default.
#[test]
fn a_float_is_not_set_on_a_flag_of_integers() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    let text = "[flags.size]\nvalue = 5\n[flags.plan.variants]\nsmall = { weight = 1, value = 1 }\n[flags.ratio]\nvalue = 0.5\n";
    fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();

    for (arguments, code) in [
        (["set", "size", "value=7.5"], ExitCode::Usage),
        (["set", "size", "value=7"], ExitCode::Done),
        (["set", "plan", "variants.small.value=7.5"], ExitCode::Usage),
        (["set", "ratio", "value=7"], ExitCode::Done),
    ] {
        for target in [&["--source", "file"][..], &[]] {
            let arguments = [&arguments[..], &["--file", file], target].concat();
            let ran = ran(&mut on(&server, &arguments));
            assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
        }
    }
}

#[test]
fn the_way_back_is_shown_once_the_change_is_made() {
    let server = Server::start();
    done(&mut on(&server, &["set", "quarter", "percentage=50"]));
    let disable = on(&server, &["disable", "quarter"]);

    let (_, refused) = at_a_terminal(&disable, "n");
    assert!(
        !refused.contains("is off now") && refused.contains("nothing was changed"),
        "{refused}"
    );
    let (done, told) = at_a_terminal(&disable, "y");
    assert_eq!(done, 0, "{told}");
    let (_, after) = told.split_once("undo with: flagstaff undo 2").unwrap();
    let hint = "`quarter` is off now; `flagstaff undo 2` restores the former override: 50%";
    assert!(after.contains(hint), "{told}");
}

#[test]
fn rolling_back_before_the_start_cancels_the_start() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let rollout = "[flags.pricing.rollout]\nstart = 2999-12-01\nstages = [{ percentage = 5, for = \"2h\" }, { percentage = 100 }]\n";
    fs::write(directory.path().join("flags.toml"), rollout).unwrap();
    let run = |arguments: &[&str]| ran(on(&server, arguments).current_dir(&directory));

    for source in ["redis", "file"] {
        let back = run(&["rollout", "rollback", "pricing", "--source", source]);
        assert_eq!(back.code, ExitCode::Done, "{}", back.stderr);
        let warning = "warning: the rollout of `pricing` will not begin at 2999-12-01T00:00:00Z\n\
                       hint: `flagstaff rollout start pricing` starts it\n";
        assert!(back.stderr.contains(warning), "{}", back.stderr);
        assert!(!back.stderr.contains("changes no answer"), "{}", back.stderr);
        server.cli(&["DEL", "feature_flags"]);
    }
}

#[test]
fn what_is_stored_beside_off_is_told_as_such() {
    let server = Server::start();
    for change in
        [&["enable", "quarter"][..], &["set", "quarter", "percentage=25"], &["disable", "quarter"]]
    {
        let changed = ran(&mut on(&server, change));
        assert_eq!(changed.code, ExitCode::Done, "{}", changed.stderr);
    }

    for command in [
        &["status", "-o", "text"][..],
        &["history", "-o", "text"],
        &["show", "quarter", "-o", "text"],
    ] {
        let told = ran(&mut on(&server, command)).stdout.replace('\u{a0}', " ");
        assert!(told.contains("off (stored: 25%)") && !told.contains("null"), "{told}");
    }
}

#[test]
fn a_rejected_flag_is_not_taken_for_a_similar_one() {
    let directory = tempfile::tempdir().unwrap();
    let file = "[flags]\nb = true\n[flags.a]\n[[flags.a.tests]]\nexpect = false\n";
    fs::write(directory.path().join("flags.toml"), file).unwrap();

    for command in ["eval", "explain", "get", "show", "is-on", "distribution"] {
        let told = ran(flagstaff(&[command, "a", "--no-redis"]).current_dir(&directory));
        let told = told.stdout + &told.stderr;
        assert!(told.contains("`a`") && !told.contains("similar"), "{command}: {told}");
    }
    let told = ran(flagstaff(&["eval", "c", "--no-redis"]).current_dir(&directory)).stderr;
    assert!(told.contains("a flag with a similar name exists: `b`"), "{told}");
}

#[test]
fn enabling_a_flag_of_the_file_at_zero_percent_names_one_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");

    for enabled in ["enabled = false\n", ""] {
        fs::write(&path, format!("[flags.a]\n{enabled}percentage = 0\n")).unwrap();
        let mut enable = flagstaff(&["enable", "a", "--source", "file", "--no-redis"]);
        let told = ran(enable.current_dir(&directory)).stderr;
        let remedy = "`flagstaff set a percentage=100 --source file --no-redis` lets all users in";
        assert_eq!(told.matches("hint: ").count(), 1, "{told}");
        assert!(told.contains(remedy), "{told}");
    }
}

#[test]
fn an_undo_after_a_later_change_names_the_way_back() {
    let server = Server::start();
    for percentage in ["percentage=10", "percentage=20", "percentage=30"] {
        done(&mut on(&server, &["set", "quarter", percentage]));
    }

    for (revision, command) in [("2", "restore quarter --to 1"), ("1", "unset quarter")] {
        let undo = ran(&mut on(&server, &["undo", revision]));
        assert_eq!(undo.code, ExitCode::Changed, "{}", undo.stderr);
        let back = format!("`flagstaff {command}` brings back what was before revision {revision}");
        assert!(undo.stderr.contains(&back), "{}", undo.stderr);
    }
}
