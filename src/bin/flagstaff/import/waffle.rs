//! django-waffle: what `manage.py dumpdata waffle` writes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Imported;
use crate::failure::Failure;

/// The fields of a waffle flag that say for whom it is on. All of them are OR in waffle, and none
/// counts while `everyone` says yes or no.
const TARGETING: [&str; 7] =
    ["percent", "superusers", "staff", "authenticated", "languages", "groups", "users"];

/// The flags, switches and samples of a fixture.
pub(crate) fn waffle(text: &str) -> Result<Imported, Failure> {
    let rows: Vec<Map<String, Value>> = serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!("this is no fixture of django: {error}"))
            .hint("write one with `manage.py dumpdata waffle --natural-primary --natural-foreign`")
    })?;
    let mut imported = Imported::default();
    let names = names(&rows);
    let mut others = BTreeSet::new();
    let mut draws = false;
    for row in &rows {
        let (Some(model), Some(fields)) = (
            row.get("model").and_then(Value::as_str),
            row.get("fields").and_then(Value::as_object),
        ) else {
            imported.general("left out: a row without `model` and `fields`");
            imported.left_out += 1;
            continue;
        };
        let kind = match model {
            "waffle.flag" => Kind::Flag,
            "waffle.switch" => Kind::Switch,
            "waffle.sample" => Kind::Sample,
            // They are there to say the names of users and groups.
            "auth.user" | "auth.group" => continue,
            other => {
                others.insert(other);
                continue;
            }
        };
        let Some(name) = fields.get("name").and_then(Value::as_str) else {
            imported.general(format!("left out: a `{model}` without a name"));
            imported.left_out += 1;
            continue;
        };
        let key = kind.key(name, &imported);
        if key != name {
            imported.note(&key, format!("it is `{name}` there, as a flag is too"));
        }
        let settings = match kind {
            Kind::Flag => flag(&key, fields, &names, &mut imported),
            Kind::Switch => switch(fields),
            Kind::Sample => sample(&key, fields, &mut imported),
        };
        draws |= kind == Kind::Flag && settings.contains_key("percentage") && share(fields) > 0.0;
        imported.add(&key, &settings);
    }
    if draws {
        imported.general(
            "percentages: waffle draws each visitor once and keeps the outcome in a cookie; here the \
             targeting key is drawn by, so that other users are in, and visitors without one are out",
        );
    }
    for model in others {
        imported.general(format!("not imported: rows of `{model}`"));
    }
    Ok(imported)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Flag,
    Switch,
    Sample,
}

impl Kind {
    /// Flags, switches and samples may have the same name in waffle. Flags come first in a fixture.
    fn key(self, name: &str, imported: &Imported) -> String {
        let suffix = match self {
            Self::Flag => return name.to_owned(),
            Self::Switch => "_switch",
            Self::Sample => "_sample",
        };
        match imported.flags.iter().any(|(known, _)| known == name) {
            true => name.to_owned() + suffix,
            false => name.to_owned(),
        }
    }
}

/// What all three kinds have.
fn described(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut settings = Map::new();
    if let Some(note) =
        fields.get("note").and_then(Value::as_str).filter(|it| !it.trim().is_empty())
    {
        settings.insert("description".to_owned(), note.into());
    }
    if let Some(created) = fields.get("created").and_then(Value::as_str) {
        settings.insert("created".to_owned(), day(created).into());
    }
    settings
}

/// The day of an instant; what is no instant stays as it is, for the error.
fn day(instant: &str) -> &str {
    instant.split_once('T').map_or(instant, |(day, _)| day)
}

