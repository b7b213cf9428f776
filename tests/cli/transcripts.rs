//! The transcripts in `transcripts/`, and those of the README and the guide.
//!
//! `TRYCMD=overwrite tests/run --test cli transcripts` updates them.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use trycmd::TestCases;

use crate::{command::program, server::Server, support::root};

/// The examples use the flags.toml of this repository.
#[test]
fn the_readme_and_the_guide_show_what_is_printed() {
    let shows = |path: &PathBuf| fs::read_to_string(path).unwrap().contains("```console\n");
    let pages = transcripts("src/docs/guide").into_iter().filter(shows);
    for path in pages.chain([PathBuf::from("README.md")]) {
        run(&root().join(path), Some(&Server::start()));
    }
}

#[test]
fn commands_print_what_their_transcripts_show() {
    for path in transcripts("tests/cli/transcripts") {
        run(&path, None);
    }
}

/// Each transcript has a server of its own.
#[test]
fn commands_print_what_their_transcripts_show_with_a_store() {
    for path in transcripts("tests/cli/transcripts/redis") {
        run(&path, Some(&Server::start()));
    }
}

fn transcripts(directory: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(root().join(directory)).unwrap().map(|file| file.unwrap().path());
    let transcripts: Vec<_> =
        files.filter(|path| path.extension() == Some(OsStr::new("md"))).collect();
    assert!(!transcripts.is_empty());
    transcripts
}

fn run(path: &Path, server: Option<&Server>) {
    // Readers run the commands in the root. No other test depends on the directory of the process.
    env::set_current_dir(root()).unwrap();
    let cases = TestCases::new();
    cases.register_bin("flagstaff", program());
    for name in [
        "CLICOLOR_FORCE",
        "FLAGSTAFF_AT",
        "FLAGSTAFF_ENVIRONMENT",
        "FLAGSTAFF_ENV_PREFIX",
        "FLAGSTAFF_FILE",
        "REDIS_SENTINELS",
    ] {
        cases.env(name, "");
    }
    cases.env("FLAGSTAFF_OUTPUT", "text");
    if let Some(server) = server {
        cases.env("REDIS_URL", server.url());
        cases.insert_var("[HOST]", format!("127.0.0.1:{}", server.port())).unwrap();
    }
    cases.case(path);
    cases.run();
}
