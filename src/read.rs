//! Reads of paths that may lead to anything: flag files, and the arguments of commands.
//!
//! Opening a FIFO would wait, and a device such as `/dev/zero` never ends. Either may have replaced
//! a file since it was last checked.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    path::Path,
};

/// The largest number of bytes to read, unless another limit is set. A larger flag file is a
/// mistake, and would be in memory several times while it is read.
pub(crate) const MAX_LEN: u64 = 16 << 20;

/// Opens a regular file for reading, without waiting.
///
/// # Errors
///
/// Returns an error if the path does not lead to a regular file, or if the file cannot be opened.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Before opening: the open of a device may have effects, such as rewinding a tape.
    check(&fs::metadata(path)?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // The path may lead to a FIFO by now, and opening it would wait for a writer.
        options.custom_flags(libc::O_NONBLOCK);
    }
    let file = options.open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// Reads a source to its end.
///
/// # Errors
///
/// Returns an error if the source cannot be read, or has more than `max_len` bytes. At most one byte more is read
/// then.
pub(crate) fn all(from: impl Read, max_len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(max_len.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(len) if len <= max_len => Ok(bytes),
        _ => Err(too_large(max_len)),
    }
}

/// Reads a regular file as a string.
///
/// # Errors
///
/// Returns an error if the path does not lead to a regular file of at most [`MAX_LEN`] bytes of UTF-8, or if the
/// file cannot be read.
pub(crate) fn text(path: &Path) -> io::Result<String> {
    String::from_utf8(all(open(path)?, MAX_LEN)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

fn check(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(())
}

/// Returns the error of a file that has more than `max_len` bytes.
pub(crate) fn too_large(max_len: u64) -> io::Error {
    let limit = match max_len >> 20 {
        mebibytes if mebibytes << 20 == max_len => format!("{mebibytes} MiB"),
        _ => format!("{max_len} bytes"),
    };
    io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_limit_is_read_and_one_byte_more_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.toml");
        fs::write(&path, "123456").unwrap();

        let read = |max_len| all(open(&path).unwrap(), max_len).map_err(|error| error.to_string());

        assert_eq!(read(6), Ok(b"123456".to_vec()));
        assert_eq!(read(5), Err("larger than 5 bytes".to_owned()));
        assert_eq!(too_large(MAX_LEN).to_string(), "larger than 16 MiB");
    }

    #[test]
    fn what_never_ends_is_refused_after_the_limit() {
        let error = all(io::repeat(b'#'), 1 << 20).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn bytes_that_are_not_text_are_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.toml");
        fs::write(&path, b"\xff").unwrap();

        assert_eq!(text(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[cfg(unix)]
    #[test]
    fn devices_fifos_sockets_and_directories_are_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        let socket = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();

        for path in [&*fifo, &*socket, Path::new("/dev/zero"), Path::new("/dev/null")] {
            assert_eq!(open(path).unwrap_err().to_string(), "not a regular file", "{path:?}");
        }
        assert_eq!(open(directory.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
