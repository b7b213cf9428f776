//! The commands that a page of the guide lists beside a flag file, on that file.

use std::{fs, path::Path, process::Command};

use flagstaff::cli::ExitCode;

use crate::command::{flagstaff, ran};

fn git(folder: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let status = git.args(arguments).current_dir(folder).status().unwrap();
    assert!(status.success(), "git {arguments:?}");
}

/// The first block of a page in this language.
fn block<'p>(page: &'p str, language: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn the_commands_of_the_page_on_environments_do_what_it_says() {
    let page = include_str!("../../src/docs/guide/environments.md");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("flags.toml"), block(page, "toml")).unwrap();
    git(folder.path(), &["init", "-q", "-b", "main"]);
    git(folder.path(), &["add", "."]);
    let author = ["-c", "user.name=ana", "-c", "user.email=ana@example.com"];
    git(folder.path(), &[&author[..], &["commit", "-q", "-m", "Declare flags"]].concat());
    let run = |arguments: &str| {
        let arguments: Vec<_> = arguments.split_whitespace().collect();
        ran(flagstaff(&arguments).current_dir(&folder))
    };

    let mut commands = 0;
    for line in block(page, "sh").lines() {
        let command = line.split('#').next().unwrap().trim();
        let ran = run(command.strip_prefix("flagstaff ").unwrap());

        // `diff` ends with 1 if something differs.
        let expected = if command.contains(" diff ") { ExitCode::No } else { ExitCode::Done };
        assert_eq!(ran.code, expected, "{command}: {}", ran.stderr);
        commands += 1;
    }
    assert!(commands >= 4, "{commands}");
    let edited = fs::read_to_string(folder.path().join("flags.toml")).unwrap();
    assert!(edited.contains("[environments.staging]\ndark_mode = true\nsearch_v2 = \"50%\"\n"));

    for (command, code) in [
        // "A name that no file has is an error of every command."
        ("list --environment stagin", ExitCode::Usage),
        ("plan git:main flags.toml --environment stagin", ExitCode::Usage),
        // "`diff` cannot name it."
        ("diff --environment (none) staging", ExitCode::Usage),
        // "`set` and `promote` do not create an environment."
        ("set dark_mode owner=web --source file --environment development", ExitCode::Usage),
        // "An environment cannot remove a setting."
        ("set new_checkout owner- --source file --environment staging", ExitCode::Refused),
    ] {
        let ran = run(command);
        assert_eq!(ran.code, code, "{command}: {}{}", ran.stdout, ran.stderr);
    }
    assert_eq!(fs::read_to_string(folder.path().join("flags.toml")).unwrap(), edited);
}
