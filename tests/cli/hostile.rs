//! Strings in files and stores that would move the cursor of a terminal, or fake a line.

use std::{fs, path::Path, process::Command};

use flagstaff::text::{Untrusted, is_hidden};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use pulldown_cmark::{Event, Options, Parser, TagEnd};
use serde_json::{Value, json};

use crate::{
    command::{Ran, flagstaff, ran},
    server::Server,
};

/// An escape, a bell, a control of eight bits, a line break, the end of a line, a mark of direction, a character of no
/// width, and Markdown.
const EVIL: &str = "e\u{1b}[31m\u{7}\u{9b}2J\nerror: x\r\u{202e}\u{200b}|`<b>[x](y)\\n";

/// Returns flags whose strings are all [`EVIL`].
fn hostile() -> String {
    hostile_by(EVIL)
}

/// Returns flags whose strings are all `text`.
fn hostile_by(text: &str) -> String {
    let evil = Untrusted::new(text).toml();
    format!(
        "[flags.{evil}]\ndescription = {evil}\nowner = {evil}\ntags = [{evil}]\n\
         allowed_users = [{evil}]\nallowed_groups = [{evil}]\nsalt = {evil}\n\
         variants = {{ {evil} = 1, b = 1 }}\nserve = {evil}\nmetadata = {{ {evil} = {evil} }}\n\
         [[flags.{evil}.rules]]\nname = {evil}\nwhen = {{ {evil} = {evil}, segment = {evil} }}\nserve = {evil}\n\
         [[flags.{evil}.tests]]\nname = {evil}\nuser = {evil}\nexpect = {evil}\n\
         [segments.{evil}]\nwhen = {{ plan = {evil} }}\n\
         [flags.staged.rollout]\nstages = [{{ percentage = 1, for = \"2h\" }}, {{ percentage = 100 }}]\n\
         [flags.\"x{}\"]\nowner = 1\n",
        &evil[1..evil.len() - 1],
    )
}

fn run(directory: &Path, arguments: &[&str], url: Option<&str>) -> Ran {
    let mut command: Command = flagstaff(arguments);
    if let Some(url) = url {
        command.env("REDIS_URL", url);
    }
    ran(command.current_dir(directory))
}

