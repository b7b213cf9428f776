//! Every exit code of every command.

use std::fs;

use flagstaff::cli::ExitCode::{self, Changed, Done, No, Refused, Unreachable, Usage};
use serde_json::Value;

use crate::{
    command::{data, flagstaff, on, ran},
    server::Server,
};

/// An address on which no server listens.
const NOWHERE: &str = "redis://127.0.0.1:1";

/// Commands that need no store.
const WITHOUT_STORE: &[(&[&str], ExitCode)] = &[
    (&["--help"], Done),
    (&["--version"], Done),
    (&[], Usage),
    (&["nonsense"], Usage),
    (&["codegen", "manifest"], Done),
    (&["codegen", "rust", "--out", "flags.rs", "--check"], No),
    (&["codegen", "rust", "--out", "missing/flags.rs"], Refused),
    (&["codegen", "python"], Usage),
    (&["codegen", "manifest", "--deprecate-expired"], Usage),
    (&["codegen", "rust", "--file", "questions.jsonl"], Usage),
    (&["completion", "bash"], Done),
    (&["completion", "cmd"], Usage),
    (&["create", ""], Usage),
    (&["create", "fresh", "percentage=500"], Usage),
    (&["create", "fresh", "--dry-run"], Done),
    (&["delete", ""], Usage),
    (&["delete", "nobody_knows"], Usage),
    (&["diff", "--at", "a", "--at", "b"], Usage),
    (&["diff"], Usage),
    (&["distribution", "quarter", "--users", "1000"], Done),
    (&["distribution", "quarter", "--contexts", "inside.jsonl"], No),
    (&["distribution", "quarter", "--contexts", "nobody.jsonl"], Usage),
    (&["distribution", "nobody_knows"], Usage),
    (&["eval", "on"], Done),
    (&["eval", "on", "nobody_knows"], No),
    (&["eval"], Done),
    (&["eval", "o*"], Done),
    (&["eval", "nobody_*"], No),
    (&["eval", "o["], Usage),
    (&["eval", "--batch", "questions.jsonl"], Done),
    (&["eval", "--batch", "flags.toml"], Usage),
    (&["eval", "on", "--context", "[]"], Usage),
    (&["explain", "on"], Done),
    (&["explain", "nobody_knows"], No),
    (&["explain", "on", "--context", "[]"], Usage),
    (&["fmt", "--check"], Done),
    (&["fmt", "--check", "unformatted.toml"], No),
    (&["fmt", "questions.jsonl"], Usage),
    (&["get", "on"], Done),
    (&["get", "quarter", "owner"], Done),
    (&["get", "on", "owner"], No),
    (&["get", "nobody_knows"], No),
    (&["get", "on", "colour"], Usage),
    (&["history"], Usage),
    (&["flags", "list"], Done),
    (&["flags", "get", "nobody_knows"], No),
    (&["flags", "enable", "on"], Usage),
    (&["help"], Done),
    (&["help", "rollout", "advance"], Done),
    (&["help", "nonsense"], Usage),
    (&["off"], Usage),
    (&["init", "--file", "flags.toml"], Refused),
    (&["init", "--file", "missing/flags.toml"], Refused),
    (&["init", "here"], Usage),
    (&["instances"], Usage),
    (&["import", "json", "flag.txt", "--file", "none.toml"], Done),
    (&["import", "json", "no_flag.txt", "--file", "none.toml"], No),
    (&["import", "waffle", "questions.jsonl"], Usage),
    (&["import", "tempest"], Usage),
    (&["import", "json"], Usage),
    (&["import", "launchpad", "x"], Usage),
    (&["import", "json", "flag.txt", "--file", "missing/flags.toml", "--write"], Refused),
    (&["is-on", "on"], Done),
    (&["is-on", "off"], No),
    (&["is-on", "off_by_variant", "--file", "off.toml"], No),
    (&["is-on", "nobody_knows"], No),
    (&["is-on", "on", "--file", "missing.toml"], Usage),
    (&["is-on", "on", "--no-file"], Usage),
    (&["is-on", "on", "--no-file", "--file", "flags.toml"], Usage),
    (&["is-on", "on", "--file", "questions.jsonl"], Usage),
    (&["lint", "flags.toml", "-A", "unusual-name"], Done),
    (&["lint", "--explain"], Done),
    (&["lint", "lint.toml"], Done),
    (&["lint", "lint.toml", "-D", "warnings"], No),
    (&["lint", "tests.toml"], No),
    (&["lint", "questions.jsonl"], No),
    (&["lint", "missing.toml"], Usage),
    (&["lint", "--explain", "nonsense"], Usage),
    (&["list"], Done),
    (&["list", "--filter", "owner=nobody"], Done),
    (&["list", "--filter", "colour=red"], Usage),
    (&["list", "owner=payments"], Usage),
    (&["disable", "on"], Usage),
    (&["enable", "on"], Usage),
    (&["enable"], Usage),
    (&["set", "on", "percentage=25"], Usage),
    (&["set", "on", "percentage"], Usage),
    (&["set", "on", "colour-"], Usage),
    (&["enable", "on", "--for", "0s"], Usage),
    (&["enable", ""], Usage),
    (&["disable", ""], Usage),
    (&["unset", ""], Usage),
    (&["set", "", "owner=web"], Usage),
    (&["get", ""], Usage),
    (&["show", ""], Usage),
    (&["is-on", ""], Usage),
    (&["eval", ""], Usage),
    (&["explain", ""], Usage),
    (&["rename", "on", ""], Usage),
    (&["rename", "on", "on"], Usage),
    (&["rename", "--finish", "on", "off"], Usage),
    (&["rollout", "status", ""], Usage),
    (&["rollout", "status", "staged"], Done),
    (&["rollout", "status", "on"], Refused),
    (&["rollout", "status", "nobody_knows"], Refused),
    (&["rollout", "start", "staged"], Usage),
    (&["undo", "1", "--source", "file"], Usage),
    (&["undo", "1", "--for", "1h"], Usage),
    (&["undo", "1", "--if-rev", "2"], Usage),
    (&["unset", "on", "--for", "1h"], Usage),
    (&["unset", "quarter", "percentage"], Usage),
    (&["show", "on"], Done),
    (&["show", "nobody_knows"], No),
    (&["show"], Usage),
    (&["unset", "on"], Usage),
    (&["list", "--at", "nowhere"], Usage),
    (&["status"], Done),
    (&["status", "--file", "expired.toml"], No),
    (&["status", "--file", "missing.toml"], Usage),
    (&["status", "--within", "soon"], Usage),
    (&["schema", "flagstaff.toml"], Done),
    (&["schema", "other.toml"], Usage),
    (&["man"], Done),
    (&["plan", "flags.toml", "later.toml"], Done),
    (&["plan", "flags.toml", "later.toml", "--fail-on", "newly-off=0"], No),
    (&["plan", "flags.toml", "later.toml", "--fail-on", "newly-on"], Usage),
    (&["plan", "flags.toml", "missing.toml"], Usage),
    (&["plan", "flags.toml", "questions.jsonl"], Usage),
    (&["plan", "flags.toml", "git:no_such_revision"], Usage),
    (&["plan", "flags.toml", "later.toml", "--contexts", "flags.toml"], Usage),
    (&["plan", "flags.toml", "later.toml", "--contexts", "nobody.jsonl"], Usage),
    (&["plan", "flags.toml", "later.toml", "--users", "0"], Usage),
    (&["man", "--dir", "flags.toml"], Refused),
    (&["man", "--page"], Usage),
    (&["test"], Done),
    (&["test", "--file", "tests.toml"], No),
    (&["test", "--file", "errors.toml"], No),
    (&["test", "--file", "missing.toml"], Usage),
    (&["test", "--file", "questions.jsonl"], Usage),
    (&["promote"], Usage),
    (&["rollout", "start", "staged"], Usage),
    (&["schema"], Done),
    (&["schema", "1"], Usage),
    (&["simulate", "quarter", "percentage=50"], Done),
    (&["simulate", "quarter", "percentage=500"], Usage),
    (&["simulate", "quarter", "percentage"], Usage),
    (&["simulate", "nobody_knows", "percentage=50"], Usage),
    (&["stale", "--file", "later.toml"], Done),
    (&["stale", "--file", "expired.toml"], No),
    (&["stale", "--file", "missing.toml"], Usage),
    (&["stale", "--file", "later.toml", "--refs", "missing"], Usage),
    (&["restore", "on", "--to", "1"], Usage),
    (&["undo", "1"], Usage),
    (&["watch", "--webhook", "nonsense"], Usage),
];

