//! Flags that can be deleted, in a git repository of their own.

use std::{fs, path::Path, process::Command};

use flagstaff::cli::ExitCode;

use crate::{
    command::{flagstaff, on, ran},
    server::Server,
};

const FLAGS: &str = "\
[flags]
beta = \"5%\"
fresh = true

[flags.new_checkout]
owner = \"payments\"
expires = 2025-01-01

[flags.old_search]
owner = \"search\"
enabled = false

[flags.pricing_page]
variants = { control = 0, higher_price = 100 }
";

const SHOP: &str = "\
if flags.is_enabled(\"new_checkout\", &user) {
    one_page()
} else if !flags.is_enabled(\"old_search\", &user) {
    index()
}
// is_enabled(\"in_a_comment\")
let beta = flags.is_enabled(\"beta\", &user) && flags.is_enabled(\"new_chekout\", &user);
";

/// Creates a repository with two commits, and a change that is not committed.
fn repository() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    git(directory.path(), &["init", "--quiet"]);
    write(".gitignore", "target\n");
    write("target/shop.rs", SHOP);
    write(
        "shop.rs",
        &(SHOP.to_owned() + "flags.variant(PRICING_PAGE, &user)\nFresh; let fresh = \"fresh\";\n"),
    );
    write("deploy/env.yml", "FEATURE_OLD_SEARCH: \"false\"\n");
    write(
        "flags.toml",
        &FLAGS.replace("higher_price = 100", "higher_price = 50").replace("= 0,", "= 50,"),
    );
    git(directory.path(), &["add", "."]);
    git(directory.path(), &["commit", "--quiet", "--message", "first"]);
    write("shop.rs", &(SHOP.to_owned() + "let fresh = \"fresh\";\n"));
    write("flags.toml", &FLAGS.replace("fresh = true", "fresh = false"));
    git(directory.path(), &["commit", "--quiet", "--all", "--message", "second"]);
    write("flags.toml", FLAGS);
    directory
}

fn git(directory: &Path, arguments: &[&str]) {
    let day = if arguments.contains(&"second") { "2025-06-02" } else { "2025-06-01" };
    let status = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .env("GIT_COMMITTER_DATE", format!("{day}T00:00:00Z"))
        .env("GIT_AUTHOR_DATE", format!("{day}T00:00:00Z"))
        .status()
        .unwrap();
    assert!(status.success(), "{arguments:?}");
}

/// Returns the lines without the hash of a commit, which depends on git.
fn lines(stdout: &str) -> Vec<String> {
    let line = |line: &str| match line.split_once("commit ") {
        Some((start, end)) => format!("{start}commit{}", &end[end.find('\t').unwrap()..]),
        None => line.to_owned(),
    };
    stdout.lines().map(line).collect()
}

#[test]
fn flags_that_can_go_are_listed_with_the_code_to_keep() {
    let repository = repository();

    let stale = ran(flagstaff(&["stale", "--refs"]).current_dir(repository.path()));

    assert_eq!(
        lines(&stale.stdout),
        [
            "new_checkout\texpired\t2025-01-01\texpires\tpayments\ton\t\t",
            "new_checkout\ton\t2025-06-01\tgit\tpayments\ton\t\t",
            "new_checkout\treferenced\t\t\tpayments\tif\tshop.rs:1:22\t\
             if flags.is_enabled(\"new_checkout\", &user) {",
            "old_search\toff\t2025-06-01\tgit\tsearch\toff\t\t",
            "old_search\treferenced\t\t\tsearch\toff\tdeploy/env.yml:1:1\tFEATURE_OLD_SEARCH: \"false\"",
            "old_search\treferenced\t\t\tsearch\tif\tshop.rs:3:30\t\
             } else if !flags.is_enabled(\"old_search\", &user) {",
            "pricing_page\ton\t2025-06-02\tgit\t\thigher_price\t\t",
            "pricing_page\tunreferenced\t2025-06-02\tgit\t\thigher_price\tcommit\t",
            "new_chekout\tunknown\t\t\t\t\tshop.rs:7:65\t\
             let beta = flags.is_enabled(\"beta\", &user) && flags.is_enabled(\"new_chekout\", &user);",
        ],
        "{}",
        stale.stderr,
    );
    assert_eq!(stale.code, ExitCode::No);
}

