//! What flags require of each other.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

use toml::de::{DeTable, DeValue};

use super::{
    Value,
    code::Code,
    decoder::Decoder,
    diagnostic::Diagnostic,
    value::{Decode, Place, wrong_type},
};
use crate::model::{
    Definition, Field, MOST_PREREQUISITES, Prerequisite, SharedDefinition, Variants,
};

/// `["payments_v3", { flag = "pricing_page", variant = "higher_price" }]`
impl Decode for Vec<Prerequisite> {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let DeValue::Array(array) = value.get_ref() else {
            let help =
                value.get_ref().as_str().map(|flag| format!("write `requires = [\"{flag}\"]`"));
            return wrong_type(decoder, value, at, "a list of flags", help);
        };
        // All that is wrong is said.
        let list: Vec<_> = array.iter().map(|element| prerequisite(element, at, decoder)).collect();
        list.into_iter().collect()
    }
}

fn prerequisite(
    value: &Value<'_>,
    at: Place<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<Prerequisite> {
    const FORMS: &str = "write a flag, or `{ flag = \"pricing_page\", variant = \"control\" }`";

    let invalid = |decoder: &mut Decoder<'_>, span: Range<usize>, code, label: String| {
        let message = format!("invalid prerequisite of flag `{}`", at.flag);
        let problem = Diagnostic::new(code, span, message).label(label);
        decoder.report_with(problem, Some(FORMS.to_owned()), at.flag);
        None
    };
    let table = match value.get_ref() {
        DeValue::String(flag) => return Some(Prerequisite::on(flag.as_ref())),
        DeValue::Table(table) => table,
        found => {
            let label = format!("expected a flag, found {}", decoder.kind(found));
            return invalid(decoder, value.span(), Code::InvalidElement, label);
        }
    };
    let (mut flag, mut variant) = (None, None);
    for (key, member) in table {
        let place = match key.get_ref().as_ref() {
            "flag" => &mut flag,
            "variant" => &mut variant,
            other => {
                let label = format!("`{other}` is not a part of a prerequisite");
                return invalid(decoder, key.span(), Code::UnknownKey, label);
            }
        };
        match member.get_ref() {
            DeValue::String(text) => *place = Some(text.as_ref()),
            found => {
                let label = format!("expected a string, found {}", decoder.kind(found));
                return invalid(decoder, member.span(), Code::InvalidElement, label);
            }
        }
    }
    match (flag, variant) {
        (Some(flag), None) => Some(Prerequisite::on(flag)),
        (Some(flag), Some(variant)) => Some(Prerequisite::variant(flag, variant)),
        (None, _) => invalid(
            decoder,
            value.span(),
            Code::InvalidElement,
            "there is no `flag` in it".to_owned(),
        ),
    }
}

/// One flag that is required, and where the file says so.
struct Edge<'f> {
    to: &'f Prerequisite,
    span: Range<usize>,
}

/// By flag.
type Edges<'f> = BTreeMap<&'f str, Vec<Edge<'f>>>;

/// What is wrong with the prerequisites of all flags. Returns the flags that have to be rejected.
///
/// `written` has the settings of a flag as the text has them.
pub(super) fn check<'w>(
    written: &dyn Fn(&str) -> Option<&'w DeTable<'w>>,
    flags: &BTreeMap<Arc<str>, SharedDefinition>,
    rejected: &BTreeSet<Arc<str>>,
    decoder: &mut Decoder<'_>,
) -> BTreeSet<Arc<str>> {
    let edges: Edges<'_> = flags
        .iter()
        .filter_map(|(key, flag)| {
            Some((&**key, edges(flag.rare().requires.value()?, written(key))))
        })
        .collect();
    let mut wrong = BTreeSet::new();
    for (&flag, edges) in &edges {
        for edge in edges {
            match flags.get(edge.to.flag.as_str()) {
                Some(required) if !has_variant(required, edge.to) => {
                    unknown_variant(flag, edge, required.rare().variants.value(), decoder);
                    wrong.insert(flag.into());
                }
                None if !rejected.contains(edge.to.flag.as_str()) => {
                    unknown(flag, edge, flags.keys().map(|key| &**key), decoder);
                }
                _ => {}
            }
        }
    }
    let circles = circles(&edges);
    for circle in &circles.shown {
        report_circle(circle, decoder);
        wrong.extend(circle.iter().map(|&(flag, _)| flag.into()));
    }
    for (flag, edge) in circles.closing {
        if !wrong.insert(flag.into()) {
            continue;
        }
        let message = format!("flag `{flag}` requires itself, by way of `{}`", edge.to.flag);
        let problem = Diagnostic::new(Code::PrerequisiteCircle, edge.span.clone(), message)
            .label("closes one of many circles");
        decoder.report_with(problem, Some("take it away".to_owned()), flag);
    }
    for (&flag, own) in &edges {
        if !wrong.contains(flag) && count(flag, &edges) > MOST_PREREQUISITES {
            let span = own.first().map_or(0..0, |edge| edge.span.clone());
            let message = format!("flag `{flag}` requires more than {MOST_PREREQUISITES} flags");
            let problem = Diagnostic::new(Code::TooManyPrerequisites, span, message)
                .label("with all that this requires");
            decoder.report_with(problem, None, flag);
            wrong.insert(flag.into());
        }
    }
    wrong
}

