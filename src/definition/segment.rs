//! `[segments]`: conditions with a name.
//!
//! A segment belongs to its file. The conditions that name a segment share it once they are
//! decoded, and no other part of the crate looks segments up.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::{DeTable, DeValue};

use super::{
    Key, Value,
    code::Code,
    condition::{self, ATTRIBUTES, Owner, SEGMENT, UNLESS},
    decoder::Decoder,
    diagnostic::Diagnostic,
    segments::{Extent, Known, Segments},
    walk::{Step, Walk},
    written::{in_order, kind},
};
use crate::{
    model::{Condition, Segment, nearest},
    text,
};

/// The table that holds all segments.
pub(super) const SEGMENTS: &str = "segments";

/// The key of the condition that users of the segment meet. A segment has this key, `unless`, or
/// both.
pub(super) const WHEN: &str = "when";
/// The key of a sentence on the purpose of the segment.
const DESCRIPTION: &str = "description";

/// Decodes all segments, each after those that it names.
pub(super) fn decode_all(root: &DeTable<'_>, decoder: &mut Decoder<'_>) {
    decoder.segments.in_file = true;
    let Some(value) = root.get(SEGMENTS) else { return };
    let DeValue::Table(table) = value.get_ref() else {
        let message = format!("`segments` is {}", kind(value.get_ref()));
        let problem = Diagnostic::new(Code::InvalidSegment, value.span(), message)
            .label("expected a table")
            .help("write `[segments.NAME]` above each segment");
        decoder.report(problem);
        return;
    };
    let mut waiting = BTreeMap::new();
    for (key, value) in in_order(table) {
        let mut names = BTreeSet::new();
        collect_names(value, &mut names);
        names.retain(|name| table.contains_key(*name));
        waiting.insert(key.get_ref().as_ref(), Waiting { key, value, names });
    }
    let needs = |name: &str| {
        let names: &BTreeSet<_> = &waiting.get(name)?.names;
        Some(names.iter().map(|&name| (name, ())))
    };
    let mut walk = Walk::new(needs);
    for &start in waiting.keys() {
        walk.begin(start);
        while let Some(step) = walk.step() {
            match step {
                Step::Done(name) => {
                    let segment = waiting.get(name).and_then(|it| decode(name, it, decoder));
                    decoder.segments.known.insert(name.to_owned(), segment);
                }
                Step::Cycle(first) => {
                    let names: Vec<_> = walk.cycle(first).map(|(name, ())| name).collect();
                    report_cycle(&names, &waiting, decoder);
                    // None of them can be decoded.
                    walk.leave(first);
                    let names = names.into_iter().map(|name| (name.to_owned(), None));
                    decoder.segments.known.extend(names);
                }
            }
        }
    }
}

/// A segment that is not decoded yet.
struct Waiting<'r, 't> {
    key: &'r Key<'t>,
    value: &'r Value<'t>,
    /// The segments that it names.
    names: BTreeSet<&'r str>,
}

/// Reports segments of which each names the next one, and the last the first.
fn report_cycle(
    names: &[&str],
    waiting: &BTreeMap<&str, Waiting<'_, '_>>,
    decoder: &mut Decoder<'_>,
) {
    let edges = text::cycle(names.iter().copied());
    let message = format!("segments depend on each other: {edges}");
    let span = names.first().and_then(|name| waiting.get(name)).map(|one| one.key.span());
    let problem = Diagnostic::new(Code::SegmentCycle, span.unwrap_or_default(), message)
        .label("depends on itself")
        .help("remove one `segment = …` from the cycle");
    decoder.report(problem);
}

/// Collects the segments that a condition may name, even if the condition has errors.
pub(super) fn collect_names<'r>(value: &'r Value<'_>, names: &mut BTreeSet<&'r str>) {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table {
                match (key.get_ref().as_ref(), value.get_ref()) {
                    (SEGMENT, DeValue::String(name)) => drop(names.insert(name)),
                    (ATTRIBUTES, _) => {}
                    (SEGMENT, DeValue::Array(list)) => {
                        names.extend(list.iter().filter_map(|name| name.get_ref().as_str()));
                    }
                    _ => collect_names(value, names),
                }
            }
        }
        DeValue::Array(list) => list.iter().for_each(|value| collect_names(value, names)),
        _ => {}
    }
}

