//! Reports that name their own limits, and refusals of edits that would fail.

use std::{fs, path::Path, process::Command};

use flagstaff::cli::ExitCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    command::{Ran, flagstaff, on, ran},
    server::Server,
};

/// A flags.toml in a directory of its own.
fn directory(text: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("flags.toml"), text).unwrap();
    directory
}

fn run(directory: &TempDir, arguments: &[&str]) -> Ran {
    ran(flagstaff(arguments).current_dir(directory))
}

/// The test of `kill` fails; that of `fine` does not.
const FAILING: &str = "\
[flags.kill]
denied_users = [\"mallory\"]
[[flags.kill.tests]]
user = \"mallory\"
expect = true

[flags.fine]
percentage = 100
[[flags.fine.tests]]
user = \"ana\"
expect = true
";

/// A service that starts now rejects a flag whose tests fail.
#[test]
fn a_flag_whose_tests_fail_is_shown_as_in_a_service_that_starts_now() {
    let directory = directory(FAILING);

    for arguments in [&["list"][..], &["eval", "fine"], &["is-on", "fine"], &["show", "fine"]] {
        let ran = run(&directory, arguments);
        assert_eq!(ran.code, ExitCode::Done, "{arguments:?}: {}", ran.stderr);
        let told = "warning: 1 flag of `flags.toml` is left out, because of a mistake that `flagstaff lint` \
                    shows: `kill` (line 5)";
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
        let is_listed = ran.stdout.contains("kill\trejected\tfile\t");
        assert_eq!(is_listed, arguments == ["list"], "{}", ran.stdout);
    }
    assert_eq!(run(&directory, &["is-on", "kill"]).code, ExitCode::No);
    assert_eq!(run(&directory, &["eval", "kill"]).code, ExitCode::No);

    let lint = run(&directory, &["lint"]);
    assert_eq!(lint.code, ExitCode::No);
    assert!(
        lint.stdout.contains("error[failed-test]: test 1 of flag `kill` fails"),
        "{}",
        lint.stdout
    );
}

#[test]
fn an_edit_after_which_a_test_fails_is_refused() {
    let directory = directory(&FAILING.replace("expect = true\n\n", "expect = false\n\n"));
    let path = directory.path().join("flags.toml");
    let before = fs::read_to_string(&path).unwrap();

    for arguments in [
        &["set", "fine", "percentage=0", "--source", "file"][..],
        &["set", "fine", "percentage=0", "--source", "file", "--dry-run"],
        &["disable", "fine", "--source", "file"],
        &["set", "kill", "denied_users=bob", "--source", "file"],
    ] {
        let ran = run(&directory, arguments);
        assert_eq!(ran.code, ExitCode::Refused, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("1 test of the file would fail then"), "{}", ran.stderr);
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
    }
    let kept = run(&directory, &["set", "fine", "owner=web", "--source", "file"]);
    assert_eq!(kept.code, ExitCode::Done, "{}", kept.stderr);
}

/// A test that failed before does not block an edit of another flag.
#[test]
fn an_edit_is_made_although_the_tests_of_another_flag_fail_before_and_after() {
    let directory = directory(FAILING);

    let edit = run(&directory, &["set", "fine", "owner=web", "--source", "file"]);

    assert_eq!(edit.code, ExitCode::Done, "{}", edit.stderr);
}

#[test]
fn an_override_that_the_tests_of_the_file_refuse_is_not_promoted() {
    let (server, directory) =
        (Server::start(), directory("[flags.a]\n[[flags.a.tests]]\nexpect = true\n"));
    let run = |arguments: &[&str]| ran(on(&server, arguments).current_dir(&directory));
    run(&["disable", "a"]);

    let promote = run(&["promote", "a"]);

    assert_eq!(promote.code, ExitCode::Refused, "{}", promote.stderr);
    assert!(
        fs::read_to_string(directory.path().join("flags.toml"))
            .unwrap()
            .starts_with("[flags.a]\n[[")
    );
    assert_eq!(server.cli(&["HGET", "feature_flags", "a"]).trim(), "0");
}

/// Services may have a flag file, even if this machine does not.
#[test]
fn an_absent_file_is_not_an_empty_one() {
    let (server, elsewhere) = (Server::start(), tempfile::tempdir().unwrap());
    let run = |arguments: &[&str]| ran(on(&server, arguments).current_dir(&elsewhere));
    run(&["enable", "forced", "--no-file"]);
    run(&["set", "patched", "percentage=10", "--no-file"]);

    for arguments in
        [&["stale"][..], &["diff"], &["simulate", "patched", "percentage=5"], &["is-on", "patched"]]
    {
        let refused = run(arguments);
        assert_eq!(refused.code, ExitCode::Usage, "{arguments:?}: {}", refused.stdout);
        assert!(
            refused.stderr.contains("the answer depends on what it declares"),
            "{}",
            refused.stderr
        );
        let said = run(&[arguments, &["--no-file"]].concat());
        assert!(!said.stderr.contains("depends on"), "{arguments:?}: {}", said.stderr);
    }
    for arguments in [
        &["list"][..],
        &["show", "patched"],
        &["eval", "patched"],
        &["get", "patched"],
        &["set", "patched", "percentage=20", "--dry-run"],
    ] {
        let told = "warning: there is no flags.toml here or in a directory above";
        let ran = run(arguments);
        assert!(ran.stderr.starts_with(told), "{arguments:?}: {}", ran.stderr);
        assert!(!run(&[arguments, &["--no-file"]].concat()).stderr.contains(told), "{arguments:?}");
    }
    // A forced value does not depend on the file.
    let forced = run(&["is-on", "forced"]);
    assert_eq!((forced.code, &*forced.stderr), (ExitCode::Done, ""));
}

#[test]
fn an_attribute_is_of_the_type_that_rules_compare() {
    let rule = |name: &str, when: &str| {
        format!("[[flags.{name}.rules]]\nwhen = {{ {when} }}\nserve = true\n")
    };
    let text = [
        rule("version", "v = { semver = \"=1.10\" }"),
        rule("text", "id = \"7\""),
        rule("number", "seats = 7"),
        rule("word", "beta = \"true\""),
        rule("truth", "staff = true"),
        rule("one", "mixed = 7"),
        rule("other", "mixed = \"7\""),
    ];
    let off = ["version", "text", "number", "word", "truth", "one", "other"]
        .map(|name| format!("[flags.{name}]\npercentage = 0\n"));
    let directory = directory(&(text.concat() + &off.concat()));

    for (flag, set) in [
        ("version", "v=1.10"),
        ("text", "id=7"),
        ("text", "id=\"7\""),
        ("number", "seats=7"),
        ("number", "seats=7.0"),
        ("word", "beta=true"),
        ("truth", "staff=true"),
        ("one", "mixed=7"),
        ("other", "mixed=\"7\""),
    ] {
        let is_on = run(&directory, &["is-on", flag, "--set", set]);
        assert_eq!(is_on.code, ExitCode::Done, "{flag} {set}: {}", is_on.stderr);
    }
    let doubtful = run(&directory, &["eval", "other", "--set", "mixed=7"]);
    assert!(
        doubtful.stderr.contains("rules compare `mixed` with strings and with other values"),
        "{}",
        doubtful.stderr
    );
    assert_eq!(run(&directory, &["eval", "one", "--set", "seats=7"]).stderr, "");
}

#[test]
fn a_number_that_rules_read_as_one_has_no_doubtful_type() {
    let directory = directory(
        "[flags.total]\npercentage = 0\n\
         [[flags.total.rules]]\nwhen = { total = { gt = 12, as = \"number\" } }\nserve = true\n",
    );

    let numeric = run(&directory, &["is-on", "total", "--set", "total=13.0"]);

    assert_eq!((numeric.code, &*numeric.stderr), (ExitCode::Done, ""));
}

#[test]
fn the_end_of_a_rollout_is_reported() {
    let stages = "[flags.a.rollout]\nstart = 2020-01-01T00:00:00Z\n\
                  stages = [{ percentage = 1, for = \"2h\" }, { percentage = 50 }]\n";
    let directory = directory(stages);
    let told = "warning: this ends the rollout of `a`, which is at 50%, stage 2 of 2";

    let edit = run(&directory, &["set", "a", "percentage=75", "--source", "file", "--dry-run"]);
    assert!(edit.stderr.contains(told), "{}", edit.stderr);

    let server = Server::start();
    let run = |arguments: &[&str]| ran(on(&server, arguments).current_dir(&directory));
    let set = run(&["set", "a", "percentage=75", "--dry-run"]);
    assert!(set.stderr.contains(told), "{}", set.stderr);
    assert!(!run(&["set", "a", "owner=web", "--dry-run"]).stderr.contains("ends the rollout"));
}

fn git(directory: &Path, arguments: &[&str]) {
    let who = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"];
    let mut command = Command::new("git");
    assert!(command.arg("-C").arg(directory).args(who).args(arguments).status().unwrap().success());
}

#[test]
fn a_diff_with_git_sees_the_order_of_variants_tests_and_segments() {
    let text = |variants: &str, expect: &str, plan: &str| {
        format!(
            "[flags.order]\nvariants = {{ {variants} }}\n[flags.tested]\n[[flags.tested.tests]]\n\
             expect = {expect}\n[flags.used]\nrules = [{{ when = {{ segment = \"s\" }}, serve = true }}]\n\
             [segments.s]\nwhen = {{ plan = \"{plan}\" }}\n"
        )
    };
    let directory = directory(&text("a = 1, b = 1", "true", "pro"));
    git(directory.path(), &["init", "--quiet"]);
    git(directory.path(), &["add", "."]);
    git(directory.path(), &["commit", "--quiet", "--message", "x"]);
    assert_eq!(run(&directory, &["diff", "git:HEAD"]).code, ExitCode::Done);

    // The test fails, which does not stop commands that read.
    fs::write(directory.path().join("flags.toml"), text("b = 1, a = 1", "false", "free")).unwrap();
    let diff = run(&directory, &["diff", "git:HEAD"]);

    assert_eq!(diff.code, ExitCode::No, "{}", diff.stderr);
    let rows: Vec<Vec<&str>> = diff.stdout.lines().map(|line| line.split('\t').collect()).collect();
    let told: Vec<_> = rows.iter().map(|row| (row[0], row[1], row[2])).collect();
    assert_eq!(
        told,
        [
            ("order", "changed", "variants (order)"),
            ("tested", "changed", "tests"),
            ("used", "changed", "rules"),
            ("segments.s", "changed", "when.plan"),
        ]
    );
}

#[test]
fn an_edit_that_renames_or_removes_a_flag_is_reported_and_fails_if_denied() {
    let directory = directory("[flags.new_name]\npercentage = 50\n");
    let before = directory.path().join("before.toml");
    fs::write(&before, "[flags.old_name]\npercentage = 50\n[flags.gone]\n").unwrap();
    let against = ["lint", "--against", before.to_str().unwrap()];

    let lint = run(&directory, &against);
    let strict = run(&directory, &[&against[..], &["-D", "redraws-users"]].concat());

    assert!(
        lint.stdout.contains("another name moves 50% of the users of flag `new_name`"),
        "{}",
        lint.stdout
    );
    assert!(lint.stdout.contains("flag `gone` was removed from the file"), "{}", lint.stdout);
    assert_eq!((lint.code, strict.code), (ExitCode::Done, ExitCode::No));
}

/// The plan never claims "0 flags change" for a rule that no user met.
#[test]
fn a_plan_says_which_rules_were_not_tried_in_every_form() {
    let directory = directory("");
    let write = |name: &str, serve: &str| {
        let text = format!(
            "[[flags.a.rules]]\nname = \"strange\"\nwhen = {{ id = {{ matches = '^[a-f]{{8}}$' }} }}\n\
             serve = {serve}\n[flags.a]\npercentage = 0\n"
        );
        fs::write(directory.path().join(name), text).unwrap();
    };
    write("before.toml", "true");
    write("after.toml", "false");
    let plan =
        |more: &[&str]| run(&directory, &[&["plan", "before.toml", "after.toml"], more].concat());

    let json: Value = serde_json::from_str(&plan(&["-o", "json"]).stdout).unwrap();
    assert_eq!(json["madeUp"], true);
    assert_eq!(json["flags"][0]["rulesNotTried"][0], "strange");
    assert_eq!(json["flags"][0]["share"], Value::Null);
    let markdown = plan(&["--markdown"]).stdout;
    assert!(markdown.contains("> 1 rule decided for none of these users"), "{markdown}");
    assert!(markdown.contains("| ? |") && markdown.contains("| `strange` |"), "{markdown}");
}

/// A forced value removes lists and rules, and with them the attributes that made-up users get values for.
#[test]
fn a_simulation_of_a_flag_that_is_forced_names_no_attributes() {
    let directory = directory(
        "[flags.a]\nallowed_groups = [\"beta\"]\nrules = [{ when = { plan = \"pro\" }, serve = true }]\n\
         [environments.staging]\na = true\n",
    );
    let simulate = |more: &[&str]| {
        run(&directory, &[&["simulate", "a", "percentage=50", "-o", "json"], more].concat())
    };

    let (plain, forced) = (simulate(&[]), simulate(&["--environment", "staging"]));

    let json: Value = serde_json::from_str(&forced.stdout).unwrap();
    assert_eq!((&json["attributes"], &json["flags"][0]["share"]), (&json!([]), &json!(0.4962)));
    let text = simulate(&["--environment", "staging", "-o", "text"]).stderr;
    assert!(!text.contains("values of"), "{text}");
    let json: Value = serde_json::from_str(&plain.stdout).unwrap();
    assert_eq!(
        (&json["attributes"], &json["flags"][0]["share"]),
        (&json!(["groups", "plan"]), &Value::Null)
    );
}

#[test]
fn a_plan_fails_beyond_a_bound() {
    let directory = directory("[flags.a]\npercentage = 50\nsalt = \"x\"\n");
    fs::write(directory.path().join("before.toml"), "[flags.a]\npercentage = 50\n").unwrap();
    let code = |more: &[&str]| {
        let plan = ["plan", "before.toml", "flags.toml", "--users", "1000"];
        run(&directory, &[&plan[..], more].concat()).code
    };

    assert_eq!(code(&[]), ExitCode::Done);
    assert_eq!(code(&["--fail-on", "redrawn"]), ExitCode::No);
    assert_eq!(code(&["--fail-on", "redrawn=1000", "--fail-on", "newly-on=40%"]), ExitCode::Done);
    assert_eq!(code(&["--fail-on", "redrawn=1000", "--fail-on", "newly-off=10%"]), ExitCode::No);
}

#[test]
fn quiet_is_without_notes_and_hints_but_not_without_errors() {
    let lint = ran(&mut flagstaff(&["lint", "lint.toml", "-q"]));
    assert_eq!(lint.stderr, "");
    let get = ran(&mut flagstaff(&["get", "on", "colour", "--quiet"]));
    assert!(get.stderr.starts_with("error: ") && !get.stderr.contains("hint: "), "{}", get.stderr);
}

#[test]
fn colours_are_where_they_are_asked_for() {
    let coloured = |arguments: &[&str], no_color: bool| {
        let mut command = flagstaff(arguments);
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let ran = ran(&mut command);
        (ran.stdout + &ran.stderr).contains('\u{1b}')
    };

    for command in [
        &["list", "-o", "text"][..],
        &["show", "quarter", "-o", "text"],
        &["get", "on"],
        &["eval", "on", "-o", "text"],
        &["get", "on", "colour"],
        &["nonsense"],
        &["help", "set"],
        &["lint", "lint.toml"],
        &["set", "quarter", "percentage=50", "--source", "file", "--dry-run"],
    ] {
        let with = |when: &'static str| [command, &[when]].concat();
        assert!(!coloured(command, false), "{command:?}");
        assert!(coloured(&with("--color=always"), false), "{command:?}");
        assert!(coloured(&with("--color=always"), true), "{command:?}");
        assert!(!coloured(&with("--color=never"), false), "{command:?}");
    }
}

#[test]
fn a_misspelt_command_suggests_the_one_that_was_meant() {
    for (word, meant) in [("off", "disable"), ("on", "enable"), ("rm", "unset"), ("ls", "list")] {
        let ran = ran(&mut flagstaff(&[word, "beta"]));
        assert_eq!(ran.code, ExitCode::Usage);
        assert!(ran.stderr.contains(&format!("'{meant}'")), "{}", ran.stderr);
    }
    let help = ran(&mut flagstaff(&["help", "set"]));
    assert_eq!(
        (help.code, &help.stdout),
        (ExitCode::Done, &ran(&mut flagstaff(&["set", "--help"])).stdout)
    );
}

#[test]
fn the_list_has_the_flags_that_their_file_rejects() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("bad.toml"), "[flags]\nold = 3\nnew = 4\n").unwrap();
    let run = |more: &[&str]| {
        let list = [&["list", "-f", "bad.toml"], more].concat();
        ran(flagstaff(&list).current_dir(directory.path()))
    };

    let all = run(&[]);

    assert_eq!(all.code, ExitCode::Done, "{}", all.stderr);
    let rejected = "new\trejected\tfile\t\t\t\nold\trejected\tfile\t\t\t\n";
    assert_eq!(all.stdout, rejected);
    assert!(all.stderr.contains("2 flags of `bad.toml` are left out"), "{}", all.stderr);
    assert_eq!(run(&["ol"]).stdout, "old\trejected\tfile\t\t\t\n");
    // The settings of a rejected flag are unknown.
    assert_eq!(run(&["--filter", "!owner=web"]).stdout, "");
}

