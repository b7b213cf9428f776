//! Stored values that cannot be read. Every command names them, and an answer that may be wrong because
//! of one is an error.

use std::fs;

use flagstaff::cli::ExitCode;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    command::{Ran, on, ran},
    server::Server,
};

/// A store in which `wrong` cannot be read. `asks` requires it, `asks_it_too` requires `asks`. `killed` is off anyway.
struct Case {
    server: Server,
    directory: TempDir,
}

const FILE: &str = "\
[flags]
wrong = true
fine = true

[flags.asks]
requires = [\"wrong\"]

[flags.asks_it_too]
requires = [\"asks\"]

[flags.killed]
enabled = false
requires = [\"wrong\"]

[flags.staged.rollout]
stages = [{ percentage = 5, for = \"2h\" }, { percentage = 100 }]
";

const UNREADABLE: &str = r#"{"percentage": 400}"#;

impl Case {
    fn new() -> Self {
        let (server, directory) = (Server::start(), tempfile::tempdir().unwrap());
        fs::write(directory.path().join("flags.toml"), FILE).unwrap();
        server.cli(&["HSET", "feature_flags", "wrong", UNREADABLE]);
        Self { server, directory }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(on(&self.server, arguments).current_dir(&self.directory))
    }

    /// Runs a command that fails because of `wrong`.
    fn refused(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, ExitCode::Usage, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("the value in `redis` of `wrong`"), "{}", ran.stderr);
        ran
    }
}

#[test]
fn an_answer_of_a_flag_that_requires_it_is_an_error() {
    let case = Case::new();

    for flag in ["wrong", "asks", "asks_it_too"] {
        for command in ["is-on", "eval", "explain"] {
            case.refused(&[command, flag]);
        }
    }
    let told = case.refused(&["is-on", "asks_it_too"]).stderr;
    assert!(told.contains("of `wrong`, which `asks_it_too` needs, cannot be read"), "{told}");
    assert_eq!(case.run(&["is-on", "fine"]).code, ExitCode::Done);
    assert_eq!(case.run(&["is-on", "killed"]).code, ExitCode::No);
    assert_eq!(case.run(&["get", "asks"]).code, ExitCode::Done);
}

#[test]
fn evaluated_alone_it_has_an_error_in_place_of_a_value() {
    let case = Case::new();

    let eval = case.refused(&["eval", "fine", "wrong", "-o", "jsonl"]).stdout;

    let answers: Vec<Value> =
        eval.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&answers[0]["value"], &answers[0]["reason"]), (&true.into(), &"STATIC".into()));
    assert_eq!(
        (&answers[1]["value"], &answers[1]["errorCode"]),
        (&Value::Null, &"PARSE_ERROR".into())
    );
}

#[test]
fn a_batch_answers_the_default_with_an_error() {
    let case = Case::new();
    let questions =
        "{\"flag\": \"fine\", \"default\": false}\n{\"flag\": \"asks\", \"default\": true}\n";
    fs::write(case.directory.path().join("questions"), questions).unwrap();

    let batch = case.refused(&["eval", "--batch", "questions"]);

    let answers: Vec<Value> =
        batch.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |answer: &Value| ["value", "reason", "errorCode"].map(|name| answer[name].to_string());
    assert_eq!(of(&answers[0]), ["true", "\"STATIC\"", "null"]);
    assert_eq!(of(&answers[1]), ["true", "\"ERROR\"", "\"PARSE_ERROR\""]);
    fs::write(case.directory.path().join("questions"), "{\"flag\": \"fine\"}\n").unwrap();
    assert_eq!(case.run(&["eval", "--batch", "questions"]).code, ExitCode::Done);
}

#[test]
fn show_names_it_beside_its_source() {
    let case = Case::new();

    for form in ["text", "tsv", "json"] {
        let shown = case.run(&["show", "wrong", "-o", form]);
        assert_eq!(shown.code, ExitCode::Usage, "{}", shown.stderr);
        assert!(shown.stdout.contains("a percentage lies between 0 and 100"), "{}", shown.stdout);
    }
    assert_eq!(case.run(&["show", "asks"]).code, ExitCode::Done);
}

/// `eval` does not answer off, so no other command may show `off`.
#[test]
fn every_command_and_form_shows_an_unreadable_flag_as_unknown() {
    let case = Case::new();
    let text = |arguments: &[&str]| {
        let ran = case.refused(&[arguments, &["-o", "text"]].concat());
        ran.stdout.replace('\u{a0}', " ")
    };
    let json = |arguments: &[&str]| -> Value {
        let ran = case.refused(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&ran.stdout).unwrap()
    };

    let explained = text(&["explain", "wrong"]);
    assert!(
        explained.starts_with("wrong is not known: the value in `redis` of `wrong`"),
        "{explained}"
    );
    assert!(explained.contains(" ERROR, PARSE_ERROR"), "{explained}");
    assert!(explained.contains("not readable") && !explained.contains("off"), "{explained}");
    let shown = text(&["show", "wrong"]);
    assert!(shown.starts_with("wrong  not known\n"), "{shown}");
    assert!(shown.contains("redis  not readable") && !shown.contains("off"), "{shown}");
    let listed = text(&["list", "wrong"]);
    assert!(listed.contains("wrong  not known  redis"), "{listed}");
    let status = case.run(&["status", "-o", "text"]).stdout;
    assert!(status.contains("wrong  not readable"), "{status}");

    let answer = &json(&["explain", "wrong"])["answer"];
    assert_eq!((&answer["value"], &answer["errorCode"]), (&Value::Null, &"PARSE_ERROR".into()));
    assert_eq!((&answer["reason"], answer.get("source")), (&"ERROR".into(), None));
    let problem = "a percentage lies between 0 and 100";
    for document in [json(&["show", "wrong"]), json(&["list", "wrong"])["flags"][0].clone()] {
        assert_eq!((&document["state"], &document["summary"]), (&Value::Null, &Value::Null));
        assert!(document.to_string().contains(problem), "{document}");
    }
}

#[test]
fn lists_of_flags_are_errors() {
    let case = Case::new();

    for list in [&["list"][..], &["flags", "list"], &["flags", "list", "-o", "json"], &["stale"]] {
        case.refused(list);
    }
}

#[test]
fn where_a_rollout_stands_is_an_error() {
    let case = Case::new();
    case.server.cli(&["HSET", "feature_flags", "staged", UNREADABLE]);

    let status = case.run(&["rollout", "status", "staged"]);

    assert_eq!((status.code, &*status.stdout), (ExitCode::Usage, ""), "{}", status.stderr);
    assert!(status.stderr.contains("of `staged` cannot be read"), "{}", status.stderr);
}

#[test]
fn a_simulation_with_an_unknown_answer_is_an_error() {
    let case = Case::new();

    case.refused(&["simulate", "wrong", "percentage=5"]);
    // `asks` requires `wrong`.
    case.refused(&["simulate", "asks", "percentage=5"]);
    assert_eq!(case.run(&["simulate", "fine", "percentage=5"]).code, ExitCode::Done);
}

/// A plan compares files only.
#[test]
fn a_plan_does_without_the_store() {
    let case = Case::new();

    let plan = case.run(&["plan", "flags.toml", "flags.toml"]);

    assert_eq!(
        (plan.code, plan.stderr.contains("wrong")),
        (ExitCode::Done, false),
        "{}",
        plan.stderr
    );
}

/// The file declares another type, which the code expects.
#[test]
fn a_stored_value_of_another_type_cannot_be_read_and_none_can_be_stored() {
    let case = Case::new();
    fs::write(case.directory.path().join("flags.toml"), "[flags]\nwrong.value = 50\n").unwrap();
    case.server.cli(&["HSET", "feature_flags", "wrong", r#"{"value": "fifty"}"#]);
    let why = "the values of the flag are numbers, and this one is a string";

    for command in [&["eval", "wrong"][..], &["explain", "wrong"], &["show", "wrong"], &["list"]] {
        assert!(case.refused(command).stderr.contains(why), "{command:?}");
    }
    let status = case.run(&["status", "-o", "json"]);
    let json: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((status.code, &json["overrides"][0]["problem"]), (ExitCode::Usage, &why.into()));

    let set = case.run(&["set", "wrong", "value=sixty"]);
    assert_eq!(set.code, ExitCode::Usage, "{}", set.stderr);
    assert_eq!(case.run(&["set", "wrong", "value=60"]).code, ExitCode::Done);
    let undo = case.run(&["undo", "1"]);
    assert_ne!(undo.code, ExitCode::Done, "{}", undo.stdout);
    assert!(undo.stderr.contains(why), "{}", undo.stderr);
    let eval = case.run(&["eval", "wrong", "-o", "jsonl"]);
    assert!(eval.stdout.contains("\"value\":60"), "{}", eval.stdout);
}

/// Services may have it on, so a change may switch it off.
#[test]
fn the_state_before_a_change_of_an_unreadable_value_is_not_known() {
    let case = Case::new();
    fs::write(
        case.directory.path().join("flags.toml"),
        FILE.replace("wrong = true", "wrong = false"),
    )
    .unwrap();

    for change in [&["unset", "wrong"][..], &["disable", "wrong"]] {
        for stored in [UNREADABLE, "{bad"] {
            case.server.cli(&["HSET", "feature_flags", "wrong", stored]);
            let changed = case.run(&[change, &["--dry-run"]].concat()).stderr;
            let before = "wrong: not known (services keep its last good value, or have the flag off) -> off\n";
            assert!(changed.contains(before), "{changed}");
            assert!(!changed.contains("changes no answer"), "{changed}");
            assert!(
                !changed.contains("off, as before") && !changed.contains("false ->"),
                "{changed}"
            );
            assert!(changed.contains("asks: off for all users then"), "{changed}");
            let json = case.run(&[change, &["--dry-run", "-o", "json"]].concat()).stdout;
            let json: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(
                (&json["changes"][0]["before"], &json["changes"][0]["noEffect"]),
                (&Value::Null, &Value::Null)
            );
        }
    }
}

#[test]
fn every_command_says_what_services_do_with_an_unreadable_value() {
    let case = Case::new();

    for command in [&["list"][..], &["show", "wrong"], &["get", "wrong"]] {
        let told = case.refused(command).stderr;
        let sentence = "services keep its last good value, or have the flag off";
        assert!(told.contains(&format!("is not an override, so {sentence}")), "{told}");
        assert!(told.contains(&format!("hint: {sentence}")), "{told}");
        assert!(!told.contains("so the flag is off"), "{told}");
    }
    let shown = case.run(&["show", "wrong", "-o", "text"]).stdout;
    assert!(shown.ends_with("What decides, in this order:\n  not known\n"), "{shown}");
    assert!(!case.run(&["show", "wrong", "-o", "tsv"]).stdout.contains("decides"), "{shown}");
    let json: Value =
        serde_json::from_str(&case.run(&["show", "wrong", "-o", "json"]).stdout).unwrap();
    assert_eq!((&json["decides"], &json["definition"]), (&Value::Null, &Value::Null));
}