fn flag(
    key: &str,
    fields: &Map<String, Value>,
    names: &Names,
    imported: &mut Imported,
) -> Map<String, Value> {
    let mut settings = described(fields);
    let is = |name: &str| fields.get(name).and_then(Value::as_bool).unwrap_or(false);
    for (name, what) in [
        ("testing", "its testing mode (`dwft_…` in a query, a header or a cookie)"),
        ("rollout", "its rollout mode (cookies that end with the session)"),
    ] {
        if is(name) {
            imported.note(key, format!("`{name}`: {what} has no equal here"));
        }
    }
    match fields.get("everyone").and_then(Value::as_bool) {
        Some(true) => {
            settings.insert("enabled".to_owned(), true.into());
            let said: Vec<_> =
                TARGETING.into_iter().filter(|name| is_said(fields.get(*name))).collect();
            if !said.is_empty() {
                let said =
                    said.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                imported.note(
                    key,
                    format!("it is on for everyone, so {said} say nothing and are left out"),
                );
            }
            return settings;
        }
        Some(false) => drop(settings.insert("enabled".to_owned(), false.into())),
        None => {}
    }
    for (field, setting, named) in
        [("users", "allowed_users", &names.users), ("groups", "allowed_groups", &names.groups)]
    {
        let list = fields.get(field).and_then(Value::as_array).map_or(&[][..], |list| list);
        let list: Vec<_> = list.iter().map(|name| named.of(name)).collect();
        if list.iter().any(|name| name.is_number) {
            imported.note(
                key,
                format!(
                    "`{field}` are numbers of rows: dump with `--natural-foreign`, or `auth.user` and \
                     `auth.group` too, for their names"
                ),
            );
        }
        if !list.is_empty() {
            let list: Vec<_> = list.into_iter().map(|name| name.text).collect();
            settings.insert(setting.to_owned(), list.into());
        }
    }
    settings.insert("percentage".to_owned(), share(fields).into());
    let rules = rules(fields);
    if !rules.is_empty() {
        let asked: Vec<_> =
            rules.iter().filter_map(|rule| rule["when"].as_object()?.keys().next()).collect();
        let asked = asked.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        imported.note(key, format!("its rules ask for {asked}, which contexts have to have"));
        settings.insert("rules".to_owned(), rules.into());
    }
    settings
}

/// Whether a field says for whom a flag is on.
fn is_said(field: Option<&Value>) -> bool {
    match field {
        Some(Value::Bool(on)) => *on,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Number(_)) => true,
        _ => false,
    }
}

/// From 0 to 100. Waffle writes a decimal as a text.
fn share(fields: &Map<String, Value>) -> f64 {
    match fields.get("percent") {
        Some(Value::String(text)) => text.parse().unwrap_or(0.0),
        Some(number) => number.as_f64().unwrap_or(0.0),
        None => 0.0,
    }
}

/// What waffle asks the request's user and language for. `superusers` is on unless it was turned off.
fn rules(fields: &Map<String, Value>) -> Vec<Value> {
    let mut rules = Vec::new();
    let languages = fields.get("languages").and_then(Value::as_str).unwrap_or_default();
    let languages: Vec<_> =
        languages.split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
    if !languages.is_empty() {
        rules
            .push(json!({ "name": "languages", "when": { "language": languages }, "serve": true }));
    }
    for (name, attribute, unless_said) in [
        ("authenticated", "is_authenticated", false),
        ("staff", "is_staff", false),
        ("superusers", "is_superuser", true),
    ] {
        if fields.get(name).and_then(Value::as_bool).unwrap_or(unless_said) {
            rules.push(json!({ "name": name, "when": { attribute: true }, "serve": true }));
        }
    }
    rules
}

fn switch(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut settings = described(fields);
    let active = fields.get("active").and_then(Value::as_bool).unwrap_or(false);
    settings.insert("enabled".to_owned(), active.into());
    settings
}

/// A share of all questions. Here it is a share of the requests.
fn sample(key: &str, fields: &Map<String, Value>, imported: &mut Imported) -> Map<String, Value> {
    let mut settings = described(fields);
    let share = share(fields);
    if share <= 0.0 || share >= 100.0 {
        settings.insert("enabled".to_owned(), (share > 0.0).into());
        return settings;
    }
    imported.note(
        key,
        "a sample draws each time it is asked; here each request is drawn once, and outside of a request it \
         is off",
    );
    let rule = json!({
        "name": "sample",
        "when": {},
        "serve": format!("{share}%"),
        "bucket_by": "request",
    });
    settings.insert("rules".to_owned(), vec![rule].into());
    settings
}

/// The names of users and of groups by the numbers of their rows, if they are in the fixture.
#[derive(Debug, Default)]
struct Names {
    users: Table,
    groups: Table,
}

#[derive(Debug, Default)]
struct Table(BTreeMap<String, String>);

#[derive(Debug)]
struct Name {
    text: String,
    is_number: bool,
}

fn names(rows: &[Map<String, Value>]) -> Names {
    let mut names = Names::default();
    for row in rows {
        let (table, field) = match row.get("model").and_then(Value::as_str) {
            Some("auth.user") => (&mut names.users, "username"),
            Some("auth.group") => (&mut names.groups, "name"),
            _ => continue,
        };
        let name = row.get("fields").and_then(|fields| fields.get(field)).and_then(Value::as_str);
        if let (Some(number), Some(name)) = (row.get("pk"), name) {
            table.0.insert(number.to_string(), name.to_owned());
        }
    }
    names
}

