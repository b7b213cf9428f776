//! Flags that are created, renamed and deleted.

use std::{
    fs, io,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use flagstaff::{
    cli::ExitCode::{self, Changed, Done, Refused},
    definition::{Field, FlagsFile},
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

    /// Runs the command as a user of the server with these rights.
    fn run_with(&self, rights: &str, arguments: &[&str]) -> Ran {
        let user = ["ACL", "SETUSER", "user", "reset", "on", ">secret"];
        self.server.cli(&user.into_iter().chain(rights.split(' ')).collect::<Vec<_>>());
        let url = self.server.url().replace("redis://", "redis://user:secret@");
        ran(flagstaff(arguments).current_dir(&self.directory).env("REDIS_URL", url))
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
    // Undoing either half of the rename undoes both.
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
    // Only an override can be promoted.
    assert!(!refused.stderr.contains("promote"), "{}", refused.stderr);
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

#[test]
fn a_renamed_flag_draws_the_users_that_it_drew() {
    let shop = Shop::new();
    fs::write(shop.path(), "[flags.checkout]\npercentage = 50\n").unwrap();
    let on = |flag: &str| -> Vec<bool> {
        let user = |number: usize| {
            let user = format!("u{number}");
            shop.run(&["is-on", flag, "--user", &user, "--no-redis"]).code == Done
        };
        (1..40).map(user).collect()
    };
    let before = on("checkout");

    assert_ends(&shop.run(&["rename", "checkout", "cart"]), Done);

    assert_eq!(on("cart"), before);
    fs::write(shop.path(), shop.text().replace("salt = \"checkout\"\n", "")).unwrap();
    assert_ne!(on("cart"), before, "without the salt, others are drawn");
}

/// The override removes the salt that the rename adds to the file.
#[test]
fn a_rename_that_would_move_a_user_is_refused_and_changes_nothing() {
    let shop = Shop::new();
    let stored = r#"{"percentage":25,"salt":null}"#;
    shop.store("checkout", stored);

    let refused = shop.run(&["rename", "checkout", "cart"]);

    assert_ends(&refused, Refused);
    assert!(
        refused.stderr.contains("`checkout` would have another answer for some users"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("`flagstaff set checkout 'salt=checkout'`"),
        "{}",
        refused.stderr
    );
    assert_eq!((shop.text().as_str(), &*shop.stored("checkout")), (TEXT, stored));
}

#[test]
fn a_rename_warns_of_the_variable_that_keeps_the_old_name() {
    let shop = Shop::new();
    let rename = ["rename", "checkout", "cart", "--env-prefix", "FLAGSTAFF_TEST_", "--dry-run"];
    let mut rename = on(&shop.server, &rename);
    rename.current_dir(&shop.directory);

    let silent = ran(&mut rename);
    let warned = ran(rename.env("FLAGSTAFF_TEST_CHECKOUT", "1"));

    assert!(!silent.stderr.contains("environment variable"), "{}", silent.stderr);
    assert_ends(&warned, Done);
    assert!(
        warned.stderr.contains(
            "warning: an environment variable decides about `checkout` and keeps its name: rename it for `cart` where the new file is deployed"
        ),
        "{}",
        warned.stderr
    );
}

/// Passes connections on to a server, and saves the file each time, as another user may do between the moments at which a
/// command reads the file and writes it.
fn saved_meanwhile(shop: &Shop) -> (u16, impl Fn() -> usize + use<>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (server, path) = (shop.server.port(), shop.path());
    let saves = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&saves);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, number) =
                (client.unwrap(), counted.fetch_add(1, Ordering::SeqCst) + 1);
            fs::write(&path, format!("{TEXT}# save {number}\n")).unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", server)).unwrap();
            let (mut answers, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut answers, &mut to));
            thread::spawn(move || io::copy(&mut client, &mut server));
        }
    });
    (port, move || saves.load(Ordering::SeqCst))
}