/// Commands on a file of their own, one after the other.
const WITH_FILE: &[(&[&str], ExitCode)] = &[
    (&["enable", "off", "--source", "file"], Done),
    (&["enable", "nobody_knows", "--source", "file"], Refused),
    (&["disable", "off", "--source", "file", "--dry-run"], Done),
    (&["disable", "off", "--source", "file", "--if-rev", "1"], Usage),
    (&["set", "quarter", "percentage=50", "--source", "file"], Done),
    (&["set", "quarter", "percentage=500", "--source", "file"], Usage),
    (&["disable", "off", "--source", "file", "--plain"], Usage),
    (&["set", "off", "requires=quarter", "--source", "file"], Done),
    // A cycle.
    (&["set", "quarter", "requires=off", "--source", "file"], Refused),
    (&["set", "quarter", "owner-", "--source", "file"], Done),
    (&["enable", "quarter", "--source", "file", "--for", "1h"], Usage),
    (&["enable", "quarter", "percentage", "--source", "file"], Usage),
    (&["rollout", "start", "staged", "--source", "file"], Done),
    (&["rollout", "start", "staged", "--source", "file"], Refused),
    (&["rollout", "pause", "staged", "--source", "file", "-m", "why"], Usage),
    (&["rollout", "pause", "staged", "--source", "file"], Done),
    (&["rollout", "pause", "on", "--source", "file"], Refused),
    (&["unset", "off", "quarter", "--source", "file"], Done),
    (&["create", "fresh", "--owner", "web"], Done),
    (&["create", "fresh"], Refused),
    (&["rename", "fresh", "newer", "--no-refs"], Done),
    (&["rename", "fresh", "newer", "--no-refs"], Usage),
    (&["rename", "nobody_knows", "newest", "--no-refs"], Usage),
    (&["rename", "newer", "on", "--no-refs"], Refused),
    (&["delete", "newer", "--no-refs", "--dry-run"], Done),
    (&["delete", "newer", "--no-refs"], Done),
    (&["delete", "newer", "--no-refs"], Usage),
];

