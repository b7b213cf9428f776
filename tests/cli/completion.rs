//! Completion in real shells: a name from a file or a store is one word, whatever is in it.

use std::fs;

use serde_json::Value;

use crate::{
    command::{flagstaff, program},
    support::python,
};

/// Types the first letters of each name, a tab and the keys that accept a completion, and then the rest of a line,
/// into a shell at a terminal.
const TYPED: &str = r#"
import fcntl, os, pty, select, struct, sys, termios
line, starts, accept, shell = sys.argv[1], sys.argv[2].split(","), sys.argv[3], sys.argv[4:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(shell[0], shell)
# Elvish shows nothing on a terminal without a size.
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
said = b""
def until(mark):
    global said
    while mark not in said:
        ready, _, _ = select.select([terminal], [], [], 60)
        if not ready:
            sys.exit("no " + repr(mark) + " in " + repr(said))
        said += os.read(terminal, 4096)
    said = said.split(mark, 1)[1]
# The marks are put together by the shell, so that they are not found in what is typed.
os.write(terminal, (line + "; printf '%s%s\\n' SET UP\n").encode())
until(b"SETUP")
for start in starts:
    os.write(terminal, f"flagstaff get {start}\t{accept}-o jsonl >> got\nprintf '%s%s\\n' DO NE\n".encode())
    until(b"DONE")
os.write(terminal, b"exit\n")
"#;

/// Names that run a program or change if a shell reads them without quotes.
const NAMES: [&str; 10] = [
    "aaa;touch X;#",
    "bbb$(touch X)",
    "ccc`touch X`",
    "ddd* ?[a-z]",
    "eee' && touch X #",
    "fff\" | touch X",
    "ggg:h=i",
    "hhh\\;touch X",
    "iii!!~{a,b}",
    "jjj größer",
];

/// Returns the flags that the completed command line names, in a directory with a flag of each name.
fn completed(shell: &[&str], setup: &str, accept: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let flags = NAMES.map(|name| format!("{name:?} = true\n")).concat();
    fs::write(directory.path().join("flags.toml"), format!("[flags]\n{flags}")).unwrap();
    let starts: Vec<_> = NAMES.iter().map(|name| &name[..3]).collect();

    let mut python = python();
    python.args(["-c", TYPED, setup, &starts.join(","), accept]).args(shell);
    for (name, value) in flagstaff(&[]).get_envs() {
        match value {
            Some(value) => python.env(name, value),
            None => python.env_remove(name),
        };
    }
    let binaries = program().parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    // Shells read and write files in the home directory of the user.
    let home = directory.path().join("home");
    fs::create_dir(&home).unwrap();
    let output = python
        .env("PATH", path)
        .env("HOME", &home)
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "xterm")
        .current_dir(&directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    assert!(!directory.path().join("X").exists(), "a name was run");
    let got = fs::read_to_string(directory.path().join("got")).unwrap();
    let flag = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["flag"].as_str().unwrap().to_owned()
    };
    got.lines().map(flag).collect()
}

#[test]
fn bash_completes_every_name_as_one_word() {
    let bash = ["bash", "--norc", "--noprofile", "-i"];

    assert_eq!(completed(&bash, "source <(flagstaff completion bash)", ""), NAMES);
}

#[test]
fn zsh_completes_every_name_as_one_word() {
    let setup =
        "autoload -Uz compinit; compinit -u -D; source <(flagstaff completion zsh); unsetopt beep";

    assert_eq!(completed(&["zsh", "-f", "-i"], setup, ""), NAMES);
}

#[test]
fn fish_completes_every_name_as_one_word() {
    let fish = ["fish", "--no-config", "--interactive"];

    assert_eq!(completed(&fish, "flagstaff completion fish | source", ""), NAMES);
}

#[test]
fn elvish_completes_every_name_as_one_word() {
    // This shell shows the completions, and the user types the blank after one.
    let accept = "\n ";

    let setup = "eval (flagstaff completion elvish | slurp)";
    assert_eq!(completed(&["elvish", "-norc"], setup, accept), NAMES);
}

/// A completed name of that form would be parsed as an option.
#[test]
fn a_name_in_the_form_of_an_option_is_not_completed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.toml");
    fs::write(&file, "[flags]\n\"--redis=redis://elsewhere\" = true\nkept = true\n").unwrap();
    let completed = |start: &str| {
        let mut command = flagstaff(&["--", "flagstaff", "--file", file.to_str().unwrap()]);
        let output = command.args(["get", start]).env("COMPLETE", "fish").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };

    assert!(!completed("--r").contains("elsewhere"));
    assert_eq!(completed("k"), "kept\n");
}
