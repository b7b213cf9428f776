//! The places where code names flags.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use aho_corasick::AhoCorasick;
use ignore::{DirEntry, WalkBuilder};
use regex::Regex;

use super::forms::{Form, forms};
use crate::{failure::Failure, plan::Progress};

/// The ends of names of files that explain code.
const PROSE: [&str; 5] = ["adoc", "markdown", "md", "rst", "txt"];

/// A search for the names of flags.
#[derive(Debug)]
pub(crate) struct Search {
    keys: HashSet<String>,
    /// All forms, which the names of constants are among.
    names: HashSet<String>,
    /// The forms, each with the index of its flag.
    forms: Vec<(Form, usize)>,
    automaton: AhoCorasick,
}

/// A place in the code, with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    /// Counted from 1, and the column in bytes.
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) text: String,
}

impl Place {
    /// Returns true if code that runs may depend on it: it is neither a comment nor in a document.
    pub(crate) fn is_code(&self) -> bool {
        !is_prose(&self.path) && !is_comment(&self.text)
    }

    fn order(&self) -> (&Path, usize, usize) {
        (&self.path, self.line, self.column)
    }
}

/// A place where a flag is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    /// The index among the keys of the search.
    pub(crate) flag: usize,
    pub(crate) place: Place,
}

/// A place where code evaluates a flag that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) name: String,
    pub(crate) place: Place,
}

/// The findings in code.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) mentions: Vec<Mention>,
    pub(crate) unknown: Vec<Sighting>,
    /// Constants of a module `flag` that are not flags; the module may be another one.
    doubtful: Vec<Sighting>,
    /// True if a constant of a module `flag` is a flag.
    has_constants: bool,
}

impl Found {
    /// Decides after the search if a module `flag` has flags.
    fn settle(&mut self) {
        let doubtful = std::mem::take(&mut self.doubtful);
        if self.has_constants {
            self.unknown.extend(doubtful);
            self.unknown.sort_by(|a, b| a.place.order().cmp(&b.place.order()));
        }
    }

    /// Returns the places that name each flag, by its index.
    pub(crate) fn by_flag(&self) -> HashMap<usize, Vec<&Place>> {
        let mut places: HashMap<usize, Vec<&Place>> = HashMap::new();
        for mention in &self.mentions {
            places.entry(mention.flag).or_default().push(&mention.place);
        }
        places
    }
}

impl Search {
    pub(crate) fn new(keys: Vec<String>) -> Result<Self, Failure> {
        let forms = keys.iter().enumerate();
        let forms: Vec<_> =
            forms.flat_map(|(index, key)| forms_of(key).map(move |form| (form, index))).collect();
        let automaton = AhoCorasick::new(forms.iter().map(|(form, _)| &form.text))
            .map_err(|error| Failure::usage(format!("too many flags to search for: {error}")))?;
        let names = forms.iter().map(|(form, _)| form.text.clone()).collect();
        Ok(Self { keys: keys.into_iter().collect(), names, forms, automaton })
    }

    /// Calls `note` for each mention: with the index of the flag, and the start of the mention.
    fn each_mention(&self, content: &str, mut note: impl FnMut(usize, usize)) {
        let mut seen = BTreeSet::new();
        for hit in self.automaton.find_overlapping_iter(content) {
            let (form, flag) = &self.forms[hit.pattern().as_usize()];
            if stands_alone(form, content, hit.start(), hit.end())
                && seen.insert((*flag, hit.start()))
            {
                note(*flag, hit.start());
            }
        }
    }

    /// Returns the flags that a line names, each once per mention.
    pub(super) fn named_in(&self, line: &str) -> Vec<usize> {
        let mut named = Vec::new();
        self.each_mention(line, |flag, _| named.push(flag));
        named
    }

