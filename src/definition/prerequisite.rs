//! Prerequisites as they are written, in `requires` and in conditions.

use std::ops::Range;

use toml::de::DeValue;

use super::{
    Value,
    code::Code,
    decoder::Decoder,
    diagnostic::Diagnostic,
    value::{Decode, Place, wrong_type},
};
use crate::{model::Prerequisite, text::Untrusted};

/// Decodes `["payments_v3", { flag = "pricing_page", variant = "higher_price" }]`.
impl Decode for Vec<Prerequisite> {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let DeValue::Array(array) = value.get_ref() else {
            let flag = value.get_ref().as_str().map(|flag| Untrusted::new(flag).toml());
            let help = flag.map(|flag| format!("write `requires = [{flag}]`"));
            return wrong_type(decoder, value, at, "a list of flags", help);
        };
        // All elements are decoded, so that all mistakes are reported.
        let invalid = |decoder: &mut Decoder<'_>, span, code, label| {
            let message = format!("invalid prerequisite of flag `{}`", at.flag);
            let problem = Diagnostic::new(code, span, message).label(label);
            decoder.report_with(problem, Some(FORMS.to_owned()), at.flag);
            None
        };
        let list: Vec<_> =
            array.iter().map(|element| prerequisite(element, decoder, invalid)).collect();
        list.into_iter().collect()
    }
}

pub(super) const FORMS: &str = "write a flag, `{ flag = \"maintenance\", on = false }`, or `{ flag = \
                                \"pricing_page\", variant = \"control\" }`";

/// Decodes `"payments_v3"`, `{ flag = "maintenance", on = false }`, or `{ flag = "pricing_page",
/// variant = "control" }`.
pub(super) fn prerequisite<'d>(
    value: &Value<'_>,
    decoder: &mut Decoder<'d>,
    invalid: impl Fn(&mut Decoder<'d>, Range<usize>, Code, String) -> Option<Prerequisite>,
) -> Option<Prerequisite> {
    let table = match value.get_ref() {
        DeValue::String(flag) => return Some(Prerequisite::on(flag.as_ref())),
        DeValue::Table(table) => table,
        found => {
            let label = format!("expected a flag, found {}", decoder.kind(found));
            return invalid(decoder, value.span(), Code::InvalidElement, label);
        }
    };
    let (mut flag, mut variants, mut on) = (None, None, None);
    for (key, member) in table {
        match (key.get_ref().as_ref(), member.get_ref()) {
            ("flag", DeValue::String(name)) => flag = Some(name.as_ref()),
            ("variant", DeValue::String(name)) => variants = Some(vec![name.to_string()]),
            ("variant", DeValue::Array(list)) => {
                let names = list.iter().map(|name| name.get_ref().as_str().map(str::to_owned));
                let Some(names) = names.collect::<Option<Vec<_>>>().filter(|it| !it.is_empty())
                else {
                    let label = "expected a list of variants".to_owned();
                    return invalid(decoder, member.span(), Code::InvalidElement, label);
                };
                variants = Some(names);
            }
            ("on", DeValue::Boolean(wanted)) => on = Some(*wanted),
            (name @ ("flag" | "variant" | "on"), found) => {
                let wanted = match name {
                    "flag" => "a string",
                    "variant" => "a string or a list of strings",
                    _ => "`true` or `false`",
                };
                let label = format!("expected {wanted}, found {}", decoder.kind(found));
                return invalid(decoder, member.span(), Code::InvalidElement, label);
            }
            (other, _) => {
                let label = format!("`{other}` is not a key of a prerequisite");
                return invalid(decoder, key.span(), Code::UnknownKey, label);
            }
        }
    }
    let label = match (flag, on, variants) {
        (Some(flag), None | Some(true), None) => return Some(Prerequisite::on(flag)),
        (Some(flag), Some(false), None) => return Some(Prerequisite::off(flag)),
        (Some(flag), None, Some(names)) => return Some(Prerequisite::any_variant(flag, names)),
        (Some(_), Some(_), Some(_)) => "`on` and `variant` exclude each other",
        (None, ..) => "`flag` is missing",
    };
    invalid(decoder, value.span(), Code::InvalidElement, label.to_owned())
}
