//! `metadata = { issue = "PAY-412" }`

use toml::de::DeValue;

use super::{
    Value,
    code::Code,
    decoder::Decoder,
    diagnostic::Diagnostic,
    value::{Decode, Place, wrong_type},
    variants::content,
    written::{in_order, source},
};
use crate::model::{self, Metadata, MetadataValue};

impl Decode for Metadata {
    /// The values of the table can be `null`.
    const NULLS: usize = 1;

    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            let expected = format!("{} of strings, numbers and booleans", decoder.format.table());
            let help = source(decoder.text, value.span())
                .map(|text| format!("give it a name: `metadata = {{ issue = {text} }}`"));
            return wrong_type(decoder, value, at, &expected, help);
        };
        let errors = decoder.errors;
        let mut metadata = Self::new();
        for (key, value) in in_order(table) {
            let name = key.get_ref().as_ref();
            if name.is_empty() || name.trim() != name {
                let message = format!("a blank name in `metadata` of flag `{}`", at.flag);
                let problem = Diagnostic::new(Code::BlankText, key.span(), message);
                decoder.report(problem.label("empty, or with white space around it").flag(at.flag));
            }
            if decoder.is_null(value) {
                metadata = metadata.without(name);
            } else if let Some(value) = fact(name, value, at, decoder) {
                metadata = metadata.with(name, value);
            }
        }
        (decoder.errors == errors).then_some(metadata)
    }
}

fn fact(
    name: &str,
    value: &Value<'_>,
    at: Place<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<MetadataValue> {
    let whose = format!("`{name}` in `metadata` of flag `{}`", at.flag);
    let kind = match value.get_ref() {
        DeValue::Array(_) | DeValue::Table(_) => decoder.kind(value.get_ref()),
        _ => {
            return Some(match content(&whose, value, at, decoder)? {
                model::Value::Bool(value) => value.into(),
                model::Value::Integer(number) => number.into(),
                model::Value::Float(number) => number.into(),
                model::Value::String(text) => text.into_owned().into(),
                model::Value::List(_) | model::Value::Table(_) => return None,
            });
        }
    };
    let problem =
        Diagnostic::new(Code::InvalidType, value.span(), format!("invalid value of {whose}"))
            .label(format!("expected a string, a number or a boolean, found {kind}"));
    decoder.report_with(problem, None, at.flag);
    None
}
