//! TOML for values, in taplo's style.

use serde_json::{Map, Value};

use crate::{
    definition::{flag, written::toml_key},
    text::{Untrusted, is_hidden},
};

/// The number of columns of a line beyond which a list is written on several lines.
const WIDTH: usize = 80;

/// Returns the TOML of the value at `place` in a flag, on one line.
pub(super) fn value(json: &Value, place: &[&str]) -> String {
    let inside = |json: &Value, name: &str| value(json, &[place, &[name]].concat());
    match json {
        Value::String(text) if is_date(place) => date(text, place).to_owned(),
        Value::String(text) => Untrusted::new(text).toml(),
        Value::Array(list) => {
            let elements: Vec<_> = list.iter().map(|element| inside(element, "*")).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Object(table) if table.is_empty() => "{}".to_owned(),
        Value::Object(table) => {
            let members = table.iter();
            let members =
                members.map(|(name, json)| format!("{} = {}", toml_key(name), inside(json, name)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// Returns `true` for a member of a flag that is a date, which is a string in JSON. `*` is any
/// element.
fn is_date(place: &[&str]) -> bool {
    let Some((setting, inside)) = place.split_first() else { return false };
    flag::form(setting).is_some_and(|form| form.dates.contains(&inside))
}

/// Returns a date as a day if possible. Only for the value of a setting itself, where people write
/// days.
fn date<'t>(text: &'t str, place: &[&str]) -> &'t str {
    text.strip_suffix("T00:00:00Z").filter(|_| place.len() == 1).unwrap_or(text)
}

/// Returns `key = value`, with a long list on several lines.
pub(super) fn entry(key: &str, json: &Value, place: &[&str]) -> String {
    let line = format!("{} = {}", toml_key(key), value(json, place));
    match json {
        Value::Array(list) if line.chars().count() > WIDTH => {
            let place = [place, &["*"]].concat();
            let elements = list.iter().map(|element| format!("  {},\n", value(element, &place)));
            format!("{} = [\n{}]", toml_key(key), elements.collect::<String>())
        }
        _ => line,
    }
}

/// Returns the lines of a table with a header. Long members have headers of their own.
pub(super) fn section(header: &str, table: &Map<String, Value>, place: &[&str]) -> String {
    let mut text = format!("[{header}]");
    let mut below = String::new();
    for (name, json) in table {
        let place = [place, &[name.as_str()]].concat();
        let header = format!("{header}.{}", toml_key(name));
        match json {
            Value::Array(elements) if is_list_of_rules(json, &place) => {
                for element in elements {
                    below += &format!("\n\n{}", self::element(&header, element, &place));
                }
            }
            Value::Object(table) if is_long(json, &place) => {
                below += &format!("\n\n{}", section(&header, table, &place));
            }
            _ => text += &format!("\n{}", entry(name, json, &place)),
        }
    }
    text + &below
}

/// Returns `[[header]]` with the members of an element below it.
pub(super) fn element(header: &str, element: &Value, place: &[&str]) -> String {
    let place = [place, &["*"]].concat();
    let members = element.as_object().into_iter().flatten();
    let lines = members.map(|(name, json)| {
        format!("\n{}", entry(name, json, &[&*place, &[name.as_str()]].concat()))
    });
    format!("[[{header}]]{}", lines.collect::<String>())
}

pub(super) fn is_list_of_rules(json: &Value, place: &[&str]) -> bool {
    place == ["rules"] && json.as_array().is_some_and(|rules| !rules.is_empty())
}

/// Returns `true` if a table of a flag does not fit into a line.
pub(super) fn is_long(json: &Value, place: &[&str]) -> bool {
    place.len() == 1
        && json.is_object()
        && value(json, place).chars().count() + place[0].len() > WIDTH
}

/// Returns `true`, `"25%"`, or a table of settings.
pub(super) fn flag(settings: &Map<String, Value>, part: Part) -> String {
    shorthand(settings, part).unwrap_or_else(|| value(&Value::Object(settings.clone()), &[]))
}

/// The part of a file that has the settings of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// In `[flags]`.
    Flags,
    /// In an environment, where `true` and `false` are forced values.
    Environment,
}

/// Returns the short form of a flag, if the flag has a single setting that has one.
pub(super) fn shorthand(settings: &Map<String, Value>, part: Part) -> Option<String> {
    let mut members = settings.iter();
    match (members.next().map(|(name, json)| (name.as_str(), json)), members.next()) {
        (Some(("enabled", on)), None) if part == Part::Flags => Some(on.to_string()),
        (Some(("percentage", percentage)), None) => Some(format!("\"{percentage}%\"")),
        _ => None,
    }
}

/// Returns the new value in the notation of the one that it replaces: with the sign of a percentage
/// and the quotes of a string.
pub(super) fn like(written: &str, json: &Value, place: &[&str]) -> String {
    let quote = written.chars().next().filter(|c| ['"', '\''].contains(c));
    match (quote, json) {
        (Some(quote), Value::Number(percentage)) if written.contains('%') => {
            format!("{quote}{percentage}%{quote}")
        }
        (Some('\''), Value::String(text))
            if !is_date(place) && !text.contains(|c: char| c == '\'' || is_hidden(c)) =>
        {
            format!("'{text}'")
        }
        _ => value(json, place),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_toml() {
        for (json, place, text) in [
            (json!(true), "enabled", "true"),
            (json!(33.3333), "percentage", "33.3333"),
            (json!("say \"hi\"\\\n\u{7f}"), "owner", r#""say \"hi\"\\\n\u007F""#),
            (json!(["ana", "bob"]), "allowed_users", r#"["ana", "bob"]"#),
            (json!([]), "allowed_users", "[]"),
            (json!({"a.b": 1, "c": {}}), "variants", r#"{ "a.b" = 1, c = {} }"#),
            (json!("2026-11-01T00:00:00Z"), "expires", "2026-11-01"),
            (json!("2026-11-01T09:00:00Z"), "expires", "2026-11-01T09:00:00Z"),
            (json!({"from": "2026-11-01T00:00:00Z"}), "active", "{ from = 2026-11-01T00:00:00Z }"),
            (json!("2026-11-01T00:00:00Z"), "owner", r#""2026-11-01T00:00:00Z""#),
        ] {
            assert_eq!(value(&json, &[place]), text);
        }
    }

    #[test]
    fn a_value_keeps_the_notation_of_the_one_before() {
        assert_eq!(like("'25%'", &json!(30), &["percentage"]), "'30%'");
        assert_eq!(like("25", &json!(30), &["percentage"]), "30");
        assert_eq!(like("'ana'", &json!("bob"), &["owner"]), "'bob'");
        assert_eq!(like("'ana'", &json!("o'hara"), &["owner"]), "\"o'hara\"");
    }
}
