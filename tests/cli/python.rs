//! The verbs that the Python command has, too, on one store.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use flagstaff::cli::ExitCode;
use serde_json::json;

use crate::{
    command::{Ran, flagstaff, on, ran},
    server::Server,
    support::python,
};

/// Runs `flagstaff` in a directory without a flag file.
fn ours(server: &Server, arguments: &[&str]) -> Ran {
    let elsewhere = tempfile::tempdir().unwrap();
    ran(on(server, arguments).current_dir(elsewhere.path()))
}

/// The Python command, in a process that stops when this value is dropped.
struct Tempest {
    process: Child,
    runs: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Tempest {
    fn new() -> Self {
        let mut command = python();
        command.arg("tests/interop/cli.py");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let runs = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, runs, answers }
    }

    fn run(&mut self, url: &str, arguments: &[&str]) -> Ran {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--redis-url", url]).collect();
        let runs = self.runs.as_mut().unwrap();
        writeln!(runs, "{}", json!(arguments))
            .and_then(|()| runs.flush())
            .expect("Python is alive");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let (code, stdout, stderr) = serde_json::from_str(&answer).unwrap();
        Ran { code: ExitCode::from_number(code).unwrap(), stdout, stderr }
    }
}

impl Drop for Tempest {
    fn drop(&mut self) {
        // The process stops when its input ends.
        drop(self.runs.take());
        let _ = self.process.wait();
    }
}

/// Returns names and states. The Python command aligns its columns; `flagstaff` separates more columns by tabs.
fn listed(list: &Ran, separator: &str) -> Vec<(String, String)> {
    let columns = |line: &str| {
        let mut columns = line.split(separator).filter(|column| !column.is_empty());
        let mut next = || columns.next().unwrap().trim().to_owned();
        (next(), next())
    };
    list.stdout.lines().map(columns).collect()
}

#[test]
fn verbs_of_both_commands_print_and_end_alike() {
    let (one, other, mut tempest) = (Server::start(), Server::start(), Tempest::new());

    for arguments in [
        &["get", "new_checkout"][..],
        &["enable", "new_checkout"],
        &["get", "new_checkout"],
        &["disable", "new_checkout"],
        &["get", "new_checkout"],
        &["disable", "größer"],
        &["enable", "größer"],
        &["get", "größer"],
    ] {
        let spelled = [&["flags"], arguments].concat();
        let (ours, theirs) = (ours(&one, &spelled), tempest.run(&other.url(), arguments));
        assert_eq!(
            (&ours.stdout, ours.code),
            (&theirs.stdout, theirs.code),
            "{arguments:?}: {}",
            ours.stderr
        );
        // Both store the same bytes.
        let stored = |server: &Server| server.cli(&["HGETALL", "feature_flags"]);
        assert_eq!(stored(&one), stored(&other), "{arguments:?}");
    }
}

#[test]
fn one_lists_what_the_other_has_written() {
    let (server, mut tempest) = (Server::start(), Tempest::new());
    let mut theirs = |arguments: &[&str]| tempest.run(&server.url(), arguments);
    assert_eq!(theirs(&["list"]).stdout, "(no flags)\n");
    assert_eq!(ours(&server, &["list", "-o", "text"]).stdout, "(no flags)\n");

    ours(&server, &["enable", "a_long_name_of_ours", "-m", "launch"]);
    theirs(&["enable", "theirs"]);
    theirs(&["disable", "off"]);
    // Values that neither command would write.
    server.cli(&["HSET", "feature_flags", "yes", " Yes\n", "garbage", "garbage", "empty", ""]);

    let (ours, theirs) = (ours(&server, &["list"]), theirs(&["list"]));
    assert_eq!(listed(&ours, "\t"), listed(&theirs, "  "));
    assert_eq!(listed(&ours, "\t").len(), 6);
    assert_eq!((ours.code, theirs.code), (ExitCode::Done, ExitCode::Done));

    // The Python spelling of the command prints what the Python command prints.
    assert_eq!(self::ours(&server, &["flags", "list"]).stdout, theirs.stdout);
}

#[test]
fn a_store_that_is_away_is_the_same_code_in_both() {
    let mut tempest = Tempest::new();
    for verb in [&["list"][..], &["get", "a"], &["enable", "a"], &["disable", "a"]] {
        let nowhere = "redis://127.0.0.1:1";
        let elsewhere = tempfile::tempdir().unwrap();
        let ours = ran(flagstaff(&["flags"])
            .args(verb)
            .args(["--redis-url", nowhere])
            .current_dir(&elsewhere));
        let theirs = tempest.run(nowhere, verb);

        assert_eq!(ours.code, theirs.code, "{verb:?}");
        assert!(theirs.stderr.starts_with("error: "), "{}", theirs.stderr);
        assert!(ours.stderr.starts_with("error: "), "{}", ours.stderr);
        assert_eq!(ours.stdout, "");
    }
}