fn decode(name: &str, waiting: &Waiting<'_, '_>, decoder: &mut Decoder<'_>) -> Option<Known> {
    let errors = decoder.errors;
    let invalid = |span, label: String, help: &str| {
        Diagnostic::new(Code::InvalidSegment, span, format!("invalid segment `{name}`"))
            .label(label)
            .help(help)
    };
    let DeValue::Table(table) = waiting.value.get_ref() else {
        let label = format!("expected a table, found {}", kind(waiting.value.get_ref()));
        let help = "write `when = { … }` below `[segments.NAME]`";
        decoder.report(invalid(waiting.value.span(), label, help));
        return None;
    };
    for (key, value) in in_order(table) {
        match (key.get_ref().as_ref(), value.get_ref()) {
            (WHEN | UNLESS, _) | (DESCRIPTION, DeValue::String(_)) => {}
            (DESCRIPTION, found) => {
                let label = format!("expected a string, found {}", kind(found));
                let help = "write `description = \"…\"`";
                decoder.report(invalid(value.span(), label, help));
            }
            (other, _) => {
                let help = match nearest(other, [WHEN, UNLESS, DESCRIPTION]) {
                    Some(similar) => format!("a key with a similar name exists: `{similar}`"),
                    None => format!("write it in the condition: `when = {{ {other} = … }}`"),
                };
                let message = format!("unknown key `{other}` in segment `{name}`");
                let problem = Diagnostic::new(Code::UnknownKey, key.span(), message)
                    .label("not a part of a segment")
                    .help(help);
                decoder.report(problem);
            }
        }
    }
    let owner = Owner::Segment(name);
    let (when, unless) = (table.get(WHEN), table.get(UNLESS));
    let Some(place) = when.or(unless) else {
        let help = "add, for example, `when = { country = \"DE\" }`";
        decoder.report(invalid(waiting.key.span(), "has no `when`".to_owned(), help));
        return None;
    };
    let when = when.map(|when| condition::decode(when, owner, decoder));
    let unless = unless.map(|it| condition::decode(it, owner, decoder).map(Condition::unless));
    let parts: Option<Vec<_>> = when.into_iter().chain(unless).collect();
    let condition = condition::all(parts?);
    let extent = measure(&condition, place, owner, decoder)?;
    (decoder.errors == errors).then(|| Known { segment: Segment::new(name, condition), extent })
}

/// The most comparisons of a condition. Segments that name segments grow fast.
const COMPARISONS: usize = 10_000;
/// The most levels of a condition. Conditions are processed by recursive functions.
const LEVELS: usize = 250;

/// Returns the extent of a condition, or `None` after reporting that it is too large.
pub(super) fn measure(
    condition: &Condition,
    value: &Value<'_>,
    owner: Owner<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<Extent> {
    let extent = extent(condition, &decoder.segments);
    if extent.comparisons <= COMPARISONS && extent.levels <= LEVELS {
        return Some(extent);
    }
    let message = format!("invalid condition in {owner}");
    let problem = Diagnostic::new(Code::InvalidCondition, value.span(), message).label(format!(
        "has more than {COMPARISONS} comparisons or {LEVELS} levels with its segments written out"
    ));
    owner.report(decoder, problem, None)
}

fn extent(condition: &Condition, segments: &Segments) -> Extent {
    let parts = match condition {
        Condition::Compare(_) | Condition::Flag(_) => {
            return Extent { comparisons: 1, levels: 1 };
        }
        Condition::Segment(segment) => {
            let known = segments.known.get(segment.name()).and_then(Option::as_ref);
            let Extent { comparisons, levels } =
                known.map(|known| known.extent).unwrap_or_default();
            return Extent { comparisons, levels: levels + 1 };
        }
        other => other.parts(),
    };
    let inside =
        parts.iter().map(|part| extent(part, segments)).fold(Extent::default(), |a, b| Extent {
            comparisons: a.comparisons.saturating_add(b.comparisons),
            levels: a.levels.max(b.levels),
        });
    Extent { levels: inside.levels + 1, ..inside }
}
