//! Where flags come from.

#[cfg(feature = "file")]
mod file;
