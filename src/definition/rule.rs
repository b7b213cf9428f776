//! `[[flags.NAME.rules]]`: conditions, and what the flag serves to users who meet them.

use std::{collections::HashMap, ops::Range};

use toml::de::{DeTable, DeValue};

use super::{
    Value,
    code::Code,
    condition::{self, Owner, UNLESS},
    decoder::Decoder,
    diagnostic::Diagnostic,
    segment,
    segments::Segments,
    value::{Decode, Place, percent_string},
    variants::weight,
    written::{in_order, source, toml_key, truth},
};
use crate::model::{
    Condition, DEFAULT, Definition, Field, Percentage, Rule, Rules, Serve, Variants, Weight,
    nearest,
};

/// The keys of a rule.
pub(super) const NAME: &str = "name";
pub(super) const WHEN: &str = "when";
const SERVE: &str = "serve";
pub(super) const BUCKET_BY: &str = "bucket_by";
const KEYS: [&str; 5] = [NAME, WHEN, UNLESS, SERVE, BUCKET_BY];

impl Decode for Rules {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let DeValue::Array(array) = value.get_ref() else {
            let message = format!("wrong type for `rules` in flag `{}`", at.flag);
            let problem = Diagnostic::new(Code::InvalidType, value.span(), message).label(format!(
                "expected a list of rules, found {}",
                decoder.kind(value.get_ref())
            ));
            let help = format!("write `[[flags.{}.rules]]` above each rule", toml_key(at.flag));
            decoder.report_with(problem, Some(help), at.flag);
            return None;
        };
        let errors = decoder.errors;
        let mut names = HashMap::new();
        let rules: Vec<_> =
            array.iter().filter_map(|value| rule(at.flag, value, &mut names, decoder)).collect();
        (decoder.errors == errors).then(|| rules.into())
    }
}

fn rule<'r>(
    flag: &str,
    value: &'r Value<'_>,
    names: &mut HashMap<&'r str, &'r Value<'r>>,
    decoder: &mut Decoder<'_>,
) -> Option<Rule> {
    let DeValue::Table(table) = value.get_ref() else {
        let label =
            format!("expected {}, found {}", decoder.format.table(), decoder.kind(value.get_ref()));
        let help = "write `{ when = { … }, serve = true }`";
        return invalid(flag, value, label, help, decoder);
    };
    for (key, _) in table {
        let name = key.get_ref().as_ref();
        if !KEYS.contains(&name) {
            let message = format!("unknown key `{name}` in a rule of flag `{flag}`");
            let problem = Diagnostic::new(Code::UnknownKey, key.span(), message)
                .label("not a part of a rule");
            let help = match nearest(name, KEYS) {
                Some(similar) => format!("a key with a similar name exists: `{similar}`"),
                None => "a rule has `name`, `when`, `unless`, `serve` and `bucket_by`".to_owned(),
            };
            decoder.report(problem.help(help).flag(flag));
        }
    }
    let name = text(flag, NAME, table, decoder);
    if let (Some(name), Some(value)) = (name, table.get(NAME))
        && let Some(first) = names.insert(name, value)
    {
        let message = format!("two rules of flag `{flag}` are named `{name}`");
        let problem = Diagnostic::new(Code::DuplicateRule, value.span(), message)
            .label("repeated here")
            .related(first.span(), "first used here");
        decoder.report_with(problem, None, flag);
    }
    let bucket_by = text(flag, BUCKET_BY, table, decoder);
    let conditions = [table.get(WHEN), table.get(UNLESS)];
    let serve = match (conditions, table.get(SERVE)) {
        ([Some(_), _] | [_, Some(_)], Some(serve)) => serve,
        ([None, None], _) => {
            let help = "add `when`: `{ country = \"DE\" }`, or `{}` for all users";
            return invalid(flag, value, "has no `when`".to_owned(), help, decoder);
        }
        (_, None) => {
            let help = format!("add `serve`: {FORMS}");
            return invalid(flag, value, "has no `serve`".to_owned(), &help, decoder);
        }
    };
    let owner = Owner::Flag(flag);
    let [when, unless] = conditions.map(|value| {
        value.map(|value| {
            let condition = condition::decode(value, owner, decoder);
            condition.filter(|it| segment::measure(it, value, owner, decoder).is_some())
        })
    });
    let served = decode_serve(flag, serve, decoder);
    let draws = match &served {
        Some(Serve::Percentage(_) | Serve::Split(_)) => true,
        Some(Serve::Variant(text)) => percent_string(text).is_ok() && !decoder.has_variant(text),
        _ => false,
    };
    if name.is_none() && draws {
        let message = format!("a rule of flag `{flag}` draws users and has no name");
        let problem = Diagnostic::new(Code::UnnamedRule, serve.span(), message)
            .label("its users would depend on the order of the rules");
        let help = "add a name that stays: `name = \"…\"`".to_owned();
        decoder.report_with(problem, Some(help), flag);
    }
    // Without `when`, a rule matches all users except for those of `unless`.
    let mut rule = Rule::new(when.unwrap_or_else(|| Some(Condition::All(Vec::new())))?, served?);
    rule.name = name.map(str::to_owned);
    rule.unless = match unless {
        Some(unless) => Some(unless?),
        None => None,
    };
    Some(match bucket_by {
        Some(unit) => rule.bucket_by(unit),
        None => rule,
    })
}

