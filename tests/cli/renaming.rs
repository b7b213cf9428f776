//! Flags that are created, renamed and deleted.

use std::{fs, path::PathBuf};

use flagstaff::{
    cli::ExitCode::{self, Changed, Done, Refused},
    definition::FlagsFile,
};
use serde_json::Value;

use crate::{
    command::{Ran, flagstaff, on, ran},
    server::Server,
};

const TEXT: &str = "\
[flags]
banner = true

[flags.checkout]
percentage = 10

[flags.gifts]
requires = [\"checkout\"]
";

/// A flag file in a directory of its own, and a server.
struct Shop {
    directory: tempfile::TempDir,
    server: Server,
}

impl Shop {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("flags.toml"), TEXT).unwrap();
        Self { directory, server: Server::start() }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(on(&self.server, arguments).current_dir(&self.directory))
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("flags.toml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn stored(&self, flag: &str) -> String {
        self.server.cli(&["HGET", "feature_flags", flag])
    }

    fn store(&self, flag: &str, value: &str) {
        self.server.cli(&["HSET", "feature_flags", flag, value]);
    }
}

fn assert_ends(ran: &Ran, code: ExitCode) {
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_rename_takes_the_override_along_and_undo_brings_it_back() {
    let shop = Shop::new();
    shop.store("checkout", r#"{"percentage":25}"#);

    assert_ends(&shop.run(&["rename", "checkout", "cart", "-m", "shorter", "--by", "ana"]), Done);

    assert!(shop.text().contains("[flags.cart]\npercentage = 10\nsalt = \"checkout\"\n"));
    assert_eq!((&*shop.stored("checkout"), &*shop.stored("cart")), ("", r#"{"percentage":25}"#));
    let history = shop.run(&["history"]);
    assert_ends(&history, Done);
    let history = history.stdout;
    assert!(history.contains("renamed to cart: shorter"), "{history}");
    assert!(history.contains("renamed from checkout: shorter"), "{history}");

    let undo = shop.run(&["undo", "2", "--dry-run"]);
    assert_ends(&undo, Done);
    assert!(undo.stdout.contains("checkout 25%") && undo.stdout.contains("cart 10%"), "{undo:?}");
    assert_eq!(shop.stored("checkout"), "");
    // Either half will do.
    assert_ends(&shop.run(&["undo", "1"]), Done);
    assert_eq!((&*shop.stored("checkout"), &*shop.stored("cart")), (r#"{"percentage":25}"#, ""));
}

#[test]
fn a_rename_is_not_undone_once_the_override_was_changed() {
    let shop = Shop::new();
    shop.store("checkout", "1");
    assert_ends(&shop.run(&["rename", "checkout", "cart"]), Done);
    shop.store("cart", "0");

    assert_ends(&shop.run(&["undo", "2", "--dry-run"]), Changed);
    assert_ends(&shop.run(&["undo", "2"]), Changed);

    assert_eq!((&*shop.stored("checkout"), &*shop.stored("cart")), ("", "0"));
}

#[test]
fn an_override_that_cannot_be_read_is_renamed_all_the_same() {
    let shop = Shop::new();
    shop.store("checkout", "{torn");

    assert_ends(&shop.run(&["rename", "checkout", "cart"]), Done);

    assert_eq!((&*shop.stored("checkout"), &*shop.stored("cart")), ("", "{torn"));
    let undo = shop.run(&["undo", "2"]);
    assert_ends(&undo, Refused);
    assert!(undo.stderr.contains("`flagstaff rename --finish cart checkout`"), "{}", undo.stderr);
}

#[test]
fn a_dry_run_of_a_rename_changes_nothing() {
    let shop = Shop::new();
    shop.store("checkout", "1");

    let dry = shop.run(&["rename", "checkout", "cart", "--dry-run", "-o", "json"]);

    assert_ends(&dry, Done);
    let json: Value = serde_json::from_str(&dry.stdout).unwrap();
    assert_eq!((&json["dryRun"], &json["override"]), (&true.into(), &"moved".into()));
    assert_eq!((shop.text().as_str(), &*shop.stored("checkout")), (TEXT, "1"));
}

#[test]
fn a_name_that_any_source_has_is_not_taken() {
    let shop = Shop::new();
    shop.store("ghost", "{torn");

    for (command, new) in [
        (&["rename", "checkout"][..], "banner"),
        (&["rename", "checkout"], "ghost"),
        (&["create"], "ghost"),
    ] {
        let refused = shop.run(&[command, &[new]].concat());
        assert_ends(&refused, Refused);
        assert!(refused.stderr.contains("already"), "{}", refused.stderr);
    }
    let create = ["create", "variable", "--env-prefix", "FEATURE_"];
    let refused =
        ran(on(&shop.server, &create).current_dir(&shop.directory).env("FEATURE_VARIABLE", "1"));
    assert_ends(&refused, Refused);
    assert_eq!(shop.text(), TEXT);
}

#[test]
fn an_override_of_another_flag_that_names_it_comes_first() {
    let shop = Shop::new();
    shop.store("banner", r#"{"requires":["checkout"]}"#);

    let renamed = shop.run(&["rename", "checkout", "cart"]);
    assert_ends(&renamed, Refused);
    assert!(renamed.stderr.contains("the override of `banner`"), "{}", renamed.stderr);
    assert!(renamed.stderr.contains("`flagstaff promote banner`"), "{}", renamed.stderr);
    let deleted = shop.run(&["delete", "gifts", "--no-refs"]);
    assert_ends(&deleted, Done);
    let deleted = shop.run(&["delete", "checkout"]);
    assert_ends(&deleted, Refused);
    assert!(deleted.stdout.contains("checkout\tflag\tbanner"), "{}", deleted.stdout);
}

/// The file has it plainly on, and the override draws.
#[test]
fn a_flag_is_salted_for_its_override_too() {
    let shop = Shop::new();
    shop.store("banner", r#"{"percentage":25}"#);
    let on = |flag: &str| -> Vec<bool> {
        let user = |number: usize| {
            let user = format!("u{number}");
            shop.run(&["is-on", flag, "--user", &user]).code == Done
        };
        (1..40).map(user).collect()
    };
    let before = on("banner");

    assert_ends(&shop.run(&["rename", "banner", "hero"]), Done);

    assert!(
        shop.text().contains(r#"hero = { enabled = true, salt = "banner" }"#),
        "{}",
        shop.text()
    );
    assert_eq!(on("hero"), before);
}

#[test]
fn an_override_stays_for_instances_that_ask_for_the_old_name() {
    let shop = Shop::new();
    shop.store("checkout", "1");
    let announce = |digest: Value| {
        let now = shop.server.cli(&["TIME"]);
        let now: u64 = now.lines().next().unwrap().parse().unwrap();
        let told = serde_json::json!({
            "generation": 1, "revision": null, "file": null, "at": now,
            "declared": { "checkout": digest },
        });
        shop.server.cli(&["HSET", "{feature_flags}:instances", "web-1", &told.to_string()]);
    };
    announce("0123456789abcdef".into());

    let renamed = shop.run(&["rename", "checkout", "cart"]);

    assert_ends(&renamed, Done);
    assert!(renamed.stderr.contains("web-1"), "{}", renamed.stderr);
    assert_eq!((&*shop.stored("checkout"), &*shop.stored("cart")), ("1", "1"));
    let early = shop.run(&["rename", "--finish", "checkout", "cart"]);
    assert_ends(&early, Refused);
    announce(Value::Null);
    assert_ends(&shop.run(&["rename", "--finish", "checkout", "cart"]), Done);
    assert_eq!((&*shop.stored("checkout"), &*shop.stored("cart")), ("", "1"));
}

#[test]
fn a_store_that_refuses_leaves_a_way_to_finish() {
    let shop = Shop::new();
    shop.store("checkout", "1");
    let rights = "~{feature_flags}:instances %R~feature_flags %R~{feature_flags}:log -@all +hget +hgetall +hlen +hkeys +hstrlen +ping +xrevrange +time +evalsha +eval +script|load +client|tracking";
    let user = ["ACL", "SETUSER", "reader", "on", ">secret"];
    shop.server.cli(&user.into_iter().chain(rights.split(' ')).collect::<Vec<_>>());
    let url = shop.server.url().replace("redis://", "redis://reader:secret@");

    let renamed = ran(flagstaff(&["rename", "checkout", "cart"])
        .current_dir(&shop.directory)
        .env("REDIS_URL", url));

    assert_ends(&renamed, Refused);
    assert!(
        renamed.stderr.contains("flagstaff rename --finish checkout cart"),
        "{}",
        renamed.stderr
    );
    assert!(shop.text().contains("[flags.cart]"));
    assert_eq!(shop.stored("checkout"), "1");
    assert_ends(&shop.run(&["rename", "--finish", "checkout", "cart"]), Done);
    assert_eq!(shop.stored("cart"), "1");
}

#[test]
fn nothing_is_written_where_the_file_is_read_only_or_its_tests_would_fail() {
    let shop = Shop::new();
    shop.store("checkout", "1");
    let set_readonly = |is: bool| {
        let mut permissions = fs::metadata(shop.path()).unwrap().permissions();
        permissions.set_readonly(is);
        fs::set_permissions(shop.path(), permissions).unwrap();
    };
    set_readonly(true);
    for command in [&["rename", "checkout", "cart"][..], &["create", "fresh"], &["delete", "gifts"]]
    {
        let refused = shop.run(command);
        assert_ends(&refused, Refused);
        assert!(refused.stderr.contains("cannot write `flags.toml`"), "{}", refused.stderr);
    }
    set_readonly(false);
    assert_eq!((shop.text().as_str(), &*shop.stored("checkout")), (TEXT, "1"));
}

#[test]
fn code_that_names_a_flag_keeps_it_and_comments_do_not() {
    let shop = Shop::new();
    let write = |path: &str, text: &str| fs::write(shop.directory.path().join(path), text).unwrap();
    write("notes.md", "`gifts` are off\n");
    write("shop.py", "# `gifts` went\n");
    assert_ends(&shop.run(&["delete", "gifts", "--dry-run"]), Done);
    write("shop.py", "is_enabled('gifts')\n");

    let kept = shop.run(&["delete", "gifts"]);

    assert_ends(&kept, Refused);
    assert_eq!(kept.stdout, "gifts\tcode\tshop.py:1:13\tis_enabled('gifts')\n");
    assert_ends(&shop.run(&["delete", "gifts", "--force"]), Done);
    assert!(!shop.text().contains("gifts"));
}

#[test]
fn a_deleted_flag_takes_its_override_along_when_told() {
    let shop = Shop::new();
    shop.store("gifts", "0");

    let kept = shop.run(&["delete", "gifts"]);
    assert_ends(&kept, Refused);
    assert_eq!((shop.text().as_str(), &*shop.stored("gifts")), (TEXT, "0"));
    assert_ends(&shop.run(&["delete", "gifts", "--with-override", "-m", "done"]), Done);

    assert_eq!(shop.stored("gifts"), "");
    assert!(!shop.text().contains("gifts"));
    assert!(shop.run(&["history", "gifts"]).stdout.contains("done"));
}

#[test]
fn git_brings_a_deleted_flag_back() {
    let shop = Shop::new();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=ana", "-c", "user.email=ana@example.org"];
        let mut git = std::process::Command::new("git");
        let done = git.args(identity).args(arguments).current_dir(&shop.directory).output();
        assert!(done.unwrap().status.success(), "{arguments:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "flags"]);

    let deleted = shop.run(&["delete", "gifts"]);

    assert!(deleted.stderr.contains("back with: git restore flags.toml"), "{}", deleted.stderr);
    git(&["restore", "flags.toml"]);
    assert_eq!(shop.text(), TEXT);
}

#[test]
fn a_created_flag_is_off_and_passes_the_lint() {
    let shop = Shop::new();

    let created = shop.run(&["create", "one_page", "--owner", "web", "--expires", "+90d"]);

    assert_ends(&created, Done);
    assert_eq!(created.stdout, "one_page off\n");
    assert!(created.stderr.contains("flags.is_enabled(\"one_page\", &context)"));
    let file = FlagsFile::parse("flags.toml", &shop.text());
    assert!(file.diagnostics().is_empty(), "{}", file.diagnostics());
    let format = ran(flagstaff(&["fmt", "--check"]).current_dir(&shop.directory));
    assert_ends(&format, Done);
    assert_ends(&ran(flagstaff(&["lint"]).current_dir(&shop.directory)), Done);
}

#[test]
fn a_created_flag_is_on_for_no_more_users_than_was_asked_for() {
    let shop = Shop::new();
    for (settings, state) in [
        (&["tags=web"][..], "off"),
        (&["denied_groups=partners"], "off"),
        (&["requires=banner"], "off"),
        (&["allowed_groups=staff"], "0%, 1 allowed"),
        (&["--percentage", "5"], "5%"),
        (&["--on"], "on"),
        (&["enabled=false", "percentage=5"], "off"),
        (&["variants.a=1", "variants.b=1"], "100%, 2 variants"),
    ] {
        let created = shop.run(&[&["create", "fresh", "--dry-run"], settings].concat());

        assert_ends(&created, Done);
        assert_eq!(created.stdout, format!("fresh {state}\n"), "{settings:?}");
    }
}

#[test]
fn globs_name_flags_after_the_names_themselves() {
    let shop = Shop::new();
    fs::write(shop.path(), "[flags]\nab = true\nabc = false\n\"a*\" = false\nb = { owner = 1 }\n")
        .unwrap();
    shop.store("torn", "{torn");
    let names = |arguments: &[&str]| -> Vec<String> {
        let ran = shop.run(&[&["eval"], arguments].concat());
        ran.stdout.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    };

    assert_eq!(names(&["a*"]), ["a*"]);
    assert_eq!(names(&["a?", "ab*"]), ["a*", "ab", "abc"]);
    assert_eq!(names(&["{ab,b}"]), ["ab", "b"]);
    let all = shop.run(&["eval", "--all"]);
    assert_ends(&all, ExitCode::Usage);
    let errors: Vec<_> = all.stdout.lines().filter(|line| line.ends_with("PARSE_ERROR")).collect();
    assert_eq!(errors.len(), 2, "the rejected and the unreadable flag: {}", all.stdout);
}

#[test]
fn a_flag_is_renamed_and_deleted_in_all_environments_whichever_is_chosen() {
    let shop = Shop::new();
    let environments = "\n[environments.staging]\ngifts = \"25%\"\n\n[environments.production.gifts]\nowner = \"web\"\n";
    fs::write(shop.path(), TEXT.to_owned() + environments).unwrap();

    let renamed = shop.run(&["rename", "gifts", "cards", "--environment", "staging"]);
    assert_ends(&renamed, Done);
    assert_eq!(shop.text().matches("cards").count(), 3, "{}", shop.text());
    assert!(!shop.text().contains("gifts =") && shop.text().contains("salt = \"gifts\""));

    assert_ends(&shop.run(&["delete", "cards", "--environment", "staging"]), Done);
    assert!(!shop.text().contains("cards"), "{}", shop.text());
}
