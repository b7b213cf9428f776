//! Reads a file that another program may be writing.

use std::{
    fs::{self, Metadata},
    io,
    path::Path,
    time::{Duration, SystemTime},
};

use super::chain::{Id, id};
use crate::read::{all, open, too_large};

/// The coarsest clock of a file system in use (FAT). A change within this time may leave the
/// signature as it was.
const CLOCK_GRAIN: Duration = Duration::from_secs(2);

/// The content at the end of the path.
#[derive(Debug)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    Missing,
    Unreadable(io::Error),
}

/// One attempt to read.
#[derive(Debug)]
pub(super) enum Attempt {
    /// No program changed the file meanwhile, as far as `stat` shows.
    Stable(Content),
    /// The file changed during the read, or its file system reports sizes or inodes that are wrong.
    Unstable(Vec<u8>),
}

/// The result of `stat`, to compare with the previous one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Glance {
    File(Signature),
    Missing,
    Unreadable(io::ErrorKind),
}

/// All fields of `stat` that change with the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    id: Id,
    len: u64,
    modified: Option<SystemTime>,
    /// The inode's change time, which `touch -r` cannot set back.
    changed: Option<(i64, i64)>,
    links: Option<u64>,
}

/// Reads the file once, and checks that the file and its state are the same before, after and at
/// the path.
pub(super) fn read(path: &Path, max_len: u64) -> (Attempt, Glance) {
    match try_read(path, max_len) {
        Ok((attempt, signature)) => (attempt, Glance::File(signature)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (Attempt::Stable(Content::Missing), Glance::Missing)
        }
        Err(error) => (Attempt::Stable(Content::Unreadable(error)), Glance::at(path)),
    }
}

fn try_read(path: &Path, max_len: u64) -> io::Result<(Attempt, Signature)> {
    let file = open(path)?;
    let before = Signature::of(&file.metadata()?);
    if before.len > max_len {
        // Do not read up to the limit, since the poll tries again every second.
        return Err(too_large(max_len));
    }
    let bytes = all(&file, max_len)?;
    let after = Signature::of(&file.metadata()?);
    let at_path = Signature::of(&fs::metadata(path)?);

    let attempt = if before == after && after == at_path && after.len == bytes.len() as u64 {
        Attempt::Stable(Content::Bytes(bytes))
    } else {
        Attempt::Unstable(bytes)
    };
    Ok((attempt, at_path))
}

impl Glance {
    pub(super) fn at(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(metadata) => Self::File(Signature::of(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Missing,
            Err(error) => Self::Unreadable(error.kind()),
        }
    }

    /// Returns `true` if the content could change once more without changing this.
    pub(super) fn is_young(&self, now: SystemTime) -> bool {
        match self {
            Self::File(signature) => signature.is_young(now),
            Self::Missing | Self::Unreadable(_) => false,
        }
    }

    /// Returns `true` if the file is in no directory any more: a bind mount of a single file that
    /// was replaced on the host. The new file cannot be seen from here.
    pub(super) fn is_detached(&self) -> bool {
        matches!(self, Self::File(signature) if signature.links == Some(0))
    }
}

impl Signature {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            id: id(metadata),
            len: metadata.len(),
            modified: metadata.modified().ok(),
            changed: Some((metadata.ctime(), metadata.ctime_nsec())),
            links: Some(metadata.nlink()),
        }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Self {
        Self {
            id: id(metadata),
            len: metadata.len(),
            modified: metadata.modified().ok(),
            changed: None,
            links: None,
        }
    }

    fn is_young(&self, now: SystemTime) -> bool {
        let changed = match self.changed {
            Some((seconds, nanos)) => u64::try_from(seconds)
                .ok()
                .zip(u32::try_from(nanos).ok())
                .map(|(seconds, nanos)| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos)),
            None => self.modified,
        };
        // A time in the future comes from another machine's clock, and so gives no age.
        changed
            .is_none_or(|changed| now.duration_since(changed).map_or(true, |age| age < CLOCK_GRAIN))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::read::MAX_LEN;

    #[test]
    fn a_file_at_rest_reads_stable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flags.toml");
        fs::write(&path, "[flags]\n").unwrap();

        let (attempt, glance) = read(&path, MAX_LEN);

        assert!(matches!(attempt, Attempt::Stable(Content::Bytes(bytes)) if bytes == b"[flags]\n"));
        assert_eq!(glance, Glance::at(&path));
    }

    #[test]
    fn a_missing_file_and_a_directory_are_different_errors() {
        let dir = tempfile::tempdir().unwrap();

        let (missing, _) = read(&dir.path().join("flags.toml"), MAX_LEN);
        let (directory, _) = read(dir.path(), MAX_LEN);

        assert!(matches!(missing, Attempt::Stable(Content::Missing)));
        let Attempt::Stable(Content::Unreadable(error)) = directory else {
            panic!("{directory:?}")
        };
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn a_file_beyond_the_limit_is_unreadable_and_one_at_the_limit_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flags.toml");
        fs::write(&path, "123456").unwrap();

        let (at_limit, _) = read(&path, 6);
        let (beyond, _) = read(&path, 5);

        assert!(matches!(at_limit, Attempt::Stable(Content::Bytes(_))));
        let Attempt::Stable(Content::Unreadable(error)) = beyond else { panic!("{beyond:?}") };
        assert_eq!(error.to_string(), "larger than 5 bytes");
    }

    // procfs reports a size of 0 for its files, which looks like an unstable read.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_whose_size_is_not_its_length_is_unstable() {
        let (attempt, _) = read(Path::new("/proc/self/limits"), MAX_LEN);

        assert!(matches!(attempt, Attempt::Unstable(bytes) if !bytes.is_empty()));
    }

    #[test]
    #[cfg(unix)]
    fn setting_the_modification_time_back_does_not_hide_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flags.toml");
        fs::write(&path, "a = 1").unwrap();
        let before = Glance::at(&path);
        let modified = fs::metadata(&path).unwrap().modified().unwrap();

        // Repeat until the clock of the file system has moved on, which takes a few milliseconds.
        let mut after = before.clone();
        while after == before {
            fs::write(&path, "a = 2").unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
            after = Glance::at(&path);
        }

        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
    }

    #[test]
    fn a_file_is_young_until_the_coarsest_clock_has_moved_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flags.toml");
        fs::write(&path, "").unwrap();
        let now = SystemTime::now();

        let glance = Glance::at(&path);

        assert!(glance.is_young(now));
        assert!(glance.is_young(now - Duration::from_secs(60)));
        assert!(!glance.is_young(now + Duration::from_secs(4)));
    }
}