/// Returns the string of a key, or `None` after reporting that it is not a string or is blank.
fn text<'r>(
    flag: &str,
    key: &str,
    table: &'r DeTable<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<&'r str> {
    let value = table.get(key)?;
    let label = match value.get_ref() {
        DeValue::String(text) if !text.trim().is_empty() => return Some(text),
        DeValue::String(_) => "an empty string".to_owned(),
        found => format!("expected a string, found {}", decoder.kind(found)),
    };
    invalid(flag, value, label, &format!("write `{key} = \"…\"`"), decoder)
}

fn invalid<T>(
    flag: &str,
    value: &Value<'_>,
    label: String,
    help: &str,
    decoder: &mut Decoder<'_>,
) -> Option<T> {
    let message = format!("invalid rule in flag `{flag}`");
    let problem = Diagnostic::new(Code::InvalidRule, value.span(), message).label(label);
    decoder.report_with(problem, Some(help.to_owned()), flag);
    None
}

/// Decodes `true`, `false`, `"25%"`, `"variant"`, `"default"` or `{ variant = weight, … }`.
fn decode_serve(flag: &str, value: &Value<'_>, decoder: &mut Decoder<'_>) -> Option<Serve> {
    let (code, label, help) = match value.get_ref() {
        DeValue::Boolean(true) => return Some(Serve::On),
        DeValue::Boolean(false) => return Some(Serve::Off),
        // Names of variants take precedence over words and percentages.
        DeValue::String(text) if decoder.has_variant(text) => {
            return Some(Serve::Variant(text.as_ref().to_owned()));
        }
        DeValue::String(text) if text == DEFAULT => return Some(Serve::Default),
        DeValue::String(text) => match percent_string(text) {
            // Another source may have a variant with this name.
            Ok(percentage) if decoder.is_patch() && percentage.to_string() != *text => {
                return Some(Serve::Variant(text.as_ref().to_owned()));
            }
            Ok(percentage) => return Some(Serve::Percentage(percentage)),
            Err(error) if text.ends_with('%') => (Code::InvalidPercentage, error.to_string(), None),
            Err(_) => match text.parse::<Percentage>() {
                // A patch may be for a flag that has such a variant.
                Ok(_) if decoder.is_patch() => {
                    return Some(Serve::Variant(text.as_ref().to_owned()));
                }
                Ok(percentage) => {
                    let help = Some(format!("write `serve = \"{percentage}\"`"));
                    (Code::InvalidServe, "not a percentage such as `\"25%\"`".to_owned(), help)
                }
                Err(_) => return Some(Serve::Variant(text.as_ref().to_owned())),
            },
        },
        DeValue::Table(table) => {
            let split = split(flag, table, decoder)?;
            if split.iter().any(|(_, weight)| *weight > Weight::ZERO) {
                return Some(Serve::Split(split));
            }
            (Code::InvalidServe, "no variant has a weight".to_owned(), None)
        }
        DeValue::Integer(_) | DeValue::Float(_) => {
            let number = source(decoder.text, value.span());
            let number = number.filter(|number| number.parse::<Percentage>().is_ok());
            let help = format!("write `serve = \"{}%\"`", number.unwrap_or("25"));
            (Code::InvalidServe, "a bare number".to_owned(), Some(help))
        }
        found => (Code::InvalidServe, format!("cannot be {}", decoder.kind(found)), None),
    };
    let message = format!("invalid `serve` in a rule of flag `{flag}`");
    let problem = Diagnostic::new(code, value.span(), message).label(label);
    let help = help.or_else(|| Some(format!("a rule serves {FORMS}")));
    decoder.report_with(problem, help, flag);
    None
}

