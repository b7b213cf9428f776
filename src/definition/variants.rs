//! The variants of a flag, with their weights and values.

use std::{collections::HashSet, mem::discriminant, ops::Range};

use toml::de::{DeInteger, DeTable, DeValue};

use super::{
    Key, Value,
    code::Code,
    decoder::{Decoder, Format},
    diagnostic::Diagnostic,
    value::{Decode, Place, percent_string},
    written::{in_order, source, toml_key, truth},
};
use crate::{
    model::{
        self, Constant, DEFAULT, Definition, Field, InvalidWeight, OFF_WORDS, Setting, Variant,
        Variants, Weight, is_exact, nearest,
    },
    text::Untrusted,
};

/// The keys of a variant.
const SETTINGS: [&str; 2] = [WEIGHT, "value"];
pub(super) const WEIGHT: &str = "weight";

/// Decodes `variants = { control = 34, higher_price = 33 }`, or a table of tables with `weight` and
/// `value`. The variants are in the order of the text.
impl Decode for Variants {
    /// A variant, its weight and its value can be `null`.
    const NULLS: usize = 2;

    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            return wrong_type(decoder, value, at);
        };
        let errors = decoder.errors;
        let mut variants = Self::new();
        for (key, value) in in_order(table) {
            let name = key.get_ref().as_ref();
            if name.is_empty() || name.trim() != name {
                decoder.report(blank(key, at));
            }
            if decoder.is_null(value) {
                variants = variants.without(name);
            } else if let Some(variant) = variant(name, value, at, decoder) {
                variants = variants.with(name, variant);
            }
        }
        check_types(table, at, decoder);
        (decoder.errors == errors).then_some(variants)
    }
}

fn blank(key: &Key<'_>, at: Place<'_>) -> Diagnostic {
    let name = key.get_ref();
    let (message, label) = match name.trim() {
        "" => (format!("a variant without a name in flag `{}`", at.flag), "an empty key"),
        _ => (
            format!("white space around the name of variant `{name}` of flag `{}`", at.flag),
            "part of the name",
        ),
    };
    Diagnostic::new(Code::BlankText, key.span(), message).label(label).flag(at.flag)
}

fn wrong_type<T>(decoder: &mut Decoder<'_>, value: &Value<'_>, at: Place<'_>) -> Option<T> {
    let message = format!("wrong type for `{}` in flag `{}`", at.setting, at.flag);
    let problem = Diagnostic::new(Code::InvalidType, value.span(), message).label(format!(
        "expected {} of variants, found {}",
        decoder.format.table(),
        decoder.kind(value.get_ref())
    ));
    let example = match value.get_ref() {
        DeValue::Array(names) => {
            let name = |name: &Value<'_>| Some(format!("{} = 1", name.get_ref().as_str()?));
            names.iter().map(name).collect::<Option<Vec<_>>>().map(|names| names.join(", "))
        }
        _ => None,
    };
    let example = example.filter(|names| !names.is_empty() && names.len() < 60);
    let example = example.unwrap_or_else(|| "control = 50, treatment = 50".to_owned());
    let help = format!("write names with weights: `{} = {{ {example} }}`", at.setting);
    decoder.report_with(problem, Some(help), at.flag);
    None
}

