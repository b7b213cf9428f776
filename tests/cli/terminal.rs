//! Output on a terminal, which `script` of util-linux provides.

use std::process::{Command, Stdio};

use crate::command::{data, flagstaff, program};

/// Returns the output of a command on a terminal of this width.
fn on_terminal(width: u16, arguments: &str) -> String {
    let mut command = Command::new("script");
    let line = format!("stty cols {width}; {} {arguments}", program().display());
    command.args(["-qec", &line, "/dev/null"]).current_dir(data()).stdin(Stdio::null());
    // Removes the environment variables of this machine.
    for (name, value) in flagstaff(&[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().expect("`script` of util-linux");
    String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n")
}

#[test]
fn names_are_whole_at_every_width() {
    for width in [0, 1, 40, 80] {
        let list = on_terminal(width, "list --no-redis");
        for name in ["from_december", "quarter", &format!("long_{}", "x".repeat(200))] {
            assert!(list.contains(name), "{width}: {list}");
        }
    }
    assert_eq!(on_terminal(0, "list --no-redis"), on_terminal(1_000, "list --no-redis"));
}

#[test]
fn a_terminal_shows_that_overrides_are_ignored() {
    let told = |arguments| on_terminal(80, arguments).contains("so overrides are ignored");

    for arguments in ["list", "get on", "show on", "eval on", "explain on", "stale"] {
        assert!(told(arguments), "{arguments}");
    }
    for arguments in ["list --no-redis", "is-on on", "lint", "list 2>/dev/null", "list -o json"] {
        assert!(!told(arguments), "{arguments}");
    }
}
