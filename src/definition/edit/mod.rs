//! Changes of a flags.toml that keep its comments and its layout.

mod write;

pub use self::write::{TextFile, TextFileError};
