//! django-waffle: what `manage.py dumpdata waffle` writes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Imported, known, rows::rows};
use crate::failure::Failure;

/// The fields of a waffle flag that select its users. Waffle joins all of them by OR, and ignores
/// them while `everyone` is yes or no.
const TARGETING: [&str; 7] =
    ["percent", "superusers", "staff", "authenticated", "languages", "groups", "users"];

/// Returns the flags, switches and samples of a fixture.
pub(crate) fn waffle(text: &str) -> Result<Imported, Failure> {
    let rows = rows(text).map_err(|error| {
        Failure::usage(format!("this is not a fixture of django: {error}"))
            .hint("write one with `manage.py dumpdata waffle --natural-primary --natural-foreign`")
    })?;
    let mut imported = Imported::default();
    let names = names(&rows);
    let flags = flags(&rows);
    let (mut others, mut own) = (BTreeSet::new(), BTreeSet::new());
    let (mut draws, mut lists, mut dates) = (false, false, false);
    for row in &rows {
        let (Some(model), Some(fields)) = (
            row.get("model").and_then(Value::as_str),
            row.get("fields").and_then(Value::as_object),
        ) else {
            imported.general("left out: a row without `model` and `fields`");
            imported.left_out += 1;
            continue;
        };
        let kind = match Kind::of(model, fields) {
            Some(kind) => kind,
            // These rows only give the names of users and groups.
            None if ["auth.user", "auth.group"].contains(&&*model.to_lowercase()) => continue,
            None => {
                others.insert(model);
                continue;
            }
        };
        let Some(name) = fields.get("name").and_then(Value::as_str) else {
            imported.general(format!("left out: a `{model}` without a name"));
            imported.left_out += 1;
            continue;
        };
        let key = kind.key(name, &flags);
        if key != name {
            imported.note(&key, format!("it is `{name}` there, which is also the name of a flag"));
        }
        let settings = match kind {
            Kind::Flag => flag(&key, fields, &names, &mut imported),
            Kind::Switch => switch(fields),
            Kind::Sample => sample(&key, fields, &mut imported),
        };
        match settings {
            Ok(settings) => {
                if !is_of_waffle(model) {
                    own.insert(model);
                }
                let share = settings.get("percentage").and_then(Value::as_f64);
                draws |= share.is_some_and(|share| share > 0.0);
                lists |= settings.contains_key("allowed_users");
                dates |= settings.contains_key("created");
                imported.add(&key, &settings);
            }
            Err(why) => imported.leave_out(&key, &why),
        }
    }
    if draws {
        imported.general(
            "percentages: waffle draws each visitor once and keeps the outcome in a cookie; here users are drawn by the targeting key, so that other users are in, and visitors without one are out",
        );
    }
    if lists {
        imported.general(
            "users are identified by their account names, so the targeting key has to be the account name",
        );
    }
    if dates {
        imported.general("only the day of `created` is imported, and `modified` is left out");
    }
    for model in own {
        imported.general(format!(
            "`{model}` is a model of your own, read as one of waffle: the behaviour of its code is not imported"
        ));
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

/// Returns true for a model of waffle itself. Django ignores the case of model names.
fn is_of_waffle(model: &str) -> bool {
    model.split_once('.').is_some_and(|(app, _)| app.eq_ignore_ascii_case("waffle"))
}

impl Kind {
    /// Returns the kind of a row. A custom model (`WAFFLE_FLAG_MODEL`) has the fields of waffle's model, and is
    /// named after it.
    fn of(model: &str, fields: &Map<String, Value>) -> Option<Self> {
        let (_, class) = model.split_once('.')?;
        let class = class.to_lowercase();
        let is_own = !is_of_waffle(model);
        match class.as_str() {
            "flag" if !is_own => Some(Self::Flag),
            "switch" if !is_own => Some(Self::Switch),
            "sample" if !is_own => Some(Self::Sample),
            _ if is_own && fields.contains_key("everyone") => Some(Self::Flag),
            class if is_own && class.ends_with("switch") && fields.contains_key("active") => {
                Some(Self::Switch)
            }
            class if is_own && class.ends_with("sample") && fields.contains_key("percent") => {
                Some(Self::Sample)
            }
            _ => None,
        }
    }

    /// Flags, switches and samples may have the same name in waffle. The flag keeps it, also where it
    /// is left out: nothing else answers in its place.
    fn key(self, name: &str, flags: &BTreeSet<&str>) -> String {
        let suffix = match self {
            Self::Flag => return name.to_owned(),
            Self::Switch => "_switch",
            Self::Sample => "_sample",
        };
        match flags.contains(name) {
            true => name.to_owned() + suffix,
            false => name.to_owned(),
        }
    }
}

/// The fields that all three kinds have.
const COMMON: [&str; 4] = ["name", "note", "created", "modified"];

/// Returns the settings that all three kinds have; refuses fields other than theirs and `others`.
fn described(fields: &Map<String, Value>, others: &[&str]) -> Result<Map<String, Value>, String> {
    known(fields, &[&COMMON, others].concat())?;
    let mut settings = Map::new();
    if let Some(note) = text(fields, "note")?.filter(|it| !it.trim().is_empty()) {
        settings.insert("description".to_owned(), note.into());
    }
    if let Some(created) = text(fields, "created")? {
        settings.insert("created".to_owned(), day(created).into());
    }
    Ok(settings)
}

/// Reads an optional field, which may be null.
fn field<'f, T>(
    fields: &'f Map<String, Value>,
    name: &str,
    read: impl FnOnce(&'f Value) -> Option<T>,
) -> Result<Option<T>, String> {
    match fields.get(name).filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => read(value)
            .map(Some)
            .ok_or_else(|| format!("its `{name}` is {value}, which is not valid")),
    }
}

fn text<'f>(fields: &'f Map<String, Value>, name: &str) -> Result<Option<&'f str>, String> {
    field(fields, name, Value::as_str)
}

