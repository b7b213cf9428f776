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

/// A name that no file has is a mistake, even in a command that does not read the file.
#[test]
fn every_command_refuses_an_environment_that_the_file_does_not_have() {
    let subject = Subject::new(TEXT);
    let store = ["--redis", "redis://127.0.0.1:1"];
    for command in [
        &["codegen", "rust"][..],
        &["codegen", "manifest"],
        &["lint"],
        &["lint", "flags.toml"],
        &["fmt", "--check"],
        &["history"],
        &["instances"],
        &["undo", "1"],
        &["restore", "beta", "--to", "1"],
        &["rename", "beta", "gamma"],
        &["delete", "beta"],
        &["create", "gamma"],
        &["promote"],
        &["stale"],
        &["watch"],
        &["rollout", "status", "beta"],
        &["unset", "beta"],
        &["import", "waffle", "dump.json"],
    ] {
        let command = [command, &["--environment", "stagin"], &store].concat();

        let ran = ran(&mut subject.command(&command));

        assert_eq!(ran.code, ExitCode::Usage, "{command:?}: {}", ran.stderr);
        assert!(
            ran.stderr.starts_with(
                "error: `flags.toml` has no environment `stagin`\n\
                 hint: an environment with a similar name exists: `staging`\n"
            ),
            "{command:?}: {}",
            ran.stderr
        );
    }
    // Without a file there are no environments.
    let none = ran(&mut subject.command(&["list", "--no-file", "--environment", "staging"]));
    assert_eq!(none.code, ExitCode::Usage, "{}", none.stderr);
    let mut variable = subject.command(&["codegen", "rust"]);
    let variable = ran(variable.env("FLAGSTAFF_ENVIRONMENT", "other"));
    assert_eq!(variable.code, ExitCode::Usage);
    assert!(variable.stderr.contains("`production`, `staging`"), "{}", variable.stderr);
}

#[test]
fn a_list_edit_that_changes_nothing_writes_nothing() {
    let text = "[flags.checkout] # ours\nallowed_users = [\"ana\"]\ndenied_users = [\"mallory\"]\n\n\
                [environments.staging]\n";
    let edit = |arguments: &[&str], in_staging: bool| {
        let subject = Subject::new(text);
        let mut arguments = [&["set", "checkout", "--source", "file"], arguments].concat();
        if in_staging {
            arguments.extend(["--environment", "staging"]);
        }
        let ran = ran(&mut subject.command(&arguments));
        (ran.code, ran.stderr, subject.text())
    };

    for in_staging in [false, true] {
        for edited in [
            "denied_users-=nobody",
            "allowed_users-=nobody",
            "denied_groups-=x",
            "allowed_users+=ana",
        ] {
            let (code, stderr, after) = edit(&[edited], in_staging);
            assert_eq!((code, &*after), (ExitCode::Done, text), "{edited}");
            assert_eq!(stderr, "`flags.toml` has this already\n", "{edited}");
        }
    }
    // An environment cannot allow a user that `[flags]` denies.
    let (code, stderr, after) = edit(&["denied_users-=mallory"], true);
    assert_eq!((code, &*after), (ExitCode::Refused, text));
    assert_eq!(
        stderr,
        "error: `[flags]` sets `denied_users` of flag `checkout`, which an environment cannot remove\n"
    );
    // The messages are those for an edit of the store.
    let (_, stderr, after) = edit(&["denied_users+=mallory"], true);
    assert!(
        after.contains("[environments.staging.checkout]\ndenied_users = [\"mallory\"]\n"),
        "{after}"
    );
    assert!(
        stderr.contains(
            "warning: this changes no answer of `checkout`: it stays 100%, 1 denied: the other \
             sources have the same\n\
             hint: `denied_users` of all sources add up: remove entries in the source that has them\n"
        ),
        "{stderr}"
    );
    // The list of the environment contains only its own entries.
    let (_, _, after) = edit(&["denied_users+=eve"], true);
    assert!(
        after.ends_with("[environments.staging.checkout]\ndenied_users = [\"eve\"]\n"),
        "{after}"
    );
}

