//! The session that every command gets.

use crate::{output::Output, place::Place};

/// The locations of flags, and the output.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) place: Place,
    pub(crate) output: Output,
}