#[test]
fn a_file_that_is_saved_meanwhile_is_never_overwritten() {
    for command in [
        &["rename", "checkout", "cart"][..],
        &["delete", "gifts"],
        &["create", "fresh"],
        &["set", "checkout", "percentage=50", "--source", "file"],
        &["enable", "checkout", "--source", "file"],
        &["unset", "gifts", "--source", "file"],
        &["promote", "banner"],
    ] {
        let shop = Shop::new();
        shop.store("banner", "0");
        let (port, saves) = saved_meanwhile(&shop);
        let url = format!("redis://127.0.0.1:{port}");
        let command = [command, &["--redis", &url, "--yes"]].concat();

        let refused = ran(flagstaff(&command).current_dir(&shop.directory));

        assert_eq!(refused.code, Changed, "{command:?}: {}", refused.stderr);
        assert!(
            refused.stderr.contains("was changed since it was read\nhint: nothing was written"),
            "{command:?}: {}",
            refused.stderr
        );
        assert_eq!(shop.text(), format!("{TEXT}# save {}\n", saves()), "{command:?}");
        assert_eq!(shop.stored("banner"), "0", "{command:?}");
    }
}

#[test]
fn a_flag_of_several_files_is_renamed_and_deleted_in_all() {
    let shop = Shop::new();
    let over = shop.directory.path().join("over.toml");
    let text =
        "[flags.checkout] # ours\nowner = \"web\"\n\n[flags.cards]\nrequires = [\"checkout\"]\n";
    fs::write(&over, text).unwrap();
    let files = ["--file", "flags.toml", "--file", "over.toml"];

    assert_ends(&shop.run(&[&["rename", "checkout", "cart"], &files[..]].concat()), Done);

    // The salt is in the weakest file.
    assert_eq!(fs::read_to_string(&over).unwrap(), text.replace("checkout", "cart"));
    let salted = TEXT.replace("checkout", "cart").replace("= 10\n", "= 10\nsalt = \"checkout\"\n");
    assert_eq!(shop.text(), salted);

    let needed = shop.run(&[&["delete", "cart"], &files[..]].concat());
    assert_ends(&needed, Refused);
    assert_eq!(needed.stdout, "cart\tflag\tcards\t\ncart\tflag\tgifts\t\n");
    assert_ends(&shop.run(&[&["delete", "cart", "--force"], &files[..]].concat()), Done);
    assert_eq!(fs::read_to_string(&over).unwrap(), "[flags.cards]\nrequires = [\"cart\"]\n");
    assert!(!shop.text().contains("[flags.cart]"), "{}", shop.text());
}

/// Parts of a file that name the flag `e`, and the row of `delete` for each.
const NAMING: &[(&str, &str)] = &[
    ("[flags.a]\nrequires = [\"e\"]\n", "flag\ta"),
    ("[flags.a]\nrequires = [{ flag = \"e\", on = false }]\n", "flag\ta"),
    ("[flags.a]\nrequires = [{ flag = \"e\", variant = \"x\" }]\nbogus = 1\n", "flag\ta"),
    ("[flags.a]\nrules = [{ when = { flag = \"e\" }, serve = true }]\n", "flag\ta"),
    ("[flags.a]\nrules = [{ when = { flag = [\"a2\", \"e\"] }, serve = true }]\n", "flag\ta"),
    (
        "[flags.a]\nrules = [{ when = { flag = { flag = \"e\", on = false } }, serve = true }]\n",
        "flag\ta",
    ),
    ("[flags.a]\nrules = [{ unless = { flag = \"e\" }, serve = true }]\n", "flag\ta"),
    ("[flags.a]\nrules = [{ when = { unless = { flag = \"e\" } }, serve = true }]\n", "flag\ta"),
    (
        "[flags.a]\nrules = [{ when = { any = [{ all = [{ not = { flag = 'e' } }] }] }, serve = true }]\n",
        "flag\ta",
    ),
    ("[segments.s]\nwhen = { flag = \"e\" }\n", "segment\ts"),
    ("[segments.s]\nunless = { any = [{ flag = \"e\" }] }\n", "segment\ts"),
    ("[segments.s]\nwhen = { flag = \"e\" }\nbogus = 1\n", "segment\ts"),
    (
        "[flags.a]\npercentage = 300\nrules = [{ when = { segment = \"s\" }, serve = true }]\n\
         [segments.s]\nwhen = { flag = \"e\" }\n",
        "segment\ts",
    ),
    ("[environments.p.a]\nrequires = [\"e\"]\n", "flag\ta"),
    ("[environments.p.a]\nrequires = [\"e\"]\nbogus = 1\n", "flag\ta"),
    ("[environments.p.a]\nrules = [{ when = { flag = \"e\" }, serve = true }]\n", "flag\ta"),
    // Mistakes: the flag is needed again once they are fixed.
    ("[flags.a]\nrequires = \"e\"\n", "flag\ta"),
    ("[flags.a]\nrules = { when = { flag = \"e\" }, serve = true }\n", "flag\ta"),
    ("[flags.a]\nrules = [{ when = [{ flag = \"e\" }], serve = true }]\n", "flag\ta"),
    ("[flags.a]\nwhen = { flag = \"e\" }\n", "flag\ta"),
];

