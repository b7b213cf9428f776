//! Atomic replacement of a file, for all code that writes one.
//!
//! Readers see the old contents or the new ones, never a part, and a crash leaves one of the two. A
//! symbolic link beside the file or in its place, made by another user, leads nowhere.

use std::{
    fs::{self, Metadata},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile};

/// The readers of a file that is new. A file that is replaced keeps its permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// The owner alone (mode 0600): for data that a process keeps, such as the contents of a store.
    Owner,
    /// All users that the umask of the process admits: for source code.
    Umask,
}

/// Replaces the contents of a file, which need not exist.
///
/// A file that is replaced keeps its mode, and its owner if the system allows that. A symbolic link
/// at `path` is replaced itself, since its target is not the caller's choice. Callers that mean the
/// target resolve the path first.
///
/// # Errors
///
/// Returns an error if the contents cannot be written beside the file, or cannot take its place. The file is
/// unchanged then.
pub(crate) fn replace(path: &Path, contents: &[u8], readers: Readers) -> io::Result<()> {
    Replacement::of(path, contents, readers)?.put()
}

/// New contents of a file, written beside it under a random name. They are removed unless they
/// replace the file.
#[derive(Debug)]
pub(crate) struct Replacement {
    file: NamedTempFile,
    path: PathBuf,
}

impl Replacement {
    /// Writes the contents beside `path`, for a caller that reads the file once more before it is
    /// replaced. Other callers use [`replace`].
    pub(crate) fn of(path: &Path, contents: &[u8], readers: Readers) -> io::Result<Self> {
        // Not the metadata of a link's target: others would choose its mode and owner.
        let replaced = fs::symlink_metadata(path).ok().filter(Metadata::is_file);
        // The same directory, because a rename is atomic only within a file system.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut builder = Builder::new();
        builder.prefix(".flagstaff.").suffix(".tmp");
        if replaced.is_none() {
            grant(&mut builder, readers);
        }
        // A random name, created with `O_EXCL`. With a fixed name such as `PATH.new`, a symbolic
        // link of another user would make this process overwrite any file.
        let mut file = builder.tempfile_in(directory.unwrap_or(Path::new(".")))?;
        file.write_all(contents)?;
        if let Some(metadata) = replaced {
            keep_owner(file.path(), &metadata);
            // After the owner, because a change of the owner clears some permissions.
            file.as_file().set_permissions(metadata.permissions())?;
        }
        // Before the rename: some file systems write the name first, and a crash would leave an
        // empty file.
        file.as_file().sync_all()?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Replaces the file, or creates it.
    pub(crate) fn put(self) -> io::Result<()> {
        self.file.persist(&self.path).map(drop).map_err(|error| error.error)
    }

    /// Creates the file. Fails with `AlreadyExists` if there is anything at the path, including a
    /// symbolic link that leads nowhere.
    pub(crate) fn put_new(self) -> io::Result<()> {
        self.file.persist_noclobber(&self.path).map(drop).map_err(|error| error.error)
    }
}

#[cfg(unix)]
fn grant(builder: &mut Builder<'_, '_>, readers: Readers) {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::Umask => 0o666,
    };
    builder.permissions(Permissions::from_mode(mode));
}

/// Does nothing: on other systems a file has the permissions of its directory.
#[cfg(not(unix))]
fn grant(_: &mut Builder<'_, '_>, _: Readers) {}

/// Gives a file the owner of another one, if the system allows it: only the administrator may give
/// files away.
#[cfg(unix)]
fn keep_owner(path: &Path, metadata: &Metadata) {
    use std::os::unix::fs::{MetadataExt, chown};

    let (user, group) = (Some(metadata.uid()), Some(metadata.gid()));
    if chown(path, user, group).is_err() {
        let _ = chown(path, None, group);
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &Path, _: &Metadata) {}

/// Returns the names in a directory, in their order.
#[cfg(test)]
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_replaced_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kept");
        fs::create_dir(&path).unwrap();

        Replacement::of(&path, b"new", Readers::Umask).unwrap().put().unwrap_err();

        assert_eq!(names(directory.path()), ["kept"]);
    }

    #[cfg(unix)]
    mod unix {
        use std::{
            fs::Permissions,
            os::unix::fs::{PermissionsExt, symlink},
        };

        use super::*;

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().permissions().mode() & 0o7777
        }

        #[test]
        fn what_a_process_remembers_is_for_its_owner_alone() {
            let directory = tempfile::tempdir().unwrap();
            let [kept, source] = ["kept", "source"].map(|name| directory.path().join(name));

            replace(&kept, b"new", Readers::Owner).unwrap();
            replace(&source, b"new", Readers::Umask).unwrap();

            // With the mode that the umask leaves.
            let plain = directory.path().join("plain");
            fs::write(&plain, "new").unwrap();
            assert_eq!([mode(&kept), mode(&source)], [0o600, mode(&plain)]);
            assert_eq!(names(directory.path()), ["kept", "plain", "source"]);
        }

        #[test]
        fn a_file_that_is_replaced_keeps_its_mode() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("kept");
            for wanted in [0o640, 0o604, 0o600] {
                fs::write(&path, "old").unwrap();
                fs::set_permissions(&path, Permissions::from_mode(wanted)).unwrap();

                replace(&path, b"new", Readers::Owner).unwrap();

                assert_eq!((mode(&path), &*fs::read(&path).unwrap()), (wanted, &b"new"[..]));
            }
        }

        #[test]
        fn a_file_that_is_replaced_keeps_its_owner() {
            use std::os::unix::fs::{MetadataExt, chown};

            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("kept");
            fs::write(&path, "old").unwrap();
            if chown(&path, Some(65_534), Some(65_534)).is_err() {
                // Only the administrator can give a file to another user.
                return;
            }

            replace(&path, b"new", Readers::Owner).unwrap();

            let metadata = fs::metadata(&path).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (65_534, 65_534));
        }

        #[test]
        fn a_link_in_the_place_of_the_file_is_replaced_and_its_target_stays() {
            let directory = tempfile::tempdir().unwrap();
            let [victim, path] = ["victim", "kept"].map(|name| directory.path().join(name));
            fs::write(&victim, "old").unwrap();
            fs::set_permissions(&victim, Permissions::from_mode(0o666)).unwrap();
            symlink(&victim, &path).unwrap();

            replace(&path, b"new", Readers::Owner).unwrap();

            assert_eq!(fs::read(&victim).unwrap(), b"old");
            assert!(!path.is_symlink());
            assert_eq!((mode(&path), &*fs::read(&path).unwrap()), (0o600, &b"new"[..]));
        }
    }
}
