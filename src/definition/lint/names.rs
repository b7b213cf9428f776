//! Names that do not follow the convention.

use heck::ToSnakeCase;

use super::{
    convention::Names,
    file::{File, Found},
};
use crate::definition::{Code, Diagnostic, Key};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    let names = &found.lints().names;
    for flag in file.flags.iter().filter(|flag| !names.admit(flag.name())) {
        found.report(unusual("flag", flag.key, names).flag(flag.name()));
    }
    for (key, _) in file.segments_in_order() {
        if !names.admit(key.get_ref()) {
            found.report(unusual("segment", key, names));
        }
    }
}

fn unusual(what: &str, key: &Key<'_>, names: &Names) -> Diagnostic {
    let name = key.get_ref().as_ref();
    let (message, label) = match names {
        Names::SnakeCase => (format!("{what} `{name}` is not in snake_case"), "not in snake_case"),
        Names::Pattern(_) => (
            format!("the name of {what} `{name}` does not follow the convention"),
            "does not match the pattern",
        ),
    };
    let problem = Diagnostic::new(Code::UnusualName, key.span(), message).label(label);
    let better = Some(name.to_snake_case()).filter(|better| names.admit(better));
    match better {
        Some(better) => problem.help(format!("in snake_case it is `{better}`")),
        None => problem,
    }
}
