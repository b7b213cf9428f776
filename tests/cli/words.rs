//! The words of the language in the commands: what they print, set, remove, store and refuse.

use std::{fs, path::PathBuf};

use flagstaff::{
    Definition,
    cli::ExitCode,
    definition::{Field, FlagsFile, to_json},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    command::{Ran, flagstaff, on, ran},
    rows::{BESIDE, Cell, ROWS, Row},
    server::Server,
};

/// A directory with one flags.toml.
struct Place(TempDir);

impl Place {
    fn new(lines: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path(), format!("{BESIDE}{lines}\n")).unwrap();
        place
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("flags.toml")
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(flagstaff(arguments).current_dir(self.0.path()))
    }

    /// The flag `a`, in the environment `staging` if the file has that.
    fn flag(&self) -> Definition {
        let text = fs::read_to_string(self.path()).unwrap();
        let file = FlagsFile::parse("flags.toml", &text);
        let file = match text.contains("[environments") {
            true => file.in_environment("staging").unwrap(),
            false => file,
        };
        Definition::clone(&file.flags()["a"])
    }
}

/// The rows of settings, with the argument that sets the setting to the value of the row.
fn settings() -> impl Iterator<Item = (&'static Row, String)> {
    ROWS.iter().filter_map(|row| {
        let field = Field::ALL.iter().find(|field| field.as_str() == row.word)?;
        let value = match to_json(&Place::new(row.with).flag()).remove(field.as_str())? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Some((row, format!("{field}={value}")))
    })
}

#[test]
fn lists_and_pages_of_flags_have_every_word() {
    for row in ROWS {
        let Cell::Shows(text) = row.json else { continue };
        let place = Place::new(row.with);
        let environment: &[_] = match row.word {
            "environments" => &["--environment", "staging"],
            _ => &[],
        };

        for command in ["list", "show"] {
            let shown = place.run(&[&[command, "a", "-o", "jsonl"], environment].concat());

            assert_eq!(shown.code, ExitCode::Done, "{}: {}", row.word, shown.stderr);
            assert!(shown.stdout.contains(text), "{}: {command}: {}", row.word, shown.stdout);
        }
    }
}

#[test]
fn a_page_of_a_flag_names_every_setting() {
    for (row, _) in settings() {
        let shown = Place::new(row.with).run(&["show", "a"]).stdout;
        let without = Place::new(row.without).run(&["show", "a"]).stdout;

        assert!(shown.contains(row.word), "{}: {shown}", row.word);
        assert_ne!(shown, without, "{}", row.word);
    }
}

#[test]
fn every_setting_is_set_and_removed_in_the_file() {
    for (row, argument) in settings() {
        let (with, place) = (Place::new(row.with), Place::new(row.without));

        let set = place.run(&["set", "a", &argument, "--source", "file"]);

        assert_eq!(set.code, ExitCode::Done, "{argument}: {}", set.stderr);
        assert_eq!(place.flag(), with.flag(), "{argument}");

        let removed = with.run(&["set", "a", &format!("{}-", row.word), "--source", "file"]);

        assert_eq!(removed.code, ExitCode::Done, "{}: {}", row.word, removed.stderr);
        assert_eq!(with.flag(), Place::new(row.without).flag(), "{}", row.word);
    }
}

#[test]
fn every_setting_is_set_and_removed_in_the_store() {
    let server = Server::start();
    for (row, argument) in settings() {
        let place = Place::new(row.without);
        let run = |arguments: &[&str]| {
            let ran = ran(on(&server, arguments).current_dir(place.0.path()));
            assert_eq!(ran.code, ExitCode::Done, "{arguments:?}: {}", ran.stderr);
            ran
        };
        let Cell::Shows(text) = row.json else { panic!("{} is in JSON", row.word) };

        run(&["set", "a", &argument]);

        let stored = server.cli(&["HGET", "feature_flags", "a"]);
        assert!(stored.contains(text), "{argument}: {stored}");
        assert!(run(&["list", "a", "-o", "jsonl"]).stdout.contains(text), "{argument}");
        let field = run(&["get", "a", row.word, "-o", "jsonl"]).stdout;
        assert!(field.contains("redis"), "{argument}: {field}");

        run(&["set", "a", &format!("{}-", row.word)]);

        assert!(!server.cli(&["HGET", "feature_flags", "a"]).contains(text), "{argument}");
        run(&["unset", "a"]);
    }
}

#[test]
fn lint_fails_for_a_mistake_in_every_word() {
    for row in ROWS {
        let found = Place::new(row.wrong).run(&["lint"]);

        assert_eq!(found.code, ExitCode::No, "{}: {}", row.word, found.stdout);
    }
}

/// A value of each setting that `set` refuses. Any text is a string, also in a list.
const REFUSED: &[(Field, Option<&str>)] = &[
    (Field::Description, None),
    (Field::Owner, None),
    (Field::Tags, None),
    (Field::Created, Some("soon")),
    (Field::Expires, Some("soon")),
    (Field::Enabled, Some("perhaps")),
    (Field::DeniedUsers, None),
    (Field::DeniedGroups, None),
    (Field::AllowedUsers, None),
    (Field::AllowedGroups, None),
    (Field::Percentage, Some("101")),
    (Field::Permanent, Some("1")),
    (Field::Metadata, Some(r#"{"issue":[1]}"#)),
    (Field::Client, Some("perhaps")),
    (Field::Testable, Some("perhaps")),
    (Field::Requires, Some(r#"[{"flag":"maintenance","on":0}]"#)),
    (Field::Rules, Some(r#"[{"when":{"flag":1},"serve":true}]"#)),
    (Field::Rollout, Some(r#"{"stages":[{"percentage":101}]}"#)),
    (Field::Active, Some(r#"{"since":"2026-11-27"}"#)),
    (Field::Value, Some("true")),
    (Field::Serve, Some("nosuch")),
    (Field::Variants, Some(r#"{"control":-1}"#)),
    (Field::Off, Some("nosuch")),
    (Field::Traffic, Some("101")),
    (Field::BucketBy, None),
    (Field::Salt, None),
    (Field::StaleAfter, Some("soon")),
    (Field::OnStale, Some("perhaps")),
];

#[test]
fn a_wrong_value_of_a_setting_is_a_usage_error_and_changes_nothing() {
    let settings: Vec<_> = REFUSED.iter().map(|(field, _)| *field).collect();
    assert_eq!(settings, Field::ALL);

    for (field, value) in REFUSED.iter().filter_map(|(field, value)| Some((field, (*value)?))) {
        let place = Place::new("variants = { control = 1, treatment = 1 }");
        let before = fs::read_to_string(place.path()).unwrap();

        let set = place.run(&["set", "a", &format!("{field}={value}"), "--source", "file"]);

        assert_eq!(set.code, ExitCode::Usage, "{field}={value}: {}{}", set.stdout, set.stderr);
        assert_eq!(fs::read_to_string(place.path()).unwrap(), before, "{field}={value}");
    }
}
