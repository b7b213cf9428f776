//! Checks for settings that people need: a description, an owner, and an end.

use toml::de::DeValue;

use super::file::{File, Flag, Found};
use crate::{
    definition::{Code, Diagnostic, written::source},
    model::Field,
};

/// A setting that a team can require of every flag.
struct Wanted {
    code: Code,
    field: Field,
    noun: &'static str,
    label: &'static str,
    example: &'static str,
}

const WANTED: &[Wanted] = &[
    Wanted {
        code: Code::MissingDescription,
        field: Field::Description,
        noun: "no description",
        label: "what is its purpose?",
        example: "description = \"…\"",
    },
    Wanted {
        code: Code::MissingOwner,
        field: Field::Owner,
        noun: "no owner",
        label: "who is responsible for it?",
        example: "owner = \"…\"",
    },
    Wanted {
        code: Code::MissingExpiry,
        field: Field::Expires,
        noun: "no expiry date",
        label: "when can it be removed?",
        example: "expires = 2027-02-01",
    },
];

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    for flag in &file.flags {
        for wanted in WANTED {
            // A flag of a file below is reported there.
            let is_own = !found.lints().is_below(flag.name());
            if is_own && found.wants(wanted.code) && is_missing(flag, wanted.field) {
                found.report(missing(flag, wanted));
            }
        }
        if flag.definition.expiry().is_some_and(|expiry| expiry <= file.now) {
            found.report(expired(flag, file.text));
        }
    }
}

/// Returns `true` if a setting is missing or blank. A permanent flag needs no end.
fn is_missing(flag: &Flag<'_>, field: Field) -> bool {
    if field == Field::Expires && flag.whole.is_permanent() {
        return false;
    }
    let text = flag.setting(field).map(|value| value.get_ref());
    text.is_none_or(|value| value.as_str().is_some_and(|text| text.trim().is_empty()))
}

fn missing(flag: &Flag<'_>, wanted: &Wanted) -> Diagnostic {
    let Wanted { code, noun, label, example, .. } = *wanted;
    let name = flag.name();
    let help = match flag.value.get_ref() {
        DeValue::Table(_) => format!("add `{example}`"),
        DeValue::Boolean(on) => {
            format!("write `{{ enabled = {on}, {example} }}`")
        }
        _ => format!("write `{{ percentage = …, {example} }}`"),
    };
    Diagnostic::new(code, flag.key.span(), format!("flag `{name}` has {noun}"))
        .label(label)
        .help(help)
        .flag(name)
}

fn expired(flag: &Flag<'_>, text: &str) -> Diagnostic {
    let name = flag.name();
    let span = flag.setting(Field::Expires).map_or(flag.key.span(), |value| value.span());
    let date = source(text, span.clone()).unwrap_or_default();
    Diagnostic::new(Code::Expired, span, format!("flag `{name}` expired on {date}"))
        .label("past its expiry date")
        .help("remove it and the code that it guards, or give it a new date")
        .flag(name)
}