#[test]
fn without_any_date_nothing_is_stale_by_its_age() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("flags.toml"), "[flags]\nnew = true\n").unwrap();
    let run = || ran(flagstaff(&["stale"]).current_dir(directory.path()));

    let stale = run();

    assert_eq!((stale.code, &*stale.stdout), (ExitCode::Done, ""), "{}", stale.stderr);
    let note = "1 flag is the same for all users since an unknown date";
    assert!(stale.stderr.contains(note), "{}", stale.stderr);
    // `created` is a date.
    let created = "[flags]\nnew = { created = 2025-01-01 }\n";
    fs::write(directory.path().join("flags.toml"), created).unwrap();
    let stale = run();
    assert_eq!(stale.stdout, "new\ton\t2025-01-01\tcreated\t\ton\t\t\n");
    assert!(!stale.stderr.contains("unknown date"), "{}", stale.stderr);
}

#[test]
fn what_was_changed_lately_is_not_stale() {
    let repository = repository();
    let stale = |unchanged: &str| {
        let stale =
            ran(flagstaff(&["stale", "--unchanged", unchanged]).current_dir(repository.path()));
        stale
            .stdout
            .lines()
            .map(|line| line.split('\t').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };

    assert_eq!(
        stale("0s"),
        ["fresh", "new_checkout", "new_checkout", "old_search", "pricing_page"]
    );
    assert_eq!(stale("36500d"), ["new_checkout"]);
}

#[test]
fn a_flag_that_differs_in_an_environment_is_not_stale() {
    let stale = |environments: &str, arguments: &[&str]| {
        let directory = tempfile::tempdir().unwrap();
        let text = format!("[flags]\na = true\noff = false\nsame = true\n{environments}");
        fs::write(directory.path().join("flags.toml"), text).unwrap();
        git(directory.path(), &["init", "--quiet"]);
        git(directory.path(), &["add", "."]);
        git(directory.path(), &["commit", "--quiet", "--message", "first"]);
        let arguments = [&["stale"], arguments].concat();
        let stale = ran(flagstaff(&arguments).current_dir(directory.path()));
        let flags = stale.stdout.lines().map(|line| line.split('\t').next().unwrap().to_owned());
        flags.collect::<Vec<_>>()
    };
    let production = "[environments.production]\n\
        a = \"10%\"\n\
        off = { enabled = true, percentage = 50 }\n\
        same = true\n";
    let on = "[environments.production]\na = true\n";
    let window = "[environments.production.off]\nactive = { from = 2999-01-01 }\n";

    assert_eq!(stale("", &[]), ["a", "off", "same"]);
    assert_eq!(stale(production, &[]), ["same"]);
    assert_eq!(stale(production, &["--environment", "production"]), ["same"]);
    assert_eq!(stale(on, &["--environment", "production"]), ["a", "off", "same"]);
    assert_eq!(stale(window, &[]), ["a", "same"]);
}

#[test]
fn a_permanent_flag_is_never_stale() {
    let directory = tempfile::tempdir().unwrap();
    let stale = |permanent: &str| {
        let text = format!("[flags.accept_orders]\nexpires = 2025-01-01\n{permanent}");
        fs::write(directory.path().join("flags.toml"), text).unwrap();
        fs::write(directory.path().join("shop.rs"), "flags.is_enabled(\"acept_orders\", &user)")
            .unwrap();
        ran(flagstaff(&["stale", "--refs", "."]).current_dir(directory.path()))
    };
    let findings = |stdout: &str| -> Vec<_> {
        let cells =
            stdout.lines().map(|line| line.split('\t').take(2).collect::<Vec<_>>().join(" "));
        cells.collect()
    };

    let temporary = findings(&stale("").stdout);
    let permanent = findings(&stale("permanent = true\n").stdout);

    assert_eq!(
        temporary,
        ["accept_orders expired", "accept_orders unreferenced", "acept_orders unknown"]
    );
    assert_eq!(permanent, ["acept_orders unknown"]);
}

#[test]
fn a_rollout_that_was_not_started_is_not_stale() {
    let stale = |stages: &str| {
        let directory = tempfile::tempdir().unwrap();
        let text = format!("[flags.search.rollout]\nstages = [{{ percentage = 0 }}]\n{stages}");
        fs::write(directory.path().join("flags.toml"), text).unwrap();
        ran(flagstaff(&["stale"]).current_dir(directory.path()))
    };

    let unstarted = stale("");
    assert_eq!((unstarted.code, &*unstarted.stdout), (ExitCode::Done, ""), "{}", unstarted.stderr);
    let started = stale("start = 2025-01-01\n");
    assert_eq!(started.stdout, "search\toff\t2025-01-01\trollout\t\toff\t\t\n");
}

#[test]
fn an_override_is_as_old_as_its_entry_in_the_log() {
    let server = Server::start();
    let log =
        ["by", "ana", "reason", "x", "flag", "off", "after", "1", "at", "2025-06-01T00:00:00Z"];
    server.cli(&["HSET", "feature_flags", "off", "1", "on", "1"]);
    server.cli(&[&["XADD", "{feature_flags}:log", "1-0"], &log[..]].concat());

    let stale = ran(&mut on(&server, &["stale", "--file", "later.toml"]));

    assert_eq!(stale.stdout, "off\ton\t2025-06-01\toverride\t\ton\t\t\n", "{}", stale.stderr,);
    // The log does not have the other override.
    assert!(stale.stderr.contains("since an unknown date"), "{}", stale.stderr);
}

#[test]
fn what_no_instance_evaluates_is_listed() {
    let server = Server::start();
    let usage = |flag: &str, noted: &str| {
        server.cli(&["HSET", "{feature_flags}:usage", flag, noted]);
    };
    server.cli(&["HSET", "feature_flags", "never", "{}", "long_ago", "{}", "lately", "{}"]);
    usage("never", r#"{"known":1748736000}"#);
    usage("long_ago", r#"{"known":1748736000,"evaluated":1748822400}"#);
    usage("lately", r#"{"known":1748736000,"evaluated":99999999999}"#);

    let stale = ran(&mut on(&server, &["stale", "--file", "later.toml"]));

    let lines: Vec<_> = stale.stdout.lines().filter(|line| line.contains("unevaluated")).collect();
    assert_eq!(
        lines,
        [
            "long_ago\tunevaluated\t2025-06-02\tinstances\t\ton\t\t",
            "never\tunevaluated\t2025-06-01\tinstances\t\ton\t\t",
        ],
        "{}",
        stale.stderr,
    );
}

#[test]
fn a_flag_that_others_need_is_not_stale() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.toml");
    let of = |needing: &str| {
        let text = format!(
            "[flags.old]\nexpires = 2025-01-01\ncreated = 2024-01-01\n\n[flags.needs]\npercentage = 10\n{needing}\n"
        );
        fs::write(&file, text).unwrap();
        ran(flagstaff(&["stale", "-o", "tsv", "--file"]).arg(&file))
    };

    assert!(of("").stdout.contains("old\texpired"), "{}", of("").stdout);
    for needing in [
        "requires = [\"old\"]",
        "requires = [{ flag = \"old\", on = false }]",
        "rules = [{ when = { not = { flag = \"old\" } }, serve = true }]",
        "rules = [{ unless = { segment = \"s\" }, serve = true }]\n[segments.s]\nwhen = { flag = \"old\" }",
    ] {
        let found = of(needing);
        assert_eq!(
            (found.code, &*found.stdout),
            (ExitCode::Done, ""),
            "{needing}: {}",
            found.stderr
        );
    }
}
