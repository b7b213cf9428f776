//! Environments of a flag file, and several flag files.

use std::{fs, path::PathBuf, process::Command};

use flagstaff::cli::ExitCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    command::{flagstaff, on, ran},
    server::Server,
};

const TEXT: &str = "\
[flags]
beta = false # since May
search = \"10%\"

[flags.checkout]
owner = \"payments\"
percentage = 10

[environments.staging] # ours
beta = true
search = \"50%\" # half

[environments.production.checkout]
percentage = 1
";

/// A flags.toml in a directory of its own.
struct Subject {
    directory: TempDir,
}

impl Subject {
    fn new(text: &str) -> Self {
        let subject = Self { directory: tempfile::tempdir().unwrap() };
        fs::write(subject.path(), text).unwrap();
        subject
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("flags.toml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn here(&self, mut command: Command) -> Command {
        command.current_dir(self.directory.path());
        command
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.here(flagstaff(arguments))
    }

    fn stdout(&self, arguments: &[&str]) -> String {
        ran(&mut self.command(arguments)).stdout
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--output", "json"]].concat();
        serde_json::from_str(&self.stdout(&arguments)).unwrap()
    }
}

#[test]
fn commands_ask_the_flags_of_the_environment() {
    let subject = Subject::new(TEXT);
    let is_on = |arguments: &[&str]| {
        ran(&mut subject.command(&[&["is-on", "beta"], arguments].concat())).code
    };

    assert_eq!(is_on(&[]), ExitCode::No);
    assert_eq!(is_on(&["--environment", "staging"]), ExitCode::Done);
    assert_eq!(is_on(&["--environment", "production"]), ExitCode::No);
    let mut command = subject.command(&["is-on", "beta"]);
    assert_eq!(ran(command.env("FLAGSTAFF_ENVIRONMENT", "staging")).code, ExitCode::Done);
    // The option wins over the variable.
    let mut command = subject.command(&["is-on", "beta", "--environment", "production"]);
    assert_eq!(ran(command.env("FLAGSTAFF_ENVIRONMENT", "staging")).code, ExitCode::No);
}

#[test]
fn an_environment_that_the_file_does_not_have_is_an_error_with_the_near_name() {
    let subject = Subject::new(TEXT);
    for command in [
        &["list"][..],
        &["eval", "beta"],
        &["test"],
        &["plan", "flags.toml", "flags.toml"],
        &["set", "--source", "file", "beta", "enabled=true"],
        &["diff", "production"],
    ] {
        let command = [command, &["--environment", "stagin"]].concat();

        let ran = ran(&mut subject.command(&command));

        assert_eq!(ran.code, ExitCode::Usage, "{command:?}");
        assert_eq!(
            ran.stderr,
            "error: `flags.toml` has no environment `stagin`\n\
             hint: an environment with a similar name exists: `staging`\n",
            "{command:?}"
        );
    }
}

#[test]
fn flags_are_listed_by_environment() {
    let subject = Subject::new(TEXT);

    assert_eq!(
        subject.stdout(&["list", "--environments"]),
        "beta\toff\toff\ton\ncheckout\t10%\t1%\t10%\nsearch\t10%\t10%\t50%\n"
    );
    // A term holds for a flag that it holds for in one of them.
    assert_eq!(
        subject.stdout(&["list", "--environments", "--filter", "on"]),
        "beta\toff\toff\ton\n"
    );
    // An environment can have any name, and the column without one is not like it.
    let flags = Subject::new("[flags]\na = false\n[environments.FLAGS]\na = true\n");
    let table = flags.stdout(&["list", "--environments", "-o", "text"]);
    assert_eq!(table, "FLAG  (none)  FLAGS\na     off     on\n");
    let json = subject.json(&["list", "--environments", "beta"]);
    assert_eq!(json["flags"][0]["environments"]["staging"]["state"], "on");
    // The variable chooses none of the columns.
    let mut command = subject.command(&["list", "--environments", "beta"]);
    command.env("FLAGSTAFF_ENVIRONMENT", "staging");
    assert_eq!(ran(&mut command).stdout, "beta\toff\toff\ton\n");
}

#[test]
fn two_environments_are_compared_in_both_ways_of_writing() {
    let subject = Subject::new(TEXT);
    let lines = "beta\tchanged\tenabled\ttrue\tfalse\t\t\t\t\n\
                 checkout\tchanged\tpercentage\t10\t1\t\t\t\t\n\
                 search\tchanged\tpercentage\t50\t10\t\t\t\t\n";

    for arguments in [
        &["diff", "--environment", "staging", "production"][..],
        &["diff", "--environment", "staging", "--environment", "production"],
    ] {
        let ran = ran(&mut subject.command(arguments));
        assert_eq!((ran.code, &*ran.stdout), (ExitCode::No, lines), "{arguments:?}");
    }
    let same = ran(&mut subject.command(&["diff", "--environment", "staging", "staging"]));
    assert_eq!((same.code, &*same.stdout), (ExitCode::Done, ""));
}

#[test]
fn edits_go_into_the_table_of_the_environment_and_comments_stay() {
    let edit = |arguments: &[&str]| {
        let subject = Subject::new(TEXT);
        let arguments =
            [arguments, &["--source", "file", "--environment", "staging", "-y"]].concat();
        let ran = ran(&mut subject.command(&arguments));
        assert_eq!(ran.code, ExitCode::Done, "{arguments:?}: {}", ran.stderr);
        let text = subject.text();
        let (before, after) = TEXT.split_once("[environments.staging]").unwrap();
        let rest = text.strip_prefix(before).expect("`[flags]` stays");
        let production = after.split_once("\n\n").unwrap().1;
        rest.replace(production, "").trim_end().to_owned()
    };
    let head = "[environments.staging] # ours\n";

    assert_eq!(edit(&["disable", "beta"]), format!("{head}beta = false\nsearch = \"50%\" # half"));
    assert_eq!(
        edit(&["enable", "search"]),
        format!("{head}beta = true\nsearch = {{ percentage = \"50%\", enabled = true }} # half")
    );
    assert_eq!(
        edit(&["set", "search", "percentage=60"]),
        format!("{head}beta = true\nsearch = \"60%\" # half")
    );
    assert_eq!(
        edit(&["set", "checkout", "owner=web", "percentage=2"]),
        format!(
            "{head}beta = true\nsearch = \"50%\" # half\n\n[environments.staging.checkout]\n\
             owner = \"web\"\npercentage = 2"
        )
    );
    assert_eq!(edit(&["unset", "beta"]), format!("{head}search = \"50%\" # half"));
}

#[test]
fn an_edit_that_an_environment_cannot_make_is_refused_and_says_why() {
    let subject = Subject::new(TEXT);
    let staging = ["--source", "file", "--environment", "staging"];

    let owner = ran(&mut subject.command(&[&["set", "checkout", "owner-"], &staging[..]].concat()));
    let unset = ran(&mut subject.command(&[&["unset", "checkout"], &staging[..]].concat()));

    assert_eq!(owner.code, ExitCode::Refused);
    assert!(owner.stderr.contains("`[flags]` sets `owner` of flag `checkout`"), "{}", owner.stderr);
    assert_eq!(unset.code, ExitCode::Refused);
    assert!(unset.stderr.contains("has no entry for flag `checkout`"), "{}", unset.stderr);
    assert_eq!(subject.text(), TEXT);
}

#[test]
fn overrides_are_promoted_into_the_environment() {
    let server = Server::start();
    let subject = Subject::new(TEXT);
    server.cli(&["HSET", "feature_flags", "checkout", "{\"percentage\": 25}"]);
    let command = ["promote", "checkout", "--environment", "production"];

    let ran = ran(&mut subject.here(on(&server, &command)));

    assert_eq!(ran.code, ExitCode::Done, "{}", ran.stderr);
    assert_eq!(subject.text(), TEXT.replace("percentage = 1\n", "percentage = 25\n"));
}

#[test]
fn tests_run_in_all_environments_or_in_one() {
    let subject = Subject::new(
        "[flags.a]\ntests = [{ expect = true }]\n\n\
         [environments.staging.a]\nenabled = false\ntests = [{ expect = false }]\n\n\
         [environments.production.a]\nenabled = false\ntests = [{ expect = true }]\n",
    );

    let all = subject.json(&["test"]);
    let staging = ran(&mut subject.command(&["test", "--environment", "staging"]));
    let production = ran(&mut subject.command(&["test", "--environment", "production"]));

    let environments: Vec<_> =
        all["tests"].as_array().unwrap().iter().map(|test| &test["environment"]).collect();
    assert_eq!(environments, [&json!(null), &json!("staging"), &json!("production")]);
    assert_eq!((staging.code, &*staging.stdout), (ExitCode::Done, "1 passed, 0 failed\n"));
    assert_eq!(production.code, ExitCode::No);
    assert!(
        production.stdout.contains("test 1 of flag `a` fails in environment `production`"),
        "{}",
        production.stdout
    );
}

#[test]
fn a_mistake_in_another_environment_is_not_told_beside_an_answer() {
    let subject = Subject::new("[flags]\na = true\n[environments.x]\na = 1\n[environments.y]\n");

    let y = ran(&mut subject.command(&["is-on", "a", "--environment", "y"]));
    let x = ran(&mut subject.command(&["is-on", "a", "--environment", "x"]));
    let lint = ran(&mut subject.command(&["lint"]));

    assert_eq!((y.code, &*y.stderr), (ExitCode::Done, ""));
    assert!(x.stderr.contains("left out"), "{}", x.stderr);
    assert_eq!(lint.code, ExitCode::No);
}

#[test]
fn a_plan_is_about_one_environment() {
    let subject = Subject::new(TEXT);
    let old = subject.directory.path().join("old.toml");
    fs::write(&old, TEXT.replace("\"50%\"", "\"20%\"")).unwrap();
    let plan = |environment: &str| {
        let json = subject.json(&["plan", "old.toml", "flags.toml", "--environment", environment]);
        json["flags"]
            .as_array()
            .unwrap()
            .iter()
            .map(|flag| flag["flag"].clone())
            .collect::<Vec<_>>()
    };

    assert_eq!(plan("staging"), ["search"]);
    assert_eq!(plan("production"), [""; 0]);
}

#[test]
fn of_several_files_the_later_one_wins() {
    let subject = Subject::new(TEXT);
    let local = subject.directory.path().join("local.toml");
    fs::write(&local, "[flags]\nsearch = \"77%\"\nown = true\n").unwrap();
    let files = ["--file", "flags.toml", "--file", "local.toml"];

    let states = |arguments: &[&str]| {
        let rows = subject.stdout(&[&["list"], &files[..], arguments].concat());
        let row = |row: &str| row.split('\t').take(3).collect::<Vec<_>>().join(" ");
        rows.lines().map(row).collect::<Vec<_>>()
    };

    assert_eq!(
        states(&[]),
        ["beta off file#2", "checkout 10% file#2", "own on file", "search 77% file"]
    );
    // One of the files has the environment.
    assert_eq!(states(&["--environment", "staging"])[0], "beta on file#2");
    let edit =
        ran(&mut subject.command(&[&["disable", "own", "--source", "file"], &files[..]].concat()));
    assert_eq!(edit.code, ExitCode::Usage);
    assert!(edit.stderr.contains("`--file` names several"), "{}", edit.stderr);
}

#[test]
fn a_file_is_formatted_with_its_environments() {
    let subject = Subject::new("[flags]\na=true\n[environments.staging]\na   = false\n");

    let ran = ran(&mut subject.command(&["fmt"]));

    assert_eq!(ran.code, ExitCode::Done, "{}", ran.stderr);
    assert!(subject.text().contains("[environments.staging]\na = false\n"), "{}", subject.text());
}

#[test]
fn generated_code_has_what_only_an_environment_has() {
    let subject = Subject::new(
        "[flags]\nprice = { variants = { low = 1, high = 1 } }\n\
         [environments.test]\nload = true\nprice = { variants = { free = 1 } }\n",
    );

    let rust = subject.stdout(&["codegen", "rust"]);
    let manifest = subject.stdout(&["codegen", "manifest"]);

    assert!(rust.contains("pub const LOAD:") && rust.contains("Free"), "{rust}");
    assert!(manifest.contains("\"load\""), "{manifest}");
}

#[test]
fn a_switch_in_flags_names_the_environments_that_it_does_not_reach() {
    let subject = Subject::new("[flags]\na = true\n\n[environments.production]\na = true\n");

    let output = subject.command(&["disable", "a", "--source", "file", "--yes"]).output().unwrap();

    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("`a` is on in environment `production`, whose own entry decides"),
        "{stderr}"
    );
}

