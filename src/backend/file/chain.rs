//! The directories and files that decide which content a path has.
//!
//! A path is more than one directory entry, since every symlink on the way can be replaced.
//! Kubernetes (`flags.toml -> ..data/flags.toml`, `..data -> ..2026_11_21`) and release scripts
//! (`current -> releases/v2`) publish files like that.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs::{self, Metadata},
    path::{Component, Path, PathBuf},
};

/// The number of symlinks that Linux follows before it returns `ELOOP`.
const MAX_HOPS: usize = 40;

/// The device and inode, on platforms that have them.
pub(super) type Id = Option<(u64, u64)>;

/// Everything that has to be watched for one path, outermost first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) points: Vec<Point>,
    pub(super) names: Names,
}

/// One directory or file to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) path: PathBuf,
    pub(super) id: Id,
    pub(super) role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A watch without which changes are missed.
    Essential,
    /// A watch outside the parent, which reports that the parent was replaced. A service often
    /// lacks the right to list that directory.
    Outer,
}

/// The names of everything that the path walks through, those of symlink targets included, and the file itself.
///
/// Each change of the target of the path changes an entry with one of these names in one of the
/// watched directories. Whole paths are not enough. The kernel reports an inode that is reachable
/// twice under one path only, and a directory that was moved under its old path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    all: HashSet<OsString>,
    /// The end of the path, even if it does not exist.
    file: PathBuf,
}

impl Chain {
    /// Resolves `path` as the kernel does, and stops at the first entry that does not exist.
    pub(super) fn resolve(path: &Path) -> Self {
        let mut chain = Self::default();
        let mut steps = steps(path);
        let mut at = PathBuf::new();
        let mut hops = 0;

        while let Some(step) = steps.pop() {
            let name = match step {
                Step::Root(root) => {
                    at = root;
                    continue;
                }
                Step::Up => {
                    at.pop();
                    continue;
                }
                Step::Down(name) => name,
            };
            let next = at.join(&name);
            chain.names.all.insert(name);
            chain.names.file.clone_from(&next);
            match fs::symlink_metadata(&next) {
                Ok(metadata) if metadata.is_symlink() => {
                    chain.add(&at, Role::Essential);
                    hops += 1;
                    match fs::read_link(&next) {
                        Ok(target) if hops <= MAX_HOPS => steps.extend(self::steps(&target)),
                        _ => return chain,
                    }
                }
                Ok(_) => at = next,
                // The missing entries will appear in the nearest ancestor that exists.
                Err(_) => {
                    chain.add(&at, Role::Essential);
                    chain.names.file = rest(next, steps);
                    return chain;
                }
            }
        }

        if let Some(parent) = at.parent() {
            if let Some(outer) = parent.parent() {
                chain.add(outer, Role::Outer);
            }
            chain.add(parent, Role::Essential);
        }
        // Watch the file itself too: its inode may be written through another name, a hard link or
        // a bind mount.
        chain.add(&at, Role::Essential);
        chain.names.file = at;
        chain
    }

    // One watch for each inode: inotify has one descriptor for an inode, which would be removed
    // with the first of two watches.
    fn add(&mut self, path: &Path, role: Role) {
        let Ok(metadata) = fs::symlink_metadata(path) else {
            return;
        };
        let id = id(&metadata);
        let known = |point: &&mut Point| point.path == path || (id.is_some() && point.id == id);
        match self.points.iter_mut().find(known) {
            Some(point) if role == Role::Essential => point.role = role,
            Some(_) => {}
            None => self.points.push(Point { path: path.to_owned(), id, role }),
        }
    }
}

impl Names {
    /// Returns `true` if an event about `path` can change where the path leads to.
    pub(super) fn concern(&self, path: &Path) -> bool {
        path.file_name().is_none_or(|name| self.all.contains(name))
    }

    /// Returns `true` if an event about `path` is about the contents of the file.
    ///
    /// The watch of the file's own inode reports every write to it under this path, whichever name
    /// the writer used. So an event of a neighbour, such as one named like a directory on the way,
    /// does not count.
    pub(super) fn are_of_file(&self, path: &Path) -> bool {
        self.file == path
    }
}

/// Returns the path after all remaining steps, by names alone.
fn rest(mut path: PathBuf, mut steps: Vec<Step>) -> PathBuf {
    while let Some(step) = steps.pop() {
        match step {
            Step::Root(root) => path = root,
            Step::Up => drop(path.pop()),
            Step::Down(name) => path.push(name),
        }
    }
    path
}