impl Table {
    /// A natural key is a list with the name; anything else is the number of a row.
    fn of(&self, value: &Value) -> Name {
        let natural = value.as_array().and_then(|key| key.first()).and_then(Value::as_str);
        if let Some(name) = natural.or(value.as_str()) {
            return Name { text: name.to_owned(), is_number: false };
        }
        match self.0.get(&value.to_string()) {
            Some(name) => Name { text: name.clone(), is_number: false },
            None => Name { text: value.to_string(), is_number: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{notes, settings};

    /// Written by django-waffle 5.0.0.
    const FIXTURE: &str = include_str!("../../../../tests/cli/transcripts/import.in/waffle.json");
    /// The same without natural keys, with the users and groups.
    const NUMBERS: &str =
        include_str!("../../../../tests/cli/transcripts/import.in/waffle_ids.json");

    #[test]
    fn what_waffle_says_of_a_flag_is_said_here() {
        let imported = waffle(FIXTURE).unwrap();

        let day = "2026-11-21T00:00:00Z";
        assert_eq!(
            settings(&imported, "everyone-on"),
            json!({ "description": "Long since on", "created": day, "enabled": true })
        );
        let superusers =
            json!({ "name": "superusers", "when": { "is_superuser": true }, "serve": true });
        assert_eq!(
            settings(&imported, "everyone-off"),
            json!({
                "created": day,
                "enabled": false,
                "allowed_users": ["ana"],
                "percentage": 0,
                "rules": [superusers],
            })
        );
        assert_eq!(
            settings(&imported, "half"),
            json!({
                "created": day,
                "allowed_users": ["bob", "ana"],
                "allowed_groups": ["beta"],
                "percentage": 50,
            })
        );
        assert_eq!(
            settings(&imported, "full"),
            json!({
                "created": day,
                "percentage": 33.3,
                "rules": [
                    { "name": "languages", "when": { "language": ["en", "pt-br"] }, "serve": true },
                    { "name": "authenticated", "when": { "is_authenticated": true }, "serve": true },
                    { "name": "staff", "when": { "is_staff": true }, "serve": true },
                    superusers,
                ],
            })
        );
        assert_eq!(imported.left_out, 0);
    }

    #[test]
    fn what_is_not_exact_is_told() {
        let imported = waffle(FIXTURE).unwrap();

        assert_eq!(notes(&imported, "half"), [""; 0]);
        assert_eq!(notes(&imported, "full").len(), 3);
        assert!(notes(&imported, "everyone-on")[0].contains("`percent`, `superusers`, `users`"));
        assert!(
            imported.notes.iter().any(|note| note.flag.is_none() && note.text.contains("cookie"))
        );
    }

    #[test]
    fn switches_and_samples_are_flags_too() {
        let imported = waffle(FIXTURE).unwrap();

        assert_eq!(settings(&imported, "maintenance")["enabled"], json!(false));
        assert_eq!(settings(&imported, "half_switch")["enabled"], json!(true));
        assert_eq!(notes(&imported, "half_switch"), ["it is `half` there, as a flag is too"]);
        assert_eq!(settings(&imported, "always")["enabled"], json!(true));
        assert_eq!(
            settings(&imported, "trace")["rules"],
            json!([{ "name": "sample", "when": {}, "serve": "12.5%", "bucket_by": "request" }])
        );
    }

    #[test]
    fn numbers_of_rows_become_names_where_the_fixture_has_them() {
        let imported = waffle(NUMBERS).unwrap();
        assert_eq!(settings(&imported, "half")["allowed_groups"], json!(["beta"]));

        let without = NUMBERS.replace("auth.user", "shop.user");
        let imported = waffle(&without).unwrap();
        assert_eq!(settings(&imported, "half")["allowed_users"].as_array().unwrap().len(), 2);
        assert!(notes(&imported, "half")[0].contains("--natural-foreign"));
        assert!(imported.notes.iter().any(|note| note.text == "not imported: rows of `shop.user`"));
    }

    #[test]
    fn what_is_no_fixture_is_refused() {
        assert!(waffle("{}").is_err());

        let imported = waffle(r#"[{"model": "waffle.flag", "fields": {}}, {}]"#).unwrap();
        assert_eq!((imported.left_out, imported.flags.len()), (2, 0));
    }
}
