//! The commands, one row each.

mod codegen;
mod completion;
mod create;
mod delete;
mod diff;
mod disable;
mod distribution;
mod enable;
mod eval;
mod explain;
mod flags;
mod fmt;
mod get;
mod help;
mod history;
mod import;
mod init;
mod instances;
mod is_on;
mod lint;
pub(crate) mod list;
mod man;
mod plan;
mod promote;
mod rename;
mod restore;
mod rollout;
mod schema;
mod set;
mod show;
mod simulate;
mod stale;
mod status;
mod test;
mod undo;
mod unset;
mod watch;

use clap::{Subcommand, builder::StyledStr};
use flagstaff::cli::ExitCode;

use crate::{cli::STYLES, failure::Failure, place::Place, session::Session};

/// The parser, the overview of the help and the dispatch are made from these rows.
macro_rules! commands {
    ($($heading:literal { $($command:ident: $args:path,)+ })+) => {
        /// The command to run.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $($($command($args),)+)+
        }

        impl Command {
            pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
                match self {
                    $($(Self::$command(args) => args.run(session).await,)+)+
                }
            }
        }

        /// The groups of the help, and the rows in each.
        const GROUPS: &[(&str, &[&str])] = &[$(($heading, &[$(stringify!($command)),+]),)+];
    };
}

commands! {
    "Look" {
        Diff: diff::Diff,
        Eval: eval::Eval,
        Explain: explain::Explain,
        Get: get::Get,
        History: history::History,
        Instances: instances::Instances,
        IsOn: is_on::IsOn,
        List: list::List,
        Show: show::Show,
        Status: status::Status,
        Watch: watch::Watch,
    }
    "Change" {
        Disable: disable::Disable,
        Enable: enable::Enable,
        Restore: restore::Restore,
        Rollout: rollout::Rollout,
        Set: set::Set,
        Undo: undo::Undo,
        Unset: unset::Unset,
    }
    "Plan" {
        Distribution: distribution::Distribution,
        Plan: plan::Plan,
        Simulate: simulate::Simulate,
    }
    "Clean up" {
        Import: import::Import,
        Stale: stale::Stale,
    }
    "File" {
        Codegen: codegen::Codegen,
        Create: create::Create,
        Delete: delete::Delete,
        Fmt: fmt::Fmt,
        Init: init::Init,
        Lint: lint::Lint,
        Promote: promote::Promote,
        Rename: rename::Rename,
        Schema: schema::Schema,
        Test: test::Test,
    }
    "Other systems" {
        Flags: flags::Flags,
    }
    "This command" {
        Completion: completion::Completion,
        Help: help::Help,
        Man: man::Man,
    }
}

impl Command {
    /// Returns true if a command needs no place, or chooses its places itself. So a mistake in flagstaff.toml does not
    /// disable completions.
    pub(crate) fn settles_its_place(&self, place: &Place) -> bool {
        match self {
            Self::Completion(_) | Self::Help(_) | Self::Man(_) | Self::Schema(_) => true,
            Self::Diff(_) => place.at.len() > 1,
            _ => false,
        }
    }

    /// Returns true if the flag files of the place must have the named environment. That also holds for commands that
    /// do not read the files, so that a misspelled name is always an error.
    pub(crate) fn is_about_the_file_of(&self, place: &Place) -> bool {
        match self {
            // These commands check the files that they read, or create a file.
            Self::Init(_) | Self::Lint(_) | Self::Plan(_) => false,
            Self::Completion(_) | Self::Help(_) | Self::Man(_) | Self::Schema(_) => false,
            // `diff` compares environments, and `status` continues with the other parts of its page.
            Self::Diff(_) | Self::Status(_) => false,
            Self::Codegen(_) => true,
            _ => !place.environment.is_empty(),
        }
    }
}

/// Returns clap's template of the overview: the commands by group, and the options.
pub(crate) fn help_template() -> StyledStr {
    let header = STYLES.get_header();
    let literal = STYLES.get_literal();
    let all = Command::augment_subcommands(clap::Command::new("flagstaff"));
    let width = all.get_subcommands().map(|command| command.get_name().len()).max().unwrap_or(0);
    let mut commands = all.get_subcommands();
    let mut help = "{about}\n\n{usage-heading} {usage}\n".to_owned();
    for &(heading, rows) in GROUPS {
        help += &format!("\n{header}{heading}:{header:#}\n");
        for command in commands.by_ref().take(rows.len()) {
            let name = command.get_name();
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            help += &format!("  {literal}{name:width$}{literal:#}  {about}\n");
        }
    }
    (help + "\n{options}{after-help}").into()
}
