//! How the command behaves among others.

use std::{io::Read, process::Stdio};

use flagstaff::cli::ExitCode;
use serde_json::Value;

use crate::command::{flagstaff, ran};

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child =
        flagstaff(&["list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Closed before anything is written or after: neither is an error.
    drop(child.stdout.take());

    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), &*said), (Some(0), ""));
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    for arguments in [
        &["is-on", "on", "--redis", "redis://127.0.0.1:1", "-o", "json"][..],
        &["nonsense", "--output=jsonl"],
        &["list", "colour:red", "-ojson"],
    ] {
        let ran = ran(&mut flagstaff(arguments));

        let error: Value = serde_json::from_str(&ran.stderr).unwrap();
        assert_eq!(error["version"], 1);
        assert_eq!(error["error"]["code"], ran.code.number());
        assert_eq!(error["error"]["kind"], ran.code.as_str());
        assert!(error["error"]["message"].is_string());
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn colour_is_for_terminals_and_whoever_asks() {
    let coloured = |name: Option<&str>| {
        let mut command = flagstaff(&["get", "on", "colour"]);
        command.envs(name.map(|name| (name, "1")));
        ran(&mut command).stderr.contains('\u{1b}')
    };

    assert!(!coloured(None));
    assert!(!coloured(Some("NO_COLOR")));
    assert!(coloured(Some("CLICOLOR_FORCE")));
}

#[test]
fn nothing_is_cut_off_in_a_pipe() {
    let list = ran(&mut flagstaff(&["list"]));

    let longest = list.stdout.lines().find(|line| line.starts_with("long")).unwrap();
    let cells: Vec<_> = longest.split('\t').collect();
    assert_eq!(cells, [&*format!("long_{}", "x".repeat(200)), "on", "file", "", "", ""]);
}

#[test]
fn names_of_flags_are_completed() {
    let mut command = flagstaff(&["--", "flagstaff", "get", "q"]);
    command.env("COMPLETE", "fish");

    let completed = ran(&mut command);

    assert_eq!((completed.code, &*completed.stdout), (ExitCode::Done, "quarter\tA quarter\n"));
}
