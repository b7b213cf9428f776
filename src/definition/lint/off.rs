//! Flags with variants that serve none of them while they are off.

use super::file::{File, Found};
use crate::{
    definition::{Code, Diagnostic, file::Whole},
    model::{Field, Value, Variants},
    text::Untrusted,
};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    // The variant to serve may be in the source below.
    if found.lints().whole == Whole::No {
        return;
    }
    if !found.wants(Code::OffWithoutVariant) {
        return;
    }
    for flag in &file.flags {
        let variants = flag.definition.rare().variants.value();
        let Some(variants) = variants.filter(|variants| !variants.is_empty()) else { continue };
        // A boolean evaluation of an off flag returns `false` in any case.
        let is_said = flag.setting(Field::Off).is_some() || are_booleans(variants);
        if is_said || flag.definition.off_variant().is_some() {
            continue;
        }
        let name = flag.name();
        let message = format!("flag `{name}` serves none of its variants while it is off");
        let first = variants.names().next().unwrap_or_default();
        found.report(
            Diagnostic::new(Code::OffWithoutVariant, flag.key.span(), message)
                .label("callers get their own defaults while the flag is off")
                .help(format!(
                    "name the variant, such as `off = {}`, or write `off = \"default\"` if callers \
                     should get their defaults",
                    Untrusted::new(first).toml()
                ))
                .flag(name),
        );
    }
}

fn are_booleans(variants: &Variants) -> bool {
    let is_boolean = |name| matches!(variants.value(name), Some(Value::Bool(_)));
    variants.names().all(is_boolean)
}