/// Commands with a store that cannot be reached.
const UNREACHABLE: &[(&[&str], ExitCode)] = &[
    (&["explain", "on"], Unreachable),
    (&["eval", "on"], Unreachable),
    (&["import", "tempest"], Unreachable),
    (&["is-on", "on"], Unreachable),
    (&["is-on", "on", "--no-redis"], Done),
    (&["promote"], Unreachable),
    (&["simulate", "on", "percentage=50"], Unreachable),
    (&["stale"], Unreachable),
    (&["diff"], Unreachable),
    (&["history"], Unreachable),
    (&["instances"], Unreachable),
    (&["rollout", "start", "staged"], Unreachable),
    (&["rollout", "status", "staged"], Unreachable),
    (&["restore", "on", "--to", "1"], Unreachable),
    (&["undo", "1"], Unreachable),
    (&["watch"], Unreachable),
    (&["get", "on"], Unreachable),
    (&["list"], Unreachable),
    (&["disable", "on"], Unreachable),
    (&["enable", "on"], Unreachable),
    (&["unset", "on"], Unreachable),
    // The spelling of the Python command.
    (&["flags", "list"], Usage),
    (&["flags", "get", "on"], Usage),
    (&["flags", "disable", "on"], Usage),
    (&["flags", "enable", "on"], Usage),
    (&["set", "on", "percentage=25"], Unreachable),
    (&["show", "on"], Unreachable),
    (&["show", "nobody_knows"], Unreachable),
    (&["delete", "on", "--no-refs"], Unreachable),
    (&["distribution", "on"], Unreachable),
    (&["eval"], Unreachable),
    (&["rename", "on", "newer", "--no-refs"], Unreachable),
    (&["rename", "on", "newer", "--finish", "--no-file"], Unreachable),
];

