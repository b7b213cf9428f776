//! The options of changes of the file and the store in one.

use clap::Args;

use super::args::author;
use crate::guard::Wish;

/// The options of a change of the file and the store.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Change")]
pub(crate) struct BothArgs {
    /// Reason, for the log of the store; of a file, it is only printed
    #[arg(long, short = 'm', value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Author of the change [default: FLAGSTAFF_AUTHOR, else USER]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Print the change without making it
    #[arg(long, short = 'n')]
    pub(crate) dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub(crate) yes: bool,
}

impl BothArgs {
    /// Returns the author of the change.
    pub(crate) fn author(&self) -> Option<String> {
        author(self.by.as_ref())
    }

    /// Returns the change that these options ask for.
    pub(crate) fn wish<'a>(&'a self, word: &'a str) -> Wish<'a> {
        Wish { word, reason: self.reason.as_deref(), yes: self.yes }
    }
}
