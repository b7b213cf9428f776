//! tempest-fastapi-sdk: the hash in Redis, and what `tempest flags list` prints.

use flagstaff::definition::Entry;
use serde_json::{Map, json};

use super::Imported;
use crate::paste;

/// Returns the lines of `tempest flags list`: a name, and `on` or `off`.
pub(crate) fn listed(text: &str) -> Imported {
    let mut imported = Imported::default();
    let text = text.trim_start_matches('\u{feff}');
    for line in text.lines().filter(|line| !line.trim().is_empty() && *line != "(no flags)") {
        // Names may have spaces, and are padded with them.
        match line.rsplit_once(char::is_whitespace).map(|(name, state)| (name.trim_end(), state)) {
            Some((name, "on")) => imported.force(name, true),
            Some((name, "off")) => imported.force(name, false),
            _ => imported.leave_out(line.trim(), "expected a name, and `on` or `off`"),
        }
    }
    imported
}

/// Imports the fields of the hash. A field that has an author was written by flagstaff.
pub(crate) fn stored(entries: impl IntoIterator<Item = (String, Entry, bool)>) -> Imported {
    let mut imported = Imported::default();
    for (key, entry, is_signed) in entries {
        match entry {
            Entry::Forced(on) if !is_signed => imported.force(&key, on),
            Entry::Text(text) if !is_signed => {
                let on = Entry::Text(text.clone()).forces() == Some(true);
                if !on {
                    imported
                        .note(&key, format!("`{text}` is neither on nor off, and counts as off"));
                }
                imported.force(&key, on);
            }
            // Without the file below it, a patch of a few settings would be a flag that is on for all users.
            _ => imported.leave_out(
                &key,
                &format!(
                    "it is an override by flagstaff, which {} writes into the file",
                    paste::command("promote", "")
                ),
            ),
        }
    }
    imported
}

impl Imported {
    fn force(&mut self, key: &str, on: bool) {
        let settings: Map<_, _> = [("enabled".to_owned(), json!(on))].into_iter().collect();
        self.add(key, &settings);
    }
}

#[cfg(test)]
mod tests {
    use flagstaff::Definition;

    use super::*;
    use crate::import::{notes, settings};

    #[test]
    fn a_line_is_a_flag() {
        let imported = listed("a flag  on\nnew_checkout  off\n\nnonsense\n");

        assert_eq!(settings(&imported, "a flag"), json!({ "enabled": true }));
        assert_eq!(settings(&imported, "new_checkout"), json!({ "enabled": false }));
        assert_eq!(imported.left_out, 1);
        assert!(listed("(no flags)\n").flags.is_empty());
    }

    #[test]
    fn a_value_that_is_neither_on_nor_off_is_off_and_reported() {
        let imported = stored([
            ("a".to_owned(), Entry::from_text("yes"), false),
            ("b".to_owned(), Entry::Text("enabled".into()), false),
        ]);

        assert_eq!(settings(&imported, "a"), json!({ "enabled": true }));
        assert_eq!(settings(&imported, "b"), json!({ "enabled": false }));
        assert!(notes(&imported, "b")[0].contains("`enabled`"));
    }

    #[test]
    fn an_override_by_flagstaff_is_left_out() {
        let imported = stored([
            ("a".to_owned(), Entry::Forced(true), true),
            ("b".to_owned(), Definition::new().owner("payments").into(), false),
        ]);

        assert_eq!((imported.left_out, imported.flags.len()), (2, 0));
        assert!(notes(&imported, "b")[0].contains("flagstaff promote"));
    }
}
