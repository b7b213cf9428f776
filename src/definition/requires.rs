//! The prerequisites of flags, and the flags that conditions name.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    iter,
    ops::Range,
    sync::Arc,
};

use toml::{Spanned, de::DeTable};

use super::{
    code::Code,
    decoder::Decoder,
    diagnostic::Diagnostic,
    rule,
    segments::Segments,
    walk::{Step, Walk},
};
use crate::{
    model::{Definition, Field, MOST_PREREQUISITES, Prerequisite, SharedDefinition, Variants},
    text::{self, Untrusted},
};

/// A flag that another one depends on.
struct Edge<'f> {
    to: &'f Prerequisite,
    /// True if the flag is required, false if a condition names it.
    is_required: bool,
    /// The place in the text; `None` if another file has it.
    span: Option<Range<usize>>,
}

impl Edge<'_> {
    const fn verb(&self) -> &'static str {
        if self.is_required { "requires" } else { "depends on" }
    }
}

/// The edges that start at each flag.
type Edges<'f> = BTreeMap<&'f str, Vec<Edge<'f>>>;

/// Reports invalid prerequisites, and invalid flags in conditions. Returns the flags that have to
/// be rejected.
///
/// `written` returns the settings of a flag as the text has them.
pub(super) fn check<'w>(
    written: &dyn Fn(&str) -> Option<&'w DeTable<'w>>,
    flags: &BTreeMap<Arc<str>, SharedDefinition>,
    rejected: &BTreeSet<Arc<str>>,
    decoder: &mut Decoder<'_>,
) -> BTreeSet<Arc<str>> {
    let edges: Edges<'_> = flags
        .iter()
        .map(|(key, flag)| (&**key, edges(flag, written(key), &decoder.segments)))
        .filter(|(_, edges)| !edges.is_empty())
        .collect();
    let mut wrong = BTreeSet::new();
    for (&flag, edges) in &edges {
        for edge in edges {
            let Some(span) = edge.span.clone() else { continue };
            match flags.get(edge.to.flag.as_str()) {
                Some(required) => {
                    let variants = required.rare().variants.value();
                    if let Some(name) = missing_variant(variants, edge.to) {
                        unknown_variant(flag, edge, span, name, variants, decoder);
                        wrong.insert(flag.into());
                    }
                }
                None if !rejected.contains(edge.to.flag.as_str()) && !decoder.may_be_below() => {
                    unknown(flag, edge, span, flags.keys().map(|key| &**key), decoder);
                }
                _ => {}
            }
        }
    }
    let cycles = cycles(&edges);
    for cycle in &cycles.shown {
        report_cycle(cycle, decoder);
        wrong.extend(cycle.iter().map(|&(flag, _)| flag.into()));
    }
    for (flag, edge) in cycles.closing {
        let Some(span) = edge.span.clone() else { continue };
        if !wrong.insert(flag.into()) {
            continue;
        }
        let verb = edge.verb();
        let message = format!("flag `{flag}` {verb} itself through `{}`", edge.to.flag);
        let problem = Diagnostic::new(Code::PrerequisiteCycle, span, message)
            .label("closes one of many cycles");
        decoder.report_with(problem, Some("remove it".to_owned()), flag);
    }
    for (&flag, own) in &edges {
        let Some(span) = own.iter().find_map(|edge| edge.span.clone()) else { continue };
        if !wrong.contains(flag) && count(flag, &edges) > MOST_PREREQUISITES {
            let message = format!("flag `{flag}` depends on more than {MOST_PREREQUISITES} flags");
            let problem = Diagnostic::new(Code::TooManyPrerequisites, span, message)
                .label("counted with everything that this one depends on");
            decoder.report_with(problem, None, flag);
            wrong.insert(flag.into());
        }
    }
    wrong
}

fn edges<'f>(
    flag: &'f Definition,
    settings: Option<&DeTable<'_>>,
    segments: &Segments,
) -> Vec<Edge<'f>> {
    // A list that another file has, has no places here.
    let list = |field: Field| {
        let list = settings.and_then(|settings| settings.get(field.as_str()));
        let list = list.and_then(|list| list.get_ref().as_array());
        list.into_iter().flat_map(|list| list.iter()).map(Some).chain(iter::repeat(None))
    };
    let requires = flag.rare().requires.value().into_iter().flatten();
    let required = requires.zip(list(Field::Requires)).map(|(to, place)| Edge {
        to,
        is_required: true,
        span: place.map(Spanned::span),
    });
    let rules = flag.rare().rules.value().into_iter().flat_map(|rules| rules.iter());
    let asked = rules.zip(list(Field::Rules)).flat_map(|(rule, place)| {
        let spans = place.map(|place| rule::flag_spans(place, segments)).unwrap_or_default();
        let spans = spans.into_iter().map(Some).chain(iter::repeat(None));
        rule.flags().into_iter().zip(spans).map(|(to, span)| Edge { to, is_required: false, span })
    });
    // A few segments can name a flag ten thousand times.
    let mut known = HashSet::new();
    required.chain(asked).filter(|edge| edge.is_required || known.insert(edge.to)).collect()
}

/// Returns the first variant that a flag has to serve and does not have.
fn missing_variant<'f>(variants: Option<&Variants>, required: &'f Prerequisite) -> Option<&'f str> {
    let has = |name: &&String| variants.is_some_and(|variants| variants.variant(name).is_some());
    required.state.variants().iter().find(|name| !has(name)).map(String::as_str)
}