const FORMS: &str = "`true`, `false`, a percentage such as `\"25%\"`, the name of a variant, \
                     variants with weights, or `\"default\"`";

/// Decodes `{ control = 50, higher_price = 50 }`, in the order of the text.
fn split(
    flag: &str,
    table: &DeTable<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<Vec<(String, Weight)>> {
    let at = Place { flag, setting: Field::Rules.as_str() };
    let arms: Vec<_> = in_order(table)
        .into_iter()
        .map(|(key, value)| {
            let name = key.get_ref().as_ref();
            Some((name.to_owned(), weight(name, value, at, decoder)?))
        })
        .collect();
    arms.into_iter().collect()
}

/// Returns the places where a rule names other flags, in the order of [`Rule::flags`].
pub(super) fn flag_spans(rule: &Value<'_>, segments: &Segments) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    for key in [WHEN, UNLESS] {
        if let Some(part) = rule.get_ref().as_table().and_then(|rule| rule.get(key)) {
            condition::flag_spans(part, segments, &mut spans);
        }
    }
    spans
}

/// Checks that the rules of a complete flag serve variants that the flag has. The variants of a
/// patch may be those of a lower source.
pub(super) fn check_whole(
    flag: &str,
    settings: &DeTable<'_>,
    definition: &Definition,
    decoder: &mut Decoder<'_>,
) {
    let variants = definition.rare().variants.value();
    let rules = settings.get(Field::Rules.as_str()).and_then(|rules| rules.get_ref().as_array());
    for rule in rules.into_iter().flat_map(|rules| rules.iter()) {
        let Some(serve) = rule.get_ref().as_table().and_then(|rule| rule.get(SERVE)) else {
            continue;
        };
        let served = match serve.get_ref() {
            DeValue::String(name) if percent_string(name).is_err() && name != DEFAULT => {
                vec![(&**name, serve.span())]
            }
            DeValue::Table(split) => {
                let arms = in_order(split).into_iter();
                arms.map(|(name, _)| (name.get_ref().as_ref(), name.span())).collect()
            }
            _ => continue,
        };
        for (name, span) in served {
            if variants.is_some_and(|variants| variants.variant(name).is_some()) {
                continue;
            }
            let message = format!("flag `{flag}` has no variant `{name}`");
            let problem =
                Diagnostic::new(Code::UnknownVariant, span, message).label("not a variant");
            let names = || variants.into_iter().flat_map(Variants::names);
            let help = match (decoder.similar.nearest(name, names()), truth(name), names().next()) {
                (Some(similar), ..) => format!("a variant with a similar name exists: `{similar}`"),
                (None, Some(on), _) => format!("write `serve = {on}`"),
                (None, None, Some(_)) => super::variants::listed(names()),
                (None, None, None) => super::variants::add_variants(flag, name),
            };
            decoder.report_with(problem, Some(help), flag);
        }
    }
}
