//! The arguments that all commands share.

use anstyle::{AnsiColor, Style};
use clap::{Parser, builder::Styles};

use crate::{
    commands::{self, Command},
    output::OutputArgs,
    place::Place,
};

/// Inspect, change and check feature flags.
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

/// The styles of cargo.
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
  2  usage error or unreadable input
  3  the store cannot be reached
  4  refused
  5  changed by another user in the meantime

Examples:
  flagstaff list --filter owner=payments --filter 'expires<14d'
  flagstaff eval new_checkout --user ana --group beta
  flagstaff is-on new_checkout && echo yes";

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;

    /// Returns the lines of our own help texts that are too long. Wrapped lines lose their indentation.
    fn too_wide(command: &mut Command) -> Vec<String> {
        let written = [command.get_after_help(), command.get_about()]
            .map(|text| text.map(ToString::to_string).unwrap_or_default());
        let texts = [command.render_help().to_string(), command.render_long_help().to_string()];
        let lines = texts.iter().chain(&written).flat_map(|text| text.lines());
        let mut found: Vec<_> = lines
            .filter(|line| line.chars().count() > 80)
            .map(|line| format!("{}: {line}", command.get_name()))
            .collect();
        found.extend(command.get_subcommands_mut().flat_map(too_wide));
        found
    }

    #[test]
    fn no_line_of_the_help_is_wider_than_80_columns() {
        let mut command = Cli::command();
        command.build();

        assert_eq!(too_wide(&mut command), [""; 0]);
    }

    /// Collects the error of each argument for an invalid value.
    fn problems(command: &Command, path: &[&str], found: &mut Vec<String>) {
        for argument in command.get_arguments().filter(|it| it.get_action().takes_values()) {
            let flag = argument.get_long().map(|long| format!("--{long}=\u{1}x"));
            let arguments = [path, &[flag.as_deref().unwrap_or("\u{1}x")]].concat();
            if let Err(error) = Cli::command().try_get_matches_from(arguments) {
                found.push(error.to_string());
            }
        }
        for inner in command.get_subcommands() {
            problems(inner, &[path, &[inner.get_name()]].concat(), found);
        }
    }

    #[test]
    fn no_error_of_a_standard_parser_is_shown_to_users() {
        let mut command = Cli::command();
        command.build();
        let mut found = Vec::new();
        problems(&command, &["flagstaff"], &mut found);

        assert!(found.iter().filter(|error| error.contains("invalid value")).count() > 20);
        let raw = ["digit found in string", "non-zero type", "provided string was not"];
        let raw: Vec<_> =
            found.iter().filter(|error| raw.iter().any(|raw| error.contains(raw))).collect();
        assert_eq!(raw, [""; 0]);
    }
}
