//! What a setting says, in short.

use std::{fmt::Display, time::SystemTime};

use jiff::{SignedDuration, Timestamp};

use crate::model::{Active, Definition, Field, Prerequisite, Rollout, Setting, Variants, Weight};

/// What a definition says about a field; `None` if it says nothing or takes it away.
///
/// Lists of names are only counted: they are long, and name people.
pub(super) fn of(definition: &Definition, field: Field) -> Option<String> {
    match field {
        Field::Description => text(&definition.description),
        Field::Owner => text(&definition.owner),
        Field::Tags => definition.tags.value().map(|tags| tags.join(", ")),
        Field::Created => definition.created.value().map(instant),
        Field::Expires => definition.expires.value().map(instant),
        Field::Enabled => plain(&definition.enabled),
        Field::DeniedUsers => count(&definition.denied_users, "user"),
        Field::DeniedGroups => count(&definition.denied_groups, "group"),
        Field::AllowedUsers => count(&definition.allowed_users, "user"),
        Field::AllowedGroups => count(&definition.allowed_groups, "group"),
        Field::Percentage => plain(&definition.percentage),
        Field::Requires => definition.requires.value().map(|list| requires(list)),
        Field::Rules => definition.rules.value().map(|rules| counted(rules.len(), "rule")),
        Field::Rollout => definition.rollout.value().map(|rollout| stages(rollout)),
        Field::Active => definition.active.value().map(|active| window(active)),
        Field::Variants => definition.variants.value().map(variants),
        Field::Off => text(&definition.off),
        Field::Traffic => plain(&definition.traffic),
        Field::BucketBy => text(&definition.bucket_by),
        Field::Salt => text(&definition.salt),
        Field::StaleAfter => definition.stale_after.value().map(|&after| {
            format!("{:#}", SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX))
        }),
        Field::OnStale => plain(&definition.on_stale),
    }
}

fn plain(setting: &Setting<impl Display>) -> Option<String> {
    setting.value().map(ToString::to_string)
}

fn text(setting: &Setting<String>) -> Option<String> {
    setting.value().cloned()
}

fn count(setting: &Setting<Vec<String>>, noun: &str) -> Option<String> {
    setting.value().map(|names| counted(names.len(), noun))
}

/// `1 rule`, `2 rules`
pub(super) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

pub(super) fn instant(instant: &SystemTime) -> String {
    Timestamp::try_from(*instant)
        .map_or_else(|_| "beyond all dates".to_owned(), |it| it.to_string())
}

fn requires(list: &[Prerequisite]) -> String {
    let one = |it: &Prerequisite| match &it.variant {
        None => it.flag.clone(),
        Some(variant) => format!("{} = {variant}", it.flag),
    };
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn stages(rollout: &Rollout) -> String {
    let mut text = counted(rollout.steps().len(), "stage");
    if let Some(start) = rollout.start.value() {
        text += &format!(", starts {}", instant(start));
    }
    if let Some(stage) = rollout.stage.value() {
        text += &format!(", put into stage {stage}");
    }
    if let Some(paused) = rollout.paused_at.value() {
        text += &format!(", paused at {}", instant(paused));
    }
    text
}

fn window(active: &Active) -> String {
    let from = active.from.value().map(|from| format!("from {}", instant(from)));
    let until = active.until.value().map(|until| format!("until {}", instant(until)));
    from.into_iter().chain(until).collect::<Vec<_>>().join(" ")
}

fn variants(variants: &Variants) -> String {
    let one = |(name, variant): (&str, &crate::model::Variant)| {
        let weight = variant.weight.value().copied().unwrap_or(Weight::ZERO);
        format!("{name} {weight}")
    };
    variants.iter().map(one).collect::<Vec<_>>().join(", ")
}