    /// Searches all files below `root` that git would not ignore, but for `flag_file`.
    pub(crate) fn walk(&self, root: &Path, flag_file: Option<&Path>) -> Result<Found, Failure> {
        let flag_file = flag_file.and_then(|path| path.canonicalize().ok());
        let is_source = |entry: &DirEntry| entry.file_name() != ".git";
        let mut walk = WalkBuilder::new(root);
        // Workflows are in a hidden directory, and a copy without git has the same ignored files.
        walk.hidden(false).require_git(false).filter_entry(is_source);
        walk.sort_by_file_name(|a, b| a.cmp(b));
        let mut found = Found::default();
        let mut progress = Progress::new();
        for entry in walk.build() {
            let entry = entry.map_err(|error| Failure::usage(error.to_string()))?;
            let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
            let path = entry.path();
            if !is_file || (flag_file.is_some() && path.canonicalize().ok() == flag_file) {
                continue;
            }
            progress.show(path.display());
            let content = fs::read(path).map_err(|error| {
                Failure::usage(format!("cannot read `{}`: {error}", path.display()))
            })?;
            if !content.contains(&0) {
                let path = path.strip_prefix(".").unwrap_or(path);
                self.search(path, &String::from_utf8_lossy(&content), &mut found);
            }
        }
        found.settle();
        Ok(found)
    }

    fn search(&self, path: &Path, content: &str, found: &mut Found) {
        let lines = Lines::new(content);
        self.each_mention(content, |flag, start| {
            found.mentions.push(Mention { flag, place: lines.place(path, start) });
        });
        for (name, start) in asked(path, content) {
            let place = lines.place(path, start);
            if is_comment(&place.text) {
                continue;
            }
            match name {
                Name::Key(key) if self.keys.contains(key) => {}
                Name::Key(key) => found.unknown.push(Sighting { name: key.to_owned(), place }),
                Name::Constant(name) if self.names.contains(name) => {
                    found.has_constants = true;
                }
                Name::Constant(name) => {
                    found.doubtful.push(Sighting { name: name.to_owned(), place });
                }
            }
        }
    }
}

fn forms_of(key: &str) -> impl Iterator<Item = Form> {
    forms(key).into_iter()
}

/// Returns `true` if a form is a name of its own, and not a part of a longer one.
fn stands_alone(form: &Form, content: &str, start: usize, end: usize) -> bool {
    let before = content[..start].chars().next_back();
    let after = content[end..].chars().next();
    if form.quoted {
        let quote = |c: Option<char>| c.filter(|c| matches!(c, '"' | '\'' | '`'));
        return quote(before).is_some() && quote(before) == quote(after);
    }
    let dash = form.text.contains('-');
    let is_part =
        |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || (dash && c == '-'));
    !is_part(before) && !is_part(after)
}

/// The name by which code evaluates a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name<'c> {
    Key(&'c str),
    /// A constant of the module that `flagstaff::codegen` generates.
    Constant(&'c str),
}

/// Returns the flags that code certainly evaluates, and their offsets. Doubtful names are left out:
/// a name that is not a flag must not be reported as an unknown flag.
fn asked<'c>(path: &Path, content: &'c str) -> Vec<(Name<'c>, usize)> {
    if is_prose(path) {
        return Vec::new();
    }
    static CALL: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let calls = [
            r"is_enabled(?:_or)?",
            r"isEnabled",
            r"FlagGate::new",
            r"FlagName::new",
            r"get(?:Boolean|String|Integer|Float|Number|Object)(?:Value|Details)",
            r"get_(?:boolean|string|integer|float|object)_(?:value|details)",
        ];
        let call = calls.join("|");
        Regex::new(&format!(r#"\b(?:{call})\s*\(\s*(?:"([^"\\\n{{}}$%]+)"|'([^'\\\n{{}}$%]+)')"#))
            .ok()
    });
    static CONSTANT: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\bflag::([A-Z][A-Z0-9_]*)\b").ok());
    let mut asked = Vec::new();
    for found in CALL.iter().flat_map(|call| call.captures_iter(content)) {
        let name = found.get(1).or(found.get(2));
        asked.extend(name.map(|name| (Name::Key(name.as_str()), name.start())));
    }
    if extension(path) == "rs" {
        for found in CONSTANT.iter().flat_map(|constant| constant.captures_iter(content)) {
            asked.extend(found.get(1).map(|name| (Name::Constant(name.as_str()), name.start())));
        }
    }
    asked.sort_by_key(|(_, start)| *start);
    asked
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

fn is_prose(path: &Path) -> bool {
    PROSE.contains(&extension(path))
}

/// Returns `true` if a line is nothing but a comment, in common languages.
fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["//", "#", "*", "/*", "--", "<!--"].iter().any(|start| line.starts_with(start))
}

