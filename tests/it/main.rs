//! Behaviour through the public API, in one binary.

#[cfg(feature = "file")]
mod definition;
