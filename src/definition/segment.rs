//! `[segments]`: conditions with a name.
//!
//! A segment belongs to its file: the conditions that name it share it once they are decoded, and
//! nothing else knows of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use toml::de::{DeTable, DeValue};

use super::{
    Key, Value,
    code::Code,
    condition::{self, Owner, SEGMENT},
    decoder::Decoder,
    diagnostic::Diagnostic,
    flag::toml_key,
    value::kind,
    variants::in_order,
};
use crate::model::{Condition, Segment, nearest};

/// The table that holds all segments.
pub(super) const SEGMENTS: &str = "segments";

/// The one key of a segment that has to be there.
pub(super) const WHEN: &str = "when";
/// A sentence on what it is for.
const DESCRIPTION: &str = "description";

/// What is known of the segments of a text.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// `None` for one that has errors.
    known: BTreeMap<String, Option<Known>>,
    /// Whether the text can have any.
    in_file: bool,
}

impl Segments {
    /// The segment of that name, if it has no errors.
    pub(super) fn get(&self, name: &str) -> Option<&Segment> {
        self.known.get(name)?.as_ref().map(|known| &*known.segment)
    }
}

#[derive(Debug)]
struct Known {
    segment: Arc<Segment>,
    extent: Extent,
}

/// The segment of that name, which a condition asks for.
pub(super) fn find(
    name: &str,
    span: Range<usize>,
    owner: Owner<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<Arc<Segment>> {
    let known = match decoder.segments.known.get(name) {
        Some(Some(known)) => return Some(Arc::clone(&known.segment)),
        known => known.is_some(),
    };
    if known {
        let message = format!("segment `{name}` in {owner} has errors");
        let problem = Diagnostic::new(Code::UnknownSegment, span, message).label("cannot be used");
        return owner.report(decoder, problem, None);
    }
    let message = format!("unknown segment `{name}` in {owner}");
    let problem = Diagnostic::new(Code::UnknownSegment, span, message).label("not a segment");
    let segments = decoder.segments.known.keys().map(String::as_str);
    let help = match (nearest(name, segments), decoder.segments.in_file) {
        (Some(similar), _) => format!("a segment with a similar name exists: `{similar}`"),
        (None, true) => format!("define it: `[segments.{}]`", toml_key(name)),
        (None, false) => "segments of a flags.toml can be used in that file only".to_owned(),
    };
    owner.report(decoder, problem.help(help), None)
}

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
    while !waiting.is_empty() {
        let decoded = &decoder.segments.known;
        let is_ready =
            |one: &Waiting<'_, '_>| one.names.iter().all(|&name| decoded.contains_key(name));
        let ready: Vec<_> =
            waiting.iter().filter(|(_, one)| is_ready(one)).map(|(&name, _)| name).collect();
        if ready.is_empty() {
            break_cycle(&mut waiting, decoder);
        }
        for name in ready {
            if let Some(one) = waiting.remove(name) {
                let segment = decode(name, &one, decoder);
                decoder.segments.known.insert(name.to_owned(), segment);
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

/// The segments that a condition may name, whatever else is wrong with it.
pub(super) fn collect_names<'r>(value: &'r Value<'_>, names: &mut BTreeSet<&'r str>) {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table {
                match (key.get_ref().as_ref(), value.get_ref()) {
                    (SEGMENT, DeValue::String(name)) => drop(names.insert(name)),
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

/// Every segment that waits does so for another: going from one to the next ends in a cycle.
fn break_cycle(waiting: &mut BTreeMap<&str, Waiting<'_, '_>>, decoder: &mut Decoder<'_>) {
    let Some(mut name) = waiting.keys().next().copied() else { return };
    let mut path: Vec<&str> = Vec::new();
    while !path.contains(&name) {
        path.push(name);
        let next = waiting
            .get(name)
            .and_then(|one| one.names.iter().copied().find(|name| waiting.contains_key(name)));
        let Some(next) = next else { break };
        name = waiting.get_key_value(next).map_or(name, |(&name, _)| name);
    }
    path.drain(..path.iter().position(|&one| one == name).unwrap_or(0));
    let edges: Vec<_> = path.iter().chain([&name]).map(|name| format!("`{name}`")).collect();
    let message = format!("segments that need each other: {}", edges.join(" → "));
    for (index, name) in path.iter().enumerate() {
        let Some(one) = waiting.remove(name) else { continue };
        if index == 0 {
            let problem = Diagnostic::new(Code::SegmentCycle, one.key.span(), message.clone())
                .label("needs itself to be known")
                .help("remove one `segment = …` from the circle");
            decoder.report(problem);
        }
        decoder.segments.known.insert((*name).to_owned(), None);
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
            (WHEN, _) | (DESCRIPTION, DeValue::String(_)) => {}
            (DESCRIPTION, found) => {
                let label = format!("expected a string, found {}", kind(found));
                let help = "write `description = \"…\"`";
                decoder.report(invalid(value.span(), label, help));
            }
            (other, _) => {
                let help = match nearest(other, [WHEN, DESCRIPTION]) {
                    Some(similar) => format!("a key with a similar name exists: `{similar}`"),
                    None => format!("a segment says `when`: `when = {{ {other} = … }}`"),
                };
                let message = format!("unknown key `{other}` in segment `{name}`");
                let problem = Diagnostic::new(Code::UnknownKey, key.span(), message)
                    .label("not a part of a segment")
                    .help(help);
                decoder.report(problem);
            }
        }
    }
    let Some(when) = table.get(WHEN) else {
        let help = "add, for example, `when = { country = \"DE\" }`";
        decoder.report(invalid(waiting.key.span(), "has no `when`".to_owned(), help));
        return None;
    };
    let owner = Owner::Segment(name);
    let condition = condition::decode(when, owner, decoder)?;
    let extent = measure(&condition, when, owner, decoder)?;
    (decoder.errors == errors)
        .then(|| Known { segment: Arc::new(Segment::new(name, condition)), extent })
}

/// How much there is to a condition when its segments are written out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    comparisons: usize,
    levels: usize,
}

/// Segments that name segments grow fast.
const COMPARISONS: usize = 10_000;
/// Conditions are worked through by functions that call themselves.
const LEVELS: usize = 250;

/// The extent of a condition, or `None` after saying that it is too large.
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
        Condition::Compare(_) => return Extent { comparisons: 1, levels: 1 },
        Condition::Segment(segment) => {
            let known = segments.known.get(&segment.name).and_then(Option::as_ref);
            let Extent { comparisons, levels } =
                known.map(|known| known.extent).unwrap_or_default();
            return Extent { comparisons, levels: levels + 1 };
        }
        Condition::Not(part) => std::slice::from_ref(&**part),
        Condition::All(parts) | Condition::Any(parts) => parts,
    };
    let inside =
        parts.iter().map(|part| extent(part, segments)).fold(Extent::default(), |a, b| Extent {
            comparisons: a.comparisons.saturating_add(b.comparisons),
            levels: a.levels.max(b.levels),
        });
    Extent { levels: inside.levels + 1, ..inside }
}
