//! Entries of environments that change nothing, and flags that only an environment has.

use toml::de::DeTable;

use super::file::{Entries, File, Found};
use crate::{
    definition::{Code, Diagnostic, Suggestion, Value, remove, test::TESTS, to_json},
    model::{Definition, Entry, Field, Percentage},
};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    for environment in &file.environments {
        for (key, value) in &environment.written {
            let name = key.get_ref().as_ref();
            if !file.names.contains(name) && found.lints().has_below() {
                found.report(only_here(file, environment, key.span(), name));
            }
            let (Some(below), Some(entry)) =
                (file.declared.get(name), environment.entries.get(name))
            else {
                continue;
            };
            let merged = Definition::with_entry(Some(below), entry);
            // Tests need a table, and do not repeat a setting.
            let has_tests = value.get_ref().as_table().is_some_and(|it| it.contains_key(TESTS));
            if !has_tests && is_same(below, &merged) {
                let message = format!("the entry for flag `{name}` changes nothing");
                let problem = Diagnostic::new(Code::RepeatedInEnvironment, key.span(), message)
                    .label("as in `[flags]`")
                    .flag(name)
                    .environment(environment.name);
                let can_go = value.get_ref().as_table().is_none()
                    && stays(file.text, environment.value, environment.table);
                let span = can_go
                    .then(|| remove::setting(file.text, environment.value, environment.table, name))
                    .flatten();
                found.report(match span {
                    Some(span) => problem.suggest(Some(Suggestion::remove("remove it", span))),
                    None => problem.help("remove it"),
                });
                continue;
            }
            let Entry::Definition(entry) = entry else { continue };
            if let Some(problem) = stays_off(name, value, below, entry) {
                found.report(problem.environment(environment.name));
            }
            let Some(table) = value.get_ref().as_table() else { continue };
            let is_repeated = |field: &Field| {
                let mut others = Definition::clone(entry);
                others.inherit(*field);
                is_same(&merged, &Definition::with_entry(Some(below), &others.into()))
            };
            for field in entry.fields().filter(is_repeated) {
                let setting = field.as_str();
                let Some((key, _)) = table.get_key_value(setting) else { continue };
                let message = format!("`{setting}` of flag `{name}` changes nothing");
                let span = stays(file.text, value, table)
                    .then(|| remove::setting(file.text, value, table, setting))
                    .flatten();
                found.report(
                    Diagnostic::new(Code::RepeatedInEnvironment, key.span(), message)
                        .label("as in `[flags]`")
                        .suggest(span.map(|span| Suggestion::remove("remove it", span)))
                        .flag(name)
                        .environment(environment.name),
                );
            }
        }
    }
}

/// Returns a problem if an entry sets the share of a flag that `[flags]` turns off, and leaves it
/// off.
fn stays_off(
    name: &str,
    value: &Value<'_>,
    below: &Definition,
    entry: &Definition,
) -> Option<Diagnostic> {
    let is_off = below.enabled.value() == Some(&false);
    // A table that removes `enabled` turns the flag on, too.
    if !is_off || entry.has(Field::Enabled) || entry.removes(Field::Enabled) {
        return None;
    }
    let has_share = |field: &Field| match field {
        Field::Percentage => entry.percentage.value().is_some_and(|&it| it > Percentage::ZERO),
        _ => entry.has(*field),
    };
    let field = [Field::Percentage, Field::Rollout].into_iter().find(has_share)?;
    let (span, help) = match value.get_ref().as_table() {
        Some(table) => {
            let (key, _) = table.get_key_value(field.as_str())?;
            (key.span(), "add `enabled = true`".to_owned())
        }
        None => {
            let percentage = entry.percentage.value()?;
            (value.span(), format!("write `{{ enabled = true, percentage = \"{percentage}\" }}`"))
        }
    };
    let message = format!("`{field}` of flag `{name}` has no effect");
    let problem = Diagnostic::new(Code::SettingWithoutEffect, span, message)
        .label("the flag stays off, because `[flags]` turns it off");
    Some(problem.help(help).flag(name))
}

/// Returns `true` if the table still exists without one of its members. A fix must not remove an
/// environment: services that name it would not start.
fn stays(text: &str, value: &Value<'_>, table: &DeTable<'_>) -> bool {
    let has_brackets = text.get(value.span()).is_some_and(|it| it.starts_with(['[', '{']));
    has_brackets || table.len() > 1
}

/// Returns `true` if two definitions have the same settings, whether they remove or inherit the
/// others.
fn is_same(below: &Definition, merged: &Definition) -> bool {
    let settings = |definition: &Definition| {
        let mut settings = to_json(definition);
        settings.retain(|_, value| !value.is_null());
        settings
    };
    settings(below) == settings(merged)
}

fn only_here(
    file: &File<'_>,
    environment: &Entries<'_>,
    span: std::ops::Range<usize>,
    name: &str,
) -> Diagnostic {
    let message = format!("flag `{name}` is not in `[flags]`, only");
    let problem = Diagnostic::new(Code::OnlyInEnvironment, span, message)
        .label("unknown in all other environments")
        .flag(name)
        .environment(environment.name);
    match file.similar.nearest(name, file.names.iter().copied()) {
        Some(similar) => problem.help(format!("a flag with a similar name exists: `{similar}`")),
        None => problem,
    }
}
