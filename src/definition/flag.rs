//! One flag: a boolean, a percentage, or a table of settings.

use std::collections::HashMap;

use toml::de::{DeTable, DeValue};

use super::{
    Key, Value,
    code::Code,
    decoder::Decoder,
    diagnostic::Diagnostic,
    encode::{self, Encode},
    remove, rollout, rule,
    schema_of::Schema,
    suggestion::Suggestion,
    test::{self, TESTS},
    unknown::{Owner, unknown_key},
    value::{Decode, Place, percent_string},
    variants::{self, Typed},
    written::{kind, source, toml_key, truth},
};
use crate::model::{
    Definition, Field, MOST_VARIANT_NAMES, Percentage, Row, Setting, SharedDefinition,
    TooManyVariantNames, row, settings,
};

/// The written form of a setting, in flags.toml and in JSON.
pub(super) struct Form {
    pub(super) field: Field,
    decode: fn(&Value<'_>, Place<'_>, &mut Decoder<'_>, &mut Definition),
    /// The number of levels of parts that can be `null` in JSON, like the setting itself. TOML has
    /// no `null`.
    pub(super) nulls: usize,
    /// Returns the setting in JSON, if the definition has it.
    pub(super) encode: fn(&Definition) -> Option<serde_json::Value>,
    /// Returns the default in JSON.
    pub(super) default: fn() -> Option<serde_json::Value>,
    /// Returns the JSON Schema of the type.
    pub(super) schema: fn() -> serde_json::Value,
    /// The paths of members that are dates, which are strings in JSON. `*` is any element.
    #[cfg(feature = "edit")]
    pub(super) dates: &'static [&'static [&'static str]],
}

impl Form {
    const fn of<R: Row<Type: Decode + Encode + Schema>>() -> Self {
        Self {
            field: R::FIELD,
            decode: |value, at, decoder, definition| {
                if let Some(value) = Decode::decode(value, at, decoder) {
                    *R::of_mut(definition) = Setting::Set(value);
                }
            },
            nulls: R::Type::NULLS,
            encode: |definition| encode::member(R::of(definition)),
            default: || R::default().map(|value| value.encode()),
            schema: R::Type::schema,
            #[cfg(feature = "edit")]
            dates: R::Type::DATES,
        }
    }
}

macro_rules! forms {
    (
        $(
            $section:ident:
            $(
                $(#[$doc:meta])+
                $field:ident: $type:ty $(= $default:expr)?, $variant:ident $(of $entry:ty)?
                    => $example:literal, $roles:expr;
            )+
        )+
    ) => {
        &[$($(Form::of::<row::$variant>(),)+)+]
    };
}

/// The forms of all settings, in the order of [`Field::ALL`].
pub(super) const FORMS: &[Form] = settings!(forms);

/// Returns the form of the setting with this name, if there is one.
pub(super) fn form(name: &str) -> Option<&'static Form> {
    FORMS.iter().find(|form| form.field.as_str() == name)
}

/// Returns the definition of a complete flag, or `None` after reporting what is wrong with it.
pub(super) fn decode_whole(
    key: &Key<'_>,
    value: &Value<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<SharedDefinition> {
    let definition = decode(key, value, decoder);
    // The rest of a patch is in another source, so sources are checked after the merge.
    if decoder.is_patch() {
        return definition;
    }
    let errors = decoder.errors;
    if let DeValue::Table(table) = value.get_ref() {
        // These names are checked even if the flag has other errors.
        variants::check_named(key.get_ref(), table, decoder);
    }
    let definition = definition?;
    if let DeValue::Table(table) = value.get_ref() {
        variants::check_whole(key.get_ref(), table, &definition, decoder);
        rule::check_whole(key.get_ref(), table, &definition, decoder);
    }
    (decoder.errors == errors).then_some(definition)
}

/// Checks a flag as an environment changes it, and reads the tests that the environment has.
/// `settings` are those of both, for the places of problems. `elsewhere` has the type of the flag's
/// values in the rest of the file. Returns `true` if the flag has no errors.
pub(super) fn check_merged(
    flag: &str,
    settings: &DeTable<'_>,
    definition: &Definition,
    elsewhere: Option<&Typed<'_>>,
    decoder: &mut Decoder<'_>,
) -> bool {
    let errors = decoder.errors;
    variants::check_merged(flag, settings, decoder);
    if !decoder.is_patch() {
        variants::check_named(flag, settings, decoder);
        variants::check_whole(flag, settings, definition, decoder);
        rule::check_whole(flag, settings, definition, decoder);
        rollout::check_merged(flag, settings, definition, decoder);
        if let Some(elsewhere) = elsewhere.filter(|_| decoder.errors == errors) {
            variants::check_type(flag, elsewhere, settings, definition, decoder);
        }
    }
    check_dates(flag, settings, definition, decoder);
    test::decode(flag, settings, Some(definition), decoder);
    decoder.errors == errors
}

/// Returns the complete or partial definition of a flag, or `None` after reporting what is wrong
/// with it.
pub(super) fn decode(
    key: &Key<'_>,
    value: &Value<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<SharedDefinition> {
    let flag = key.get_ref().as_ref();
    if flag.is_empty() || flag.trim() != flag {
        let (message, label) = match flag.trim() {
            "" => ("a flag without a name".to_owned(), "an empty key"),
            _ => (format!("white space around the name of flag `{flag}`"), "part of the name"),
        };
        decoder
            .report(Diagnostic::new(Code::BlankText, key.span(), message).label(label).flag(flag));
    }
    match value.get_ref() {
        DeValue::Boolean(true) => Some(decoder.on.clone()),
        DeValue::Boolean(false) => Some(decoder.off.clone()),
        DeValue::String(text) => shorthand(flag, text, value, decoder),
        DeValue::Table(table) => settings(flag, table, value, decoder),
        found => {
            let (problem, help) = not_a_flag(flag, value, found, decoder.text);
            decoder.report_with(problem, Some(help), flag);
            None
        }
    }
}

/// Decodes `search = "25%"`.
fn shorthand(
    flag: &str,
    text: &str,
    value: &Value<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<SharedDefinition> {
    let error = match percent_string(text) {
        Ok(percentage) => return Some(Definition::new().percentage(percentage).into()),
        Err(error) => error,
    };
    let (problem, help) = if text.ends_with('%') {
        let message = format!("invalid percentage of flag `{flag}`");
        let problem = Diagnostic::new(Code::InvalidPercentage, value.span(), message);
        (problem.label(error.to_string()), None)
    } else {
        let help = match (truth(text), text.parse::<Percentage>()) {
            (Some(on), Err(_)) => format!("write `{on}`"),
            (None, Ok(percentage)) => format!("write `\"{percentage}\"`"),
            (Some(on), Ok(percentage)) => format!("write `{on}` or `\"{percentage}\"`"),
            (None, Err(_)) => KINDS.to_owned(),
        };
        let message = format!("flag `{flag}` is a string, but not a percentage");
        let problem = Diagnostic::new(Code::InvalidFlag, value.span(), message);
        (problem.label("not a percentage such as `\"25%\"`"), Some(help))
    };
    decoder.report_with(problem, help, flag);
    None
}

const KINDS: &str =
    "a flag is `true`, `false`, a percentage such as `\"25%\"`, or a table of settings";

fn not_a_flag(
    flag: &str,
    value: &Value<'_>,
    found: &DeValue<'_>,
    text: &str,
) -> (Diagnostic, String) {
    let span = value.span();
    let written = source(text, span.clone());
    if matches!(found, DeValue::Integer(_) | DeValue::Float(_)) {
        let example = written.filter(|number| number.parse::<Percentage>().is_ok()).unwrap_or("25");
        let problem =
            Diagnostic::new(Code::AmbiguousNumber, span, format!("flag `{flag}` is a bare number"));
        return (
            problem.label("either a percentage, or on or off"),
            format!("write `\"{example}%\"` for a percentage, or `true` or `false`"),
        );
    }
    let help = match written {
        Some(header) if header.starts_with("[[") && matches!(found, DeValue::Array(_)) => {
            format!("write `[flags.{}]` in single brackets", toml_key(flag))
        }
        _ => KINDS.to_owned(),
    };
    let problem =
        Diagnostic::new(Code::InvalidFlag, span, format!("flag `{flag}` is {}", kind(found)));
    (problem.label("not a flag"), help)
}

fn settings(
    flag: &str,
    table: &DeTable<'_>,
    value: &Value<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<SharedDefinition> {
    let errors = decoder.errors;
    let mut definition = Definition::new();
    decoder.variants = variants::names(table);
    for (key, setting) in table {
        match form(key.get_ref()) {
            Some(form) if form.field == Field::Off && setting.get_ref().as_bool().is_some() => {
                variants::off_is_boolean(flag, setting, decoder);
            }
            Some(form) if form.field == Field::Serve && setting.get_ref().as_bool().is_some() => {
                variants::serve_is_boolean(flag, setting, decoder);
            }
            Some(form) => {
                let at = Place { flag, setting: form.field.as_str() };
                (form.decode)(setting, at, decoder, &mut definition);
            }
            None if key.get_ref() == TESTS => {}
            None => unknown_key(&Owner::flag(flag, value, decoder.format), key, setting, decoder),
        }
    }
    check_dates(flag, table, &definition, decoder);
    check_rollout(flag, table, value, decoder);
    variants::check_constant(flag, table, decoder);
    check_lists(flag, table, Field::AllowedUsers, Field::DeniedUsers, decoder);
    check_lists(flag, table, Field::AllowedGroups, Field::DeniedGroups, decoder);
    if decoder.errors == errors {
        check_variant_names(flag, table, value, &definition, decoder);
    }
    // The tests of an entry are about the merged flag of its environment.
    if decoder.environment.is_none() {
        let good = (decoder.errors == errors).then_some(&definition);
        test::decode(flag, table, good, decoder);
    }
    (decoder.errors == errors).then(|| definition.into())
}

/// Reports a flag whose variant names exceed the limit of the process.
fn check_variant_names(
    flag: &str,
    table: &DeTable<'_>,
    value: &Value<'_>,
    definition: &Definition,
    decoder: &mut Decoder<'_>,
) {
    let Err(TooManyVariantNames(name)) = definition.keep_variant_names() else { return };
    let mut settings = [Field::Variants, Field::Requires].into_iter();
    let place = settings.find_map(|field| table.get(field.as_str())).unwrap_or(value);
    let message = format!("flag `{flag}` has a variant name beyond the limit of the process");
    let problem = Diagnostic::new(Code::TooManyVariantNames, place.span(), message)
        .label(format!("`{name}` exceeds the limit"));
    let help = format!(
        "a process keeps {MOST_VARIANT_NAMES} names, including those of former variants: restart it to free these"
    );
    decoder.report_with(problem, Some(help), flag);
}

fn check_dates(
    flag: &str,
    table: &DeTable<'_>,
    definition: &Definition,
    decoder: &mut Decoder<'_>,
) {
    let (Setting::Set(created), Setting::Set(expires)) = (definition.created, definition.expires)
    else {
        return;
    };
    let place = |field: Field| table.get(field.as_str()).map(|value| value.span());
    if let (true, Some(created), Some(expires)) =
        (expires < created, place(Field::Created), place(Field::Expires))
    {
        let message = format!("flag `{flag}` expires before it was created");
        let problem = Diagnostic::new(Code::ExpiresBeforeCreated, expires, message)
            .label("expires here")
            .related(created, "created here");
        decoder.report_with(problem, None, flag);
    }
}

fn check_rollout(flag: &str, table: &DeTable<'_>, value: &Value<'_>, decoder: &mut Decoder<'_>) {
    let setting = |field: Field| table.get(field.as_str());
    let (Some(percentage), Some(rollout)) = (setting(Field::Percentage), setting(Field::Rollout))
    else {
        return;
    };
    // Without stages, the percentage decides.
    if !rollout.get_ref().as_table().is_some_and(|it| it.contains_key("stages")) {
        return;
    }
    let suggestion = remove::setting(decoder.text, value, table, Field::Percentage.as_str())
        .map(|span| Suggestion::remove("remove it, or the rollout", span));
    let help = suggestion.is_none().then(|| "remove one of the two".to_owned());
    let message = format!("the percentage of flag `{flag}` has no effect");
    let problem = Diagnostic::new(Code::PercentageBesideRollout, percentage.span(), message)
        .label("the rollout sets the percentage")
        .related(rollout.span(), "the rollout")
        .suggest(suggestion);
    decoder.report_with(problem, help, flag);
}

fn check_lists(
    flag: &str,
    table: &DeTable<'_>,
    allowed: Field,
    denied: Field,
    decoder: &mut Decoder<'_>,
) {
    let list = |field: Field| {
        let list = table.get(field.as_str())?;
        Some((list.span(), list.get_ref().as_array()?))
    };
    let (Some((whole, allows)), Some((_, denies))) = (list(allowed), list(denied)) else {
        return;
    };
    let denies: HashMap<_, _> =
        denies.iter().filter_map(|value| Some((value.get_ref().as_str()?, value.span()))).collect();
    for (index, value) in allows.iter().enumerate() {
        let Some((name, place)) =
            value.get_ref().as_str().and_then(|name| Some((name, denies.get(name)?)))
        else {
            continue;
        };
        let message = format!("`{name}` is both allowed and denied in flag `{flag}`");
        let problem = Diagnostic::new(Code::AllowedAndDenied, value.span(), message)
            .label("has no effect: deny beats allow")
            .related(place.clone(), "denied here")
            .suggest(
                remove::element(decoder.text, &whole, allows, index)
                    .map(|span| Suggestion::remove(format!("remove it from `{allowed}`"), span)),
            );
        decoder.report_with(problem, None, flag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_in_the_order_of_the_registry() {
        let fields: Vec<_> = FORMS.iter().map(|form| form.field).collect();

        assert_eq!(fields, Field::ALL);
    }
}