/// Reads a boolean field, which may be missing but not null.
fn is(fields: &Map<String, Value>, name: &str, unless_said: bool) -> Result<bool, String> {
    match fields.get(name) {
        None => Ok(unless_said),
        Some(Value::Bool(is)) => Ok(*is),
        Some(other) => Err(format!("its `{name}` is {other}, neither true nor false")),
    }
}

/// Returns the percentage, from 0 to 100. Waffle writes a decimal as a string.
fn share(fields: &Map<String, Value>) -> Result<Option<f64>, String> {
    field(fields, "percent", |percent| {
        let share = match percent {
            Value::String(text) => text.parse().ok(),
            number => number.as_f64(),
        };
        share.filter(|share| (0.0..=100.0).contains(share))
    })
}

/// Returns the day of an instant. YAML has a space before the time. Other strings stay as they are, for the error.
fn day(instant: &str) -> &str {
    instant.split_once(['T', ' ']).map_or(instant, |(day, _)| day)
}

fn flag(
    key: &str,
    fields: &Map<String, Value>,
    names: &Names,
    imported: &mut Imported,
) -> Result<Map<String, Value>, String> {
    let mut settings =
        described(fields, &[&TARGETING[..], &["everyone", "testing", "rollout"]].concat())?;
    for (name, what) in [
        ("testing", "its testing mode (`dwft_…` in a query, a header or a cookie)"),
        ("rollout", "its rollout mode (cookies that end with the session)"),
    ] {
        if is(fields, name, false)? {
            imported.note(key, format!("`{name}`: {what} has no equivalent here"));
        }
    }
    match field(fields, "everyone", Value::as_bool)? {
        Some(true) => {
            settings.insert("enabled".to_owned(), true.into());
            let ignored: Vec<_> =
                TARGETING.into_iter().filter(|name| is_given(fields.get(*name))).collect();
            if !ignored.is_empty() {
                let ignored =
                    ignored.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                imported.note(
                    key,
                    format!("it is on for all users, so {ignored} have no effect and are left out"),
                );
            }
            return Ok(settings);
        }
        Some(false) => drop(settings.insert("enabled".to_owned(), false.into())),
        None => {}
    }
    for (name, setting, named) in
        [("users", "allowed_users", &names.users), ("groups", "allowed_groups", &names.groups)]
    {
        let list = field(fields, name, Value::as_array)?.into_iter().flatten();
        let list: Vec<_> = list.map(|it| named.of(it)).collect::<Option<_>>().ok_or_else(|| {
            format!(
                "its `{name}` are numbers of rows, and the fixture lacks their names: dump with \
                 `--natural-foreign`, or `auth.user` and `auth.group` too"
            )
        })?;
        if !list.is_empty() {
            settings.insert(setting.to_owned(), list.into());
        }
    }
    settings.insert("percentage".to_owned(), share(fields)?.unwrap_or(0.0).into());
    let rules = rules(fields)?;
    if !rules.is_empty() {
        let asked: Vec<_> =
            rules.iter().filter_map(|rule| rule["when"].as_object()?.keys().next()).collect();
        let asked = asked.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        imported.note(key, format!("its rules need {asked} in the context"));
        settings.insert("rules".to_owned(), rules.into());
    }
    Ok(settings)
}