/// The offsets at which the lines of a file begin.
struct Lines<'c> {
    content: &'c str,
    starts: Vec<usize>,
}

impl<'c> Lines<'c> {
    fn new(content: &'c str) -> Self {
        let after = content.match_indices('\n').map(|(at, _)| at + 1);
        Self { content, starts: [0].into_iter().chain(after).collect() }
    }

    fn place(&self, path: &Path, at: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts[line - 1];
        let text = self.content[start..].lines().next().unwrap_or_default().to_owned();
        Place { path: path.to_owned(), line, column: at - start + 1, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, content: &str) -> Found {
        let keys = ["new_checkout", "search"].map(str::to_owned).to_vec();
        let mut found = Found::default();
        Search::new(keys).unwrap().search(Path::new(path), content, &mut found);
        found.settle();
        found
    }

    fn mentions(content: &str) -> Vec<(usize, usize, usize)> {
        let found = found("a.py", content).mentions;
        found.iter().map(|it| (it.flag, it.place.line, it.place.column)).collect()
    }

    #[test]
    fn all_forms_are_found_once() {
        assert_eq!(
            mentions("x\nif is_enabled(\"new_checkout\")\nNEW_CHECKOUT newCheckout\n"),
            [(0, 2, 16), (0, 3, 1), (0, 3, 14)]
        );
        assert_eq!(mentions("export FEATURE_NEW_CHECKOUT=1"), [(0, 1, 8)]);
        assert_eq!(mentions("class=\"new-checkout\" NewCheckout"), [(0, 1, 8), (0, 1, 22)]);
        assert_eq!(mentions("'search' `search` SEARCH"), [(1, 1, 2), (1, 1, 11), (1, 1, 19)]);
    }

    #[test]
    fn parts_of_other_names_do_not_count_as_mentions() {
        for text in [
            "renew_checkout",
            "new_checkout_v2",
            "MY_NEW_CHECKOUT",
            "a-new-checkout",
            "search(needle)",
            "\"search the web\"",
            "\"search'",
            "newCheckouts",
        ] {
            assert_eq!(mentions(text), [], "{text}");
        }
    }

    #[test]
    fn a_call_with_an_unknown_name_is_found() {
        let unknown = |path: &str, content: &str| -> Vec<String> {
            found(path, content).unknown.into_iter().map(|it| it.name).collect()
        };

        let code = "flags.is_enabled(\"new_chekout\", &context);\nflag::SEARCH; flag::OLD\n\
                    isEnabled( 'search' ) FlagGate::new(\n \"gone\")";
        assert_eq!(unknown("a.rs", code), ["new_chekout", "OLD", "gone"]);
        assert_eq!(unknown("a.py", "client.get_boolean_value('old', False)"), ["old"]);
        assert_eq!(unknown("a.rs", "flag::LIMIT flag::MAX"), [""; 0]);
        assert_eq!(unknown("a.md", code), [""; 0]);
        for other in [
            "  // is_enabled(\"old\")",
            "is_enabled(name)",
            "is_enabled(\"flag-{n}\")",
            "this_is_enabled(\"x\")",
            "is_enabled(\"search\")",
            "flag::decode flag::OLD",
        ] {
            assert_eq!(unknown("a.py", other), [""; 0], "{other}");
        }
    }

    #[test]
    fn what_git_ignores_is_not_searched() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(".gitignore", "target/\n");
        write("target/a.rs", "NEW_CHECKOUT");
        write(".git/config", "NEW_CHECKOUT");
        write("flags.toml", "[flags.new_checkout]");
        write("image.png", "NEW_CHECKOUT\0");
        write(".github/ci.yml", "FEATURE_NEW_CHECKOUT: 1");
        write("src/a.rs", "NEW_CHECKOUT");

        let search = Search::new(vec!["new_checkout".to_owned()]).unwrap();
        let flag_file = directory.path().join("flags.toml");
        let found = search.walk(directory.path(), Some(&flag_file)).unwrap();

        let paths = found.mentions.iter().map(|it| it.place.path.strip_prefix(&directory).unwrap());
        assert_eq!(paths.collect::<Vec<_>>(), [Path::new(".github/ci.yml"), Path::new("src/a.rs")]);
    }
}