#[test]
fn unset_leaves_the_tests_of_an_environment() {
    let text = "[flags]\na = true\n\n[environments.staging.a]\nowner = \"web\"\n\n\
                [[environments.staging.a.tests]]\nexpect = true\n";
    let subject = Subject::new(text);
    let unset = ["unset", "a", "--source", "file", "--environment", "staging", "--yes"];

    assert_eq!(ran(&mut subject.command(&unset)).code, ExitCode::Done);
    assert_eq!(subject.text(), text.replace("owner = \"web\"\n", ""));

    let again = ran(&mut subject.command(&unset));
    assert_eq!(again.code, ExitCode::Refused, "{}", again.stderr);
    assert!(again.stderr.contains("has no entry for flag `a`"), "{}", again.stderr);
    assert_eq!(ran(&mut subject.command(&["lint"])).stderr, "");

    // Without its flag, the entry of an environment would be wrong.
    let text = "[flags.a]\nvariants = { x = 1 }\n[environments.staging.a]\nserve = \"x\"\n";
    let subject = Subject::new(text);
    let refused = ran(&mut subject.command(&["unset", "a", "--source", "file", "--yes"]));
    assert_eq!(refused.code, ExitCode::Refused, "{}", refused.stderr);
    let hint = "hint: `flagstaff delete a` removes it from all environments, too\n";
    assert!(refused.stderr.ends_with(hint), "{}", refused.stderr);
}

#[test]
fn a_change_of_the_store_is_shown_for_each_environment_with_an_entry() {
    let server = Server::start();
    let subject = Subject::new(TEXT);
    server.cli(&["HSET", "feature_flags", "checkout", "{\"percentage\": 10}"]);
    let shown = |command: &[&str]| {
        let ran = ran(&mut subject.here(on(&server, &[command, &["checkout", "-n"]].concat())));
        assert_eq!(ran.code, ExitCode::Done, "{}", ran.stderr);
        ran.stderr
    };

    // `[flags]` already has the value of the override.
    let finish = shown(&["promote", "--finish"]);
    assert!(
        finish.contains(
            "checkout: changes in 1 environment; 10% outside of these, as before\n  \
             in environment `production`: 10% -> 1%\n"
        ),
        "{finish}"
    );
    let disable = shown(&["disable"]);
    assert!(disable.contains("\n  in environment `production`: 10% -> off\n"), "{disable}");
    // A chosen environment is the only one.
    let chosen = shown(&["disable", "--environment", "staging"]);
    assert!(!chosen.contains("in environment"), "{chosen}");
}

#[test]
fn a_plan_without_an_environment_names_those_that_differ() {
    let subject = Subject::new(TEXT);
    let old = subject.directory.path().join("old.toml");
    fs::write(&old, TEXT.replace("\"50%\"", "\"20%\"")).unwrap();

    let plan = ran(&mut subject.command(&["plan", "old.toml", "flags.toml"]));
    let same = ran(&mut subject.command(&["plan", "flags.toml", "flags.toml"]));

    let note = "this compares `[flags]` alone; environment `staging` differs too, and `--environment` selects one of them\n";
    assert!(plan.stderr.contains(note), "{}", plan.stderr);
    assert!(!same.stderr.contains("alone"), "{}", same.stderr);
}

