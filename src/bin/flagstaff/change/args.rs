//! The options that changes have.

use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use flagstaff::source::RedisHandle;

use super::wait::Waited;
use crate::{failure::Failure, guard::Wish, number, output::Output, time, variable};

/// The options of every change.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Change")]
pub(crate) struct ChangeArgs {
    /// Reason, for the log of the store; a file has none
    #[arg(long, short = 'm', value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Author of the change [default: FLAGSTAFF_AUTHOR, else USER]
    #[arg(long, value_name = "NAME")]
    pub(super) by: Option<String>,
    /// Print the change without making it
    #[arg(long, short = 'n')]
    pub(crate) dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Wait up to this long for every instance to apply the change
    #[arg(long, value_name = "TIME", value_parser = time::duration)]
    pub(super) wait: Option<Duration>,
    /// Refuse to store JSON, which other languages read as off
    #[arg(long)]
    pub(super) plain: bool,
}

/// The source to change, and the condition on which to change it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Change")]
pub(crate) struct TargetArgs {
    /// Change the flag only if revision N is its latest
    #[arg(long, value_name = "N", value_parser = number::revision)]
    pub(crate) if_rev: Option<u64>,
    /// Source to change
    #[arg(
        long,
        value_enum,
        default_value = "redis",
        hide_possible_values = true,
        value_name = "redis|file"
    )]
    pub(crate) source: Source,
}

/// The options of changes of an override.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Change")]
pub(crate) struct OverrideArgs {
    /// End the whole override after this long
    #[arg(long = "for", value_name = "TIME", value_parser = time::lasting)]
    lasting: Option<Duration>,
    /// Allow a flag that no source and no instance has
    #[arg(long)]
    pub(super) new: bool,
    #[command(flatten)]
    pub(super) target: TargetArgs,
}

/// Hidden options of changes without an end, so that the error can give the reason.
#[derive(Debug, Clone, Args)]
pub(crate) struct NoEnd {
    #[arg(long = "for", value_name = "TIME", hide = true)]
    lasting: Option<String>,
}

/// A source that can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    Redis,
    File,
}

impl ChangeArgs {
    /// Returns the options of a change of a file.
    pub(crate) fn of_a_file(reason: Option<String>, dry_run: bool, yes: bool) -> Self {
        Self { reason, by: None, dry_run, yes, wait: None, plain: false }
    }

    /// Returns the author of the change.
    pub(crate) fn author(&self) -> Option<String> {
        author(self.by.as_ref())
    }

    /// Returns the change that these options ask for.
    pub(crate) fn wish<'a>(&'a self, word: &'a str) -> Wish<'a> {
        Wish { word, reason: self.reason.as_deref(), yes: self.yes }
    }

    pub(super) fn waits(&self) -> bool {
        self.wait.is_some()
    }

    /// Waits for the instances, if an option asks for it.
    pub(super) async fn finish(
        &self,
        redis: &RedisHandle,
        revision: Option<u64>,
        output: &Output,
    ) -> Result<Option<Waited>, Failure> {
        match (self.wait, revision) {
            (Some(wait), Some(revision)) => {
                Waited::for_all(redis, revision, wait, output).await.map(Some)
            }
            _ => Ok(None),
        }
    }
}

impl TargetArgs {
    /// Returns the flag file as the target, without a condition.
    pub(crate) fn file() -> Self {
        Self { if_rev: None, source: Source::File }
    }
}

/// Returns the author who is named, else that of the environment.
pub(super) fn author(named: Option<&String>) -> Option<String> {
    let usual = |name| variable::value(name);
    named.cloned().or_else(|| usual("FLAGSTAFF_AUTHOR")).or_else(|| usual("USER"))
}

impl OverrideArgs {
    /// Returns the reason why a change cannot end, for changes that leave no override.
    pub(crate) fn unending(target: TargetArgs) -> Self {
        Self { lasting: None, new: false, target }
    }

    /// Returns the time for which the override lasts.
    pub(super) fn lasting(&self, now: SystemTime) -> Result<Option<Duration>, Failure> {
        match self.lasting {
            Some(lasting) if now.checked_add(lasting).is_none() => {
                Err(Failure::usage("`--for` ends beyond the range of the clock"))
            }
            lasting => Ok(lasting),
        }
    }

    pub(super) fn refuse_end_in_a_file(&self) -> Result<(), Failure> {
        match self.lasting {
            Some(_) => Err(Failure::usage("a file does not support `--for`").hint(
                "an override in the store ends by itself; in flags.toml, `active.until` switches a \
                 flag off at a time",
            )),
            None => Ok(()),
        }
    }
}

impl NoEnd {
    /// Refuses an end; `why` is the reason that the error gives.
    pub(crate) fn check(&self, why: &str, hint: &str) -> Result<(), Failure> {
        match self.lasting {
            Some(_) => {
                Err(Failure::usage(format!("`--for` does not apply here: {why}")).hint(hint))
            }
            None => Ok(()),
        }
    }
}