/// Strings and keys that are equal to the name of the flag, and name something else.
const NOT_NAMING: &str = "[flags.o]\nowner = \"e\"\ndescription = \"e\"\ntags = [\"e\"]\nsalt = \"e\"\n\
    bucket_by = \"e\"\ndenied_users = [\"e\"]\nallowed_groups = [\"e\"]\nvariants = { e = 1, f = 1 }\n\
    metadata = { e = \"e\" }\nrules = [{ name = \"e\", when = { e = \"e\", attributes = { flag = \"e\" } }, serve = \"e\" }]\n\
    [[flags.o.tests]]\nname = \"e\"\nuser = \"e\"\ngroups = [\"e\"]\nattributes = { e = \"e\" }\nexpect = { variant = \"e\" }\n\
    [segments.e]\nwhen = { plan = \"e\" }\n[environments.e]\no = { owner = \"e\" }\n";

#[test]
fn whatever_names_a_flag_keeps_it_and_is_renamed_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    let run = |arguments: &[&str]| {
        ran(flagstaff(arguments).current_dir(directory.path()).arg("--no-redis"))
    };
    let lower = "[flags]\ne = true\na2 = true\n";

    for (naming, by) in NAMING {
        let renamed = naming.replace("\"e\"", "\"z\"").replace("'e'", "'z'");
        for (files, written, is_one) in [
            (&["-f", "one"][..], "one", true),
            (&["-f", "lo", "-f", "up"], "up", false),
            (&["-f", "up", "-f", "lo"], "up", false),
        ] {
            let above = if is_one { lower } else { "[flags]\n" };
            write("lo", lower);
            write(written, &format!("{above}{naming}"));

            let deleted = run(&[files, &["delete", "e", "--no-refs"]].concat());
            assert_ends(&deleted, Refused);
            let expected = format!("e\t{by}\t");
            assert!(deleted.stdout.contains(&expected), "{naming}: {}", deleted.stdout);
            assert_eq!(read(written), format!("{above}{naming}"));
            assert_ends(&run(&[files, &["rename", "e", "z", "--no-refs"]].concat()), Done);

            let above = above.replace("e = ", "z = ");
            assert_eq!(read(written), format!("{above}{renamed}"), "{naming}");
            let forced = run(&[files, &["delete", "z", "--no-refs", "--force"]].concat());
            assert_ends(&forced, Done);
            let name = by.split('\t').nth(1).unwrap();
            assert!(forced.stderr.contains(&format!("`{name}` ")), "{naming}: {}", forced.stderr);
        }
    }
    write("one", &format!("{lower}{NOT_NAMING}"));
    assert_ends(&run(&["-f", "one", "rename", "e", "z", "--no-refs"]), Done);
    assert_eq!(read("one"), format!("{}{NOT_NAMING}", lower.replace("e = t", "z = t")));
    assert_ends(&run(&["-f", "one", "delete", "z", "--no-refs"]), Done);
}

