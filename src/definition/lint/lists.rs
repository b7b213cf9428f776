//! Entries that a list has twice.

use std::{collections::HashMap, ops::Range};

use toml::de::DeValue;

use super::file::{File, Found};
use crate::{
    definition::{Code, Diagnostic, Suggestion, Value, condition::Owner, remove, rule},
    model::Field,
};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    if !found.wants(Code::DuplicateEntry) {
        return;
    }
    for flag in &file.flags {
        let owner = Owner::Flag(flag.name());
        for &field in Field::ALL {
            if let Some(value) = flag.setting(field) {
                check_list(value, field.as_str(), owner, file.text, found);
            }
        }
        for rule in flag.rules() {
            check_condition(rule, owner, file.text, found);
        }
    }
    for (key, value) in file.segments_in_order() {
        check_condition(value, Owner::Segment(key.get_ref()), file.text, found);
    }
}

/// Checks the lists in `when`, each under the name of its attribute or operator.
fn check_condition(value: &Value<'_>, owner: Owner<'_>, text: &str, found: &mut Found<'_>) {
    let when = value.get_ref().as_table().and_then(|table| table.get(rule::WHEN));
    let mut rest: Vec<_> = when.into_iter().map(|when| (rule::WHEN, when)).collect();
    while let Some((name, value)) = rest.pop() {
        match value.get_ref() {
            DeValue::Table(table) => {
                rest.extend(table.iter().map(|(key, value)| (key.get_ref().as_ref(), value)));
            }
            DeValue::Array(array) => {
                check_list(value, name, owner, text, found);
                rest.extend(array.iter().map(|value| (name, value)));
            }
            _ => {}
        }
    }
}

fn check_list(value: &Value<'_>, name: &str, owner: Owner<'_>, text: &str, found: &mut Found<'_>) {
    let Some(array) = value.get_ref().as_array() else { return };
    let mut known: HashMap<&str, Range<usize>> = HashMap::with_capacity(array.len());
    for (index, element) in array.iter().enumerate() {
        let Some(entry) = element.get_ref().as_str() else { continue };
        let Some(first) = known.get(entry) else {
            known.insert(entry, element.span());
            continue;
        };
        let message = format!("`{entry}` is in `{name}` of {owner} twice");
        let problem = Diagnostic::new(Code::DuplicateEntry, element.span(), message)
            .label("repeated here")
            .related(first.clone(), "first here")
            .suggest(
                remove::element(text, &value.span(), array, index)
                    .map(|span| Suggestion::remove("remove it", span)),
            );
        found.report(match owner {
            Owner::Flag(flag) => problem.flag(flag),
            Owner::Segment(_) => problem,
        });
    }
}
