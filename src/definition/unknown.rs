//! Keys that are not settings, among them flags that a table has swallowed.

use std::fmt;

use toml::de::DeValue;

use super::{
    Key, Value,
    code::Code,
    decoder::{Decoder, Format},
    diagnostic::Diagnostic,
    test::TESTS,
    value::{Place, percent_string},
    written::{source, toml_key},
};
use crate::model::{Field, nearest};

/// A table with keys of its own: a flag, or a setting of one.
pub(super) struct Owner<'a, 't> {
    flag: &'a str,
    setting: Option<&'a str>,
    table: &'a Value<'t>,
    names: Vec<&'static str>,
}

impl<'a, 't> Owner<'a, 't> {
    pub(super) fn flag(flag: &'a str, table: &'a Value<'t>, format: Format) -> Self {
        let tests = (format == Format::Toml).then_some(TESTS);
        Self { flag, setting: None, table, names: names().chain(tests).collect() }
    }

    pub(super) fn setting(at: Place<'a>, table: &'a Value<'t>, names: &[&'static str]) -> Self {
        Self { flag: at.flag, setting: Some(at.setting), table, names: names.to_vec() }
    }
}

impl fmt::Display for Owner<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(setting) = self.setting {
            write!(f, "`{setting}` of ")?;
        }
        write!(f, "flag `{}`", self.flag)
    }
}

pub(super) fn unknown_key(
    owner: &Owner<'_, '_>,
    key: &Key<'_>,
    value: &Value<'_>,
    decoder: &mut Decoder<'_>,
) {
    let (flag, table, name) = (owner.flag, owner.table, key.get_ref().as_ref());
    let similar = nearest(name, owner.names.iter().copied());
    let header = header(decoder.text, table);
    if let (None, Some(header), true) = (similar, header, could_be_flag(decoder.text, value)) {
        let message = format!("flag `{name}` is swallowed by `{header}`");
        let problem = Diagnostic::new(Code::SwallowedKey, key.span(), message)
            .label(format!("read as a setting of `{flag}`"))
            .related(table.span(), "everything below this header belongs to it")
            .help(format!("move `{name}` above `{header}`"))
            .flag(name);
        decoder.misplaced.push(name.into());
        decoder.report(problem);
        return;
    }
    let message = format!("unknown key `{name}` in {owner}");
    let label = match owner.setting {
        None => "not a flag setting".to_owned(),
        Some(setting) => format!("not a part of `{setting}`"),
    };
    let problem = Diagnostic::new(Code::UnknownKey, key.span(), message).label(label);
    let is_toml_flag = owner.setting.is_none() && decoder.format == Format::Toml;
    let help = if let Some(similar) = similar {
        format!("a setting with a similar name exists: `{similar}`")
    } else if is_toml_flag && looks_like_flag(value) && !is_inline(decoder.text, table) {
        // `[flags.payments.v2]` was probably meant as the flag `payments.v2`.
        let dotted = format!("{flag}.{name}");
        let help = format!("a dot in the name of a flag needs quotes: `{}`", toml_key(&dotted));
        decoder.misplaced.push(dotted.into());
        help
    } else {
        let names: Vec<_> = owner.names.iter().map(|name| format!("`{name}`")).collect();
        let whose =
            owner.setting.map_or_else(|| "a flag".to_owned(), |setting| format!("`{setting}`"));
        format!("the settings of {whose} are {}", names.join(", "))
    };
    decoder.report(problem.help(help).flag(flag));
}

/// Returns the header that a table was written with, if there is one.
fn header<'t>(text: &'t str, table: &Value<'_>) -> Option<&'t str> {
    source(text, table.span()).filter(|text| text.starts_with('['))
}

fn is_inline(text: &str, table: &Value<'_>) -> bool {
    text.get(table.span()).is_some_and(|text| text.starts_with('{'))
}

/// Returns `true` if the value could be a flag, and has no header of its own.
fn could_be_flag(text: &str, value: &Value<'_>) -> bool {
    looks_like_flag(value) && header(text, value).is_none()
}

/// Returns `true` if the value is a boolean, a percentage or a table with settings.
pub(super) fn looks_like_flag(value: &Value<'_>) -> bool {
    match value.get_ref() {
        DeValue::Boolean(_) => true,
        DeValue::String(text) => percent_string(text).is_ok(),
        DeValue::Table(table) => names().any(|name| table.contains_key(name)),
        _ => false,
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    Field::ALL.iter().map(|field| field.as_str())
}