/// Returns `true` if a field selects users.
fn is_given(field: Option<&Value>) -> bool {
    match field {
        Some(Value::Bool(on)) => *on,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Number(_)) => true,
        _ => false,
    }
}

/// Returns the rules for what waffle reads from the request's user and language. `superusers` is on
/// unless it was turned off.
fn rules(fields: &Map<String, Value>) -> Result<Vec<Value>, String> {
    let mut rules = Vec::new();
    let languages = text(fields, "languages")?.unwrap_or_default();
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
        if is(fields, name, unless_said)? {
            rules.push(json!({ "name": name, "when": { attribute: true }, "serve": true }));
        }
    }
    Ok(rules)
}

fn switch(fields: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut settings = described(fields, &["active"])?;
    settings.insert("enabled".to_owned(), is(fields, "active", false)?.into());
    Ok(settings)
}

/// Converts a sample, which is on for a share of all evaluations. Here it is on for a share of the requests.
fn sample(
    key: &str,
    fields: &Map<String, Value>,
    imported: &mut Imported,
) -> Result<Map<String, Value>, String> {
    let mut settings = described(fields, &["percent"])?;
    let share = share(fields)?.unwrap_or(0.0);
    if share <= 0.0 || share >= 100.0 {
        settings.insert("enabled".to_owned(), (share > 0.0).into());
        return Ok(settings);
    }
    imported.note(
        key,
        "a sample draws on each evaluation; here each request is drawn once, and outside of a request it \
         is off",
    );
    let rule = json!({
        "name": "sample",
        "when": {},
        "serve": format!("{share}%"),
        "bucket_by": "request",
    });
    settings.insert("rules".to_owned(), vec![rule].into());
    Ok(settings)
}

/// Returns the names of all flags, those of one's own kind included.
fn flags(rows: &[Map<String, Value>]) -> BTreeSet<&str> {
    fn flag(row: &Map<String, Value>) -> Option<&str> {
        let fields = row.get("fields")?;
        let kind = Kind::of(row.get("model")?.as_str()?, fields.as_object()?);
        fields.get("name")?.as_str().filter(|_| kind == Some(Kind::Flag))
    }
    rows.iter().filter_map(flag).collect()
}

/// The names of users and of groups by the numbers of their rows, if they are in the fixture.
#[derive(Debug, Default)]
struct Names {
    users: Table,
    groups: Table,
}

#[derive(Debug, Default)]
struct Table(BTreeMap<String, String>);