fn check(arguments: &[&str], ran: &Ran) {
    let is_layout = |c: char| c == '\n' || c == '\t';
    for text in [&ran.stdout, &ran.stderr] {
        let bad = text.chars().find(|c| is_hidden(*c) && !is_layout(*c));
        assert_eq!(bad, None, "{arguments:?}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("error: x")), "{arguments:?}: {text}");
    }
}

#[test]
fn no_text_of_a_file_or_of_a_store_reaches_the_terminal_as_it_is() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    fs::write(directory.join("flags.toml"), hostile()).unwrap();
    fs::write(directory.join("empty.toml"), "[flags]\n").unwrap();
    fs::write(directory.join("broken.toml"), format!("[flags]\n# {EVIL}\na = {EVIL}\n")).unwrap();
    // The name is also in source code.
    fs::write(directory.join("code.rs"), format!("fn main() {{ \"{EVIL}\" }}\n")).unwrap();
    fs::write(directory.join("evil.jsonl"), format!("{{\"{EVIL}\"\n")).unwrap();
    let set =
        json!({ "percentage": 5, "owner": EVIL, "override": { "author": EVIL, "reason": EVIL } });
    let bad = json!({ "percentage": 400, "owner": EVIL });
    for (flag, value) in [(EVIL, set), ("staged", json!(EVIL)), ("bad\u{1b}[2J", bad)] {
        server.cli(&["HSET", "feature_flags", flag, &value.to_string()]);
    }
    let url = server.url();
    let by = ["--by", EVIL, "-m", EVIL];
    run(directory, &[&["set", EVIL, "percentage=6"][..], &by].concat(), Some(&url));
    run(directory, &[&["disable", "staged"][..], &by].concat(), Some(&url));

    for arguments in [
        &["list"][..],
        &["show", EVIL],
        &["show", "staged"],
        &["get", EVIL],
        &["get", EVIL, "owner"],
        &["get", EVIL, "rules"],
        &["get", EVIL, "variants"],
        &["eval", EVIL, "--user", EVIL],
        &["eval", "nothing\u{1b}[2J"],
        &["eval", "--user", EVIL],
        &["eval", "nothing*\u{1b}[2J"],
        &["create", "new\u{1b}[2J", "--owner", EVIL, "--dry-run"],
        &["create", EVIL, "--dry-run"],
        &["rename", EVIL, "new\u{1b}[2J", "--dry-run"],
        &["rename", "staged", EVIL, "--dry-run"],
        &["rename", "--finish", EVIL, "new\u{1b}[2J", "--dry-run"],
        &["delete", EVIL, "--dry-run"],
        &["delete", EVIL, "--force", "--dry-run"],
        &["distribution", EVIL, "--users", "100"],
        &["explain", EVIL, "--user", EVIL, "--set", "plan=\u{1b}[2J"],
        &["flags", "list"],
        &["flags", "get", EVIL],
        &["history"],
        &["instances"],
        &["diff"],
        &["rollout", "status", "staged"],
        &["rollout", "status", EVIL],
        &["set", EVIL, "percentage=7", "--dry-run"],
        &["set", EVIL, "percentage=7", "--source", "file", "--dry-run"],
        &["disable", EVIL, "--for", "1h", "--dry-run"],
        &["enable", "nev\u{1b}[2J", "--dry-run"],
        &["undo", "1", "--dry-run"],
        &["promote", "--dry-run"],
        &["lint"],
        &["lint", "-D", "all"],
        &["lint", "--format", "github"],
        &["lint", "--format", "sarif"],
        &["lint", "--against", "empty.toml", "empty.toml"],
        &["lint", "empty.toml", "--against", "flags.toml"],
        &["lint", "broken.toml"],
        &["list", "--file", "broken.toml"],
        &["test"],
        &["test", "--file", "broken.toml"],
        &["plan", "empty.toml", "flags.toml"],
        &["plan", "flags.toml", "empty.toml"],
        &["plan", "flags.toml", "empty.toml", "--markdown"],
        &["plan", "flags.toml", "empty.toml", "--contexts", "evil.jsonl"],
        &["simulate", EVIL, "percentage=1"],
        &["stale", "--refs", "."],
        &["codegen", "rust"],
        &["codegen", "manifest"],
        &["fmt", "--check"],
        &["fmt", "--check", "broken.toml"],
        &["import", "json", "evil.jsonl"],
        &["import", "waffle", "broken.toml"],
        &["import", "tempest", "broken.toml"],
        &["list", EVIL],
        &["help", EVIL],
        &["\u{1b}[31m\u{9b}2J"],
    ] {
        for form in ["text", "tsv", "json"] {
            let arguments = match arguments.contains(&"--markdown") {
                true => arguments.to_vec(),
                false => [arguments, &["-o", form]].concat(),
            };
            for url in [None, Some(&*url)] {
                check(&arguments, &run(directory, &arguments, url));
            }
        }
    }
}

/// Pieces that end a line, move a cursor, change a direction, or mean something in a format.
const PIECES: [&str; 24] = [
    "a",
    "\u{fc}",
    " ",
    "\n",
    "\r",
    "\t",
    "\u{1b}[2J",
    "\u{7}",
    "\u{9b}31m",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "\u{200b}",
    "\u{feff}",
    "`",
    "|",
    "\\",
    "\"",
    "'",
    "<b>",
    "[x](y)",
    "${",
    "%0A::error::",
    "error: x",
];

/// Returns generated strings, which are identical in each run.
fn texts() -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let pieces = proptest::collection::vec(proptest::sample::select(&PIECES[..]), 1..8);
    (0..10).map(|_| pieces.new_tree(&mut runner).unwrap().current().concat()).collect()
}

