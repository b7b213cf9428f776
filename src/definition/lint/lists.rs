//! Entries that a list has twice.

use std::{collections::HashMap, ops::Range};

use super::file::{File, Flag, Found};
use crate::{
    definition::{Code, Diagnostic, Suggestion, remove},
    model::Field,
};

/// The lists of names of a flag.
const LISTS: &[Field] = &[
    Field::Tags,
    Field::DeniedUsers,
    Field::DeniedGroups,
    Field::AllowedUsers,
    Field::AllowedGroups,
    Field::Requires,
];

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    for flag in &file.flags {
        for &field in LISTS {
            check_list(flag, field, file.text, found);
        }
    }
}

fn check_list(flag: &Flag<'_>, field: Field, text: &str, found: &mut Found<'_>) {
    let (Some(value), Some(array)) = (flag.setting(field), flag.list(field)) else { return };
    let mut known: HashMap<&str, Range<usize>> = HashMap::with_capacity(array.len());
    for (index, element) in array.iter().enumerate() {
        let Some(name) = element.get_ref().as_str() else { continue };
        let Some(first) = known.get(name) else {
            known.insert(name, element.span());
            continue;
        };
        let message = format!("`{name}` is in `{field}` of flag `{}` twice", flag.name());
        let problem = Diagnostic::new(Code::DuplicateEntry, element.span(), message)
            .label("the same again")
            .related(first.clone(), "first here")
            .suggest(
                remove::element(text, &value.span(), array, index)
                    .map(|span| Suggestion::remove("remove it", span)),
            );
        found.report(problem.flag(flag.name()));
    }
}