fn names(rows: &[Map<String, Value>]) -> Names {
    let mut names = Names::default();
    for row in rows {
        let model = row.get("model").and_then(Value::as_str).map(str::to_lowercase);
        let (table, field) = match model.as_deref() {
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
    /// Returns the name for a reference: a list with a name (a natural key), or else the number of a row.
    fn of(&self, value: &Value) -> Option<String> {
        let natural = value.as_array().and_then(|key| key.first()).and_then(Value::as_str);
        match natural.or(value.as_str()) {
            Some(name) => Some(name.to_owned()),
            None => self.0.get(&value.to_string()).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{notes, settings};

    /// Written by django-waffle 5.0.0.
    const FIXTURE: &str = include_str!("../../../../tests/cli/transcripts/import.in/waffle.json");
    /// An export without natural keys, with the users and groups.
    const NUMBERS: &str =
        include_str!("../../../../tests/cli/transcripts/import.in/waffle_ids.json");

    #[test]
    fn each_field_of_a_waffle_flag_is_imported() {
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
    fn every_inexact_import_is_reported() {
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
        assert_eq!(
            notes(&imported, "half_switch"),
            ["it is `half` there, which is also the name of a flag"]
        );
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
        assert!(imported.flags.iter().all(|(key, _)| key != "half"));
        assert_eq!(settings(&imported, "half_switch")["enabled"], json!(true));
        assert!(notes(&imported, "half")[0].contains("--natural-foreign"));
        assert!(imported.notes.iter().any(|note| note.text == "not imported: rows of `shop.user`"));
    }

    /// Returns a flag that selects no users, with `fields` changed.
    fn changed(fields: &Value) -> String {
        let mut flag = json!({ "name": "a", "everyone": null, "superusers": false });
        flag.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!([{ "model": "waffle.flag", "fields": flag }]).to_string()
    }

    #[test]
    fn a_flag_that_says_what_is_not_known_is_left_out() {
        for fields in [
            json!({ "countries": "DE" }),
            json!({ "everyone": "false", "percent": "50.0" }),
            json!({ "percent": "NaN" }),
            json!({ "percent": "101" }),
            json!({ "superusers": null }),
            json!({ "users": "bob" }),
            json!({ "groups": [7] }),
            json!({ "languages": 1 }),
            json!({ "note": 1 }),
        ] {
            let imported = waffle(&changed(&fields)).unwrap();

            assert_eq!((imported.left_out, imported.flags.len()), (1, 0), "{fields}");
            assert!(notes(&imported, "a")[0].starts_with("left out: "), "{fields}");
        }
        let known = waffle(&changed(&json!({ "note": "x" }))).unwrap();
        assert_eq!(
            settings(&known, "a"),
            json!({ "description": "x", "percentage": 0 }),
            "{known:?}"
        );
    }

    #[test]
    fn a_flag_that_is_left_out_is_not_imported_under_another_name() {
        let imported = waffle(
            r#"[
                {"model": "shop.flag", "fields": {"name": "a", "everyone": false, "company": 1}},
                {"model": "waffle.flag", "fields": {"name": "b", "everyone": "no"}},
                {"model": "waffle.switch", "fields": {"name": "a", "active": true}},
                {"model": "waffle.switch", "fields": {"name": "b", "active": true}}
            ]"#,
        )
        .unwrap();

        let keys: Vec<_> = imported.flags.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!((keys, imported.left_out), (vec!["a_switch", "b_switch"], 2));
    }

    /// The importer takes each form that `loaddata` takes.
    #[test]
    fn a_fixture_is_read_in_every_form_that_django_writes() {
        let rows: Vec<Value> = serde_json::from_str(FIXTURE).unwrap();
        let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
        let expected = waffle(FIXTURE).unwrap();

        let capitals =
            FIXTURE.replace("waffle.flag", "Waffle.Flag").replace("waffle.sw", "waffle.Sw");
        let spaces = FIXTURE.replace("T02:", " 02:");
        let marked = format!("\u{feff}{FIXTURE}");
        for text in [&lines, &capitals, &spaces, &marked] {
            let imported = waffle(text).unwrap();
            assert_eq!(imported.flags, expected.flags, "{text}");
            assert_eq!(imported.left_out, 0);
        }
    }

    /// As `dumpdata --format yaml` writes it.
    #[test]
    fn a_fixture_in_yaml_gives_the_same_flags_as_json() {
        let yaml = "- model: waffle.flag\n  fields:\n    name: half\n    everyone: null\n    percent: '50.0'\n    \
                    superusers: false\n    languages: ''\n    created: 2026-11-21 02:38:31.364000+00:00\n    \
                    groups:\n    - - beta\n    users: []\n\
                    - model: waffle.switch\n  pk: 1\n  fields:\n    name: 'no'\n    active: true\n";

        let imported = waffle(yaml).unwrap();

        assert_eq!(
            settings(&imported, "half"),
            json!({ "created": "2026-11-21T00:00:00Z", "allowed_groups": ["beta"], "percentage": 50 })
        );
        assert_eq!(settings(&imported, "no"), json!({ "enabled": true }));
        assert_eq!(imported.left_out, 0);
    }

    #[test]
    fn a_custom_model_is_imported_and_reported() {
        let imported = waffle(
            r#"[
                {"model": "shop.Flag", "fields": {"name": "a", "everyone": true}},
                {"model": "shop.featureswitch", "fields": {"name": "b", "active": true}},
                {"model": "shop.product", "fields": {"name": "c", "active": true}}
            ]"#,
        )
        .unwrap();

        assert_eq!(settings(&imported, "a"), json!({ "enabled": true }));
        assert_eq!(settings(&imported, "b"), json!({ "enabled": true }));
        assert_eq!((imported.flags.len(), imported.left_out), (2, 0));
        let is_noted = |text: &str| imported.notes.iter().any(|note| note.text.starts_with(text));
        assert!(is_noted("`shop.Flag` is a model of your own"), "{imported:?}");
        assert!(is_noted("not imported: rows of `shop.product`"), "{imported:?}");
    }

    #[test]
    fn a_file_that_is_not_a_fixture_is_refused() {
        assert!(waffle("{}").is_err());
        assert!(waffle("just a text").is_err());

        let imported = waffle(r#"[{"model": "waffle.flag", "fields": {}}, {}]"#).unwrap();
        assert_eq!((imported.left_out, imported.flags.len()), (2, 0));
    }
}
