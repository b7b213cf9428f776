//! What every command gets.

use crate::{output::Output, place::Place};

/// Where flags are, and where to print to.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) place: Place,
    pub(crate) output: Output,
}
