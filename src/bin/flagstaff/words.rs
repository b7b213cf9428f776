//! Suggestions of commands for words that are not commands.

use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Words of other tools, and of English, for commands of this one.
const WORDS: &[(&str, &str)] = &[
    ("activate", "enable"),
    ("add", "create"),
    ("cat", "show"),
    ("change", "set"),
    ("changes", "history"),
    ("check", "lint"),
    ("clear", "unset"),
    ("compare", "diff"),
    ("complete", "completion"),
    ("completions", "completion"),
    ("deactivate", "disable"),
    ("del", "delete"),
    ("describe", "show"),
    ("edit", "set"),
    ("evaluate", "eval"),
    ("fleet", "instances"),
    ("format", "fmt"),
    ("generate", "codegen"),
    ("info", "show"),
    ("inspect", "show"),
    ("kill", "disable"),
    ("lock", "disable"),
    ("log", "history"),
    ("ls", "list"),
    ("move", "rename"),
    ("mv", "rename"),
    ("new", "create"),
    ("nodes", "instances"),
    ("off", "disable"),
    ("on", "enable"),
    ("override", "set"),
    ("patch", "set"),
    ("preview", "simulate"),
    ("remove", "delete"),
    ("reset", "unset"),
    ("revert", "undo"),
    ("rm", "unset"),
    ("rollback", "undo"),
    ("shares", "distribution"),
    ("start", "enable"),
    ("stop", "disable"),
    ("tail", "watch"),
    ("toggle", "set"),
    ("unused", "stale"),
    ("update", "set"),
    ("validate", "lint"),
    ("verify", "test"),
    ("why", "explain"),
];

/// The least similarity of a suggestion, as `strsim` measures it. With clap's bound, `off` suggests `eval`.
const NEAR: f64 = 0.8;

/// Returns the commands that an unknown word may stand for: the command of the table, or else those with similar names,
/// the most similar first.
pub(crate) fn meant(word: &str, command: &Command) -> Vec<String> {
    let lower = word.to_lowercase();
    let is_there = |name: &&str| command.find_subcommand(name).is_some();
    let known = WORDS.iter().find(|(known, _)| *known == lower).map(|(_, meant)| *meant);
    if let Some(meant) = known.filter(is_there) {
        return vec![meant.to_owned()];
    }
    let names = command.get_subcommands().filter(|it| !it.is_hide_set()).map(Command::get_name);
    let mut near: Vec<_> = names
        .map(|name| (strsim::jaro_winkler(&lower, name), name))
        .filter(|(near, _)| *near >= NEAR)
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// Replaces the suggestion of clap for an unknown command with the command that is meant.
pub(crate) fn suggest(error: &mut clap::Error, all: &Command) {
    let ErrorKind::InvalidSubcommand = error.kind() else { return };
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return;
    };
    let meant = meant(word, all);
    error.remove(ContextKind::SuggestedSubcommand);
    error.remove(ContextKind::Suggested);
    if !meant.is_empty() {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(meant));
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn a_verb_of_another_tool_suggests_the_matching_command() {
        let command = Cli::command();
        let meant = |word: &str| meant(word, &command);

        for (word, expected) in [
            ("off", "disable"),
            ("on", "enable"),
            ("rm", "unset"),
            ("ls", "list"),
            ("OFF", "disable"),
            ("enabel", "enable"),
            ("hist", "history"),
        ] {
            assert_eq!(meant(word).first().map(String::as_str), Some(expected), "{word}");
        }
        assert_eq!(meant("frobnicate"), [""; 0]);
    }

    #[test]
    fn every_verb_of_another_tool_maps_to_a_command_and_is_not_one() {
        let command = Cli::command();

        for (word, meant) in WORDS {
            assert!(command.find_subcommand(meant).is_some(), "{word} -> {meant}");
            assert!(command.find_subcommand(word).is_none(), "{word}");
        }
    }
}
