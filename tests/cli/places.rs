//! Places of flagstaff.toml: the choice of a place, its protection, and its display.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Stdio},
};

use flagstaff::{
    cli::ExitCode::{self, Changed, Done, No, Refused, Unreachable, Usage},
    definition::Field,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    command::{Ran, flagstaff, program, ran},
    server::Server,
    support::root,
};

/// A flag file that `fmt` and `lint --fix` change.
const FLAGS: &str = r#"[flags]
on   =  true
off = false
[flags.denied]
allowed_users = ["ana", "bob"]
denied_users = ["ana"]
[flags.staged.rollout]
stages = [{ percentage = 1, for = "2h" }, { percentage = 50, for = "2h" }, { percentage = 100 }]
"#;

const PLACES: &str = r#"
[places.open]
file = "conf/flags.toml"
redis = "redis://:${PASSWORD}@127.0.0.1:$PORT"
key = "shop"
"#;

/// A place that requires reasons. It protects its file and store in every test, so most tests leave it out.
const REASONS: &str = r#"
[places.reasons]
file = "conf/flags.toml"
redis = "redis://:${PASSWORD}@127.0.0.1:$PORT"
key = "shop"
reason = "required"
"#;

/// A protected place, which most tests leave out for the same reason.
const PRODUCTION: &str = r#"
[places.production]
file = "conf/flags.toml"
redis = "redis://:${PASSWORD}@127.0.0.1:$PORT"
key = "shop"
protected = true
"#;

const PASSWORD: &str = "hunter2";

/// A directory with places, and the store that the places name.
struct World {
    server: Server,
    here: TempDir,
}

impl World {
    fn new() -> Self {
        let server = Server::with(&["--requirepass", PASSWORD]);
        let here = tempfile::tempdir().unwrap();
        fs::create_dir_all(here.path().join("conf")).unwrap();
        fs::create_dir_all(here.path().join("src/deep")).unwrap();
        let world = Self { server, here };
        world.write("conf/flags.toml", FLAGS);
        world.write("flagstaff.toml", PLACES);
        world
    }

    /// Creates a world that also has places with protection.
    fn guarded() -> Self {
        let world = Self::new();
        world.write("flagstaff.toml", &[PLACES, REASONS, PRODUCTION].concat());
        world
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.here.path().join(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.here.path().join(path)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = flagstaff(arguments);
        command.current_dir(self.here.path());
        command.env("PASSWORD", PASSWORD).env("PORT", self.server.port().to_string());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.command(arguments))
    }

    fn at(&self, place: &str, arguments: &[&str]) -> Ran {
        self.run(&[arguments, &["--at", place]].concat())
    }

    fn cli(&self, arguments: &[&str]) -> String {
        self.server.cli(&[&["-a", PASSWORD, "--no-auth-warning"], arguments].concat())
    }

    /// Returns everything that a command may change.
    fn state(&self) -> String {
        let keys = self.cli(&["keys", "*"]);
        let mut keys: Vec<_> = keys.lines().collect();
        keys.sort_unstable();
        let values = keys.iter().map(|key| match *key {
            key if key.ends_with(":log") => self.cli(&["xlen", key]),
            key if self.cli(&["type", key]).trim() == "hash" => self.cli(&["hgetall", key]),
            key => key.to_owned(),
        });
        let file = fs::read_to_string(self.here.path().join("conf/flags.toml"));
        values.collect::<String>() + &file.unwrap_or_default()
    }

    /// Returns the terminal of a person who types `input`.
    fn typed(&self, arguments: &str, input: &str) -> String {
        let mut command = Command::new("script");
        let line = format!("{} {arguments}", program().display());
        command.args(["-qec", &line, "/dev/null"]).current_dir(self.here.path());
        for (name, value) in self.command(&[]).get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.write("typed", input);
        let typed = fs::File::open(self.here.path().join("typed")).unwrap();
        let output = command.stdin(Stdio::from(typed)).output().expect("`script` of util-linux");
        String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n")
    }
}

/// The commands that do not change a place. A comment gives the reason for a command that writes.
const READ: &[&str] = &[
    "codegen", // writes code
    "completion",
    "diff",
    "distribution",
    "eval",
    "explain",
    "get",
    "help",
    "history",
    "is-on",
    "list",
    "man",
    "plan",
    "schema",
    "show",
    "simulate",
    "stale",
    "status",
    "test",
    "watch",
    "flags get",
    "flags list",
    "rollout status",
];

