//! `flagstaff lint` beyond what a transcript shows: files that change, git, and SARIF.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use flagstaff::{cli::ExitCode, definition::Code};
use serde_json::Value;

use crate::{
    command::{Ran, flagstaff, ran},
    support::root,
};

/// The schema from <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>.
const SARIF: &str = include_str!("data/sarif-2.1.0.schema.json");

/// Returns the paths of all files with mistakes.
fn bad_files() -> Vec<PathBuf> {
    let data = root().join("tests/data");
    let entries = ["bad", "lint/bad"].map(|folder| fs::read_dir(data.join(folder)).unwrap());
    let paths = entries.into_iter().flatten().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
}

#[test]
fn every_problem_is_in_a_valid_sarif_log() {
    let mut schema: Value = serde_json::from_str(SARIF).unwrap();
    // The pattern in the schema is not a valid regular expression, and no report uses it.
    for object in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][object]["properties"]["language"];
        assert!(language.as_object_mut().unwrap().remove("pattern").is_some());
    }
    let validator =
        jsonschema::draft7::options().should_validate_formats(true).build(&schema).unwrap();
    let mut command = flagstaff(&["lint", "-W", "all", "--format", "sarif"]);

    let ran = ran(command.args(bad_files()));

    let log: Value = serde_json::from_str(&ran.stdout).unwrap();
    let errors: Vec<_> = validator.iter_errors(&log).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert!(results.len() > 100);
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    for result in results {
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[rule]["id"], result["ruleId"]);
    }
    assert!(results.iter().any(|result| !result["fixes"].is_null()));
    assert!(results.iter().any(|result| !result["relatedLocations"].is_null()));
}

#[test]
fn every_code_is_explained() {
    let all = ran(&mut flagstaff(&["lint", "--explain"]));
    let names: Vec<_> = all.stdout.lines().filter_map(|line| line.split('\t').next()).collect();

    assert_eq!(names, Code::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>());
    for name in names {
        let one = ran(&mut flagstaff(&["lint", "--explain", name]));
        assert!(one.stdout.starts_with(&format!("{name}: ")), "{}", one.stdout);
    }
}

#[test]
fn what_changes_no_answer_is_fixed_in_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    let text = "# kept\n[flags.a]\npercentage = 5\nallowed_users = [\"ana\", \"ana\", \" bob\"]\noff = \"x\"\n";
    fs::write(&path, text).unwrap();
    let lint = |arguments: &[&str]| {
        ran(flagstaff(&["lint"]).args(arguments).current_dir(directory.path()))
    };

    let safe = lint(&["--fix", "-D", "blank-text"]);

    assert_eq!(safe.code, ExitCode::No);
    assert!(safe.stdout.contains("error[blank-text]"), "{}", safe.stdout);
    assert!(safe.stderr.starts_with("2 problems fixed in `flags.toml`\n"), "{}", safe.stderr);
    let fixed = fs::read_to_string(&path).unwrap();
    assert_eq!(fixed, "# kept\n[flags.a]\npercentage = 5\nallowed_users = [\"ana\", \" bob\"]\n");

    let all = lint(&["--fix", "--unsafe-fixes"]);

    assert_eq!((all.code, &*all.stdout), (ExitCode::Done, ""));
    let fixed = fs::read_to_string(&path).unwrap();
    assert_eq!(fixed, "# kept\n[flags.a]\npercentage = 5\nallowed_users = [\"ana\", \"bob\"]\n");
    let again = lint(&["--fix"]);
    assert_eq!((again.code, &*again.stderr), (ExitCode::Done, ""));
}

fn git(directory: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.arg("-C").arg(directory).args(["-c", "user.name=t", "-c", "user.email=t@example.com"]);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let output = git.args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_file_is_compared_with_the_one_in_a_revision() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("services");
    fs::create_dir(&inside).unwrap();
    let path = inside.join("flags.toml");
    fs::write(&path, "[flags.a]\npercentage = 10\n").unwrap();
    git(directory.path(), &["init", "--quiet"]);
    git(directory.path(), &["add", "."]);
    git(directory.path(), &["commit", "--quiet", "--message", "one"]);
    let lint = |against: &str, path: &Path, from: &Path| -> Ran {
        let mut lint = flagstaff(&["lint", "-D", "warnings", "--against", against]);
        ran(lint.arg(path).current_dir(from))
    };
    assert_eq!(lint("git:HEAD", &path, &inside).code, ExitCode::Done);

    fs::write(&path, "[flags.a]\npercentage = 10\nsalt = \"new\"\n").unwrap();

    for (path, from) in [
        (&*path, Path::new("/")),
        (Path::new("flags.toml"), &*inside),
        (Path::new("services/flags.toml"), directory.path()),
    ] {
        let found = lint("git:HEAD", path, from);
        assert_eq!(found.code, ExitCode::No, "{}", found.stderr);
        assert!(found.stdout.contains("a new salt moves 18% of the users"), "{}", found.stdout);
    }
    fs::write(inside.join("new.toml"), "[flags]\n").unwrap();
    let new = lint("git:HEAD", Path::new("new.toml"), &inside);
    assert_eq!((new.code, &*new.stderr), (ExitCode::Done, "`new.toml` is not in `HEAD`\n"));
    for unknown in ["git:nowhere", "git:--output=x"] {
        let unknown = lint(unknown, &path, &inside);
        assert_eq!(unknown.code, ExitCode::Usage);
        assert!(unknown.stderr.contains("git has no revision"), "{}", unknown.stderr);
    }
    assert!(!inside.join("x").exists());
}

#[test]
fn variables_that_are_neither_on_nor_off_are_reported_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flags.toml");
    fs::write(&file, "[flags]\nbeta = true\nnew-page = true\n\"new.page\" = true\nok = true\n")
        .unwrap();
    let lint = |arguments: &[&str]| {
        let mut command = flagstaff(&["lint", "-A", "unusual-name"]);
        command.arg(&file).args(arguments);
        for (name, value) in [("BETA", "\"true\""), ("NEW_PAGE", "100%"), ("OK", "yes")] {
            command.env(format!("FEATURE_{name}"), value);
        }
        ran(&mut command)
    };

    let without = lint(&[]);
    let with = lint(&["--env-prefix", "FEATURE_"]);
    let denied = lint(&["--env-prefix", "FEATURE_", "-D", "warnings"]);

    assert_eq!((without.code, &*without.stderr), (ExitCode::Done, ""));
    assert_eq!(with.code, ExitCode::Done);
    let lines: Vec<_> = with.stderr.lines().collect();
    assert_eq!(
        lines,
        [
            "warning: `beta` in env (FEATURE_BETA): `\"true\"` is neither on nor off, nor a variant, so \
             the flag is off",
            "warning: `new-page` in env (FEATURE_NEW_PAGE): `100%` is neither on nor off, nor a variant, \
             so the flag is off",
            "warning: `new-page` in env (FEATURE_NEW_PAGE): `FEATURE_NEW_PAGE` switches several flags: \
             `new-page`, `new.page`",
            "warning: `new.page` in env (FEATURE_NEW_PAGE): `100%` is neither on nor off, nor a variant, \
             so the flag is off",
        ]
    );
    assert_eq!(denied.code, ExitCode::No, "{}", denied.stderr);

    let list = ran(flagstaff(&["list", "--env-prefix", "FEATURE_", "--file"])
        .arg(&file)
        .env("FEATURE_BETA", "enabled"));
    assert!(list.stderr.contains("`beta` in env (FEATURE_BETA): `enabled` is neither"), "{list:?}");
}
