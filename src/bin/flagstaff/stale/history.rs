//! The commits of the flag file, which show the age of a flag's state.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, SystemTime},
};

use flagstaff::definition::FlagsFile;

use super::{Search, finding::Fixed};
use crate::{
    parts::{Part, Parts},
    plan::Progress,
    revision::git,
};

/// The commits of a file, the newest first.
#[derive(Debug)]
pub(crate) struct History {
    directory: PathBuf,
    /// The path of the file, from the top of the repository.
    path: String,
    commits: Vec<(String, SystemTime)>,
}

impl History {
    /// Reads the history of a file; `None` without git, or if git does not track the file.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        let directory = file.parent()?.to_owned();
        let name = file.file_name()?.to_str()?;
        let text = |arguments: &[&str]| String::from_utf8(git(&directory, arguments).ok()?).ok();
        let path = text(&["rev-parse", "--show-prefix"])?.trim_end_matches('\n').to_owned() + name;
        let log = text(&["log", "--format=%H %ct", "--", name])?;
        let commits: Vec<_> = log
            .lines()
            .filter_map(|line| {
                let (commit, seconds) = line.split_once(' ')?;
                let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.parse().ok()?);
                Some((commit.to_owned(), at))
            })
            .collect();
        (!commits.is_empty()).then_some(Self { directory, path, commits })
    }

    /// Returns the commit since which each flag has been the same for all users, without a break: in `[flags]`, and in
    /// all environments of the file. A flag with another state in the last commit is left out.
    pub(crate) fn since(
        &self,
        flags: &BTreeMap<String, Fixed>,
        now: SystemTime,
    ) -> BTreeMap<String, SystemTime> {
        let mut since = BTreeMap::new();
        let mut open: Vec<_> = flags.iter().collect();
        let Some(mut objects) = Objects::start(&self.directory) else { return since };
        let mut progress = Progress::new();
        for (index, (commit, at)) in self.commits.iter().enumerate() {
            if open.is_empty() {
                break;
            }
            progress.show(format_args!("commit {} of {}", index + 1, self.commits.len()));
            let Some(text) = objects.read(&format!("{commit}:{}", self.path)) else { break };
            let file = text.map(|text| FlagsFile::parse(&self.path, &text));
            // A file that could not be used was never in force.
            if file.as_ref().is_some_and(|file| !file.is_usable()) {
                continue;
            }
            let parts = file.map(|file| Parts::of([&file]));
            open.retain(|(key, fixed)| {
                let is_fixed = |part: &Part| {
                    part.flag(key).and_then(|flag| Fixed::of(&flag, now)).as_ref() == Some(fixed)
                };
                let is_same = parts.as_ref().is_some_and(|parts| parts.iter().all(is_fixed));
                if is_same {
                    since.insert((*key).clone(), *at);
                }
                is_same
            });
        }
        since
    }
}

/// `git cat-file --batch`: one process for all revisions.
struct Objects {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Objects {
    fn start(directory: &Path) -> Option<Self> {
        let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let mut child = Command::new("git")
            .arg("-C")
            .arg(here)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take()?);
        Some(Self { child, input, output })
    }

    /// Returns the text of an object; `Some(None)` if there is none of that name, or it is not UTF-8.
    fn read(&mut self, name: &str) -> Option<Option<String>> {
        let input = self.input.as_mut()?;
        writeln!(input, "{name}").and_then(|()| input.flush()).ok()?;
        let mut header = String::new();
        self.output.read_line(&mut header).ok()?;
        let Some(size) =
            header.split(' ').nth(2).and_then(|size| size.trim().parse::<usize>().ok())
        else {
            return header.trim_end().ends_with("missing").then_some(None);
        };
        // The object ends with a line break of its own.
        let mut content = vec![0; size + 1];
        self.output.read_exact(&mut content).ok()?;
        content.pop();
        Some(String::from_utf8(content).ok())
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // The process ends when its input ends.
        self.input = None;
        let _ = self.child.wait();
    }
}

/// A commit, as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) id: String,
    pub(crate) day: String,
}

/// Returns the last commits that changed how often the code below `root` names flags, by the index of each flag
/// that is `wanted`. Git goes through the commits once for all of them.
pub(crate) fn last_mentions(
    root: &Path,
    search: &Search,
    wanted: BTreeSet<usize>,
    flag_file: Option<&Path>,
) -> BTreeMap<usize, Commit> {
    let mut found = BTreeMap::new();
    if wanted.is_empty() {
        return found;
    }
    let without = flag_file.and_then(|path| path.file_name()).and_then(|name| name.to_str());
    let without = without.map(|name| format!(":(exclude,glob)**/{name}"));
    let here = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    let child = Command::new("git")
        .arg("-C")
        .arg(here)
        // A commit begins with NUL, as no line of a patch does.
        .args([
            "log",
            "--format=%x00%h %cs",
            "--patch",
            "--unified=0",
            "--no-color",
            "--no-ext-diff",
        ])
        .args(["--", "."])
        .args(without)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return found };
    let mut patches =
        Patches { search, open: wanted, changed: BTreeMap::new(), commit: None, is_header: true };
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        let mut progress = Progress::new();
        while !patches.open.is_empty()
            && output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0)
        {
            patches.line(&String::from_utf8_lossy(&line), &mut found);
            line.clear();
            if let Some(commit) = &patches.commit {
                progress.show(format_args!("commit {} of {}", commit.id, commit.day));
            }
        }
    }
    patches.end_of_file(&mut found);
    // The rest of the log is not needed.
    let _ = child.kill();
    let _ = child.wait();
    found
}

