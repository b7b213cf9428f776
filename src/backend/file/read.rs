//! Reading a file that somebody may be writing.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    path::Path,
    time::{Duration, SystemTime},
};

use super::chain::{Id, id};

/// A path that leads to more than this is a mistake; it would be copied into memory at every change.
const MAX_LEN: u64 = 64 << 20;

/// The coarsest clock of a file system in use (FAT): a change within it may leave the signature as it was.
const CLOCK_GRAIN: Duration = Duration::from_secs(2);

/// What the path leads to.
#[derive(Debug)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    Missing,
    Unreadable(io::Error),
}

/// One attempt to read.
#[derive(Debug)]
pub(super) enum Attempt {
    /// Nobody touched the file meanwhile, as far as `stat` can tell.
    Stable(Content),
    /// It changed under our eyes, or its file system reports sizes or inodes that do not hold.
    Unstable(Vec<u8>),
}

/// What `stat` says, to be compared with what it said before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Glance {
    File(Signature),
    Missing,
    Unreadable(io::ErrorKind),
}

/// Everything in `stat` that a change of the content changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    id: Id,
    len: u64,
    modified: Option<SystemTime>,
    /// The inode's own time, which no `touch -r` can set back.
    changed: Option<(i64, i64)>,
    links: Option<u64>,
}

/// Reads the file once, checking that it was the same file in the same state before, after and at the path.
pub(super) fn read(path: &Path) -> (Attempt, Glance) {
    match try_read(path) {
        Ok((attempt, signature)) => (attempt, Glance::File(signature)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (Attempt::Stable(Content::Missing), Glance::Missing)
        }
        Err(error) => (Attempt::Stable(Content::Unreadable(error)), Glance::at(path)),
    }
}

fn try_read(path: &Path) -> io::Result<(Attempt, Signature)> {
    // Before opening: to open a FIFO is to wait for a writer.
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if metadata.len() > MAX_LEN {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 64 MiB"));
    }

    let mut file = File::open(path)?;
    let before = Signature::of(&file.metadata()?);
    let mut bytes = Vec::new();
    (&mut file).take(MAX_LEN).read_to_end(&mut bytes)?;
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

    /// Whether the content could change once more without a trace here.
    pub(super) fn is_young(&self, now: SystemTime) -> bool {
        match self {
            Self::File(signature) => signature.is_young(now),
            Self::Missing | Self::Unreadable(_) => false,
        }
    }

    /// Whether the path leads to a file that no directory has: a bind mount of a single file that was replaced on the
    /// host. What replaced it cannot be seen from here.
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
        // A time in the future is another machine's clock, which says nothing about age.
        changed
            .is_none_or(|changed| now.duration_since(changed).map_or(true, |age| age < CLOCK_GRAIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_at_rest_reads_stable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flags.toml");
        fs::write(&path, "[flags]\n").unwrap();

        let (attempt, glance) = read(&path);

        assert!(matches!(attempt, Attempt::Stable(Content::Bytes(bytes)) if bytes == b"[flags]\n"));
        assert_eq!(glance, Glance::at(&path));
    }

    #[test]
    fn a_missing_file_and_a_directory_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();

        let (missing, _) = read(&dir.path().join("flags.toml"));
        let (directory, _) = read(dir.path());

        assert!(matches!(missing, Attempt::Stable(Content::Missing)));
        let Attempt::Stable(Content::Unreadable(error)) = directory else {
            panic!("{directory:?}")
        };
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    #[cfg(unix)]
    fn a_device_is_refused_before_it_is_opened() {
        let (attempt, _) = read(Path::new("/dev/zero"));

        assert!(matches!(attempt, Attempt::Stable(Content::Unreadable(_))));
    }

    // procfs says that its files are empty, which is what an unstable read looks like.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_whose_size_is_not_its_length_is_unstable() {
        let (attempt, _) = read(Path::new("/proc/self/limits"));

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

        // Until the clock of the file system has moved on, which takes a few milliseconds.
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
