//! Imports of flags from other systems.

use std::fs;

use flagstaff::{cli::ExitCode, definition::FlagsFile};
use serde_json::{Value, json};

use crate::{
    command::{flagstaff, on, ran},
    server::Server,
    support::{python, root},
};

/// Returns the export of another system with this name.
fn fixture(name: &str) -> String {
    root().join("tests/cli/transcripts/import.in").join(name).display().to_string()
}

#[test]
fn what_a_dry_run_prints_is_what_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    let path = path.to_str().unwrap();
    for (system, name) in
        [("waffle", "waffle.json"), ("json", "article.txt"), ("tempest", "tempest.txt")]
    {
        let fixture = fixture(name);
        let arguments = ["import", system, &fixture, "--file", path];

        let dry = ran(&mut flagstaff(&arguments));
        assert!(fs::metadata(path).is_err(), "{system}");
        let real = ran(&mut flagstaff(&[&arguments[..], &["--write"]].concat()));

        assert_eq!((dry.code, dry.stdout.as_str()), (real.code, real.stdout.as_str()));
        let written = fs::read_to_string(path).unwrap();
        assert_eq!(real.stdout, written);
        let file = FlagsFile::parse("flags.toml", &written);
        assert!(file.diagnostics().is_empty(), "{}", file.diagnostics());
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn the_system_of_a_foreign_file_is_named_in_every_form() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags");
    let goff_yaml =
        "a:\n  variations:\n    on: true\n    off: false\n  defaultRule:\n    variation: off\n";
    let goff_toml =
        "[a.variations]\non = true\noff = false\n[a.defaultRule]\nvariation = \"off\"\n";
    let flipt = "version: \"1.2\"\nflags:\n- key: a\n  name: A\n  type: VARIANT_FLAG_TYPE\n  enabled: true\n";

    for (text, system) in
        [(goff_yaml, "GO Feature Flag"), (goff_toml, "GO Feature Flag"), (flipt, "Flipt")]
    {
        fs::write(&path, text).unwrap();
        for asked in ["json", "waffle", "tempest"] {
            let ran = ran(&mut flagstaff(&["import", asked, path.to_str().unwrap()]));
            let told =
                format!("error: this is a file of {system}, and `import {asked}` reads those of");
            assert_eq!(ran.code, ExitCode::Usage, "{}", ran.stderr);
            assert!(ran.stderr.starts_with(&told), "{}", ran.stderr);
        }
    }
}

#[test]
fn flags_are_added_to_those_that_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::copy(fixture("mine.toml"), &path).unwrap();
    let mine = fs::read_to_string(&path).unwrap();
    let path = path.to_str().unwrap();
    let fixture = fixture("waffle.json");

    let first = ran(&mut flagstaff(&["import", "waffle", &fixture, "--file", path, "--write"]));
    let written = fs::read_to_string(path).unwrap();
    let again = ran(&mut flagstaff(&["import", "waffle", &fixture, "--file", path, "--write"]));

    assert_eq!((first.code, again.code), (ExitCode::No, ExitCode::No));
    assert!(written.starts_with(&mine), "{written}");
    assert!(written.contains("[flags.full]"), "{written}");
    assert_eq!(fs::read_to_string(path).unwrap(), written);
}

#[test]
fn the_hash_of_python_services_is_read() {
    let server = Server::start();
    for (field, value) in [("a", "1"), ("b", "0"), ("c", "Yes"), ("d", "enabled")] {
        server.cli(&["HSET", "feature_flags", field, value]);
    }

    let import = ran(&mut on(&server, &["import", "tempest", "--file", "none.toml"]));

    assert_eq!(
        import.stdout, "[flags]\na = true\nb = false\nc = true\nd = false\n",
        "{}",
        import.stderr
    );
    assert!(import.stderr.contains("`d`: `enabled` is neither on nor off"), "{}", import.stderr);
    assert_eq!(import.code, ExitCode::Done);

    // Readers in Python treat all of these as off.
    for (field, value) in [
        ("broken", "{\"percentage\": 5"),
        ("override", "{\"owner\": \"payments\"}"),
        ("until", "{\"force\": true, \"override\": {\"expires_at\": \"2100-01-01T00:00:00Z\"}}"),
    ] {
        server.cli(&["HSET", "feature_flags", field, value]);
    }
    let again = ran(&mut on(&server, &["import", "tempest", "--file", "none.toml"]));
    assert_eq!((again.code, again.stdout), (ExitCode::No, import.stdout));
    for name in ["broken", "override", "until"] {
        let told = |line: &str| line.contains("left out: ") && line.contains(&format!("`{name}`"));
        assert!(again.stderr.lines().any(told), "{}", again.stderr);
    }
}

/// Returns the answers of the Python package, with their users.
fn waffle() -> Value {
    let script = root().join("tests/interop/django_waffle.py");
    let output = python().arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn an_imported_waffle_flag_is_on_for_the_users_of_waffle() {
    let waffle = waffle();
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("waffle.json", waffle["fixture"].as_str().unwrap());
    let answers = waffle["answers"].as_array().unwrap();
    assert!(answers.len() > 3_000);
    let questions = answers.iter().map(|answer| {
        let question = json!({ "flag": answer[0], "context": answer[1], "default": null });
        format!("{question}\n")
    });
    write("questions.jsonl", &questions.collect::<String>());
    let run = |arguments: &[&str]| ran(flagstaff(arguments).current_dir(directory.path()));

    let import = run(&["import", "waffle", "waffle.json", "--write"]);
    let eval = run(&["eval", "--batch", "questions.jsonl"]);

    assert_eq!((import.code, eval.code), (ExitCode::Done, ExitCode::Done), "{}", import.stderr);
    assert_eq!(eval.stdout.lines().count(), answers.len());
    for (line, answer) in eval.stdout.lines().zip(answers) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["flag"], &line["value"]), (&answer[0], &answer[2]), "{answer}");
    }
}