#[test]
fn a_later_file_patches_variants_of_the_earlier_one() {
    let subject = Subject::new(
        "[flags.page]\nvariants = { control = 50, fancy = 50 }\n[flags.old]\npercentage = 10\n",
    );
    let over = subject.directory.path().join("over.toml");
    let text = "[flags.page]\nvariants = { fancy = 0 } # not now\n";
    fs::write(&over, text).unwrap();
    let files = ["--file", "flags.toml", "--file", "over.toml"];
    let run = |arguments: &[&str]| ran(&mut subject.command(&[arguments, &files[..]].concat()));

    assert_eq!(run(&["list"]).stdout, "old\t10%\tfile#2\t\t\t\npage\ton\tfile\t\t\t\n");
    let lint = run(&["lint"]);
    assert_eq!((lint.code, &*lint.stdout), (ExitCode::Done, ""), "{}", lint.stderr);
    let set = run(&["set", "page", "variants.control.weight=3", "--source", "file"]);
    assert_eq!((set.code, &*set.stdout), (ExitCode::Done, "page on\n"), "{}", set.stderr);
    assert_eq!(
        fs::read_to_string(&over).unwrap(),
        "[flags.page]\nvariants = { fancy = 0, control = 3 } # not now\n"
    );
    // A flag that only the first file has is changed there, and the file is named.
    let set = run(&["set", "old", "percentage=20", "--source", "file"]);
    assert_eq!((set.code, &*set.stdout), (ExitCode::Done, "old 20%\n"), "{}", set.stderr);
    assert!(set.stderr.starts_with("in `flags.toml`\n"), "{}", set.stderr);
    let none = run(&["set", "page_2", "percentage=20", "--source", "file"]);
    assert_eq!(none.code, ExitCode::Usage, "{}", none.stderr);
    assert!(
        none.stderr.contains("no flag `page_2` in `flags.toml` or `over.toml`"),
        "{}",
        none.stderr
    );

    // An environment patches a variant of the first file beside a new one of its own.
    fs::write(
        &over,
        "[flags.page.variants]\nc = { weight = 1 }\n[environments.prod.page.variants]\ncontrol = { weight = 0 }\n",
    )
    .unwrap();
    assert_eq!(run(&["lint"]).code, ExitCode::Done);
    assert_eq!(run(&["list", "page", "--environment", "prod"]).code, ExitCode::Done);
}