fn unknown_variant(
    flag: &str,
    edge: &Edge<'_>,
    span: Range<usize>,
    variant: &str,
    variants: Option<&Variants>,
    decoder: &mut Decoder<'_>,
) {
    let required = &edge.to.flag;
    let message = format!("flag `{required}` has no variant `{variant}`");
    let problem =
        Diagnostic::new(Code::UnknownVariant, span, message).label(match edge.is_required {
            true => format!("required by flag `{flag}`"),
            false => format!("flag `{flag}` depends on it"),
        });
    let names = || variants.into_iter().flat_map(Variants::names);
    let help = match (decoder.similar.nearest(variant, names()), names().next()) {
        (Some(similar), _) => format!("a variant with a similar name exists: `{similar}`"),
        (None, Some(_)) => super::variants::listed(names()),
        (None, None) => {
            format!("to require that it is on, write `{}`", Untrusted::new(required).toml())
        }
    };
    decoder.report_with(problem, Some(help), flag);
}

fn unknown<'k>(
    flag: &str,
    edge: &Edge<'_>,
    span: Range<usize>,
    known: impl Iterator<Item = &'k str>,
    decoder: &mut Decoder<'_>,
) {
    let required = &edge.to.flag;
    let verb = edge.verb();
    let where_not = if decoder.has_below { "in none of the files" } else { "not in this file" };
    let message = format!("flag `{flag}` {verb} `{required}`, which is {where_not}");
    let problem =
        Diagnostic::new(Code::UnknownPrerequisite, span, message).label(match edge.is_required {
            true => "off, unless another source has it",
            false => "unknown, unless another source has it",
        });
    let similar = decoder.similar.nearest(required, known);
    let help = match (similar, edge.is_required) {
        (Some(similar), _) => Some(format!("a flag with a similar name exists: `{similar}`")),
        (None, true) => None,
        (None, false) => Some(format!(
            "for an attribute called `flag`, write `attributes = {{ flag = {} }}`",
            Untrusted::new(required).toml()
        )),
    };
    decoder.report_with(problem, help, flag);
}

/// The flags of a cycle, each with the place where it names the next one.
type Cycle<'e> = Vec<(&'e str, &'e Edge<'e>)>;

/// The most prerequisites in all reported cycles together. In a long cycle, each further
/// prerequisite can close another cycle that is as long.
const MOST_SHOWN: usize = 20_000;

#[derive(Default)]
struct Cycles<'e> {
    shown: Vec<Cycle<'e>>,
    /// The flags that close further cycles, each with one place that closes a cycle.
    closing: BTreeMap<&'e str, &'e Edge<'e>>,
}

/// Finds a cycle for every prerequisite that closes one.
fn cycles<'e>(edges: &'e Edges<'e>) -> Cycles<'e> {
    let mut cycles = Cycles::default();
    let mut shown = 0;
    let mut walk = Walk::new(|flag| {
        let edges: &[Edge<'_>] = edges.get(flag)?;
        Some(edges.iter().map(|edge| (edge.to.flag.as_str(), edge)))
    });
    for &start in edges.keys() {
        walk.begin(start);
        while let Some(step) = walk.step() {
            let Step::Cycle(first) = step else { continue };
            if shown >= MOST_SHOWN {
                if let Some((flag, edge)) = walk.cycle(first).next_back() {
                    cycles.closing.entry(flag).or_insert(edge);
                }
                continue;
            }
            let cycle: Cycle<'e> = walk.cycle(first).collect();
            shown += cycle.len();
            cycles.shown.push(cycle);
        }
    }
    cycles
}

fn report_cycle(cycle: &Cycle<'_>, decoder: &mut Decoder<'_>) {
    // The cycle is shown from a flag that the text has.
    let Some(start) = cycle.iter().position(|(_, edge)| edge.span.is_some()) else { return };
    let (after, before) = (&cycle[start..], &cycle[..start]);
    let Some((first @ (_, Edge { span: Some(span), .. }), others)) = after.split_first() else {
        return;
    };
    let names = after.iter().chain(before).map(|(flag, _)| *flag);
    let do_what = match cycle.iter().all(|(_, edge)| edge.is_required) {
        true => "require",
        false => "depend on",
    };
    let message = format!("flags {do_what} each other: {}", text::cycle(names));
    let label =
        |(flag, edge): &(&str, &Edge<'_>)| format!("`{flag}` {} `{}`", edge.verb(), edge.to.flag);
    let problem =
        Diagnostic::new(Code::PrerequisiteCycle, span.clone(), message).label(label(first));
    let others = others.iter().chain(before);
    let others = others.filter_map(|other| Some((other.1.span.clone()?, label(other))));
    let problem = others.fold(problem, |problem, (span, label)| problem.related(span, label));
    decoder.report_with(problem, Some("remove one of them".to_owned()), first.0);
}

/// Counts the flags that a flag depends on, up to one more than the limit.
fn count(flag: &str, edges: &Edges<'_>) -> usize {
    let mut known = HashSet::from([flag]);
    let mut rest = vec![flag];
    while let Some(flag) = rest.pop() {
        for edge in edges.get(flag).into_iter().flatten() {
            if known.insert(&edge.to.flag) {
                rest.push(&edge.to.flag);
            }
        }
        if known.len() > MOST_PREREQUISITES + 1 {
            break;
        }
    }
    known.len() - 1
}
