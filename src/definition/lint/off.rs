//! Flags with variants that serve none of them while they are off.

use super::file::{File, Found};
use crate::{
    definition::{Code, Diagnostic, FlagsFile},
    model::{Field, Value, Variants},
    text::Untrusted,
};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    if !found.wants(Code::OffWithoutVariant) || !found.lints().has_below() {
        return;
    }
    for flag in &file.flags {
        let variants = flag.whole.rare().variants.value();
        let Some(variants) = variants.filter(|variants| !variants.is_empty()) else { continue };
        // The file with the first variants is the one that is reported.
        let has_variants = |file: &FlagsFile| {
            let below = file.flags().get(flag.name());
            below.is_some_and(|below| below.rare().variants.value().is_some())
        };
        if flag.setting(Field::Variants).is_none() || found.lints().below.iter().any(has_variants) {
            continue;
        }
        // A boolean evaluation of an off flag returns `false` in any case.
        let is_set = flag.whole.has(Field::Off) || are_booleans(variants);
        if is_set || flag.whole.off_variant().is_some() {
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