#[test]
fn generated_texts_are_data_in_every_form_of_output() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    fs::write(directory.join("empty.toml"), "[flags]\n").unwrap();
    for text in texts() {
        // The prefix keeps the name from being parsed as an option.
        let text = format!("k{text}");
        fs::write(directory.join("flags.toml"), hostile_by(&text)).unwrap();
        for arguments in [
            &["list"][..],
            &["show", &text],
            &["eval", &text, "--user", &text],
            &["explain", &text, "--user", &text],
            &["lint", "-D", "all"],
            &["lint", "--format", "github"],
            &["lint", "--format", "sarif"],
            &["test"],
            &["plan", "empty.toml", "flags.toml", "--users", "10"],
            &["codegen", "rust"],
            &["codegen", "manifest"],
        ] {
            for form in ["text", "tsv", "json"] {
                let arguments = [arguments, &["-o", form]].concat();

                let ran = run(directory, &arguments, None);

                check(&arguments, &ran);
                let is_json = form == "json" && !matches!(arguments[0], "lint" | "codegen");
                if is_json || arguments.contains(&"sarif") || arguments.contains(&"manifest") {
                    let json = serde_json::from_str::<Value>(&ran.stdout);
                    assert!(json.is_ok() || ran.stdout.is_empty(), "{arguments:?}: {}", ran.stdout);
                }
                if arguments.contains(&"github") {
                    let is_command = |line: &str| {
                        line.starts_with("::error file=flags.toml,")
                            || line.starts_with("::warning file=flags.toml,")
                    };
                    assert!(ran.stdout.lines().all(is_command), "{}", ran.stdout);
                }
            }
        }
        // A plain flag, since the tests of the flag above fail if its draw is another variant.
        let plain = format!("[flags]\n{} = true\nother = true\n", Untrusted::new(&text).toml());
        fs::write(directory.join("flags.toml"), plain).unwrap();
        let cells = run(directory, &["list", "-o", "tsv"], None).stdout;
        let cell = Untrusted::new(&text).tsv();
        assert!(cells.lines().any(|line| line.split('\t').next() == Some(&*cell)), "{cells}");
        let widths: Vec<_> = cells.lines().map(|line| line.matches('\t').count()).collect();
        assert!(widths.windows(2).all(|two| two[0] == two[1]), "{cells}");
    }
}

/// Returns a directory with the hostile file and an empty file.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("flags.toml"), hostile()).unwrap();
    fs::write(directory.path().join("empty.toml"), "[flags]\n").unwrap();
    directory
}

#[test]
fn json_and_columns_keep_a_name_as_it_is() {
    let directory = directory();
    let list = |form| run(directory.path(), &["list", "-o", form], None).stdout;

    let json: Value = serde_json::from_str(&list("json")).unwrap();
    let rows = json["flags"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["flag"] == EVIL || row["key"] == EVIL), "{json:#}");
    // A cell as scripts read it: with the escapes of Rust, and each backslash doubled.
    let cell = r"e\u{1b}[31m\u{7}\u{9b}2J\nerror: x\r\u{202e}\u{200b}|`<b>[x](y)\\n";
    let columns = list("tsv");
    assert!(columns.lines().any(|line| line.split('\t').next() == Some(cell)), "{columns}");
}

#[test]
fn no_name_is_markup_in_the_markdown_of_a_plan() {
    let directory = directory();
    let evil = Untrusted::new(EVIL).toml();
    let text = format!(
        "[flags.{evil}]\npercentage = 50\n[[flags.{evil}.rules]]\nname = {evil}\n\
         when = {{ {evil} = {{ matches = '^[a-f]{{8}}$' }} }}\nserve = true\n"
    );
    fs::write(directory.path().join("flags.toml"), text).unwrap();
    let plan = ["plan", "empty.toml", "flags.toml", "--markdown", "--users", "10"];

    let markdown = run(directory.path(), &plan, None).stdout;

    let (mut first, mut cell) = (Vec::new(), String::new());
    for event in Parser::new_ext(&markdown, Options::all()) {
        match event {
            Event::Html(_) | Event::InlineHtml(_) => panic!("{event:?} in {markdown}"),
            Event::Text(text) | Event::Code(text) => cell += &text,
            Event::End(TagEnd::Link | TagEnd::Image) => panic!("a link in {markdown}"),
            Event::End(TagEnd::TableCell) => first.push(std::mem::take(&mut cell)),
            Event::Start(_) => cell.clear(),
            _ => {}
        }
    }
    let line = flagstaff::text::line(EVIL);
    let names: Vec<_> = first.chunks(10).map(|row| &*row[0]).collect();
    assert!(first.len() % 10 == 0 && names.contains(&&*line), "{names:?} in {markdown}");
}

#[test]
fn a_command_in_a_hint_is_one_that_a_shell_can_run() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let flag = "x;touch pwned;'#";
    let text = format!("[flags.{}]\npercentage = 10\n", json!(flag));
    fs::write(directory.path().join("flags.toml"), text).unwrap();

    let enabled = run(directory.path(), &["enable", flag, "--yes"], Some(&server.url()));

    let (_, rest) = enabled.stderr.split_once("`flagstaff unset ").expect("a hint");
    let (words, _) = rest.split_once("` restores").expect("a hint");
    let script = format!("printf '%s\\0' {words}");
    let ran = Command::new("bash").args(["-c", &script]).current_dir(&directory).output().unwrap();
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), format!("{flag}\0"), "{}", enabled.stderr);
    assert!(!directory.path().join("pwned").exists());
}
