//! Replaces a file that other programs may change at the same time.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    error::debug_is_message,
    read,
    replace::{Readers, Replacement},
    text::line,
};

/// A text file as it was read, which is replaced only if it is still unchanged.
///
/// # Example
///
/// ```
/// use flagstaff::definition::edit::{TextFile, TextFileError};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("flags.toml");
/// TextFile::create(&path, "[flags]\nsearch = false\n")?;
///
/// let file = TextFile::read(&path)?;
/// let edited = file.text().replace("false", "true");
/// file.replace(&edited)?;
///
/// assert_eq!(std::fs::read_to_string(&path)?, "[flags]\nsearch = true\n");
/// assert!(matches!(file.replace("[flags]\n"), Err(TextFileError::Changed { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TextFile {
    path: PathBuf,
    text: String,
}

impl TextFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Returns [`TextFileError::Read`] if the file cannot be read, is not a regular file, has more than 16
    /// MiB, or is not UTF-8.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, TextFileError> {
        let path = path.into();
        match read::text(&path) {
            Ok(text) => Ok(Self { path, text }),
            Err(source) => Err(TextFileError::Read { path, source }),
        }
    }

    /// Creates a file that does not exist yet.
    ///
    /// # Errors
    ///
    /// Returns [`TextFileError::Exists`] if there is anything at the path already, even a symbolic link
    /// that leads nowhere; [`TextFileError::Write`] if the file cannot be created.
    pub fn create(path: impl Into<PathBuf>, text: &str) -> Result<(), TextFileError> {
        let path = path.into();
        let new = Replacement::of(&path, text.as_bytes(), Readers::Umask);
        match new.and_then(Replacement::put_new) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(TextFileError::Exists { path })
            }
            Err(source) => Err(TextFileError::Write { path, source }),
        }
    }

    /// Returns the path that the file was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the text that was read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the file with another text, if the file has not changed since it was read.
    ///
    /// Programs that read the file meanwhile read the old text or the new one, never a part. The
    /// new text is written to a second file beside the old one, which it then replaces. The new
    /// file keeps the permissions, and the owner if the system allows that. If the path is a
    /// symbolic link, the link stays and its target is replaced.
    ///
    /// The comparison and the replacement are two steps. If another program writes the file between
    /// them, within microseconds, its change is lost.
    ///
    /// # Errors
    ///
    /// Returns [`TextFileError::Changed`] if the file has another text now; [`TextFileError::Read`] or
    /// [`TextFileError::Write`] if the file cannot be compared or replaced. In each case the file
    /// stays as it was.
    pub fn replace(&self, text: &str) -> Result<(), TextFileError> {
        let write = |source| TextFileError::Write { path: self.path.clone(), source };
        // The user means the target of a link. A rename would replace the link itself.
        let target = fs::canonicalize(&self.path).map_err(|source| self.unreadable(source))?;
        let metadata = fs::metadata(&target).map_err(|source| self.unreadable(source))?;
        if metadata.permissions().readonly() {
            return Err(write(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the file is marked as read-only",
            )));
        }
        let new = Replacement::of(&target, text.as_bytes(), Readers::Umask).map_err(write)?;
        let now = read::open(&target).and_then(|file| read::all(file, read::MAX_LEN));
        if now.map_err(|source| self.unreadable(source))? != self.text.as_bytes() {
            return Err(TextFileError::Changed { path: self.path.clone() });
        }
        new.put().map_err(write)
    }

    fn unreadable(&self, source: io::Error) -> TextFileError {
        TextFileError::Read { path: self.path.clone(), source }
    }
}

/// Errors of [`TextFile`]. The file stays as it was.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TextFileError {
    /// The file cannot be read.
    #[error("cannot read `{}`", line(&path.to_string_lossy()))]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write `{}`", line(&path.to_string_lossy()))]
    Write {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file has changed since it was read.
    #[error("`{}` was changed since it was read", line(&path.to_string_lossy()))]
    Changed {
        /// The path of the file.
        path: PathBuf,
    },
    /// There is already something at the path of the new file.
    #[error("`{}` already exists", line(&path.to_string_lossy()))]
    Exists {
        /// The path of the file.
        path: PathBuf,
    },
}

debug_is_message!(TextFileError);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replace::names;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.toml");
        fs::write(&path, text).unwrap();
        (directory, path)
    }

    #[test]
    fn a_file_that_was_changed_since_stays_as_it_is() {
        let (directory, path) = written("one");
        let file = TextFile::read(&path).unwrap();
        fs::write(&path, "two").unwrap();

        let error = file.replace("three").unwrap_err();

        assert!(matches!(error, TextFileError::Changed { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(names(directory.path()), ["flags.toml"]);
    }

    #[test]
    fn a_deleted_file_is_not_created_again() {
        let (directory, path) = written("one");
        let file = TextFile::read(&path).unwrap();
        fs::remove_file(&path).unwrap();

        let error = file.replace("two").unwrap_err();

        assert!(matches!(error, TextFileError::Read { .. }), "{error}");
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn line_ends_and_the_byte_order_mark_are_kept() {
        let (_directory, path) = written("\u{feff}one\r\n");
        let file = TextFile::read(&path).unwrap();

        file.replace(&file.text().replace("one", "two")).unwrap();

        assert_eq!(fs::read(&path).unwrap(), "\u{feff}two\r\n".as_bytes());
    }

    #[test]
    fn an_existing_file_is_not_overwritten() {
        let (_directory, path) = written("one");

        let error = TextFile::create(&path, "two").unwrap_err();

        assert!(matches!(error, TextFileError::Exists { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
    }

    #[test]
    fn invalid_utf8_is_an_error() {
        let (_directory, path) = written("");
        fs::write(&path, b"\xff").unwrap();

        assert!(matches!(TextFile::read(&path), Err(TextFileError::Read { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_kept() {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt};

        let (_directory, path) = written("one");
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();

        TextFile::read(&path).unwrap().replace("two").unwrap();

        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_read_only_is_not_replaced() {
        let (directory, path) = written("one");
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).unwrap();

        let error = TextFile::read(&path).unwrap().replace("two").unwrap_err();

        assert!(matches!(error, TextFileError::Write { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(names(directory.path()), ["flags.toml"]);
    }

    #[cfg(unix)]
    #[test]
    fn the_target_of_a_link_is_replaced_and_the_link_stays() {
        use std::os::unix::fs::symlink;

        let (directory, path) = written("one");
        fs::create_dir(directory.path().join("etc")).unwrap();
        let link = directory.path().join("etc/link.toml");
        symlink("../flags.toml", &link).unwrap();

        TextFile::read(&link).unwrap().replace("two").unwrap();

        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(names(directory.path()), ["etc", "flags.toml"]);
    }

    #[cfg(unix)]
    #[test]
    fn no_file_is_created_through_a_dangling_link() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("flags.toml");
        std::os::unix::fs::symlink("elsewhere.toml", &link).unwrap();

        assert!(matches!(TextFile::create(&link, "one"), Err(TextFileError::Exists { .. })));
        assert_eq!(names(directory.path()), ["flags.toml"]);
    }
}