/// Commands with a store that can be reached.
const WITH_STORE: &[(&[&str], ExitCode)] = &[
    (&["eval", "on"], Done),
    (&["get", "on"], Done),
    (&["is-on", "on"], Done),
    (&["is-on", "on", "--redis", "http://127.0.0.1"], Usage),
    (&["list"], Done),
    (&["promote"], Done),
    (&["promote", "on"], Refused),
    (&["show", "on"], Done),
    (&["eval"], Done),
    (&["distribution", "quarter", "--users", "1000"], Done),
    (&["rename", "on", "newer", "--no-refs", "--dry-run"], Done),
    (&["rename", "on", "newer", "--finish"], Refused),
    (&["delete", "on", "--no-refs", "--dry-run"], Done),
    // Makes revision 1; the numbers below count on.
    (&["enable", "off"], Done),
    (&["disable", "off", "-m", "incident 42", "--wait", "5s"], No),
    (&["disable", "off", "--if-rev", "1"], Changed),
    (&["enable", "off", "--if-rev", "2"], Done),
    (&["enable", "off", "--if-rev", "2", "--dry-run"], Changed),
    (&["set", "quarter", "percentage=50", "--for", "1h"], Done),
    (&["set", "quarter", "percentage=500"], Usage),
    (&["set", "quarter", "percentage=75", "--if-rev", "3"], Changed),
    (&["set", "quarter", "percentage=75", "--if-rev", "4"], Done),
    (&["unset", "quarter", "--if-rev", "4"], Changed),
    (&["delete", "quarter", "--no-refs", "--dry-run"], Refused),
    (&["delete", "quarter", "--no-refs", "--with-override", "--dry-run"], Done),
    // `off` is also the name of a setting.
    (&["unset", "quarter", "off", "--yes"], Usage),
    (&["unset", "off", "quarter", "--yes"], Done),
    (&["disable", "quarter", "percentage"], Usage),
    (&["unset", "nobody_knows"], Refused),
    (&["set", "quarter", "owner-"], Done),
    (&["set", "quarter", "owner-", "owner=web"], Usage),
    (&["diff"], Done),
    (&["rollout", "start", "on"], Refused),
    (&["rollout", "start", "staged", "--dry-run"], Done),
    (&["rollout", "start", "staged"], Done),
    (&["rollout", "advance", "staged"], Refused),
    (&["rollout", "pause", "staged", "--for", "1h"], Usage),
    (&["rollout", "pause", "staged", "--if-rev", "1"], Changed),
    (&["rollout", "pause", "staged", "--dry-run"], Done),
    (&["diff"], No),
    (&["diff", "main"], Usage),
    (&["history"], Done),
    (&["history", "--limit", "0"], Usage),
    (&["instances"], Done),
    (&["undo", "1"], Changed),
    (&["undo", "1", "--dry-run"], Changed),
    (&["restore", "off", "--to", "1000"], Refused),
    (&["restore", "off", "--to", "1", "--dry-run"], Done),
    (&["undo", "1000"], Refused),
    (&["undo"], Usage),
    // Revision 8 is the start of the rollout.
    (&["undo", "8"], Done),
];

/// Commands in an empty directory.
const IN_NEW_DIRECTORY: &[(&[&str], ExitCode)] = &[
    (&["list"], Usage),
    (&["lint"], Usage),
    (&["init"], Done),
    (&["init"], Refused),
    (&["lint"], Done),
    (&["man", "--dir", "pages"], Done),
];

/// Commands with a store whose user may only read.
const REFUSED: &[(&[&str], ExitCode)] = &[
    (&["is-on", "on"], Done),
    (&["list"], Done),
    (&["show", "on"], Done),
    (&["disable", "on"], Refused),
    (&["enable", "on"], Refused),
    (&["set", "on", "percentage=25"], Refused),
    (&["unset", "on"], Refused),
];