fn variant(
    name: &str,
    value: &Value<'_>,
    at: Place<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<Variant> {
    let table = match value.get_ref() {
        DeValue::Integer(_) | DeValue::Float(_) => {
            return weight(name, value, at, decoder).map(Variant::from);
        }
        DeValue::Table(table) => table,
        found => {
            let message = format!("wrong type for variant `{name}` of flag `{}`", at.flag);
            let problem = Diagnostic::new(Code::InvalidType, value.span(), message).label(format!(
                "expected a weight or {} with `weight` and `value`, found {}",
                decoder.format.table(),
                decoder.kind(found)
            ));
            let help = source(decoder.text, value.span())
                .map(|text| format!("write `{name} = {{ weight = 1, value = {text} }}`"));
            decoder.report_with(problem, help, at.flag);
            return None;
        }
    };
    let mut variant = Variant::new();
    for (key, setting) in in_order(table) {
        match key.get_ref().as_ref() {
            WEIGHT if decoder.is_null(setting) => variant.weight = Setting::Remove,
            "value" if decoder.is_null(setting) => variant.value = Setting::Remove,
            WEIGHT => variant.weight = Setting::Set(weight(name, setting, at, decoder)?),
            "value" => {
                let whose = format!("variant `{name}` of flag `{}`", at.flag);
                variant.value = Setting::Set(content(&whose, setting, at, decoder)?);
            }
            _ => unknown_key(name, key, at, decoder),
        }
    }
    Some(variant)
}

fn unknown_key(name: &str, key: &Key<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) {
    let found = key.get_ref().as_ref();
    let message = format!("unknown key `{found}` in variant `{name}` of flag `{}`", at.flag);
    let problem =
        Diagnostic::new(Code::UnknownKey, key.span(), message).label("not a part of a variant");
    let help = match nearest(found, SETTINGS) {
        Some(similar) => format!("a key with a similar name exists: `{similar}`"),
        None => "a variant has a `weight` and a `value`".to_owned(),
    };
    decoder.report(problem.help(help).flag(at.flag));
}

pub(super) fn weight(
    name: &str,
    value: &Value<'_>,
    at: Place<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<Weight> {
    let read = match value.get_ref() {
        DeValue::Integer(number) => whole(number),
        DeValue::Float(number) => decimal(number.as_str()),
        found => {
            let message =
                format!("wrong type for the weight of variant `{name}` of flag `{}`", at.flag);
            let problem = Diagnostic::new(Code::InvalidType, value.span(), message)
                .label(format!("expected a number, found {}", decoder.kind(found)));
            decoder.report_with(problem, None, at.flag);
            return None;
        }
    };
    let error = match read {
        Ok(weight) => return Some(weight),
        Err(error) => error,
    };
    let message = format!("invalid weight of variant `{name}` of flag `{}`", at.flag);
    let problem =
        Diagnostic::new(Code::InvalidWeight, value.span(), message).label(error.to_string());
    decoder.report_with(problem, None, at.flag);
    None
}

fn whole(number: &DeInteger<'_>) -> Result<Weight, InvalidWeight> {
    let number = i128::from_str_radix(number.as_str(), number.radix());
    number.map_err(|_| InvalidWeight::OutOfRange)?.to_string().parse()
}

/// Reads a weight from the decimals as they are written, because `0.1` is not a binary fraction.
fn decimal(text: &str) -> Result<Weight, InvalidWeight> {
    let plain = text.strip_prefix('+').unwrap_or(text);
    match plain.contains(['e', 'E']) {
        true => plain.parse::<f64>().map_err(|_| InvalidWeight::NotANumber)?.try_into(),
        false if plain.ends_with("inf") => Err(InvalidWeight::OutOfRange),
        false => plain.parse(),
    }
}

/// Returns the value of a variant or a flag. Problems name the owner `whose`.
pub(super) fn content(
    whose: &str,
    value: &Value<'_>,
    at: Place<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<model::Value<'static>> {
    let label = match value.get_ref() {
        DeValue::Boolean(value) => return Some((*value).into()),
        DeValue::String(text) => return Some(text.as_ref().to_owned().into()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => return Some(number.into()),
            Err(_) => "an integer has at most 64 bits",
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => return Some(number.into()),
            _ => "expected a finite number",
        },
        DeValue::Array(list) => {
            let list = list.iter().map(|element| content(whose, element, at, decoder));
            return list.collect::<Option<Vec<_>>>().map(Into::into);
        }
        DeValue::Table(table) => {
            let entry = |(key, value): (&Key<'_>, &Value<'_>)| {
                Some((key.get_ref().as_ref().to_owned(), content(whose, value, at, decoder)?))
            };
            return table
                .iter()
                .map(entry)
                .collect::<Option<Vec<_>>>()
                .map(FromIterator::from_iter);
        }
        DeValue::Datetime(_) => "expected a value that JSON has, found a date or time",
    };
    let message = format!("invalid value of {whose}");
    let problem = Diagnostic::new(Code::InvalidType, value.span(), message).label(label);
    let help = source(decoder.text, value.span()).map(|text| format!("write `\"{text}\"`"));
    decoder.report_with(problem, help, at.flag);
    None
}

/// Returns the value that is written for a variant, if there is one.
fn written<'a, 't>(variant: &'a Value<'t>) -> Option<&'a Value<'t>> {
    variant.get_ref().as_table()?.get("value")
}

/// Checks that all values of a flag have one type, because the calling code expects one type.
fn check_types(table: &DeTable<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) {
    let values = in_order(table).into_iter().filter_map(|(_, variant)| written(variant));
    let values: Vec<_> = values.filter(|value| !decoder.is_null(value)).collect();
    let Some((first, others)) = values.split_first() else { return };
    check_exact(&values, at, decoder);
    for value in others.iter().filter(|value| !is_same_type(first.get_ref(), value.get_ref())) {
        let message = format!("variants of flag `{}` have values of different types", at.flag);
        let problem = Diagnostic::new(Code::MixedTypes, value.span(), message)
            .label(format!("this is {}", decoder.kind(value.get_ref())))
            .related(first.span(), format!("this is {}", decoder.kind(first.get_ref())));
        decoder.report_with(problem, None, at.flag);
    }
}

/// Checks that all integers beside floats are exact as floats.
fn check_exact(values: &[&Value<'_>], at: Place<'_>, decoder: &mut Decoder<'_>) {
    let is_float = |value: &&&Value<'_>| matches!(value.get_ref(), DeValue::Float(_));
    let Some(float) = values.iter().find(is_float) else { return };
    let is_rounded = |number: &DeInteger<'_>| {
        let number = i64::from_str_radix(number.as_str(), number.radix());
        number.is_ok_and(|number| !is_exact(number))
    };
    for value in values {
        if !matches!(value.get_ref(), DeValue::Integer(number) if is_rounded(number)) {
            continue;
        }
        let message = format!("variants of flag `{}` have values of different types", at.flag);
        let problem = Diagnostic::new(Code::MixedTypes, value.span(), message)
            .label("no float is exactly this integer")
            .related(float.span(), "this is a float");
        decoder.report_with(problem, None, at.flag);
    }
}

/// Returns `true` for values of one type. All numbers are, because JSON does not distinguish `1.0`
/// from `1`.
fn is_same_type(a: &DeValue<'_>, b: &DeValue<'_>) -> bool {
    use DeValue::{Datetime, Float, Integer};

    match (a, b) {
        (Integer(_) | Float(_), Integer(_) | Float(_)) => true,
        // Another check reports dates.
        (Datetime(_), _) | (_, Datetime(_)) => true,
        _ => discriminant(a) == discriminant(b),
    }
}

/// Checks variants of a complete flag for errors that do not count in a patch.
pub(super) fn check_whole(
    flag: &str,
    settings: &DeTable<'_>,
    definition: &Definition,
    decoder: &mut Decoder<'_>,
) {
    let place = settings.get(Field::Variants.as_str());
    let table = place.and_then(|variants| Some((variants.span(), variants.get_ref().as_table()?)));
    let (Some((span, table)), Setting::Set(variants)) = (table, &definition.rare().variants) else {
        return;
    };
    if settings.get(Field::Serve.as_str()).is_none() || variants.is_empty() {
        check_weights(flag, span, table, variants, decoder);
    }
    check_values(flag, table, decoder);
    check_off_words(flag, table, variants, decoder);
    check_off(flag, settings, definition, decoder);
}

/// Checks the variants of a flag in a file over others. `definition` is the flag after the merge.
pub(super) fn check_over(
    flag: &str,
    settings: &DeTable<'_>,
    definition: &Definition,
    decoder: &mut Decoder<'_>,
) {
    let rare = definition.rare();
    let variants = rare.variants.value();
    let names: Option<Vec<_>> = variants.map(|all| all.names().collect());
    check_names(flag, settings, names.as_deref(), decoder);
    check_off(flag, settings, definition, decoder);
    let place = settings.get(Field::Variants.as_str());
    let table = place.and_then(|place| Some((place.span(), place.get_ref().as_table()?)));
    let (Some((span, table)), Some(variants)) = (table, variants) else { return };
    check_off_words(flag, table, variants, decoder);
    if rare.serve.value().is_none() && rare.value.value().is_none() {
        check_weights(flag, span, table, variants, decoder);
    }
}

/// Checks that a flag does not serve `true` while it is off.
fn check_off(
    flag: &str,
    settings: &DeTable<'_>,
    definition: &Definition,
    decoder: &mut Decoder<'_>,
) {
    let Some(variants) = definition.rare().variants.value() else { return };
    let off = definition.rare().off.value().zip(settings.get(Field::Off.as_str()));
    if let Some((off, place)) = off
        && variants.value(off) == Some(model::Value::Bool(true))
    {
        let message = format!("flag `{flag}` would serve `true` while it is off");
        let problem = Diagnostic::new(Code::InvalidOff, place.span(), message)
            .label("the value of this variant is `true`");
        let help = match Definition::new().variants(variants.clone()).off_variant() {
            Some(name) => format!("write `off = {}`", Untrusted::new(name).toml()),
            None => format!("write `off = \"{DEFAULT}\"`, which serves no variant"),
        };
        decoder.report_with(problem, Some(help), flag);
    }
}

/// Checks the variants of `[flags]` and of an environment together.
pub(super) fn check_merged(flag: &str, settings: &DeTable<'_>, decoder: &mut Decoder<'_>) {
    let setting = Field::Variants.as_str();
    if let Some(table) = settings.get(setting).and_then(|it| it.get_ref().as_table()) {
        check_types(table, Place { flag, setting }, decoder);
    }
}

/// A flag with values, and the first place of these values.
pub(super) struct Typed<'d> {
    /// The flag.
    pub(super) flag: &'d Definition,
    pub(super) at: Elsewhere,
}

/// The place of values.
pub(super) enum Elsewhere {
    /// In the text that is checked.
    Here(Range<usize>),
    /// A file and a line.
    Below(String),
}

impl<'d> Typed<'d> {
    /// Returns the values that `place` gives a flag, if it has any.
    pub(super) fn new(place: &Value<'_>, flag: &'d Definition) -> Option<Self> {
        flag.values().next()?;
        let table = place.get_ref().as_table();
        let field = [Field::Value, Field::Variants];
        let written = field.iter().find_map(|it| table?.get(it.as_str()));
        Some(Self { flag, at: Elsewhere::Here(written.unwrap_or(place).span()) })
    }
}

/// Checks that the values of a flag have the same type as elsewhere: in the rest of the file, or in
/// the files below. The code that evaluates the flag expects one type everywhere.
pub(super) fn check_type(
    flag: &str,
    elsewhere: &Typed<'_>,
    settings: &DeTable<'_>,
    merged: &Definition,
    decoder: &mut Decoder<'_>,
) {
    let Err(other) = elsewhere.flag.check_type_of(merged) else { return };
    let field = if other.variant.is_some() { Field::Variants } else { Field::Value };
    let Some(whole) = settings.get(field.as_str()) else { return };
    let table = whole.get_ref().as_table();
    let variant = other.variant.as_deref().and_then(|name| table?.get(name));
    let span = variant.map_or(whole.span(), |variant| written(variant).unwrap_or(variant).span());
    let message = format!("flag `{flag}` has values of another type");
    let problem = Diagnostic::new(Code::MixedTypes, span, message)
        .label(format!("this is {}", other.after()));
    let (problem, help) = match &elsewhere.at {
        Elsewhere::Here(span) => {
            (problem.related(span.clone(), format!("here it is {}", other.before())), None)
        }
        Elsewhere::Below(place) => (problem, Some(format!("in {place}, it is {}", other.before()))),
    };
    decoder.report_with(problem, help, flag);
}

/// Returns the names of the variants of a flag, as they are written.
pub(super) fn names(settings: &DeTable<'_>) -> Option<HashSet<String>> {
    let variants = settings.get(Field::Variants.as_str())?.get_ref().as_table()?;
    Some(variants.keys().map(|name| name.get_ref().as_ref().to_owned()).collect())
}

/// Reports `serve = true`.
pub(super) fn serve_is_boolean(flag: &str, value: &Value<'_>, decoder: &mut Decoder<'_>) {
    let on = value.get_ref().as_bool().unwrap_or_default();
    let message = format!("`serve` of flag `{flag}` is a boolean, but it names a variant");
    let problem = Diagnostic::new(Code::InvalidServe, value.span(), message)
        .label("not the name of a variant");
    let help = match decoder.format {
        Format::Toml => format!("write `enabled = {on}`, or name the variant to serve"),
        Format::Json => format!("write `\"enabled\": {on}`, or name the variant to serve"),
    };
    decoder.report(problem.help(help).flag(flag));
}

/// Reports `off = false`.
pub(super) fn off_is_boolean(flag: &str, value: &Value<'_>, decoder: &mut Decoder<'_>) {
    let message = format!("`off` of flag `{flag}` is a boolean, but it names a variant");
    let problem =
        Diagnostic::new(Code::InvalidOff, value.span(), message).label("not the name of a variant");
    let help = format!(
        "name the variant to serve while the flag is off, or write `off = \"{DEFAULT}\"` for none"
    );
    decoder.report_with(problem, Some(help), flag);
}

/// Checks that `off` and `serve` name variants of the flag, even if the flag has other errors.
pub(super) fn check_named(flag: &str, settings: &DeTable<'_>, decoder: &mut Decoder<'_>) {
    let table = settings.get(Field::Variants.as_str());
    let table = match table.map(|variants| variants.get_ref().as_table()) {
        // Another check reports a value that is not a table.
        Some(None) => return,
        table => table.flatten(),
    };
    let names = table.map(|table| {
        let names = in_order(table).into_iter().map(|(name, _)| name.get_ref().as_ref());
        names.collect::<Vec<_>>()
    });
    check_names(flag, settings, names.as_deref(), decoder);
}

/// Checks that `off` and `serve` name one of these variants. `known` is `None` if the flag has no
/// table of variants.
fn check_names(
    flag: &str,
    settings: &DeTable<'_>,
    known: Option<&[&str]>,
    decoder: &mut Decoder<'_>,
) {
    let names = || known.into_iter().flatten().copied();
    for field in [Field::Off, Field::Serve] {
        let Some(place) = settings.get(field.as_str()) else { continue };
        let Some(name) = place.get_ref().as_str() else { continue };
        // Without variants, `off` has no effect.
        let is_idle = field == Field::Off && (known.is_none() || name == DEFAULT);
        if is_idle || names().any(|known| known == name) {
            continue;
        }
        let message = format!("flag `{flag}` has no variant `{name}`");
        let problem =
            Diagnostic::new(Code::UnknownVariant, place.span(), message).label("not a variant");
        let similar = decoder.similar.nearest(name, names());
        let meant = (field == Field::Serve).then(|| instead_of_serve(name)).flatten();
        let help = match (similar, meant, names().next()) {
            (Some(similar), ..) => format!("a variant with a similar name exists: `{similar}`"),
            (None, Some(meant), _) => format!("write `{meant}`"),
            (None, None, Some(_)) => listed(names()),
            (None, None, None) => add_variants(flag, name),
        };
        decoder.report_with(problem, Some(help), flag);
    }
}

/// Returns the setting that was probably meant by a `serve` with a word or a percentage.
fn instead_of_serve(text: &str) -> Option<String> {
    match (truth(text), percent_string(text)) {
        (_, Ok(percentage)) => Some(format!("percentage = \"{percentage}\"")),
        (Some(on), _) => Some(format!("enabled = {on}")),
        (None, Err(_)) if text == DEFAULT => Some("percentage = 0".to_owned()),
        (None, Err(_)) => None,
    }
}

/// Returns a help for a flag that has no variants.
pub(super) fn add_variants(flag: &str, name: &str) -> String {
    format!("add the variants: `[flags.{}.variants]`, `{} = 1`", toml_key(flag), toml_key(name))
}

/// Checks that a flag has a constant or variants, but not both.
pub(super) fn check_constant(flag: &str, settings: &DeTable<'_>, decoder: &mut Decoder<'_>) {
    let setting = |field: Field| settings.get(field.as_str());
    let Some(value) = setting(Field::Value) else { return };
    for field in [Field::Variants, Field::Serve] {
        let Some(other) = setting(field) else { continue };
        // The variants of a patch may be those that rules serve.
        if field == Field::Variants && decoder.is_patch() {
            continue;
        }
        let message = format!("flag `{flag}` has both `value` and `{field}`");
        let problem = Diagnostic::new(Code::ValueBesideVariants, value.span(), message)
            .label("served to all")
            .related(other.span(), "this also chooses what is served");
        let help = "remove one of the two, or make the value that of a variant".to_owned();
        decoder.report_with(problem, Some(help), flag);
        return;
    }
}

/// Decodes `value = 50`.
impl Decode for Constant {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        if let DeValue::Boolean(on) = value.get_ref() {
            let message = format!("`value` of flag `{}` is a boolean", at.flag);
            let problem = Diagnostic::new(Code::InvalidType, value.span(), message)
                .label("a flag without a value is a boolean already");
            let help = match decoder.format {
                Format::Toml => {
                    format!("write `enabled = {on}`, or `{} = {on}`", toml_key(at.flag))
                }
                Format::Json => format!("write `\"enabled\": {on}`"),
            };
            decoder.report(problem.help(help).flag(at.flag));
            return None;
        }
        let whose = format!("flag `{}`", at.flag);
        Self::try_from(content(&whose, value, at, decoder)?).ok()
    }
}

