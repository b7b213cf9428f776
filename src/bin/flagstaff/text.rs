//! Strings for people.

use flagstaff::text::Untrusted;
/// Returns a number with its noun: `1 flag`, `2 flags`.
pub(crate) use flagstaff::text::count;
/// Escapes every character that would break a line, a column or a terminal.
pub(crate) use flagstaff::text::line as clean;
use serde_json::error::Category;

/// Quotes the names of flags for a command that people paste into a shell.
pub(crate) fn words<'a>(flags: impl IntoIterator<Item = &'a str>) -> String {
    let mut words = Vec::new();
    for flag in flags {
        // Otherwise the name would be an option.
        if flag.starts_with('-') && !words.iter().any(|word| word == "--") {
            words.insert(0, "--".into());
        }
        words.push(Untrusted::new(flag).shell());
    }
    words.join(" ")
}

/// Quotes the name of a flag for a command that people paste into a shell.
pub(crate) fn word(flag: &str) -> String {
    words([flag])
}

/// Quotes the value of an option for a command that people paste into a shell.
pub(crate) fn shell(value: &str) -> String {
    Untrusted::new(value).shell().into_owned()
}

/// Returns the verb behind a count: `1 flag is`, `2 flags are`.
pub(crate) fn verb(number: usize, one: &'static str, several: &'static str) -> &'static str {
    if number == 1 { one } else { several }
}

/// Returns the reason why a string is not the expected JSON.
pub(crate) fn json_problem(error: &serde_json::Error) -> String {
    let at = match error.line() {
        0 | 1 => format!("column {}", error.column()),
        line => format!("line {line}, column {}", error.column()),
    };
    match error.classify() {
        Category::Eof => "it is cut off".to_owned(),
        Category::Data => "it is JSON of another kind".to_owned(),
        Category::Syntax | Category::Io => format!("{at} is not JSON"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_of_a_command_and_never_an_option() {
        assert_eq!(words(["a", "b;c"]), "a 'b;c'");
        assert_eq!(words(["a", "--all"]), "-- a --all");
        assert_eq!(word("--"), "-- --");
    }

    #[test]
    fn a_mistake_in_json_is_described() {
        let problem = |text: &str| {
            json_problem(&serde_json::from_str::<serde_json::Map<_, _>>(text).unwrap_err())
        };

        assert_eq!(problem("{\"a\": x}"), "column 7 is not JSON");
        assert_eq!(problem("{\n{"), "line 2, column 1 is not JSON");
        assert_eq!(problem("{\"a\":"), "it is cut off");
        assert_eq!(problem("[]"), "it is JSON of another kind");
    }

    #[test]
    fn a_count_has_its_own_noun_and_verb() {
        let sentence = |number| format!("{} {}", count(number, "flag"), verb(number, "is", "are"));

        assert_eq!([0, 1, 2].map(sentence), ["0 flags are", "1 flag is", "2 flags are"]);
    }
}
