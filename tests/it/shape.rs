//! Conventions of all public items that the compiler does not check.
//!
//! The tests read the sources. The lint `unreachable_pub` restricts `pub` to public items.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::root;

const STRUCT: &str = "pub struct ";

/// One public declaration.
struct Declaration {
    file: String,
    /// The enum, trait or struct that contains the declaration.
    owner: String,
    /// The declaration in one line and without comments.
    text: String,
    /// True for a struct with private fields.
    is_closed: bool,
}

impl Declaration {
    fn name(&self) -> String {
        format!("{}: {}", self.file, self.text)
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if path.ends_with("src/bin") => {}
            true => files(&path, found),
            false if path.extension().is_some_and(|it| it == "rs") => found.push(path),
            false => {}
        }
    }
}

/// Returns the public structs, enums, traits, fields, variants and functions of the library.
fn declarations() -> Vec<Declaration> {
    let root = root().join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let mut found = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        // Tests and the rows of the registry's macros are not public declarations.
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let file = path.strip_prefix(&root).unwrap().display().to_string();
        read(&file, text, &mut found);
    }
    assert!(found.len() > 1_000, "{} declarations", found.len());
    found
}

fn read(file: &str, text: &str, found: &mut Vec<Declaration>) {
    let mut lines = text.lines();
    // The public enum, trait or struct that contains the current line, and its indentation.
    let mut within: Option<(String, usize)> = None;
    let mut attributes = String::new();
    while let Some(line) = lines.next() {
        let (indent, line) = (line.len() - line.trim_start().len(), line.trim());
        match &within {
            Some((_, outer)) if line.starts_with('}') && indent == *outer => within = None,
            _ if line.starts_with("//") || line.is_empty() => continue,
            _ if line.starts_with("#[") => {
                attributes += line;
                while attributes.matches('[').count() > attributes.matches(']').count() {
                    attributes += lines.next().expect("an attribute ends").trim();
                }
                continue;
            }
            owner => {
                let is_public = line.starts_with("pub ") && !line.starts_with("pub use");
                let is_of_struct = owner.as_ref().is_some_and(|(it, _)| it.contains(STRUCT));
                if is_public || (owner.is_some() && !is_of_struct) {
                    let mut text = line.to_owned();
                    let ends = |text: &str| {
                        let is_open = text.matches('(').count() > text.matches(')').count();
                        !is_open && text.ends_with(['{', '}', ';', ','])
                    };
                    while !ends(&text) {
                        let Some(next) = lines.next() else { break };
                        text += " ";
                        text += next.split(" // ").next().unwrap().trim();
                    }
                    let owner_name = owner.as_ref().map(|(name, _)| name.clone());
                    let opens = ["pub enum ", "pub trait ", STRUCT];
                    if opens.iter().any(|it| text.starts_with(it)) && text.ends_with('{') {
                        within = Some((text.clone(), indent));
                    }
                    let text = format!("{attributes}{text}");
                    let owner = owner_name.unwrap_or_default();
                    let file = file.to_owned();
                    found.push(Declaration { file, owner, text, is_closed: false });
                } else if is_of_struct {
                    let owner = found.iter_mut().rfind(|it| it.text.contains(STRUCT));
                    owner.expect("it was pushed").is_closed = true;
                }
            }
        }
        attributes.clear();
    }
}

/// Compares the declarations that break a convention with the exceptions, each with its reason.
fn assert_exceptions(found: Vec<String>, exceptions: &[(&str, &str)]) {
    let mut left: Vec<_> = exceptions.iter().map(|(part, _)| *part).collect();
    for one in found {
        let before = left.len();
        left.retain(|part| !one.contains(part));
        let is_known = exceptions.iter().any(|(part, _)| one.contains(part));
        assert!(before > left.len() || is_known, "{one}");
    }
    assert!(left.is_empty(), "no exceptions any more: {left:?}");
}

#[test]
fn public_data_shows_no_pointers() {
    // The fields of a tuple struct are private without a `pub` of their own.
    let is_private = |text: &str| text.contains(STRUCT) && !text.contains("(pub ");
    let shows = |text: &str| {
        ["Arc<", "Box<", "Rc<"].iter().any(|it| text.contains(it)) && !is_private(text)
    };
    let found = declarations().into_iter().filter(|it| shows(&it.text)).map(|it| it.name());

    assert_exceptions(
        found.collect(),
        &[
            ("fn snapshot(&self) -> Arc<Snapshot>", "shared ownership is what it gives"),
            ("fn run(self: Arc<Self>", "a backend runs in a task, and is written to beside it"),
            ("pub type BackendError", "any error, as the ecosystem spells it"),
            ("pub type BoxFuture", "futures of a trait that is used as `dyn`"),
        ],
    );
}

#[test]
fn what_may_grow_is_non_exhaustive() {
    let may_grow = |it: &Declaration| {
        let is_struct = it.text.contains(STRUCT) && it.text.ends_with('{') && !it.is_closed;
        (is_struct || it.text.contains("pub enum ")) && !it.text.contains("#[non_exhaustive]")
    };
    let found = declarations().into_iter().filter(may_grow).map(|it| it.name());

    assert_exceptions(
        found.collect(),
        &[
            ("pub enum Setting<T>", "absent, null or a value: RFC 7396 has no fourth"),
            ("pub enum GrpcStatus", "the codes of the specification"),
            ("pub enum BodyError<B, D>", "the inner body or the layer's"),
            ("pub struct Sides<R>", "a flag is on or off"),
        ],
    );
}

#[test]
fn a_flag_is_named_by_any_flag_key() {
    let names = |text: &str| {
        ["flag: &str", "key: &str", "flag: impl Into<", "key: impl Into<", "key: Option<&str>"]
            .iter()
            .any(|it| text.contains(it))
    };
    let found = declarations()
        .into_iter()
        .filter(|it| it.text.contains("fn ") && names(&it.text))
        // A trait that is used as `dyn` has no generic methods.
        .filter(|it| !it.owner.contains("trait WritableBackend"));

    assert_exceptions(
        found.map(|it| it.name()).collect(),
        &[("fn key(mut self, key: impl Into<String>)", "the name of a Redis key")],
    );
}

/// The facts behind a cause are methods, such as [`Cause::draw`](flagstaff::answer::Cause).
#[test]
fn the_command_does_not_branch_on_causes() {
    let mut paths = Vec::new();
    files(&root().join("src/bin/flagstaff"), &mut paths);
    assert!(paths.len() > 50, "{} files", paths.len());

    for path in paths {
        // `ChangeCause` is the cause of a change, not of an answer.
        let text = fs::read_to_string(&path).unwrap().replace("ChangeCause::", "");
        assert!(!text.contains("Cause::"), "{}", path.display());
    }
}

/// Cargo runs the tests of this package in `tests/`, and does not build the command of another package for them.
#[test]
fn tests_find_the_repository_and_the_command_by_the_helpers_alone() {
    let mut paths = Vec::new();
    for folder in ["tests/it", "tests/cli", "tests/bench"] {
        files(&root().join(folder), &mut paths);
    }
    assert!(paths.len() > 100, "{} files", paths.len());

    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let is_helper = path.ends_with("it/support.rs");
        let found = text.contains(concat!("CARGO_", "MANIFEST_DIR")) && !is_helper;
        assert!(!found, "{}: use `support::root()`", path.display());
        let found = text.contains(concat!("CARGO_", "BIN_EXE"));
        assert!(!found, "{}: use `command::program()`", path.display());
    }
}