/// Checks that no variant that can turn the flag on is named like a word for off. In environment
/// variables and shared stores, such a word turns the flag off.
fn check_off_words(
    flag: &str,
    table: &DeTable<'_>,
    variants: &Variants,
    decoder: &mut Decoder<'_>,
) {
    for (key, _) in in_order(table) {
        let name = key.get_ref().as_ref();
        let is_off_word = OFF_WORDS.iter().any(|word| name.eq_ignore_ascii_case(word));
        if !is_off_word || variants.counts_as_off(name) {
            continue;
        }
        let message =
            format!("variant `{name}` of flag `{flag}` is named like off, but is not off");
        let problem = Diagnostic::new(Code::OffWord, key.span(), message)
            .label("an environment variable with this value turns the flag off");
        let help = "rename it, or give it the value `false`".to_owned();
        decoder.report_with(problem, Some(help), flag);
    }
}

fn check_weights(
    flag: &str,
    span: Range<usize>,
    table: &DeTable<'_>,
    variants: &Variants,
    decoder: &mut Decoder<'_>,
) {
    let weighs = |variant: &Variant| variant.weight.value().is_some_and(|&it| it > Weight::ZERO);
    if variants.iter().any(|(_, variant)| weighs(variant)) {
        return;
    }
    let first = in_order(table).first().map(|(key, _)| key.span());
    let (message, label) = match first {
        None => (format!("flag `{flag}` has an empty table of variants"), "no variants"),
        Some(_) => (format!("no variant of flag `{flag}` has a weight"), "no user can be drawn"),
    };
    let place = first.clone().unwrap_or(span);
    let problem = Diagnostic::new(Code::ZeroWeights, place, message).label(label);
    let help = match first {
        None => "add variants, or remove the table".to_owned(),
        Some(_) => {
            let names = in_order(table).into_iter().map(|(key, _)| key.get_ref().as_ref());
            let name = names.take(1).map(|name| Untrusted::new(name).toml()).collect::<String>();
            format!("give the variants weights, or name the one for all users: `serve = {name}`")
        }
    };
    decoder.report_with(problem, Some(help), flag);
}

