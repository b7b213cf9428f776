//! Errors of generating source text.

use std::{io, path::PathBuf};

use crate::{definition::Diagnostics, error::debug_is_message, text::line};

/// Errors of generating source text from a flags.toml.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read, or the source text could not be written.
    #[error("cannot read or write {}", line(&path.to_string_lossy()))]
    #[non_exhaustive]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file has errors.
    #[error("{0}")]
    Invalid(Diagnostics),
    /// Two names become one in Rust.
    #[error(
        "`{}` and `{}` are both `{identifier}` in Rust: rename one of them in {}",
        line(first),
        line(second),
        line(file)
    )]
    #[non_exhaustive]
    Clash {
        /// The file concerned.
        file: String,
        /// One of the names in the file.
        first: String,
        /// The other name.
        second: String,
        /// The Rust name of both.
        identifier: String,
    },
    /// A name has no ASCII letter or digit.
    #[error(
        "`{}` has no ASCII letter or digit to make a Rust name of: rename it in {}",
        line(name),
        line(file)
    )]
    #[non_exhaustive]
    Unnameable {
        /// The file concerned.
        file: String,
        /// The name in the file.
        name: String,
    },
    /// The variable `OUT_DIR`, which Cargo sets for build scripts, is not set.
    #[error("`OUT_DIR` is not set: call this from a build script")]
    NoOutDir,
}

debug_is_message!(Error);