#[test]
fn every_command_says_when_the_store_refuses() {
    let server = Server::start();
    let rights = "%R~feature_flags -@all +hgetall +hlen +ping +client|tracking";
    let user = ["ACL", "SETUSER", "reader", "on", ">secret"];
    server.cli(&user.into_iter().chain(rights.split(' ')).collect::<Vec<_>>());
    let url = server.url().replace("redis://", "redis://reader:secret@");
    // A command that changes nothing is not refused.
    server.cli(&["HSET", "feature_flags", "on", r#"{"owner": "web"}"#]);

    for (arguments, code) in REFUSED {
        let ran = ran(flagstaff(arguments).env("REDIS_URL", &url));
        assert_eq!(ran.code, *code, "{arguments:?}: {}", ran.stderr);
    }
}

/// Returns the exit codes in a help text, each with its meaning.
fn codes_of_help(help: &str) -> Vec<(u8, String)> {
    let Some((_, codes)) = help.split_once("\nExit codes:\n") else { return Vec::new() };
    let lines = codes.lines().map_while(|line| line.strip_prefix("  "));
    lines
        .filter_map(|line| {
            let (number, meaning) = line.split_once("  ")?;
            Some((number.parse().ok()?, meaning.to_owned()))
        })
        .collect()
}

#[test]
fn the_help_lists_the_codes_that_the_library_promises() {
    let help = ran(&mut flagstaff(&["--help"])).stdout;

    let promised = ExitCode::ALL.map(|code| (code.number(), code.description().to_owned()));
    assert_eq!(codes_of_help(&help), promised);
}

/// Compares each command with its own help, or with the help of `flagstaff`.
#[test]
fn a_store_that_is_away_ends_every_command_with_the_code_of_its_help() {
    let away = |help: &str| {
        let codes = codes_of_help(help);
        codes.into_iter().find(|(_, meaning)| meaning.contains("store cannot be reached"))
    };
    let of_all = away(&ran(&mut flagstaff(&["--help"])).stdout).unwrap();

    for (arguments, code) in UNREACHABLE.iter().filter(|(_, code)| *code != Done) {
        let help = ran(&mut flagstaff(&[arguments[0], "--help"])).stdout;
        let (promised, _) = away(&help).unwrap_or(of_all.clone());
        assert_eq!(code.number(), promised, "{arguments:?}");
    }
}

/// The help of a command names the exit code 1 if the command can end with it.
#[test]
fn the_help_of_every_command_that_can_exit_with_1_names_the_code() {
    let tables = [WITHOUT_STORE, WITH_FILE, UNREACHABLE, WITH_STORE, REFUSED].concat();
    for (arguments, _) in tables.iter().filter(|(_, code)| *code == No) {
        let help = ran(&mut flagstaff(&[arguments[0], "--help"])).stdout;
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let says = ["xits with 1", "exit with 0 if it is, and 1 if not"];
        let mut says = says.iter().filter(|says| words.contains(**says));
        assert!(says.next().is_some(), "{arguments:?}: {help}");
    }
}

#[test]
fn every_command_has_a_row() {
    let help = ran(&mut flagstaff(&["--help"])).stdout;
    let (_, commands) = help.split_once("\nLook:\n").unwrap();
    let (commands, _) = commands.split_once("\n  -f, ").unwrap();
    let lines = commands.lines().filter_map(|line| line.strip_prefix("  "));
    let commands: Vec<_> = lines.filter_map(|line| line.split(' ').next()).collect();

    let tables = [WITHOUT_STORE, WITH_FILE, UNREACHABLE, WITH_STORE, REFUSED].concat();

    assert!(commands.len() > 20, "{help}");
    for command in commands {
        assert!(tables.iter().any(|(row, _)| row.first() == Some(&command)), "{command}");
    }
}

#[test]
fn every_command_ends_with_the_code_that_fits() {
    for (arguments, code) in WITHOUT_STORE {
        let ran = ran(&mut flagstaff(arguments));
        assert_eq!(ran.code, *code, "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn every_command_that_makes_files_ends_with_the_code_that_fits() {
    let directory = tempfile::tempdir().unwrap();

    for (arguments, code) in IN_NEW_DIRECTORY {
        let ran = ran(flagstaff(arguments).current_dir(&directory));
        assert_eq!(ran.code, *code, "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn every_command_that_changes_a_file_ends_with_the_code_that_fits() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::copy(data().join("flags.toml"), file.path()).unwrap();

    for (arguments, code) in WITH_FILE {
        let ran = ran(flagstaff(arguments).arg("--file").arg(file.path()));
        assert_eq!(ran.code, *code, "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn every_command_says_when_the_store_is_away() {
    for (arguments, code) in UNREACHABLE {
        let ran = ran(flagstaff(arguments).env("REDIS_URL", NOWHERE));
        assert_eq!(ran.code, *code, "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("cannot reach Redis"), *code != Done, "{arguments:?}");

        // The JSON output has the same exit code.
        let ran = self::ran(flagstaff(arguments).args(["-o", "json"]).env("REDIS_URL", NOWHERE));
        let told = ran.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let codes: Vec<_> =
            told.filter_map(|line| line["error"]["code"].as_u64().map(|code| code as u8)).collect();
        let expected = if *code == Done { Vec::new() } else { vec![code.number()] };
        assert_eq!((ran.code, codes), (*code, expected), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn every_command_ends_with_the_code_that_fits_what_the_store_says() {
    let server = Server::start();

    for (arguments, code) in WITH_STORE {
        let ran = ran(&mut on(&server, arguments));
        assert_eq!(ran.code, *code, "{arguments:?}: {}", ran.stderr);
    }
}
