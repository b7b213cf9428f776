//! Settings that do nothing by themselves.

use super::file::{File, Flag, Found};
use crate::{
    definition::{Code, Diagnostic, Suggestion, Value, remove, rule},
    model::{Field, Serve, Variants},
};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    if !found.wants(Code::SettingWithoutEffect) {
        return;
    }
    for flag in &file.flags {
        let has_variants =
            flag.definition.variants.value().is_some_and(|variants| !Variants::is_empty(variants));
        for (field, is_idle, why) in [
            (Field::Off, !has_variants, "the flag has no variants"),
            (Field::Traffic, !has_variants, "the flag has no variants"),
            (
                Field::StaleAfter,
                !flag.definition.has(Field::OnStale),
                "without `on_stale`, the last word is kept anyway",
            ),
            (
                Field::OnStale,
                !flag.definition.has(Field::StaleAfter),
                "without `stale_after`, that never happens",
            ),
        ] {
            if let (true, Some(value)) = (is_idle, flag.setting(field)) {
                let place = flag.settings().and_then(|settings| {
                    remove::setting(file.text, flag.value, settings, field.as_str())
                });
                let suggestion = place.map(|span| Suggestion::remove("remove it", span));
                let name = format!("`{field}` of flag `{}`", flag.name());
                found.report(idle(flag, &name, value, why).suggest(suggestion));
            }
        }
        let rules = flag.definition.rules.value().map_or(&[][..], |rules| rules);
        for (value, rule) in flag.rules().zip(rules) {
            let Some(table) = value.get_ref().as_table() else { continue };
            let draws = matches!(rule.serve, Serve::Percentage(_) | Serve::Split(_));
            if let (false, Some(place)) = (draws, table.get(rule::BUCKET_BY)) {
                let span = remove::setting(file.text, value, table, rule::BUCKET_BY);
                let suggestion = span.map(|span| Suggestion::remove("remove it", span));
                let name = format!("`bucket_by` of a rule of flag `{}`", flag.name());
                let why = "the rule draws nobody";
                found.report(idle(flag, &name, place, why).suggest(suggestion));
            }
        }
    }
}

fn idle(flag: &Flag<'_>, name: &str, value: &Value<'_>, why: &str) -> Diagnostic {
    Diagnostic::new(Code::SettingWithoutEffect, value.span(), format!("{name} has no effect"))
        .label(why)
        .flag(flag.name())
}