fn check_values(flag: &str, table: &DeTable<'_>, decoder: &mut Decoder<'_>) {
    let entries = in_order(table);
    let valued = entries.iter().find_map(|(_, variant)| written(variant));
    let Some(valued) = valued.filter(|value| !matches!(value.get_ref(), DeValue::String(_))) else {
        return;
    };
    for (key, _) in entries.iter().filter(|(_, variant)| written(variant).is_none()) {
        let name = key.get_ref();
        let message = format!("variant `{name}` of flag `{flag}` has no value, but others have");
        let problem = Diagnostic::new(Code::MixedTypes, key.span(), message)
            .label("its value would be its name, a string")
            .related(valued.span(), format!("this is {}", decoder.kind(valued.get_ref())));
        decoder.report_with(problem, None, flag);
    }
}
/// The most variants that a help lists. Each of many problems may have such a help.
const MOST_LISTED: usize = 20;

/// Returns a help that lists the variants of a flag.
pub(super) fn listed<'n>(mut names: impl Iterator<Item = &'n str>) -> String {
    let shown: Vec<_> = names.by_ref().take(MOST_LISTED).map(|name| format!("`{name}`")).collect();
    let more = if names.next().is_some() { ", and more" } else { "" };
    format!("the variants of the flag are {}{more}", shown.join(", "))
}
