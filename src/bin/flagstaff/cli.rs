//! The arguments that all commands share.

use clap::{
    Parser,
    builder::{
        Styles,
        styling::{AnsiColor, Style},
    },
};

use crate::{
    commands::{self, Command},
    output::OutputArgs,
    place::Place,
};

/// See, change and check feature flags.
#[derive(Debug, Parser)]
#[command(
    name = "flagstaff",
    version,
    styles = STYLES,
    max_term_width = 80,
    disable_help_subcommand = true,
    subcommand_value_name = "COMMAND",
    help_template = commands::help_template(),
    after_help = AFTER_HELP,
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Those of cargo.
pub(crate) const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::Red.on_default().bold())
    .valid(AnsiColor::Cyan.on_default().bold())
    .invalid(Style::new().bold());

const AFTER_HELP: &str = "\
Exit codes:
  0  done, yes, or nothing found
  1  no, or something found
  2  called in a wrong way, or unreadable input
  3  the store cannot be reached
  4  refused
  5  changed by somebody else since you looked

Examples:
  flagstaff list 'owner:payments' 'expires<14d'
  flagstaff eval new_checkout --user ana --group beta
  flagstaff is-on new_checkout && echo yes";
