//! Keys and values as they are written.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{Key, Value};
use crate::text::Untrusted;

/// Returns a key in TOML: bare if possible, or else in quotes.
pub(super) fn toml_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(bare) {
        return key.to_owned();
    }
    Untrusted::new(key).toml()
}

/// Returns the entries of a table in the order of the text.
pub(super) fn in_order<'a, 't>(table: &'a DeTable<'t>) -> Vec<(&'a Key<'t>, &'a Value<'t>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// Returns the type of a value, with its article.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Returns the boolean that a word means in other languages and products.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "enabled" => Some(true),
        "false" | "no" | "off" | "0" | "disabled" => Some(false),
        _ => None,
    }
}

/// Returns the text of a value, if it is short enough to be shown in a sentence.
pub(super) fn source(text: &str, span: Range<usize>) -> Option<&str> {
    text.get(span).filter(|text| text.len() <= 60 && !text.contains(['\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_quoted_where_toml_requires_it() {
        assert_eq!(toml_key("new-checkout_2"), "new-checkout_2");
        assert_eq!(toml_key(""), r#""""#);
        assert_eq!(toml_key("a.b"), r#""a.b""#);
        assert_eq!(toml_key("a\"\\\n"), r#""a\"\\\n""#);
    }
}