/// Each form of the findings has the mistakes that two files have only together.
#[test]
fn a_mistake_of_several_files_together_has_a_code_a_file_and_a_line_in_every_format() {
    let below = "\
[flags.page]
variants = { control = { weight = 1, value = 1 } }

[flags.x]
requires = [\"y\"]

[flags.y]
";
    let subject = Subject::new(below);
    let over = subject.directory.path().join("over.toml");
    for (code, line, text) in [
        ("mixed-types", 2, "[flags.page.variants]\ncontrol = { value = \"text\" }\n"),
        (
            "mixed-types",
            3,
            "[flags]\n[environments.prod.page.variants]\ncontrol = { value = \"text\" }\n",
        ),
        ("unknown-variant", 2, "[flags.page]\nserve = \"plain\"\n"),
        ("zero-weights", 2, "[flags.page.variants]\ncontrol = 0\n"),
        ("prerequisite-cycle", 2, "[flags.y]\nrequires = [\"x\"]\n"),
        ("missing-flags", 1, "[environments.prod]\nx = true\n"),
    ] {
        fs::write(&over, text).unwrap();
        for (format, place) in [
            ("text", format!("error[{code}]: ")),
            ("github", format!("::error file=over.toml,line={line},")),
            ("json", format!("\"file\": \"over.toml\",\n      \"code\": \"{code}\"")),
            ("sarif", format!("\"ruleId\": \"{code}\"")),
        ] {
            let arguments =
                ["lint", "--file", "flags.toml", "--file", "over.toml", "--format", format];
            let lint = ran(&mut subject.command(&arguments));
            assert_eq!(lint.code, ExitCode::No, "{code}, {format}: {}", lint.stderr);
            assert!(lint.stdout.contains(&place), "{code}, {format}: {}", lint.stdout);
            assert!(!lint.stderr.contains("error:"), "{code}, {format}: {}", lint.stderr);
        }
    }
}

#[test]
fn a_hint_of_lint_names_each_file_once() {
    let subject = Subject::new("[flags.a]\nallowed_users = [\"ana\", \"ana\"]\npercentage = 5\n");

    let run = |arguments: &[&str]| ran(&mut subject.command(arguments)).stderr;

    let named = run(&["lint", "--file", "flags.toml"]);
    assert!(named.contains("`flagstaff lint --fix --file flags.toml` settles 1"), "{named}");
    let argument = run(&["lint", "flags.toml"]);
    assert!(argument.contains("`flagstaff lint --fix flags.toml` settles 1"), "{argument}");
}

#[test]
fn flags_are_listed_by_environment() {
    let subject = Subject::new(TEXT);

    assert_eq!(
        subject.stdout(&["list", "--environments"]),
        "beta\toff\toff\ton\ncheckout\t10%\t1%\t10%\nsearch\t10%\t10%\t50%\n"
    );
    // A flag is listed if it meets the filter in one of the environments.
    assert_eq!(
        subject.stdout(&["list", "--environments", "--filter", "on"]),
        "beta\toff\toff\ton\n"
    );
    // An environment may be named `FLAGS`, and the column without an environment has another title.
    let flags = Subject::new("[flags]\na = false\n[environments.FLAGS]\na = true\n");
    let table = flags.stdout(&["list", "--environments", "-o", "text"]);
    assert_eq!(table, "FLAG  (none)  FLAGS\na     off     on\n");
    let json = subject.json(&["list", "--environments", "beta"]);
    assert_eq!(json["flags"][0]["environments"]["staging"]["state"], "on");
    // The environment variable does not choose the columns.
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
    // Only one of the files has the environment.
    assert_eq!(states(&["--environment", "staging"])[0], "beta on file#2");
    let edit = |arguments: &[&str]| {
        let arguments = [arguments, &["--source", "file"], &files[..]].concat();
        let ran = ran(&mut subject.command(&arguments));
        assert_eq!(ran.code, ExitCode::Done, "{}", ran.stderr);
        ran.stderr
    };
    // The file that has the flag is edited, and in an environment the one that has it.
    assert!(edit(&["disable", "own"]).starts_with("in `local.toml`\n"));
    let staging = edit(&["set", "search", "percentage=60", "--environment", "staging"]);
    assert!(staging.starts_with("in `flags.toml`\n"), "{staging}");
    assert!(
        staging.contains("`local.toml:2` decides about `search`, not the file: the flag is 77%"),
        "{staging}"
    );
    let new = [&["create", "new"], &files[..]].concat();
    let new = ran(&mut subject.command(&new));
    assert_eq!(new.code, ExitCode::Usage);
    assert!(new.stderr.contains("`--file` names several"), "{}", new.stderr);
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
        // The mistake does not affect the flags in `[flags]`.
        assert!(subject.stdout(&["list"]).contains("beta\ton"), "{text}");
    }
    // A missing environment is reported as missing, even if another one has a mistake.
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

#[test]
fn a_setting_replaces_a_forced_value_of_an_environment() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.toml");
    let set = |below: &str| {
        let text = format!("[flags.s]\n{below}\n\n[environments.staging]\ns = true\n");
        fs::write(&file, text).unwrap();
        let set = ["set", "s", "percentage=50", "--source", "file", "--environment", "staging"];
        ran(flagstaff(&set).current_dir(directory.path()))
    };

    let done = set("allowed_users = [\"ana\"]");

    assert_eq!(done.code, ExitCode::Done, "{}", done.stderr);
    assert_eq!(done.stdout, "s 50%\n");
    // A setting that a table cannot remove has to be decided by a person.
    let refused = set("requires = [\"other\"]\nactive = { until = 2999-01-01 }\n[flags.other]");
    assert_eq!(refused.code, ExitCode::Refused, "{}", refused.stderr);
    assert!(refused.stderr.contains("a table `[environments.staging.s]`"), "{}", refused.stderr);
}
