//! Edits of many kinds of files with comments: the command changes one thing, and leaves the rest.

use std::{fs, process::Command};

use flagstaff::{cli::ExitCode, definition::FlagsFile};
use tempfile::TempDir;

use crate::{
    command::{flagstaff, on, ran},
    server::Server,
    support::root,
};

/// The text of each file.
fn corpus() -> Vec<String> {
    let folder = root().join("tests/data/edit");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let corpus: Vec<_> = files.map(|path| fs::read_to_string(path).unwrap()).collect();
    assert!(corpus.len() >= 20);
    corpus
}

fn keys(text: &str) -> Vec<String> {
    FlagsFile::parse("flags.toml", text).flags().keys().map(str::to_owned).collect()
}

/// A directory with one flags.toml.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Returns the text of a file after a command, which has to exit with `code`.
    fn after(&self, text: &str, arguments: &[&str], code: ExitCode) -> String {
        self.ran(text, flagstaff(arguments), code)
    }

    fn ran(&self, text: &str, mut command: Command, code: ExitCode) -> String {
        let path = self.0.path().join("flags.toml");
        fs::write(&path, text).unwrap();
        let ran = ran(command.current_dir(self.0.path()));
        assert_eq!(ran.code, code, "{command:?}: {}\n{text}", ran.stderr);
        fs::read_to_string(&path).unwrap()
    }
}

/// Checks that one line was added or replaced and contains `mark`, below a header if it needs one. All
/// other lines are unchanged, byte for byte.
fn assert_one_line_says(mark: &str, before: &str, after: &str) {
    assert_eq!(before.starts_with('\u{feff}'), after.starts_with('\u{feff}'));
    let lines = |text: &'_ str| -> Vec<String> {
        text.trim_start_matches('\u{feff}').split_inclusive('\n').map(str::to_owned).collect()
    };
    let (before, after) = (lines(before), lines(after));
    let pairs = before.iter().zip(&after);
    let same = pairs.take_while(|(before, after)| before == after).count();
    let (before, after) = (&before[same..], &after[same..]);
    let pairs = before.iter().rev().zip(after.iter().rev());
    let same = pairs.take_while(|(before, after)| before == after).count();
    let (before, after) = (&before[..before.len() - same], &after[..after.len() - same]);
    let is_layout = |line: &&String| line.trim().is_empty() || line.starts_with('[');
    let said: Vec<_> = after.iter().filter(|line| !is_layout(line)).collect();
    let [said] = &*said else { panic!("{before:?} -> {after:?}") };
    assert!(before.len() <= 1 && said.contains(mark), "{before:?} -> {after:?}");
    let comment = |line: &String| line.split_once('#').map(|(_, comment)| comment.to_owned());
    if let Some(before) = before.first() {
        assert_eq!(comment(before), comment(said));
    }
}

#[test]
fn one_setting_is_one_line_whichever_command_writes_it() {
    let (place, server) = (Place::new(), Server::start());
    for text in corpus() {
        for key in keys(&text) {
            let set = ["set", &key, "owner=corpus", "--source", "file"];
            let set = place.after(&text, &set, ExitCode::Done);
            assert_one_line_says("corpus", &text, &set);

            server.cli(&["HSET", "feature_flags", &key, r#"{"owner":"corpus"}"#]);
            let promoted = place.ran(&text, on(&server, &["promote", &key]), ExitCode::Done);
            assert_eq!(promoted, set);
        }
    }
}

#[test]
fn a_fix_changes_what_it_is_about() {
    let place = Place::new();
    for text in corpus() {
        // One file has a flag with a mistake that cannot be fixed.
        let code = match text.contains("wrong") {
            true => ExitCode::No,
            false => ExitCode::Done,
        };
        let fix = ["lint", "--fix", "-A", "all", "-W", "duplicate-entry"];
        let text = place.after(&text, &fix, code);
        for key in keys(&text) {
            let set = ["set", &key, r#"allowed_users=["corpus"]"#, "--source", "file"];
            let once = place.after(&text, &set, ExitCode::Done);
            let twice = once.replace(r#""corpus""#, r#""corpus", "corpus""#);
            assert_ne!(once, twice);

            assert_eq!(place.after(&twice, &fix, code), once);
        }
    }
}