fn edges<'f>(requires: &'f [Prerequisite], settings: Option<&DeTable<'_>>) -> Vec<Edge<'f>> {
    let array = settings.and_then(|settings| settings.get(Field::Requires.as_str()));
    let places = array.and_then(|array| array.get_ref().as_array()).into_iter().flatten();
    let edge = |(to, place): (&'f Prerequisite, &Value<'_>)| Edge { to, span: place.span() };
    requires.iter().zip(places).map(edge).collect()
}

fn has_variant(flag: &Definition, required: &Prerequisite) -> bool {
    let variants = flag.rare().variants.value();
    let has = |name: &String| variants.is_some_and(|variants| variants.variant(name).is_some());
    required.variant.as_ref().is_none_or(has)
}

fn unknown_variant(
    flag: &str,
    edge: &Edge<'_>,
    variants: Option<&Variants>,
    decoder: &mut Decoder<'_>,
) {
    let (required, variant) = (&edge.to.flag, edge.to.variant.as_deref().unwrap_or_default());
    let message = format!("flag `{required}` has no variant `{variant}`");
    let problem = Diagnostic::new(Code::UnknownVariant, edge.span.clone(), message)
        .label(format!("required by flag `{flag}`"));
    let names = || variants.into_iter().flat_map(Variants::names);
    let help = match (decoder.similar.nearest(variant, names()), names().next()) {
        (Some(similar), _) => format!("a variant with a similar name exists: `{similar}`"),
        (None, Some(_)) => super::variants::listed(names()),
        (None, None) => format!("to require that it is on, write `\"{required}\"`"),
    };
    decoder.report_with(problem, Some(help), flag);
}

fn unknown<'k>(
    flag: &str,
    edge: &Edge<'_>,
    known: impl Iterator<Item = &'k str>,
    decoder: &mut Decoder<'_>,
) {
    let required = &edge.to.flag;
    let message = format!("flag `{flag}` requires `{required}`, which is not in this file");
    let problem = Diagnostic::new(Code::UnknownPrerequisite, edge.span.clone(), message)
        .label("off, unless another source has it");
    let help = decoder
        .similar
        .nearest(required, known)
        .map(|similar| format!("a flag with a similar name exists: `{similar}`"));
    decoder.report_with(problem, help, flag);
}

/// The flags of a circle, each with the place where it requires the next.
type Circle<'e> = Vec<(&'e str, &'e Edge<'e>)>;

/// How many prerequisites all circles that are shown may have. Of those of a long circle, each can
/// close another one that is as long.
const MOST_SHOWN: usize = 20_000;

#[derive(Default)]
struct Circles<'e> {
    shown: Vec<Circle<'e>>,
    /// The flags that close the circles beyond those, each with one place where it does.
    closing: BTreeMap<&'e str, &'e Edge<'e>>,
}

/// Finds a circle for every prerequisite that closes one.
fn circles<'e>(edges: &'e Edges<'e>) -> Circles<'e> {
    let mut circles = Circles::default();
    let mut shown = 0;
    let mut done = HashSet::new();
    for &start in edges.keys() {
        if done.contains(start) {
            continue;
        }
        // A stack of its own: a file may have thousands of flags in a row.
        let mut path: Circle<'e> = Vec::new();
        let mut place = HashMap::from([(start, 0)]);
        let mut rest = vec![(start, edges[start].iter())];
        while let Some((flag, next)) = rest.last_mut() {
            let flag = *flag;
            let Some(edge) = next.next() else {
                rest.pop();
                path.pop();
                place.remove(flag);
                done.insert(flag);
                continue;
            };
            let to = edge.to.flag.as_str();
            if let Some(&first) = place.get(to) {
                if shown >= MOST_SHOWN {
                    circles.closing.entry(flag).or_insert(edge);
                    continue;
                }
                let mut circle: Circle<'e> = path[first..].to_vec();
                circle.push((flag, edge));
                shown += circle.len();
                circles.shown.push(circle);
            } else if let Some((&to, next)) = edges.get_key_value(to)
                && !done.contains(to)
            {
                path.push((flag, edge));
                place.insert(to, rest.len());
                rest.push((to, next.iter()));
            }
        }
    }
    circles
}

fn report_circle(circle: &Circle<'_>, decoder: &mut Decoder<'_>) {
    let Some((first, others)) = circle.split_first() else { return };
    let names = circle.iter().chain([first]).map(|(flag, _)| format!("`{flag}`"));
    let names: Vec<_> = names.collect();
    let message = format!("flags require each other: {}", names.join(" -> "));
    let label = |(flag, edge): &(&str, &Edge<'_>)| format!("`{flag}` requires `{}`", edge.to.flag);
    let problem = Diagnostic::new(Code::PrerequisiteCircle, first.1.span.clone(), message)
        .label(label(first));
    let problem = others
        .iter()
        .fold(problem, |problem, edge| problem.related(edge.1.span.clone(), label(edge)));
    decoder.report_with(problem, Some("take one of them away".to_owned()), first.0);
}

/// How many flags a flag requires, as far as that matters.
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