#[cfg(unix)]
pub(super) fn id(metadata: &Metadata) -> Id {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
pub(super) fn id(_: &Metadata) -> Id {
    None
}

enum Step {
    Root(PathBuf),
    Up,
    Down(OsString),
}

/// Returns the components of `path` with the first one last, so that the target of a symlink can be
/// pushed on top.
fn steps(path: &Path) -> Vec<Step> {
    let mut root = PathBuf::new();
    let mut steps = Vec::new();
    for component in path.components() {
        match component {
            Component::Prefix(_) | Component::RootDir => root.push(component),
            Component::CurDir => {}
            Component::ParentDir => steps.push(Step::Up),
            Component::Normal(name) => steps.push(Step::Down(name.to_owned())),
        }
    }
    if !root.as_os_str().is_empty() {
        steps.insert(0, Step::Root(root));
    }
    steps.reverse();
    steps
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Resolves `path` below a fresh directory that `build` has filled. Returns the points relative
    /// to it.
    fn points(path: &str, build: impl FnOnce(&Path)) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        build(&root);

        let chain = Chain::resolve(&root.join(path));

        let show = |point: Point| match point.path.strip_prefix(&root) {
            Ok(inside) => inside.to_str().unwrap().to_owned(),
            Err(_) => "^".to_owned(),
        };
        chain.points.into_iter().map(show).collect()
    }

    fn write(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "[flags]\n").unwrap();
    }

    #[test]
    fn a_plain_file_has_its_grandparent_its_parent_and_itself() {
        let points = points("a/b/flags.toml", |root| write(&root.join("a/b/flags.toml")));

        assert_eq!(points, ["a", "a/b", "a/b/flags.toml"]);
    }

    #[test]
    fn a_kubernetes_mount_has_the_directory_of_both_links() {
        let points = points("etc/flags.toml", |root| {
            write(&root.join("etc/..2026/flags.toml"));
            symlink("..2026", root.join("etc/..data")).unwrap();
            symlink("..data/flags.toml", root.join("etc/flags.toml")).unwrap();
        });

        assert_eq!(points, ["etc", "etc/..2026", "etc/..2026/flags.toml"]);
    }

    #[test]
    fn an_absolute_link_to_a_directory_is_followed_from_the_root() {
        let points = points("app/current/flags.toml", |root| {
            write(&root.join("srv/releases/v1/flags.toml"));
            fs::create_dir(root.join("app")).unwrap();
            symlink(root.join("srv/releases/v1"), root.join("app/current")).unwrap();
        });

        assert_eq!(
            points,
            ["app", "srv/releases", "srv/releases/v1", "srv/releases/v1/flags.toml"]
        );
    }

    #[test]
    fn dot_dot_after_a_link_leaves_the_target_and_not_the_link() {
        let points = points("link/../flags.toml", |root| {
            write(&root.join("far/away/x"));
            write(&root.join("far/flags.toml"));
            symlink("far/away", root.join("link")).unwrap();
        });

        assert_eq!(points, ["", "far", "far/flags.toml"]);
    }

    #[test]
    fn a_missing_directory_is_awaited_in_the_nearest_one_that_exists() {
        let points = points("a/b/c/flags.toml", |root| {
            fs::create_dir(root.join("a")).unwrap();
        });

        assert_eq!(points, ["a"]);
    }

    #[test]
    fn a_dangling_link_is_awaited_where_it_points_and_where_it_lies() {
        let points = points("a/flags.toml", |root| {
            fs::create_dir(root.join("a")).unwrap();
            fs::create_dir(root.join("b")).unwrap();
            symlink("../b/flags.toml", root.join("a/flags.toml")).unwrap();
        });

        assert_eq!(points, ["a", "b"]);
    }

    #[test]
    fn a_loop_of_links_ends_with_the_directories_it_runs_through() {
        let points = points("a/x", |root| {
            fs::create_dir(root.join("a")).unwrap();
            fs::create_dir(root.join("b")).unwrap();
            symlink("../b/y", root.join("a/x")).unwrap();
            symlink("../a/x", root.join("b/y")).unwrap();
        });

        assert_eq!(points, ["a", "b"]);
    }

    #[test]
    fn a_directory_that_is_a_file_is_watched_until_it_goes() {
        let points = points("a/flags.toml", |root| write(&root.join("a")));

        assert_eq!(points, ["a"]);
    }

    #[test]
    fn only_names_on_the_way_concern_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(&root.join("..2026/flags.toml"));
        symlink("..2026", root.join("..data")).unwrap();
        symlink("..data/flags.toml", root.join("flags.toml")).unwrap();

        let names = Chain::resolve(&root.join("flags.toml")).names;

        for concerned in ["flags.toml", "..data", "..2026", "/"] {
            assert!(names.concern(&root.join(concerned)), "{concerned}");
        }
        for other in ["app.log", ".flags.toml.swp", "..2027"] {
            assert!(!names.concern(&root.join(other)), "{other}");
        }
    }

    #[test]
    fn only_the_file_at_the_end_of_the_way_is_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        write(&root.join("app/flags.toml"));
        symlink("app", root.join("current")).unwrap();

        let there = Chain::resolve(&root.join("current/flags.toml")).names;
        let missing = Chain::resolve(&root.join("later/on/../flags.toml")).names;

        assert!(there.are_of_file(&root.join("app/flags.toml")));
        for other in ["flags.toml", "app/app", "current/flags.toml", "app"] {
            assert!(!there.are_of_file(&root.join(other)), "{other}");
        }
        assert!(missing.are_of_file(&root.join("later/flags.toml")));
    }
}