/// A command that changes something: the commands that prepare it, its arguments, and its exit code if it is permitted.
type Change = (&'static [&'static [&'static str]], &'static [&'static str], ExitCode);

const CHANGES: &[Change] = &[
    (&[], &["enable", "off"], Done),
    (&[], &["enable", "off", "on", "--new"], Done),
    (&[], &["enable", "off", "--source", "file"], Done),
    (&[], &["disable", "on"], Done),
    (&[], &["disable", "on", "--source", "file"], Done),
    (&[], &["flags enable", "off"], Done),
    (&[], &["flags disable", "on"], Done),
    (&[], &["set", "on", "percentage=5"], Done),
    (&[], &["set", "on", "percentage=5", "--source", "file"], Done),
    (&[&["enable", "off"]], &["unset", "off"], Done),
    (&[], &["unset", "off", "--source", "file"], Done),
    (&[&["enable", "off"]], &["undo", "1"], Done),
    (&[&["enable", "off"], &["unset", "off"]], &["restore", "off", "--to", "1"], Done),
    (&[], &["rollout start", "staged"], Done),
    (&[], &["rollout start", "staged", "--source", "file"], Done),
    (&[&["rollout", "start", "staged"]], &["rollout advance", "staged", "--force"], Done),
    (&[&["rollout", "start", "staged"]], &["rollout pause", "staged"], Done),
    (
        &[&["rollout", "start", "staged"], &["rollout", "pause", "staged"]],
        &["rollout resume", "staged"],
        Done,
    ),
    (&[&["rollout", "start", "staged"]], &["rollout rollback", "staged"], Done),
    (&[&["rollout", "start", "staged"]], &["rollout stop", "staged"], Done),
    (&[&["enable", "off"]], &["promote", "off"], Done),
    (&[&["enable", "off"]], &["promote", "--finish", "off", "--now"], Done),
    (&[], &["import", "json", "import.txt", "--write"], Done),
    (&[], &["init"], Done),
    (&[], &["create", "fresh"], Done),
    (&[], &["delete", "off", "--no-refs"], Done),
    (&[&["enable", "off"]], &["delete", "off", "--no-refs", "--with-override"], Done),
    (&[], &["rename", "off", "away", "--no-refs"], Done),
    (&[&["enable", "off"]], &["rename", "off", "away", "--no-refs"], Done),
    (&[], &["fmt"], Done),
    (&[], &["fmt", "conf/flags.toml"], Done),
    (&[], &["lint", "--fix"], Done),
    (&[], &["instances", "--forget", "web-7"], Done),
];

/// Returns the names of all commands, from the help.
fn commands() -> BTreeSet<String> {
    let names = |help: &str| -> Vec<String> {
        let lines = help.lines().filter(|line| {
            line.strip_prefix("  ")
                .is_some_and(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        });
        lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    };
    let help = ran(&mut flagstaff(&["--help"])).stdout;
    let commands = help.split("\nExit codes:").next().unwrap();
    let commands = commands.split("\n  -f, ").next().unwrap();
    names(commands)
        .into_iter()
        .flat_map(|name| {
            let help = ran(&mut flagstaff(&["help", &name])).stdout;
            match help.split_once("\nCommands:\n") {
                Some((_, verbs)) => {
                    let verbs = names(verbs.split("\n\n").next().unwrap());
                    verbs.iter().map(|verb| format!("{name} {verb}")).collect()
                }
                None => vec![name],
            }
        })
        .collect()
}

#[test]
fn every_command_that_changes_something_asks_a_protected_place() {
    let changing = CHANGES.iter().map(|(_, arguments, _)| arguments[0].to_owned());
    let known: BTreeSet<_> = READ.iter().map(|&name| name.to_owned()).chain(changing).collect();
    assert_eq!(commands(), known, "each command is in one of the two tables");

    let world = World::guarded();
    world.write("import.txt", "ff:imported {\"enabled\": true}\n");
    for (before, arguments, code) in CHANGES {
        world.cli(&["flushall"]);
        world.write("conf/flags.toml", FLAGS);
        for arguments in *before {
            let arguments = [*arguments, &["-m", "why", "--yes"][..]].concat();
            assert_eq!(world.at("production", &arguments).code, Done, "{arguments:?}");
        }
        if *arguments == ["init"] {
            fs::remove_file(world.here.path().join("conf/flags.toml")).unwrap();
        }
        if arguments[0] == "instances" {
            world.cli(&[
                "hset",
                "{shop}:instances",
                "web-7",
                r#"{"at":9999999999,"generation":1}"#,
            ]);
        }
        let arguments: Vec<_> = arguments.iter().flat_map(|argument| argument.split(' ')).collect();
        let state = world.state();

        let without_reason = world.at("production", &arguments);
        assert_eq!(without_reason.code, Refused, "{arguments:?}: {}", without_reason.stderr);
        assert!(without_reason.stderr.contains("needs a reason"), "{}", without_reason.stderr);
        world.write("flagstaff.toml", &[PLACES, REASONS].concat());
        let required = world.at("reasons", &arguments);
        assert_eq!(required.code, Refused, "{arguments:?}: {}", required.stderr);
        assert!(required.stderr.contains("needs a reason"), "{}", required.stderr);
        world.write("flagstaff.toml", &[PLACES, REASONS, PRODUCTION].concat());
        let silent = world.at("production", &[&arguments[..], &["-m", "why"]].concat());
        assert_eq!(silent.code, Refused, "{arguments:?}: {}", silent.stderr);
        assert!(silent.stderr.contains("`production` is protected"), "{}", silent.stderr);
        assert_eq!(world.state(), state, "{arguments:?}");

        let done = world.at("production", &[&arguments[..], &["-m", "why", "--yes"]].concat());
        assert_eq!(done.code, *code, "{arguments:?}: {}", done.stderr);
        if *code == Done {
            assert_ne!(world.state(), state, "{arguments:?}");
        }
    }
}

#[test]
fn every_command_is_in_the_guide_about_the_command() {
    let guide = fs::read_to_string(root().join("src/docs/guide/command.md")).unwrap();
    // These are in other chapters or in the help of the command itself.
    let elsewhere = ["codegen", "fmt", "help", "import", "init", "instances", "simulate", "stale"];

    let commands = commands();
    let names: BTreeSet<_> =
        commands.iter().filter_map(|name| name.split_whitespace().next()).collect();
    for name in names {
        let forms = [format!("`{name}`"), format!("`{name} "), format!("flagstaff {name}")];
        let is_there = forms.iter().any(|form| guide.contains(form));
        assert_ne!(is_there, elsewhere.contains(&name), "`{name}`");
    }
}

/// An option that can mean nothing is an error.
#[test]
fn only_changes_that_can_make_a_flag_take_new() {
    let new = |arguments: &[&str]| {
        let told = ran(&mut flagstaff(&[arguments, &["--new"]].concat()));
        (told.code == Usage && told.stderr.contains("'--new'"), told.stderr)
    };

    for arguments in [
        &["unset", "a"][..],
        &["undo", "1"],
        &["restore", "a", "--to", "1"],
        &["promote", "a"],
        &["rollout", "start", "a"],
        &["rollout", "stop", "a"],
    ] {
        let (is_refused, stderr) = new(arguments);
        assert!(is_refused, "{arguments:?}: {stderr}");
    }
    for arguments in [&["enable", "a"][..], &["disable", "a"], &["set", "a", "percentage=1"]] {
        let (is_refused, stderr) = new(arguments);
        assert!(!is_refused, "{arguments:?}: {stderr}");
    }
}

#[test]
fn the_help_of_set_lists_all_settings() {
    let help = ran(&mut flagstaff(&["set", "--help"])).stdout;
    let settings = help.split("\nSettings: ").nth(1).unwrap().split("\n\n").next().unwrap();

    let listed: Vec<_> = settings.split(',').map(str::trim).collect();

    let all: Vec<_> = Field::ALL.iter().map(|field| field.as_str()).collect();
    assert_eq!(listed, all);
}

#[test]
fn a_protected_store_or_file_is_asked_about_however_it_is_named() {
    let world = World::guarded();
    let port = world.server.port();
    let url = |host: &str, db: u8| format!("redis://:{PASSWORD}@{host}:{port}/{db}");
    let store = |url: &str, key: &str| {
        world.run(&["enable", "off", "--redis", url, "--key", key, "-f", "conf/flags.toml"])
    };
    let state = world.state();

    for told in [
        store(&url("localhost", 0), "shop"),
        store(&url("[::1]", 0), "shop"),
        // A host that is resolved.
        store(&url("127.1", 0), "shop"),
        world.run(&[
            "instances",
            "--forget",
            "a",
            "--redis",
            &url("localhost", 0),
            "--key",
            "shop",
        ]),
        world.at("open", &["enable", "off"]),
    ] {
        let expected = "place `production` needs a reason for each change, and this is its store";
        assert_eq!(told.code, Refused, "{}", told.stderr);
        assert!(told.stderr.contains(expected), "{}", told.stderr);
    }
    for arguments in [
        &["enable", "off", "--source", "file", "-f", "conf/flags.toml"][..],
        &["enable", "off", "--source", "file", "-f", "src/../conf/flags.toml", "-m", "why"],
        &["enable", "off", "--source", "file", "--at", "open"],
        &["fmt", "conf/flags.toml"],
    ] {
        let told = world.run(arguments);
        assert_eq!(told.code, Refused, "{arguments:?}: {}", told.stderr);
        assert!(told.stderr.contains("place `production` "), "{}", told.stderr);
        assert!(told.stderr.contains(", and this is a file of it"), "{}", told.stderr);
    }
    assert_eq!(world.state(), state);

    let other = store(&url("localhost", 1), "shop");
    assert_eq!(other.code, Done, "{}", other.stderr);
    assert_eq!(store(&url("localhost", 0), "other").code, Done);
    let allowed = world.at("open", &["enable", "off", "-m", "why", "--yes"]);
    assert_eq!(allowed.code, Done, "{}", allowed.stderr);
}

/// Each mistake keeps a store or a file from being read, so any may be its.
#[test]
fn a_place_that_asks_and_cannot_be_read_guards_every_store_or_file() {
    let world = World::new();
    let port = world.server.port();
    let in_store = ["enable", "off", "--at", "open"];
    let in_file = ["enable", "off", "--source", "file", "--at", "open"];
    let with_file = |rest: &str| format!("[places.p]\nfile = \"other.toml\"\n{rest}");
    let protected = |redis: &str| with_file(&format!("redis = {redis}\nprotected = true\n"));
    let (store, file) = ("any store may be its store", "any file may be one of it");
    // Behind the lines of the other place.
    let line = |line: usize| format!("(flagstaff.toml:{}): ", PLACES.lines().count() + line);

    for (place, change, at, any) in [
        (protected("7391"), &in_store[..], line(3), store),
        (protected("\"\""), &in_store, line(3), store),
        (protected("\"$\""), &in_store, line(3), store),
        (protected("[\"redis://10.0.0.7\", 3]"), &in_store, line(3), store),
        // A password that may be the address.
        (protected("\"redis://:s3cr3tpw\""), &in_store, line(3), store),
        (protected("\"redis://10.0.0.7\"\nkey = 3"), &in_store, line(4), store),
        (protected("\"redis://10.0.0.7\"\nkey = shop"), &in_store, line(4), store),
        (protected("\"redis://10.0.0.7\"\nkye = \"shop\""), &in_store, line(4), store),
        (protected("\"redis://10.0.0.7\"\nredis = \"redis://h\""), &in_store, line(4), store),
        (protected("\"no URL\""), &in_store, "(its `redis` is not a URL of Redis): ".into(), store),
        (with_file("redsi = \"redis://h\"\nprotected = true\n"), &in_store, line(3), store),
        (with_file("store = \"redis://h\"\nprotected = true\n"), &in_store, line(3), store),
        (with_file("redis = 3\nreason = \"required\"\n"), &in_store, line(3), store),
        // The place may be meant to be protected.
        (with_file("redis = 3\nprotected = \"yes\"\n"), &in_store, line(3), store),
        ("[places]\np = true\n".to_owned(), &in_store, line(2), store),
        ("[places]\np = true\n".to_owned(), &in_file, line(2), file),
        ("[places.p]\nfile = 3\nprotected = true\n".to_owned(), &in_file, line(2), file),
        ("[places.p]\nfiles = \"f.toml\"\nprotected = true\n".to_owned(), &in_file, line(2), file),
        ("[places.p]\nfile = [\"a\", 3]\nprotected = true\n".to_owned(), &in_file, line(2), file),
        ("[places.p]\nfile = flags.toml\nprotected = true\n".to_owned(), &in_file, line(2), file),
    ] {
        let text = match place.starts_with("[places]") {
            true => PLACES.replace("\n[places.open]", "\n[places]\np = true\n[places.open]"),
            false => format!("{PLACES}{place}"),
        };
        let at = match place.starts_with("[places]") {
            true => "(flagstaff.toml:3): ".to_owned(),
            false => at,
        };
        world.write("flagstaff.toml", &text);
        let state = world.state();

        let told = world.run(change);

        assert_eq!(told.code, Refused, "{text}: {}", told.stderr);
        let expected = format!("error: place `p` cannot be read {at}{any}");
        assert!(told.stderr.contains(&expected), "{text}: {}", told.stderr);
        assert!(!told.stderr.contains("s3cr3tpw"), "{}", told.stderr);
        assert_eq!(world.state(), state, "{text}");
        let allowed = world.run(&[change, &["-m", "why", "--yes", "--dry-run"]].concat());
        assert_eq!(allowed.code, Done, "{}", allowed.stderr);
    }
    // The store is known where only the file is not, and the reverse.
    let unclear_file = format!("[places.p]\nfile = 3\nredis = \"redis://127.0.0.1:{port}/1\"\n");
    world.write("flagstaff.toml", &format!("{PLACES}{unclear_file}protected = true\n"));
    assert_eq!(world.run(&in_store).code, Done);
    world.write("flagstaff.toml", &(PLACES.to_owned() + &protected("3")));
    assert_eq!(world.run(&in_file).code, Done);
}

/// A developer has no variables of production, and changes a local store without being asked.
#[test]
fn a_place_whose_variables_are_not_set_is_left_out_unless_it_is_chosen() {
    let world = World::new();
    world.write("flags.toml", FLAGS);
    let url = format!("redis://:{PASSWORD}@localhost:{}", world.server.port());
    let redis = "redis://:$PASSWORD@127.0.0.1:$PORT";
    let place = |file: &str, redis: &str, key: &str| {
        format!(
            "[places.production]\nfile = \"{file}\"\nredis = \"{redis}\"\nkey = \"{key}\"\n\
             protected = true\n"
        )
    };
    for production in [
        place("x.toml", "redis://:$PASSWORD@127.0.0.1:$NOT_SET", "shop"),
        place("x.toml", "$NOT_SET", "shop"),
        place("x.toml", redis, "$NOT_SET"),
        place("$NOT_SET", redis, "elsewhere"),
    ] {
        world.write("flagstaff.toml", &(PLACES.to_owned() + &production));

        let by_place = world.at("open", &["disable", "off"]);
        let by_key = ["enable", "off", "-f", "conf/flags.toml", "--redis", &url];
        let by_default_key = world.run(&by_key);
        let nearest = world.run(&["enable", "off", "--source", "file", "-f", "flags.toml"]);
        let chosen = world.at("production", &["enable", "off"]);

        for told in [by_place, by_default_key, nearest] {
            assert_eq!(told.code, Done, "{production}: {}", told.stderr);
        }
        let is_refused = chosen.code == Usage && chosen.stderr.contains("`NOT_SET` is not set");
        assert!(is_refused, "{production}: {}", chosen.stderr);
    }
}

#[test]
fn another_database_is_another_store_and_is_shown() {
    let world = World::new();
    let port = world.server.port();
    let at = |db: u8, rest: &str| {
        format!(
            "[places.db{db}]\nfile = \"conf/flags.toml\"\nkey = \"shop\"\n\
             redis = \"redis://:${{PASSWORD}}@127.0.0.1:$PORT/{db}\"\n{rest}"
        )
    };
    world.write("flagstaff.toml", &[at(0, ""), at(2, "protected = true\n")].concat());

    let zero = world.at("db0", &["enable", "off"]);
    let guarded = world.at("db2", &["enable", "off"]);
    let url = format!("redis://:{PASSWORD}@localhost:{port}");
    let option = |db: &str| {
        let url = format!("{url}{db}");
        world.run(&["disable", "off", "--redis", &url, "--key", "shop", "-f", "conf/flags.toml"])
    };

    assert!(zero.stderr.starts_with(&format!("at db0 (127.0.0.1:{port}, key shop)\n")), "{zero:?}");
    assert!(guarded.code == Refused && option("/2").code == Refused);
    assert!(option("").code == Done && option("/1").code == Done);
    let shown = format!("127.0.0.1:{port}/2");
    let two = world.at("db2", &["enable", "off", "-m", "why", "--yes", "--wait", "0s"]);
    assert!(two.stderr.starts_with(&format!("at db2 ({shown}, key shop)\n")), "{}", two.stderr);
    assert!(two.stderr.contains(&format!("`shop` in Redis at `{shown}`")), "{}", two.stderr);
    let json = |arguments: &[&str]| -> Value {
        let told = world.at("db2", &[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"))
    };
    let changed = json(&["disable", "off", "-m", "why", "--yes"]);
    for store in [
        &changed["changes"][0]["store"],
        &json(&["status"])["store"],
        &json(&["instances"])["store"],
    ] {
        assert_eq!(
            (&store["address"], &store["database"], &store["key"]),
            (&shown.as_str().into(), &2.into(), &"shop".into())
        );
    }
    let diff = world.run(&["diff", "--at", "db0", "--at", "db2"]);
    assert!(diff.stderr.contains(&format!("db2 ({shown}, key shop)")), "{}", diff.stderr);
}

#[test]
fn a_reason_that_a_place_requires_is_required_however_its_store_or_file_is_named() {
    let world = World::new();
    world.write("flagstaff.toml", &[PLACES, REASONS].concat());
    let url = format!("redis://:{PASSWORD}@localhost:{}", world.server.port());
    let store = ["enable", "off", "--redis", &url, "--key", "shop", "-f", "conf/flags.toml"];
    let state = world.state();

    for (arguments, what) in [
        (&store[..], "and this is its store"),
        (&["enable", "off", "--at", "open"], "and this is its store"),
        (&["fmt", "conf/flags.toml"], "and this is a file of it"),
        (&["create", "new", "-f", "conf/flags.toml"], "and this is a file of it"),
    ] {
        let told = world.run(arguments);
        assert_eq!(told.code, Refused, "{arguments:?}: {}", told.stderr);
        let expected = format!("place `reasons` needs a reason for each change, {what}");
        assert!(told.stderr.contains(&expected), "{}", told.stderr);
    }
    assert_eq!(world.state(), state);

    assert_eq!(world.run(&[&store[..], &["-m", "why"]].concat()).code, Done);
    // The strictest place decides.
    world.write("flagstaff.toml", &[PLACES, REASONS, PRODUCTION].concat());
    let told = world.run(&["disable", "off", "--redis", &url, "--key", "shop", "-m", "why"]);
    assert!(
        told.stderr.contains("`production` is protected, and this is its store"),
        "{}",
        told.stderr
    );
}

#[test]
fn a_protected_place_without_a_file_protects_the_nearest_one() {
    let world = World::new();
    world.write("flags.toml", FLAGS);
    world.write("flagstaff.toml", "[places.production]\nprotected = true\n");
    let refused = |directory: &str, arguments: &[&str]| {
        let directory = world.here.path().join(directory);
        let told = ran(world.command(arguments).current_dir(directory));
        assert_eq!(told.code, Refused, "{arguments:?}: {}", told.stderr);
        assert!(told.stderr.contains("and this is a file of it"), "{}", told.stderr);
    };

    refused(".", &["enable", "off", "--source", "file"]);
    refused(".", &["fmt"]);
    refused("src/deep", &["fmt"]);
    // In this directory the path would be another file, but from the root it is this file.
    refused("conf", &["fmt", "../flags.toml"]);
    refused("conf", &["fmt", "flags.toml"]);
    let elsewhere = world.run(&["fmt", "conf/flags.toml"]);
    assert_eq!(elsewhere.code, Done, "{}", elsewhere.stderr);
    // A new file would be found before the one of the place.
    fs::remove_file(world.here.path().join("flags.toml")).unwrap();
    refused(".", &["init"]);
}

#[test]
fn a_mistake_in_another_place_is_a_warning() {
    let world = World::new();
    let at = |place: &str| world.at(place, &["disable", "on", "-m", "why"]);
    let other = "[places.other]\nfile = \"other.toml\"\n";

    for broken in ["protect = true\n", "protected = 3\n", "redis = \"redis://:x@h\"\n"] {
        world.write("flagstaff.toml", &format!("{PLACES}{other}{broken}"));

        let told = at("open");

        assert_eq!(told.code, Done, "{broken}: {}", told.stderr);
        let warning = "warning: a place of flagstaff.toml cannot be used: flagstaff.toml:";
        assert_eq!(told.stderr.matches(warning).count(), 1, "{broken}: {}", told.stderr);
        let told = at("other");
        assert!(told.code == Usage && told.stderr.contains("error["), "{broken}: {}", told.stderr);
    }
    // A place with a mistake may have been meant to be protected.
    let production = PRODUCTION.replace("protected", "protekted");
    world.write("flagstaff.toml", &(PLACES.to_owned() + &production));
    let told = world.at("open", &["enable", "off", "-m", "why"]);
    let expected = "place `production` has mistakes and may be protected, and this is its store";
    assert!(told.code == Refused && told.stderr.contains(expected), "{}", told.stderr);
    assert_eq!(world.at("open", &["enable", "off", "-m", "why", "--yes"]).code, Done);
    let twice = world.run(&["diff", "--at", "open", "--at", "open"]);
    assert_eq!(twice.stderr.matches("a place of flagstaff.toml").count(), 1, "{}", twice.stderr);
    // At the top level, a mistake affects all places.
    world.write("flagstaff.toml", &format!("protect = true\n{PLACES}"));
    let told = at("open");
    assert!(
        told.code == Usage && told.stderr.contains("`--file` or `--no-file`"),
        "{}",
        told.stderr
    );
}

#[test]
fn a_kill_by_options_needs_no_flagstaff_toml() {
    let world = World::new();
    let port = world.server.port();
    let url = format!("redis://:{PASSWORD}@127.0.0.1:{port}");
    let broken: &[&[u8]] = &[
        b"protect = true\n",
        b"[places\n",
        b"places = 3\n",
        b"key = \"\xff\"\n",
        b"environment = \"$NOT_SET\"\n",
    ];
    for text in broken {
        fs::write(world.here.path().join("flagstaff.toml"), text).unwrap();
        world.cli(&["flushall"]);
        world.write("conf/flags.toml", FLAGS);
        let kill = ["disable", "on", "-f", "conf/flags.toml", "--redis", &url, "--key", "shop"];
        let kill = |more: &[&'static str]| world.run(&[&kill[..], more].concat());
        let state = world.state();

        let told = kill(&[]);
        assert_eq!(told.code, Refused, "{}", told.stderr);
        let sentence = "flagstaff.toml cannot be used, so this may be a protected place";
        assert!(
            told.stderr.contains(&format!("{sentence}: each change needs a reason")),
            "{}",
            told.stderr
        );
        assert!(
            told.stderr.contains("warning: `flagstaff.toml` cannot be used"),
            "{}",
            told.stderr
        );
        let told = kill(&["-m", "why"]);
        assert!(told.code == Refused && told.stderr.contains(sentence), "{}", told.stderr);
        let file = world.run(&["fmt", "conf/flags.toml", "-f", "conf/flags.toml", "--no-redis"]);
        assert!(file.code == Refused && file.stderr.contains(sentence), "{}", file.stderr);
        assert_eq!(world.state(), state);

        let told = kill(&["-m", "why", "--yes"]);
        assert_eq!(told.code, Done, "{}", told.stderr);
        assert!(world.cli(&["hgetall", "shop"]).starts_with("on\n0"));
        // The variables name the file and the store, too.
        let mut list = world.command(&["list"]);
        list.env("FLAGSTAFF_FILE", "conf/flags.toml").env("REDIS_URL", &url);
        assert_eq!(ran(&mut list).code, Done);
        // Without an option or variable for the store, the place is needed, but it cannot be read.
        assert_eq!(world.run(&["list", "-f", "conf/flags.toml"]).code, Usage);
        assert_eq!(world.at("open", &["list", "--no-redis", "--no-file"]).code, Usage);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_person_is_asked_where_flagstaff_toml_cannot_be_used() {
    let world = World::new();
    world.write("flagstaff.toml", "protect = true\nkey = \"shop\"\n");
    let url = format!("redis://:{PASSWORD}@127.0.0.1:{}", world.server.port());

    let seen = world.typed(&format!("disable on -f conf/flags.toml --redis {url}"), "on\nnow\n");

    assert!(seen.contains("so this may be a protected place: type `on` to go on:"), "{seen}");
    // The readable part of the store still counts.
    assert!(world.cli(&["hgetall", "shop"]).starts_with("on\n0"), "{seen}");
}

#[test]
fn what_came_out_of_a_variable_is_not_printed() {
    let world = World::new();
    let secret = "redis://u:s3cr3t@h/x";
    let place = |setting: &str| {
        let redis = "redis = \"redis://:$PASSWORD@127.0.0.1:$PORT\"\nfile = \"conf/flags.toml\"\n";
        let lines = redis.lines().filter(|line| !setting.starts_with(&line[..4]));
        let lines: Vec<_> = lines.collect();
        world.write("flagstaff.toml", &format!("[places.a]\n{}\n{setting}\n", lines.join("\n")));
    };
    let told = |arguments: &[&str]| {
        let Ran { stdout, stderr, .. } =
            ran(world.command(arguments).env("SECRET", secret).env("WORD", "hunter3"));
        let told = stdout + &stderr;
        assert!(!told.contains("s3cr3t") && !told.contains("hunter3"), "{arguments:?}: {told}");
        told
    };

    for setting in ["key = \"$SECRET\"", "key = \"${WORD}\"", "key_prefix = \"$WORD\""] {
        let shown = setting.split('"').nth(1).unwrap();
        place(setting);
        let changed = told(&["disable", "on", "--at", "a"]);
        assert!(changed.contains(&format!("key {shown})")), "{changed}");
        for form in ["text", "json"] {
            for command in ["status", "instances", "list", "history", "watch --for 0s"] {
                let command: Vec<_> = command.split(' ').collect();
                told(&[&command[..], &["--at", "a", "-o", form]].concat());
            }
            let changed = told(&["enable", "on", "--at", "a", "-o", form, "--wait", "1s"]);
            assert!(changed.contains(shown), "{changed}");
        }
    }
    // The library names the key.
    place("key = \"$WORD\"");
    world.cli(&["del", "hunter3"]);
    world.cli(&["set", "hunter3", "x"]);
    let failed = told(&["list", "--at", "a"]);
    assert!(failed.contains("`$WORD` in Redis"), "{failed}");
    place("environment = \"$WORD\"");
    let failed = told(&["list", "--at", "a"]);
    assert!(failed.contains("has no environment `$WORD`"), "{failed}");
    for arguments in
        [&["status", "--at", "a"][..], &["enable", "on", "--source", "file", "--at", "a"]]
    {
        told(arguments);
    }
    place("file = \"$WORD/x.toml\"");
    let failed = told(&["list", "--at", "a"]);
    assert!(failed.contains("cannot read `$WORD/x.toml`"), "{failed}");
    for arguments in [
        &["status", "--at", "a", "-o", "json"][..],
        &["status", "--at", "a", "-o", "text"],
        &["init", "--at", "a"],
        &["fmt", "--at", "a"],
        &["enable", "on", "--at", "a", "--source", "file"],
    ] {
        told(arguments);
    }
    place("redis = \"$WORD\"");
    let failed = told(&["list", "--at", "a"]);
    assert!(failed.contains("`$WORD` is not a URL of Redis"), "{failed}");
    told(&["status", "--at", "a"]);
}

#[test]
fn a_place_whose_database_is_in_the_query_is_refused_before_another_one_is_read() {
    let world = World::new();
    for (url, is_known) in [
        ("redis://:${PASSWORD}@127.0.0.1:${PORT}?db=15", false),
        ("redis://:${PASSWORD}@127.0.0.1:${PORT}/15?db=15", false),
        ("redis://:${PASSWORD}@127.0.0.1:${PORT}/15", true),
        ("redis://:${PASSWORD}@127.0.0.1:${PORT}/15?protocol=3", true),
    ] {
        world.write("flagstaff.toml", &format!("[places.a]\nredis = {url:?}\n"));
        for command in [&["list"][..], &["enable", "on", "--new", "--yes"]] {
            let ran = world.at("a", command);

            let is_refused = ran.stderr.contains("as in `redis://host:port/15`");
            assert_eq!(is_refused, !is_known, "{url}: {}", ran.stderr);
            assert_eq!(ran.code == ExitCode::Done, is_known, "{}", ran.stderr);
            assert!(!ran.stderr.contains(PASSWORD), "{}", ran.stderr);
        }
    }
}

#[test]
fn mistakes_are_reported_before_a_confirmation_is_asked() {
    let world = World::guarded();
    world.write("import.txt", "ff:imported {\"enabled\": true}\n");
    let silent = |arguments: &[&str]| {
        let told = world.at("production", &[arguments, &["-m", "why"]].concat());
        assert!(!told.stderr.contains("is protected"), "{arguments:?}: {}", told.stderr);
        told.stderr
    };

    assert!(silent(&["init"]).contains("`conf/flags.toml` already exists"));
    assert!(silent(&["init", "-f", "no/flags.toml"]).contains("its directory is not there"));
    let import = ["import", "json", "import.txt", "--write", "-f", "no/flags.toml"];
    assert!(silent(&import).contains("its directory is not there"));
    assert!(silent(&["instances", "--forget", "web-7"]).contains("no instance `web-7`"));
    assert!(silent(&["fmt", "conf/flags.toml", "none.toml"]).contains("cannot read `none.toml`"));
    assert!(silent(&["create", "on"]).contains("already has a flag `on`"));
    assert!(silent(&["delete", "gone", "--no-refs"]).contains("no flag `gone`"));
    assert!(silent(&["rename", "gone", "new", "--no-refs"]).contains("no flag `gone`"));
    assert!(silent(&["undo", "7"]).contains("revision 7"));
    assert_eq!(world.read("conf/flags.toml"), FLAGS);
}

#[test]
fn a_new_file_is_made_with_the_reason_on_its_line() {
    let world = World::new();
    let reasons = REASONS.replace("conf/", "");
    world.write("flagstaff.toml", &reasons);
    world.write("import.txt", "ff:imported {\"enabled\": true}\n");

    let import = ["import", "json", "import.txt", "--write", "-m", "moved here"];
    let import = world.at("reasons", &import);
    fs::remove_file(world.here.path().join("flags.toml")).unwrap();
    let init = world.at("reasons", &["init", "-m", "moved here"]);

    assert!(
        import.stderr.contains("created `flags.toml` of reasons: moved here\n"),
        "{}",
        import.stderr
    );
    assert!(
        init.stdout.contains("created `flags.toml` of reasons: moved here;"),
        "{}",
        init.stdout
    );
}

#[test]
fn a_dry_run_asks_for_no_confirmation() {
    let world = World::guarded();

    for arguments in
        [&["enable", "off", "-n"][..], &["set", "on", "percentage=5", "-n", "--source", "file"]]
    {
        assert_eq!(world.at("production", arguments).code, Done, "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_person_types_the_name_and_a_reason() {
    let world = World::guarded();
    let store = format!("at production (127.0.0.1:{}, key shop)", world.server.port());

    for (input, told) in
        [("of\nbecause\n", "that is not `off`"), ("off\n\n", "a reason is missing")]
    {
        let seen = world.typed("enable off --at production", input);
        assert!(seen.contains(told), "{seen}");
        assert!(world.cli(&["hgetall", "shop"]).trim().is_empty());
    }
    let seen = world.typed("enable off --at production --by ana", "off\nit is time\n");

    let question = "place `production` is protected: type `off` to go on:";
    let (before, after) = seen.split_once(question).unwrap_or_else(|| panic!("{seen}"));
    assert!(
        before.contains(&store) && before.contains("let `off` be on for more users than now?"),
        "{seen}"
    );
    assert!(after.contains(&format!("revision 1 {store}")), "{seen}");
    assert!(world.at("open", &["history", "off"]).stdout.contains("it is time"));
    let several = world.typed("disable on off --at production -m why", "2 flags\n");
    assert!(
        several.contains("type `2 flags` to go on") && several.contains("revision 3"),
        "{several}"
    );
}

#[test]
fn every_change_shows_its_place_and_no_password() {
    let world = World::new();
    let store = format!("127.0.0.1:{}", world.server.port());

    let text = world.at("open", &["enable", "off"]);
    let json = world.at("open", &["disable", "off", "-o", "json"]);
    let file = world.at("open", &["enable", "off", "--source", "file"]);

    let at = format!("at open ({store}, key shop)");
    assert!(text.stderr.starts_with(&format!("{at}\n")), "{}", text.stderr);
    assert!(text.stderr.contains(&format!("revision 1 {at}; undo with: ")), "{}", text.stderr);
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    let change = &document["changes"][0];
    assert_eq!((&change["place"], &change["store"]["address"]), (&"open".into(), &store.into()));
    let of_file = world.at("open", &["disable", "on", "--source", "file", "-o", "json"]).stdout;
    let of_file: Value = serde_json::from_str(&of_file).unwrap();
    assert_eq!(of_file["changes"][0]["place"], "open");
    assert!(file.stderr.contains("in `conf/flags.toml` of open\n"), "{}", file.stderr);
    assert!(file.stderr.contains("wrote `conf/flags.toml` of open\n"), "{}", file.stderr);
    let promote = world.at("open", &["promote", "off", "--dry-run"]);
    assert!(promote.stderr.contains(&format!("{at}\n")), "{}", promote.stderr);
    for Ran { stdout, stderr, .. } in [text, json, file, promote] {
        assert!(!stdout.contains(PASSWORD) && !stderr.contains(PASSWORD));
    }
}

#[test]
fn a_command_of_a_hint_works_where_it_is_pasted() {
    let world = World::new();
    let paste = |line: &str| {
        let program = program().parent().unwrap();
        let mut shell = Command::new("sh");
        for (name, value) in world.command(&[]).get_envs() {
            if let Some(value) = value {
                shell.env(name, value);
            }
        }
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        ran(shell.args(["-c", line]).env("PATH", path).current_dir(world.here.path()))
    };
    let between = |text: &str, before: &str, after: &str| {
        let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{before}: {text}"));
        rest.split_once(after).unwrap_or_else(|| panic!("{after}: {text}")).0.to_owned()
    };

    let set = world.run(&["set", "--at", "open", "--new", "--", "-x y", "percentage=25"]).stderr;
    let undone = paste(&between(&set, "undo with: ", "\n"));
    assert_eq!((undone.code, undone.stdout.trim()), (Done, "-x y unset"));

    world.cli(&["hset", "shop", "-x y", "{"]);
    let shown = world.run(&["get", "--at", "open", "--", "-x y"]);
    assert_eq!(shown.code, Usage);
    let unset = between(&shown.stderr, "have the flag off; `", "`");
    assert_eq!(unset, "flagstaff unset --at open -- '-x y'");
    assert_eq!(paste(&unset).code, Done);

    let port = world.server.port().to_string();
    let url = format!("redis://:{PASSWORD}@127.0.0.1:{port}");
    let told = world
        .run(&["enable", "off", "--redis", &url, "--key", "a b", "-f", "conf/flags.toml"])
        .stderr;
    let back = between(&told, "undo with: ", "\n");
    assert_eq!(back, "flagstaff undo 1 --file conf/flags.toml --redis URL --key 'a b'");
}

#[test]
fn the_nearest_file_counts_and_its_paths_begin_there() {
    let world = World::new();
    world.write(
        "flagstaff.toml",
        "file = \"conf/flags.toml\"\n[places.other]\nfile = \"none.toml\"\n",
    );
    let deep = world.here.path().join("src/deep");
    let list = |arguments: &[&str]| ran(world.command(arguments).current_dir(&deep));

    assert!(list(&["list"]).stdout.contains("staged"));
    let other = list(&["list", "--at", "other"]);
    assert!(other.code == Usage && other.stderr.contains("none.toml"), "{}", other.stderr);
    fs::write(deep.join("flagstaff.toml"), "").unwrap();
    assert_eq!(list(&["list"]).code, Usage);
}

#[test]
fn an_option_beside_a_place_wins_for_its_one_value() {
    let world = World::new();
    world.write("own.toml", "[flags]\nown = true\n");
    world.at("open", &["enable", "off"]);

    let list = world.at("open", &["list", "-f", "own.toml"]).stdout;
    assert!(list.contains("own\ton\tfile") && list.contains("off\ton\tredis"), "{list}");
    let key = world.at("open", &["list", "--key", "elsewhere"]).stdout;
    assert!(key.contains("off\toff\tfile"), "{key}");
    assert!(world.at("open", &["list", "--no-redis"]).stdout.contains("off\toff\tfile"));
    // `--no-redis` does not need the password.
    let mut command = world.command(&["list", "--at", "open", "--no-redis"]);
    assert_eq!(ran(command.env_remove("PASSWORD")).code, Done);
}

#[test]
fn a_named_place_takes_nothing_from_variables_of_another() {
    let world = World::new();
    world.write("flagstaff.toml", "[places.local]\nfile = \"conf/flags.toml\"\n");
    let nowhere = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        ran(command.env("REDIS_URL", "redis://127.0.0.1:1").env("FLAGSTAFF_FILE", "none.toml"))
    };

    assert_eq!(nowhere(&["list", "--at", "local"]).code, Done);
    assert_eq!(nowhere(&["enable", "off", "--at", "local"]).code, Usage);
    // The place at the top level is used where no variable names a store.
    assert_eq!(nowhere(&["list", "-f", "conf/flags.toml"]).code, Unreachable);
}

#[test]
fn a_place_that_is_not_there_or_lacks_a_variable_is_an_error() {
    let world = World::guarded();
    let told = |command: &mut Command| {
        let Ran { code, stderr, .. } = ran(command);
        (code, stderr)
    };

    let (code, stderr) = told(&mut world.command(&["list", "--at", "prodution"]));
    assert!(
        code == Usage && stderr.contains("a place with a similar name exists: `production`"),
        "{stderr}"
    );
    let (code, stderr) = told(world.command(&["list"]).env("FLAGSTAFF_AT", "x"));
    assert!(
        code == Usage
            && stderr.contains("variable `FLAGSTAFF_AT`: `flagstaff.toml` has no place `x`"),
        "{stderr}"
    );
    let (code, stderr) = told(world.command(&["list"]).env("FLAGSTAFF_AT", "open"));
    assert!(code == Done && stderr.is_empty(), "{stderr}");
    let (code, stderr) =
        told(world.command(&["enable", "on", "--at", "open"]).env_remove("PASSWORD"));
    let expected = "error: environment variable `PASSWORD` is not set (flagstaff.toml:4:9)\n";
    assert!(code == Usage && stderr.contains(expected), "{stderr}");
    // A command on the file alone needs no store.
    assert_eq!(ran(world.command(&["lint", "--at", "open"]).env_remove("PASSWORD")).code, Done);
    assert_eq!(world.run(&["list", "--at", "open", "--at", "production"]).code, Usage);
    let nowhere = tempfile::tempdir().unwrap();
    let (code, stderr) = told(flagstaff(&["list", "--at", "open"]).current_dir(nowhere.path()));
    assert!(code == Usage && stderr.contains("no flagstaff.toml here"), "{stderr}");
}

#[test]
fn a_mistake_in_flagstaff_toml_is_shown_and_stops_no_help() {
    let world = World::new();
    world.write("flagstaff.toml", "[places.a]\nredis = \"redis://:hunter2@h\"\nprotect = true\n");

    for form in ["text", "json"] {
        let told = world.run(&["list", "--at", "a", "-o", form]);
        assert_eq!(told.code, Usage);
        assert!(told.stderr.contains("flagstaff.toml` cannot be used"), "{}", told.stderr);
        assert!(!told.stderr.contains(PASSWORD), "{}", told.stderr);
    }
    let told = world.at("a", &["list"]).stderr;
    assert!(told.contains("error[password-in-file]: password in `redis` in place `a`"), "{told}");
    assert!(told.contains("help: a key with a similar name exists: `protected`"), "{told}");
    for fine in [&["--help"][..], &["help", "list"], &["man"], &["completion", "bash"], &["schema"]]
    {
        assert_eq!(world.run(fine).code, Done, "{fine:?}");
    }
}

/// The password is an error, but the address beside it can be read.
#[test]
fn a_place_with_a_password_still_protects_its_store() {
    let world = World::new();
    let address = format!("127.0.0.1:{}", world.server.port());
    let url = format!("redis://:{PASSWORD}@{address}");
    for written in [
        url.clone(),
        format!("redis://user:a,{PASSWORD}@{address}/0"),
        format!("redis://{address}?password={PASSWORD}"),
        format!("redis://:{PASSWORD}@127.0.0.2:1,redis://:{PASSWORD}@{address}"),
    ] {
        let place = format!("[places.p]\nredis = \"{written}\"\nprotected = true\n");
        world.write("flagstaff.toml", &place);

        let told = world.run(&["enable", "off", "-f", "conf/flags.toml", "--redis", &url]);

        assert_eq!(told.code, Refused, "{written}: {}", told.stderr);
        assert!(!told.stderr.contains(PASSWORD), "{}", told.stderr);
        assert_eq!(world.cli(&["exists", "feature_flags"]).trim(), "0");
    }
}

#[test]
fn two_places_are_compared_with_all_of_their_sources() {
    let world = World::new();
    world.write(
        "flagstaff.toml",
        &(PLACES.to_owned()
            + "[places.empty]\nfile = \"conf/flags.toml\"\nredis = \"redis://:$PASSWORD@127.0.0.1:$PORT\"\nkey = 'b'\n"),
    );
    world.at("open", &["set", "on", "percentage=25"]);
    world.at("open", &["enable", "fresh", "--new"]);
    let diff = |form: &str| world.run(&["diff", "--at", "empty", "--at", "open", "-o", form]);

    let text = diff("text");
    assert_eq!(
        (text.code, &*text.stdout),
        (No, "fresh  (new)\n  enabled  (none) -> true\non\n  percentage  (none) -> 25\n")
    );
    let port = world.server.port();
    assert!(
        text.stderr
            .starts_with(&format!("empty (127.0.0.1:{port}, key b), `conf/flags.toml`\nopen (")),
        "{}",
        text.stderr
    );
    let json: Value = serde_json::from_str(&diff("json").stdout).unwrap();
    assert_eq!((&json["before"], &json["flags"][1]["flag"]), (&"empty".into(), &"on".into()));
    let same = world.run(&["diff", "--at", "open", "--at", "open"]);
    assert_eq!(same.code, Done, "{}", same.stderr);
    // A value that cannot be read is reported with its place.
    world.cli(&["hset", "b", "on", "{"]);
    let told = diff("text");
    assert!(
        told.code == Usage && told.stderr.contains("`flagstaff unset on --at empty`"),
        "{}",
        told.stderr
    );
    // Two environments of one file.
    world.write("env.toml", "[flags]\na = true\n[environments.p]\n[environments.q]\na = false\n");
    let place =
        |name: &str| format!("[places.{name}]\nfile = \"env.toml\"\nenvironment = '{name}'\n");
    world.write("flagstaff.toml", &(PLACES.to_owned() + &place("p") + &place("q")));
    let told = world.run(&["diff", "--at", "p", "--at", "q"]).stderr;
    let header = "p, `env.toml`, environment p\nq, `env.toml`, environment q\n";
    assert!(told.starts_with(header), "{told}");
    for wrong in [
        &["diff", "git:main", "--at", "open", "--at", "empty"][..],
        &["diff", "--at", "open", "--at", "x"],
    ] {
        assert_eq!(world.run(wrong).code, Usage, "{wrong:?}");
    }
    let three = ["diff", "--at", "open", "--at", "empty", "--at", "open"];
    assert_eq!(world.run(&three).code, Usage);
}

#[test]
fn names_of_places_are_completed() {
    let world = World::guarded();
    let mut command = world.command(&["--", "flagstaff", "list", "--at", "pro"]);
    command.env("COMPLETE", "fish");

    let Ran { stdout, .. } = ran(&mut command);

    assert_eq!(stdout.lines().next(), Some("production"));
    // The flags that are completed are those of the place that was typed before them.
    world.at("open", &["enable", "fresh", "--new", "-m", "why", "--yes"]);
    let mut command = world.command(&["--", "flagstaff", "get", "--at", "open", "fr"]);
    assert_eq!(ran(command.env("COMPLETE", "fish")).stdout.lines().next(), Some("fresh"));
}

#[test]
fn a_conflict_in_a_protected_place_is_not_asked_about() {
    let world = World::guarded();
    world.at("production", &["enable", "off", "-m", "why", "--yes"]);
    world.at("production", &["unset", "off", "-m", "why", "--yes"]);

    let undo = world.at("production", &["undo", "1", "-m", "why", "--yes"]);

    assert_eq!(undo.code, Changed, "{}", undo.stderr);
}

#[test]
fn code_never_replaces_the_flag_file() {
    let world = World::guarded();

    let out = ["codegen", "manifest", "--out", "conf/flags.toml"];
    let told = world.at("production", &out);

    assert_eq!(told.code, Refused, "{}", told.stderr);
    assert_eq!(world.read("conf/flags.toml"), FLAGS);
}