/// Goes through a log with patches, the latest commit first.
struct Patches<'s> {
    search: &'s Search,
    /// The flags that are still looked for.
    open: BTreeSet<usize>,
    /// The increase in the number of mentions of each flag in a file.
    changed: BTreeMap<usize, i64>,
    commit: Option<Commit>,
    /// True for the lines before the first change of a file, which name the file.
    is_header: bool,
}

impl Patches<'_> {
    fn line(&mut self, line: &str, found: &mut BTreeMap<usize, Commit>) {
        if let Some(commit) = line.strip_prefix('\0') {
            self.end_of_file(found);
            let commit = commit.trim_end().split_once(' ');
            self.commit = commit.map(|(id, day)| Commit { id: id.to_owned(), day: day.to_owned() });
            return;
        }
        let by = match line.as_bytes().first() {
            Some(b'd') => {
                self.is_header = true;
                return self.end_of_file(found);
            }
            Some(b'@') => {
                self.is_header = false;
                return;
            }
            Some(b'+') if !self.is_header => 1,
            Some(b'-') if !self.is_header => -1,
            _ => return,
        };
        for flag in self.search.named_in(line.get(1..).unwrap_or_default()) {
            *self.changed.entry(flag).or_default() += by;
        }
    }

    /// Notes the commit for each flag of which the file has more or fewer mentions now.
    fn end_of_file(&mut self, found: &mut BTreeMap<usize, Commit>) {
        for (flag, by) in std::mem::take(&mut self.changed) {
            if let Some(commit) =
                self.commit.as_ref().filter(|_| by != 0 && self.open.remove(&flag))
            {
                found.insert(flag, commit.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A repository in which a file is committed again and again, a day after the other.
    struct Repository(tempfile::TempDir);

    impl Repository {
        fn new() -> Self {
            let repository = Self(tempfile::tempdir().unwrap());
            repository.git(0, &["init", "--quiet"]);
            repository
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn commit(&self, day: u32, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
            self.git(day, &["add", "."]);
            self.git(day, &["commit", "--quiet", "--message", "x"]);
        }

        fn git(&self, day: u32, arguments: &[&str]) {
            let date = format!("2026-01-{:02}T00:00:00Z", day + 1);
            let status = Command::new("git")
                .arg("-C")
                .arg(self.0.path())
                .args([
                    "-c",
                    "user.name=x",
                    "-c",
                    "user.email=x@example.com",
                    "-c",
                    "commit.gpgsign=false",
                ])
                .args(arguments)
                .env("GIT_COMMITTER_DATE", &date)
                .env("GIT_AUTHOR_DATE", &date)
                .status()
                .unwrap();
            assert!(status.success(), "{arguments:?}");
        }
    }

    fn day(number: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs((20_454 + number) * 86_400)
    }

    #[test]
    fn a_flag_is_fixed_since_the_commit_that_made_it_so() {
        let repository = Repository::new();
        repository.commit(1, "flags.toml", "[flags]\na = true\nb = true\n");
        repository.commit(2, "flags.toml", "[flags]\na = \"10%\"\nb = true\n");
        repository.commit(3, "flags.toml", "[flags]\na = true\nb = true\nc = false\n");
        repository.commit(4, "flags.toml", "torn");
        repository.commit(5, "flags.toml", "[flags]\na = true\nb = true\nc = false\nd = \"5%\"\n");
        let fixed = [("a", Fixed::On), ("b", Fixed::On), ("c", Fixed::Off), ("d", Fixed::On)];
        let fixed = fixed.into_iter().map(|(key, fixed)| (key.to_owned(), fixed)).collect();

        let history = History::of(&repository.path("flags.toml")).unwrap();
        let since = history.since(&fixed, day(9));

        let expected = [("a", day(3)), ("b", day(1)), ("c", day(3))];
        assert_eq!(since, expected.into_iter().map(|(key, at)| (key.to_owned(), at)).collect());
    }

    #[test]
    fn a_flag_is_fixed_since_the_commit_that_made_it_so_in_all_environments() {
        let repository = Repository::new();
        let file = |on: &str| format!("[flags]\na = true\n[environments.production]\na = {on}\n");
        repository.commit(1, "flags.toml", "[flags]\na = true\n");
        repository.commit(2, "flags.toml", &file("\"10%\""));
        repository.commit(3, "flags.toml", &file("true"));
        let fixed = BTreeMap::from([("a".to_owned(), Fixed::On)]);

        let history = History::of(&repository.path("flags.toml")).unwrap();

        let since = history.since(&fixed, day(9));
        assert_eq!(since, BTreeMap::from([("a".to_owned(), day(3))]));
    }

    #[test]
    fn the_last_commit_with_a_mention_is_the_one_that_removed_it() {
        let repository = Repository::new();
        repository.commit(1, "a.rs", "NEW_CHECKOUT a.b");
        repository.commit(2, "a.rs", "");
        repository.commit(3, "flags.toml", "[flags]\nnew_checkout = true\n");
        repository.commit(4, "a.rs", "a_b");
        let root = repository.0.path();
        let flag_file = repository.path("flags.toml");

        let search = Search::new(vec!["new_checkout".to_owned(), "other".to_owned()]).unwrap();
        let last = last_mentions(root, &search, BTreeSet::from([0, 1]), Some(&flag_file));
        let days: Vec<_> = last.iter().map(|(flag, commit)| (*flag, commit.day.as_str())).collect();
        assert_eq!(days, [(0, "2026-01-03")]);
    }

    #[test]
    fn a_file_outside_of_git_has_no_history() {
        let directory = tempfile::tempdir().unwrap();

        assert!(History::of(&directory.path().join("flags.toml")).is_none());
    }
}
