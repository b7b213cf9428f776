//! Settings that do nothing by themselves.

use toml::de::DeValue;

use super::file::{Entries, File, Flag, Found};
use crate::{
    definition::{
        Code, Diagnostic, Suggestion, Value, remove, rule, variants::WEIGHT, written::in_order,
    },
    model::{Definition, Field, Percentage, Serve},
};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    if !found.wants(Code::SettingWithoutEffect) {
        return;
    }
    for flag in &file.flags {
        for &field in Field::ALL {
            let Some(why) = idle_because(field, flag.whole) else { continue };
            if let Some(value) = flag.setting(field) {
                let place = flag.settings().and_then(|settings| {
                    remove::setting(file.text, flag.value, settings, field.as_str())
                });
                let suggestion = place.map(|span| Suggestion::remove("remove it", span));
                let name = format!("`{field}` of flag `{}`", flag.name());
                found.report(idle(flag, &name, value, why).suggest(suggestion));
            }
        }
        // A flag that is off here may be one whose lists count where an environment turns it on.
        let is_left_off =
            flag.whole.enabled.value() == Some(&false) && file.is_changed_elsewhere(flag.name());
        if !is_left_off && lets_all_in(flag.whole) {
            allow_lists(flag, flag.whole, found);
        }
        for (name, value) in idle_weights(flag) {
            let name = format!("the weight of variant `{name}` of flag `{}`", flag.name());
            found.report(idle(flag, &name, value, "`serve` decides, without a draw"));
        }
        let rules = flag.definition.rare().rules.value().map_or(&[][..], |rules| rules);
        for (value, rule) in flag.rules().zip(rules) {
            let Some(table) = value.get_ref().as_table() else { continue };
            let draws = matches!(rule.serve, Serve::Percentage(_) | Serve::Split(_));
            if let (false, Some(place)) = (draws, table.get(rule::BUCKET_BY)) {
                let span = remove::setting(file.text, value, table, rule::BUCKET_BY);
                let suggestion = span.map(|span| Suggestion::remove("remove it", span));
                let name = format!("`bucket_by` of a rule of flag `{}`", flag.name());
                let why = "the rule does not draw";
                found.report(idle(flag, &name, place, why).suggest(suggestion));
            }
        }
    }
}

/// Reports allow-lists of the entries of environments whose flags are on for all users there. Each environment has
/// flags of its own: lists of `[flags]` and of the entry add up.
pub(super) fn check_merged(file: &File<'_>, environment: &Entries<'_>, found: &mut Found<'_>) {
    // Of a file over others, the environment is merged here without those, which may have the percentage.
    if !found.wants(Code::SettingWithoutEffect) || !found.lints().below.is_empty() {
        return;
    }
    for flag in &file.entries(environment).flags {
        let Some(merged) = environment.flags.good.get(flag.name()) else { continue };
        if merged.enabled.value() != Some(&false) && lets_all_in(merged) {
            allow_lists(flag, merged, found);
        }
    }
}

/// Reports the allow-lists that the text of a flag has. `whole` lets in all users.
fn allow_lists(flag: &Flag<'_>, whole: &Definition, found: &mut Found<'_>) {
    let (why, help) = match whole.percentage.value() {
        None => (
            "the flag is on for all other users, too: without a percentage, 100 % of them",
            "add `percentage = 0` to keep out all other users",
        ),
        Some(_) => (
            "the flag is on for all other users, too: its percentage is 100",
            "lower the percentage to keep out other users, or remove the list",
        ),
    };
    for field in [Field::AllowedUsers, Field::AllowedGroups] {
        let Some(value) = flag.setting(field).filter(|_| flag.definition.entries(field) > 0) else {
            continue;
        };
        let name = format!("`{field}` of flag `{}`", flag.name());
        found.report(idle(flag, &name, value, why).help(help));
    }
}

/// Returns the reason why a setting of a flag has no effect, if it has none.
fn idle_because(field: Field, definition: &Definition) -> Option<&'static str> {
    if field == Field::Expires && definition.is_permanent() {
        return Some("the flag is permanent");
    }
    if field == Field::Traffic && definition.spares_draws() == Some(Field::Serve) {
        return Some("`serve` decides, without a draw");
    }
    let (needed, why) = field.roles().needs?;
    (definition.entries(needed) == 0).then_some(why)
}

/// Returns `true` if a flag is on for all users whom no deny-list names, so that an allow-list adds
/// no user. A flag that draws variants draws others for users who are allowed.
fn lets_all_in(definition: &Definition) -> bool {
    const NARROWING: [Field; 4] = [Field::Rollout, Field::Rules, Field::Variants, Field::Traffic];

    let share = definition.percentage.value().copied().unwrap_or(Percentage::HUNDRED);
    share == Percentage::HUNDRED && NARROWING.iter().all(|&field| !definition.has(field))
}

/// Returns weights that have no effect, because the flag serves one variant to all users.
fn idle_weights<'f>(flag: &Flag<'f>) -> impl Iterator<Item = (&'f str, &'f Value<'f>)> {
    let is_served = flag.whole.spares_draws() == Some(Field::Serve);
    let table = flag.setting(Field::Variants).filter(|_| is_served);
    let variants = table.and_then(|table| table.get_ref().as_table());
    let variants = variants.into_iter().flat_map(in_order);
    variants.filter_map(|(name, variant)| {
        let weight = match variant.get_ref() {
            DeValue::Table(variant) => variant.get(WEIGHT)?,
            _ => variant,
        };
        Some((name.get_ref().as_ref(), weight))
    })
}

fn idle(flag: &Flag<'_>, name: &str, value: &Value<'_>, why: &str) -> Diagnostic {
    Diagnostic::new(Code::SettingWithoutEffect, value.span(), format!("{name} has no effect"))
        .label(why)
        .flag(flag.name())
}