/// The rejected flags require the flag, so they need it again once their mistakes are fixed.
#[test]
fn rejected_flags_keep_a_flag_and_are_renamed_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let lower = "[flags]\ne = true\n";
    let upper = "[flags.pre]\nrequires = [\"e\"]\nbogus = 1\n\n[flags.pre2]\npercentage = 300\n\n\
                 [[flags.pre2.rules]]\nwhen = { flag = \"e\" }\nserve = true\n\n\
                 [environments.s.q]\nrequires = [\"e\"]\ntypo = 2\n";
    fs::write(path("lo.toml"), lower).unwrap();
    fs::write(path("up.toml"), upper).unwrap();
    fs::write(path("one.toml"), format!("{lower}\n{upper}")).unwrap();
    let run = |arguments: &[&str]| {
        ran(flagstaff(arguments).current_dir(directory.path()).arg("--no-redis"))
    };

    for files in [&["-f", "one.toml"][..], &["-f", "lo.toml", "-f", "up.toml"]] {
        let deleted = run(&[files, &["delete", "e", "--yes"]].concat());
        assert_ends(&deleted, Refused);
        for flag in ["pre", "pre2", "q"] {
            assert!(deleted.stdout.contains(&format!("flag\t{flag}\t")), "{}", deleted.stdout);
        }
        assert_ends(&run(&[files, &["rename", "e", "renamed", "--yes"]].concat()), Done);
    }

    for name in ["one.toml", "up.toml"] {
        let text = fs::read_to_string(path(name)).unwrap();
        assert_eq!(text.matches("\"renamed\"").count(), 3, "{name}: {text}");
    }
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
fn a_store_that_refuses_a_rename_leaves_the_file_and_the_override() {
    let shop = Shop::new();
    shop.store("checkout", "1");
    let rename = ["rename", "checkout", "cart"];
    let reader = "~{feature_flags}:instances %R~feature_flags %R~{feature_flags}:log -@all +hget +hgetall +hlen +hkeys +hstrlen +ping +xrevrange +time +evalsha +eval +script|load +client|tracking";

    for rights in [reader, "~* +@all -xadd"] {
        let renamed = shop.run_with(rights, &rename);

        assert_ends(&renamed, Refused);
        let hint = "hint: nothing was changed, neither the file nor the store";
        assert!(renamed.stderr.contains(hint), "{rights}: {}", renamed.stderr);
        assert_eq!(shop.text(), TEXT, "{rights}");
        assert_eq!((&*shop.stored("checkout"), &*shop.stored("cart")), ("1", ""), "{rights}");
    }

    // The largest number that a log can have, so that no entry can follow.
    let full = "18446744073709551615-18446744073709551615";
    shop.server.cli(&["XADD", "{feature_flags}:log", full, "flag", "x"]);
    let renamed = shop.run(&rename);
    assert_ends(&renamed, Refused);
    assert_eq!((shop.text().as_str(), &*shop.stored("cart")), (TEXT, ""), "{renamed:?}");
}

