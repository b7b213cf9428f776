//! Decodes the tests of flags.

use std::time::SystemTime;

use toml::de::{DeTable, DeValue};

use super::{
    declared::{Expected, FlagTests, Test},
    keys::{ATTRIBUTES, EXPECT, GROUPS, KEYS, NAME, TESTS, TIME, USER},
};
use crate::{
    definition::{
        Key, Value,
        code::Code,
        condition::plain,
        decoder::{Decoder, Format},
        diagnostic::Diagnostic,
        unknown::{Owner, unknown_key},
        value::{Decode, Place, wrong_type},
        written::{in_order, toml_key, truth},
    },
    model::{self, Context, Definition, Field, Variants},
};

/// Adds the tests of a flag to the decoder, or reports what is wrong with them. There is a
/// `definition` if the flag has no other errors.
pub(in crate::definition) fn decode(
    flag: &str,
    settings: &DeTable<'_>,
    definition: Option<&Definition>,
    decoder: &mut Decoder<'_>,
) {
    let Some(value) = settings.get(TESTS) else { return };
    if decoder.format == Format::Json {
        let message = format!("flag `{flag}` has `tests`");
        let problem = Diagnostic::new(Code::UnknownKey, value.span(), message)
            .label("only the flags of a flags.toml are tested");
        decoder.report_with(problem, None, flag);
        return;
    }
    let at = Place { flag, setting: TESTS };
    let DeValue::Array(array) = value.get_ref() else {
        let help = format!("write `[[flags.{}.tests]]` above each test", toml_key(flag));
        wrong_type::<()>(decoder, value, at, "a list of tests", Some(help));
        return;
    };
    let list = array.iter().filter_map(|value| test(value, at, definition, decoder)).collect();
    let span = |(key, value): (&Key<'_>, &Value<'_>)| (key.get_ref().to_string(), value.span());
    let rules = settings.get(Field::Rules.as_str()).and_then(|rules| rules.get_ref().as_array());
    let tests = FlagTests {
        list,
        settings: settings.iter().map(span).collect(),
        rules: rules.into_iter().flat_map(|rules| rules.iter()).map(Value::span).collect(),
    };
    decoder.tests.insert(flag.into(), tests);
}

fn test(
    value: &Value<'_>,
    at: Place<'_>,
    definition: Option<&Definition>,
    decoder: &mut Decoder<'_>,
) -> Option<Test> {
    let DeValue::Table(table) = value.get_ref() else {
        let label = format!("expected a table, found {}", decoder.kind(value.get_ref()));
        return invalid(value, at, label, "write `{ user = \"ana\", expect = true }`", decoder);
    };
    let errors = decoder.errors;
    let (mut name, mut user, mut time, mut expect) = (None, None, None, None);
    let (mut groups, mut attributes) = (Vec::new(), Vec::new());
    for (key, member) in in_order(table) {
        let key_name = key.get_ref().as_ref();
        let place = at.member(key_name);
        match key_name {
            NAME => name = String::decode(member, place, decoder),
            USER => user = String::decode(member, place, decoder),
            GROUPS => groups = Vec::<String>::decode(member, place, decoder).unwrap_or_default(),
            ATTRIBUTES => attributes = decode_attributes(member, place, decoder),
            TIME => time = SystemTime::decode(member, place, decoder),
            EXPECT => expect = Some((expected(member, at, definition, decoder), member.span())),
            _ => {
                let names: Vec<_> = KEYS.iter().map(|(name, _)| *name).collect();
                unknown_key(&Owner::setting(at, value, &names), key, member, decoder);
            }
        }
    }
    let Some((expected, span)) = expect else {
        let label = "has no `expect`".to_owned();
        return invalid(value, at, label, "add `expect = true` or `expect = false`", decoder);
    };
    let expected = expected.filter(|_| decoder.errors == errors)?;
    let asked = user.map_or_else(Context::anonymous, Context::user).groups(groups);
    let context =
        attributes.into_iter().fold(asked, |context, (name, value)| context.attribute(name, value));
    Some(Test { name, context, time, expected, span })
}

fn invalid<T>(
    value: &Value<'_>,
    at: Place<'_>,
    label: String,
    help: &str,
    decoder: &mut Decoder<'_>,
) -> Option<T> {
    let message = format!("invalid test of flag `{}`", at.flag);
    let problem = Diagnostic::new(Code::InvalidTest, value.span(), message).label(label);
    decoder.report_with(problem, Some(help.to_owned()), at.flag);
    None
}

/// Decodes `{ country = "DE", company = { plan = "pro" } }`.
fn decode_attributes(
    value: &Value<'_>,
    at: Place<'_>,
    decoder: &mut Decoder<'_>,
) -> Vec<(String, model::Value<'static>)> {
    let DeValue::Table(table) = value.get_ref() else {
        let help = format!("write `{} = {{ country = \"DE\" }}`", at.setting);
        wrong_type::<()>(decoder, value, at, "a table", Some(help));
        return Vec::new();
    };
    let mut attributes = Vec::with_capacity(table.len());
    for (key, value) in in_order(table) {
        let name = key.get_ref().as_ref();
        match plain(value, true) {
            Ok(plain) => attributes.push((name.to_owned(), plain)),
            Err(error) => {
                let message = format!("invalid attribute `{name}` in a test of flag `{}`", at.flag);
                let problem = Diagnostic::new(Code::InvalidTest, value.span(), message);
                decoder.report_with(problem.label(error.message), None, at.flag);
            }
        }
    }
    attributes
}

/// Decodes `true`, `false`, or the name of a variant.
fn expected(
    value: &Value<'_>,
    at: Place<'_>,
    definition: Option<&Definition>,
    decoder: &mut Decoder<'_>,
) -> Option<Expected> {
    let name = match value.get_ref() {
        DeValue::Boolean(true) => return Some(Expected::On),
        DeValue::Boolean(false) => return Some(Expected::Off),
        DeValue::String(name) => name.as_ref(),
        _ => {
            let expected = "`true`, `false` or the name of a variant";
            return wrong_type(decoder, value, at.member(EXPECT), expected, None);
        }
    };
    let variants = definition.and_then(|definition| definition.rare().variants.value());
    let is_known = variants.is_some_and(|variants| variants.variant(name).is_some());
    // The variants of a flag with errors are not known.
    if is_known || definition.is_none() {
        return Some(Expected::Variant(name.to_owned()));
    }
    let names = || variants.into_iter().flat_map(Variants::names);
    let message = format!("flag `{}` has no variant `{name}`", at.flag);
    let problem =
        Diagnostic::new(Code::UnknownVariant, value.span(), message).label("expected by a test");
    let help = match (decoder.similar.nearest(name, names()), truth(name), names().next()) {
        (Some(similar), ..) => format!("a variant with a similar name exists: `{similar}`"),
        (None, Some(on), _) => format!("write `expect = {on}`"),
        (None, None, Some(_)) => crate::definition::variants::listed(names()),
        (None, None, None) => "write `expect = true` or `expect = false`".to_owned(),
    };
    decoder.report_with(problem, Some(help), at.flag);
    None
}