#[test]
fn the_list_has_the_next_state_by_a_schedule() {
    let directory = tempfile::tempdir().unwrap();
    let text = "[flags]\nopen = { active = { until = 2999-12-24 } }\n\
                held = { enabled = false, active = { until = 2999-12-24 } }\n\
                [flags.later.rollout]\nstart = 2999-12-01\n\
                stages = [{ percentage = 10, for = \"1h\" }, { percentage = 100 }]\n";
    fs::write(directory.path().join("flags.toml"), text).unwrap();
    let run = |more: &[&str]| {
        let run = ran(flagstaff(&[&["list"], more].concat()).current_dir(directory.path()));
        assert_eq!(run.code, ExitCode::Done, "{}", run.stderr);
        run.stdout
    };

    let table = run(&["-o", "text"]);

    assert!(table.contains("later  off, 10% from 2999-12-01  file"), "{table}");
    assert!(table.contains("open   on, until 2999-12-24      file"), "{table}");
    let columns = run(&["--columns", "flag,state,schedule"]);
    assert_eq!(
        columns,
        "held\toff\t\nlater\toff\t10% from 2999-12-01\nopen\ton\tuntil 2999-12-24\n"
    );
    // Programs and filters read the state alone.
    assert_eq!(run(&["open"]), "open\ton\tfile\t\t\t\n");
    let json: Value = serde_json::from_str(&run(&["later", "-o", "json"])).unwrap();
    let later = &json["flags"][0];
    assert_eq!(
        (&later["summary"], &later["schedule"]),
        (&json!("off"), &json!("10% from 2999-12-01"))
    );
}
