//! Commands that people paste from hints: they name the same place and store as the command that printed them.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use crate::text;

/// The options that name the place, and the files among them.
struct Named {
    options: String,
    files: Vec<String>,
}

/// The options of the place. Errors of the library become hints far from any [`Place`](crate::place::Place).
static NAMED: Mutex<Named> = Mutex::new(Named { options: String::new(), files: Vec::new() });

/// Adds the options that name a place to all commands that are printed from now on. `files` are the flag files among
/// them.
pub(crate) fn name(options: String, files: Vec<String>) {
    *NAMED.lock().unwrap_or_else(PoisonError::into_inner) = Named { options, files };
}

/// Returns a command in backticks. `rest` is what follows the verb, quoted for a shell.
pub(crate) fn command(verb: &str, rest: &str) -> String {
    format!("`{}`", line(verb, rest))
}

/// Returns a command as a line of a shell.
pub(crate) fn line(verb: &str, rest: &str) -> String {
    with(&NAMED.lock().unwrap_or_else(PoisonError::into_inner).options, verb, rest)
}

/// Returns a command for a file that a message names, in backticks. Without an argument, the command takes the files
/// of its options.
pub(crate) fn for_file(verb: &str, name: &str) -> String {
    let is_an_option = |file: &String| Path::new(file) == Path::new(name);
    let is_named =
        NAMED.lock().unwrap_or_else(PoisonError::into_inner).files.iter().any(is_an_option);
    match name {
        _ if is_named => command(verb, ""),
        "stdin" => command(verb, "-"),
        _ => command(verb, &text::shell(name)),
    }
}

fn with(options: &str, verb: &str, rest: &str) -> String {
    // After `--`, an option is an argument.
    let parts = match rest.starts_with("-- ") {
        true => [verb, options, rest],
        false => [verb, rest, options],
    };
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.fold("flagstaff".to_owned(), |line, part| line + " " + part)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use super::*;

    #[test]
    fn pasted_options_come_before_a_separator() {
        assert_eq!(with("--at a", "undo", "42"), "flagstaff undo 42 --at a");
        assert_eq!(with("--at a", "unset", "-- --all"), "flagstaff unset --at a -- --all");
        assert_eq!(with("", "history", ""), "flagstaff history");
    }

    fn sources(directory: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    /// A command that is written out in a message lacks the options of the place. Lines without indentation are help
    /// texts.
    #[test]
    fn every_command_of_a_message_names_the_place() {
        /// Commands that use no place.
        const WITHOUT_PLACE: &[&str] = &[
            "help",
            "init",
            "lint --explain",
            "import",
            "--help",
            "set`, `enable`",
            "disable FLAG",
        ];

        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/flagstaff");
        let mut found = Vec::new();
        for path in sources(&directory) {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text
                .lines()
                .filter(|line| line.starts_with(' ') && !line.trim_start().starts_with("//"));
            for line in lines {
                let commands = line.split(concat!("`", "flagstaff ")).skip(1);
                let named = commands
                    .filter(|command| !WITHOUT_PLACE.iter().any(|verb| command.starts_with(verb)));
                found.extend(named.map(|command| format!("{}: {command}", path.display())));
            }
        }

        assert_eq!(found, [""; 0]);
    }
}