#[test]
fn a_table_that_is_not_one_is_named_with_its_place() {
    for (text, place) in [
        (
            "environments = 3\n[flags]\nbeta = true\n",
            "flags.toml:1:16: `environments` is an integer",
        ),
        (
            "[flags]\nbeta = true\n[environments]\nstaging = 3\n",
            "flags.toml:4:11: invalid environment `staging`, expected a table of flags, found an integer",
        ),
    ] {
        let subject = Subject::new(text);
        for arguments in [
            &["list"][..],
            &["show", "beta"],
            &["enable", "beta", "--source", "file"],
            &["status", "-o", "text"],
        ] {
            let arguments = [arguments, &["--environment", "staging"]].concat();
            let told = ran(&mut subject.command(&arguments));

            assert_eq!(told.code, ExitCode::Usage, "{arguments:?}: {}", told.stderr);
            let said = told.stdout + &told.stderr;
            let expected = "environment `staging` of `flags.toml` cannot be used";
            assert!(said.contains(expected) && said.contains(place), "{arguments:?}: {said}");
        }
        assert_eq!(subject.text(), text);
        // It does not hurt the flags outside of all environments.
        assert!(subject.stdout(&["list"]).contains("beta\ton"), "{text}");
    }
    // Another environment is not there, whatever is wrong with this one.
    let subject = Subject::new("[flags]\n[environments]\nstaging = 3\n");
    let told = ran(&mut subject.command(&["list", "--environment", "production"])).stderr;
    assert!(told.contains("has no environment `production`"), "{told}");

    let subject = Subject::new("segments = 3\n[flags]\nbeta = true\n");
    let told = ran(&mut subject.command(&["list"])).stderr;
    let expected = "warning: flags.toml:1:12: error[invalid-segment]: `segments` is an integer\n";
    assert_eq!(told, expected);
    let subject = Subject::new("flags = 3\n");
    let told = ran(&mut subject.command(&["list", "--environment", "staging"])).stderr;
    assert!(told.contains("`flags` is an integer") && told.contains("flags.toml:1:9"), "{told}");
}
