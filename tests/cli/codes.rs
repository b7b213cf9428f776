//! Every exit code of every command.

use flagstaff::cli::ExitCode::{self, Done, No, Unreachable, Usage};

use crate::{
    command::{flagstaff, on, ran},
    server::Server,
};

/// Nothing listens there.
const NOWHERE: &str = "redis://127.0.0.1:1";

/// What needs no store.
const WITHOUT_STORE: &[(&[&str], ExitCode)] = &[
    (&["--help"], Done),
    (&["--version"], Done),
    (&[], Usage),
    (&["nonsense"], Usage),
    (&["completion", "bash"], Done),
    (&["completion", "cmd"], Usage),
    (&["eval", "on"], Done),
    (&["eval", "on", "nobody_knows"], No),
    (&["eval"], Usage),
    (&["eval", "--batch", "questions.jsonl"], Done),
    (&["eval", "--batch", "flags.toml"], Usage),
    (&["eval", "on", "--context", "[]"], Usage),
    (&["get", "on"], Done),
    (&["get", "quarter", "owner"], Done),
    (&["get", "on", "owner"], No),
    (&["get", "nobody_knows"], No),
    (&["get", "on", "colour"], Usage),
    (&["is-on", "on"], Done),
    (&["is-on", "off"], No),
    (&["is-on", "nobody_knows"], No),
    (&["is-on", "on", "--file", "missing.toml"], Usage),
    (&["is-on", "on", "--file", "questions.jsonl"], Usage),
    (&["list"], Done),
    (&["list", "owner:nobody"], Done),
    (&["list", "colour:red"], Usage),
    (&["man"], Done),
    (&["man", "--dir", "flags.toml"], Usage),
];

/// With a store that cannot be reached.
const UNREACHABLE: &[(&[&str], ExitCode)] = &[
    (&["eval", "on"], Unreachable),
    (&["is-on", "on"], Unreachable),
    (&["is-on", "on", "--no-redis"], Done),
    // As the Python command has it.
    (&["get", "on"], Usage),
    (&["list"], Usage),
];

/// With a store that says what it is asked for.
const WITH_STORE: &[(&[&str], ExitCode)] = &[
    (&["eval", "on"], Done),
    (&["get", "on"], Done),
    (&["is-on", "on"], Done),
    (&["is-on", "on", "--redis", "http://127.0.0.1"], Usage),
    (&["list"], Done),
];

#[test]
fn every_command_ends_with_the_code_that_fits() {
    for (arguments, code) in WITHOUT_STORE {
        let ran = ran(&mut flagstaff(arguments));
        assert_eq!(ran.code, *code, "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn every_command_says_when_the_store_is_away() {
    for (arguments, code) in UNREACHABLE {
        let ran = ran(flagstaff(arguments).env("REDIS_URL", NOWHERE));
        assert_eq!(ran.code, *code, "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("cannot reach Redis"), *code != Done, "{arguments:?}");
    }
}

#[test]
fn every_command_ends_with_the_code_that_fits_what_the_store_says() {
    let server = Server::start();

    for (arguments, code) in WITH_STORE {
        let ran = ran(&mut on(&server, arguments));
        assert_eq!(ran.code, *code, "{arguments:?}: {}", ran.stderr);
    }
}