/// The override that is left over keeps the flag off, whatever the file had.
#[test]
fn a_store_that_refuses_a_deletion_keeps_the_flag_off() {
    let shop = Shop::new();
    shop.store("banner", "0");

    let deleted =
        shop.run_with("~* +@all -xadd", &["delete", "banner", "--with-override", "--no-refs"]);

    assert_ends(&deleted, Refused);
    assert!(deleted.stderr.contains("`flagstaff unset banner` removes"), "{}", deleted.stderr);
    assert!(!shop.text().contains("banner"));
    assert_eq!(shop.stored("banner"), "0");
    assert_ne!(shop.run(&["is-on", "banner", "--user", "u"]).code, Done);
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_override_under_both_names() {
    let shop = Shop::new();
    shop.store("checkout", "0");
    let (port, _) = saved_meanwhile(&shop);
    let url = format!("redis://127.0.0.1:{port}");

    let renamed =
        ran(flagstaff(&["rename", "checkout", "cart", "--redis", &url])
            .current_dir(&shop.directory));

    assert_ends(&renamed, Changed);
    assert_eq!((&*shop.stored("checkout"), &*shop.stored("cart")), ("0", "0"));
    assert!(renamed.stderr.contains("remove that with: flagstaff undo 1"), "{}", renamed.stderr);
    assert_ends(&shop.run(&["undo", "1"]), Done);
    assert_eq!((&*shop.stored("checkout"), &*shop.stored("cart")), ("0", ""));
}

#[test]
fn a_name_that_anything_names_already_is_not_taken() {
    let rare = "rules = [ { when = { flag = \"z\", email = { matches = \"^x{3,9}@corp[.]example$\" } }, serve = true } ]";
    let later =
        "rules = [ { when = { flag = \"z\" }, serve = true } ]\nactive = { from = 2999-01-01 }";
    let switched = r#"{"rules":[{"when":{"flag":"z"},"serve":true}],"force":true,"override":{"force_until":"2999-01-01T00:00:00Z"}}"#;
    for (settings, stored, place) in [
        (&*format!("percentage = 0\n{rare}"), None, "flags.toml:6:29 (flag `p`)"),
        (later, None, "flags.toml:5:29 (flag `p`)"),
        ("enabled = false\nrequires = [\"z\"]", None, "flags.toml:6:13 (flag `p`)"),
        (
            "percentage = 0\n\n[segments.s]\nwhen = { flag = \"z\" }",
            None,
            "flags.toml:8:17 (segment `s`)",
        ),
        (
            "percentage = 0\n\n[environments.e]\nq = { requires = [\"z\"] }",
            None,
            "flags.toml:8:19 (flag `q`)",
        ),
        (
            "percentage = 0",
            Some(r#"{"enabled":false,"requires":["z"]}"#),
            "the override of `p` in source `redis`",
        ),
        ("percentage = 0", Some(switched), "the override of `p` in source `redis`"),
    ] {
        let shop = Shop::new();
        let text = format!("[flags]\na = true\n\n[flags.p]\n{settings}\n");
        fs::write(shop.path(), &text).unwrap();
        if let Some(stored) = stored {
            shop.store("p", stored);
        }

        let renamed = shop.run(&["rename", "a", "z", "--no-refs"]);

        assert_ends(&renamed, Refused);
        let error = format!("`z` is named already, and no flag has that name: {place}\n");
        assert!(renamed.stderr.contains(&error), "{}", renamed.stderr);
        assert_eq!(shop.text(), text);
        let created = shop.run(&["create", "z"]);
        assert_ends(&created, Done);
        let warning = format!(
            "warning: `z` is named already, and counts there once it is created: {place}\n"
        );
        assert!(created.stderr.contains(&warning), "{}", created.stderr);
    }
}

#[test]
fn a_new_name_against_the_convention_is_pointed_out() {
    let shop = Shop::new();

    for command in [&["rename", "banner", "b c"][..], &["create", "b c"]] {
        let dry = shop.run(&[command, &["--dry-run"]].concat());

        assert_ends(&dry, Done);
        let warning = "warning: flag `b c` is not in snake_case\nhint: in snake_case it is `b_c`\n";
        assert!(dry.stderr.contains(warning), "{command:?}: {}", dry.stderr);
    }
    let usual = shop.run(&["rename", "banner", "b_c", "--dry-run"]);
    assert!(!usual.stderr.contains("snake_case"), "{}", usual.stderr);
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
fn a_deleted_flag_takes_its_override_along_by_option() {
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

/// Without the file, the override would serve no variant of the flag.
#[test]
fn a_flag_is_deleted_without_warnings_about_an_override_that_is_right() {
    let shop = Shop::new();
    fs::write(shop.path(), "[flags.theme]\nvariants = { light = 1, dark = 1 }\n").unwrap();
    shop.store("theme", r#"{"serve":"dark"}"#);

    let deleted = shop.run(&["delete", "theme", "--no-refs", "--with-override"]);

    assert_ends(&deleted, Done);
    assert!(!deleted.stderr.contains("warning"), "{}", deleted.stderr);
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

    assert!(deleted.stderr.contains("restore with: git restore flags.toml"), "{}", deleted.stderr);
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
        (&["variants.a=1", "variants.b=1"], "off"),
        (&["variants.a=1", "variants.b=1", "serve=a"], "off"),
        (&["variants.a=1", "variants.b=1", "--percentage", "5"], "5%, 2 variants"),
        (&["variants.a=1", "variants.b=1", "--on"], "100%, 2 variants"),
        (&["value=3"], "off"),
        (&["value=3", "enabled=true"], "on"),
        (&[r#"rules=[{"when":{"plan":"pro"},"serve":true}]"#], "0%, 1 rule"),
        (&[r#"rules=[{"when":{"plan":"pro"},"serve":true}]"#, "percentage=5"], "5%, 1 rule"),
    ] {
        let created = shop.run(&[&["create", "fresh", "--dry-run"], settings].concat());

        assert_ends(&created, Done);
        assert_eq!(created.stdout, format!("fresh {state}\n"), "{settings:?}");
    }
}

#[test]
fn a_flag_is_not_created_with_a_removal_of_a_setting() {
    let shop = Shop::new();
    let before = shop.text();

    for field in Field::ALL {
        let name = field.as_str();
        for removal in [format!("{name}-"), format!("{name}=null")] {
            for other in [None, Some("--on"), Some("tags=web")] {
                let other = other.filter(|other| !other.starts_with(name));
                let arguments = ["create", "fresh", &removal].into_iter().chain(other);

                let created = shop.run(&arguments.collect::<Vec<_>>());

                assert_ends(&created, ExitCode::Usage);
                assert!(created.stdout.is_empty(), "{removal}: {}", created.stdout);
                assert_eq!(shop.text(), before, "{removal}");
            }
        }
    }
}

#[test]
fn a_created_constant_is_asked_for_with_its_type() {
    let shop = Shop::new();
    for (value, question) in
        [("50", "integer"), ("7.5", "float"), ("x", "string"), ("[1]", "value")]
    {
        let created = shop.run(&["create", "fresh", &format!("value={value}"), "--dry-run"]);

        let hint = format!("flags.{question}(\"fresh\", &context, default)");
        assert!(created.stderr.contains(&hint), "{}", created.stderr);
    }
}

/// Without an option or a setting that switches the flag on, no other setting does.
#[test]
fn each_setting_alone_creates_a_flag_that_is_off_for_users_it_does_not_name() {
    let shop = Shop::new();
    let user = ["is-on", "fresh", "--user", "zed", "--no-redis"];

    for field in Field::ALL {
        let (name, example) = (field.as_str(), field.example());
        fs::write(shop.path(), TEXT).unwrap();
        let created = shop.run(&["create", "fresh", &format!("{name}={example}")]);
        let removed = shop.run(&["create", "second", &format!("{name}-=x")]);

        let asked = ["value", "serve", "off", "traffic", "stale_after", "on_stale"];
        if created.code == Done && !asked.contains(&name) {
            assert_ends(&shop.run(&user), ExitCode::No);
        }
        if removed.code == Done {
            let second = ["is-on", "second", "--user", "zed", "--no-redis"];
            assert_ends(&shop.run(&second), ExitCode::No);
        }
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
    let all = shop.run(&["eval"]);
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

    // The deletion would remove the flag from the other environments, too.
    let refused = shop.run(&["delete", "cards", "--environment", "staging"]);
    assert_ends(&refused, ExitCode::Usage);
    assert!(
        refused.stderr.contains("`delete` removes a flag from the whole file"),
        "{}",
        refused.stderr
    );
    let mut deleted = on(&shop.server, &["delete", "cards"]);
    let deleted = deleted.current_dir(&shop.directory).env("FLAGSTAFF_ENVIRONMENT", "staging");
    assert_ends(&ran(deleted), Done);
    assert!(!shop.text().contains("cards"), "{}", shop.text());
}
