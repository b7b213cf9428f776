//! Checks of what a change would serve.

use flagstaff::{
    Definition,
    definition::{Serve, Variants},
};

use crate::{failure::Failure, text::clean};

/// Refuses a patch that serves a variant which the flag does not have, or a value of another type than its
/// values have. A store takes both, and services would not.
pub(crate) fn refuse(
    flag: &str,
    patch: &Definition,
    merged: Option<&Definition>,
) -> Result<(), Failure> {
    let below = merged.cloned().unwrap_or_default();
    let mut after = below.clone();
    after.merge(patch);
    let variants = after.rare().variants.value();
    let is_unknown = |name: &&str| variants.is_none_or(|it| it.variant(name).is_none());
    if let Some(served) = named(patch).into_iter().find(is_unknown) {
        let message = format!("flag `{}` has no variant `{}`", clean(flag), clean(served));
        let names = variants.into_iter().flat_map(Variants::names);
        let names: Vec<_> = names.map(|name| format!("`{}`", clean(name))).collect();
        let hint = match names.is_empty() {
            true => "it has no variants: `variants.NAME.value=…` adds one".to_owned(),
            false => format!("its variants are {}", names.join(", ")),
        };
        let is_off = patch.rare().off.value().is_some_and(|off| off == served);
        return Err(Failure::usage(message).hint(match is_off && served == "false" {
            true => format!("{hint}; `off = \"default\"` serves no variant while the flag is off"),
            false => hint,
        }));
    }
    let Err(other) = below.check_type(patch) else { return Ok(()) };
    let (before, new) = (other.before(), other.after());
    let message = format!("flag `{}` serves {before}, and this is {new}", clean(flag));
    let hint = "the code that evaluates a flag expects one type; use a new flag for another type";
    Err(Failure::usage(message).hint(hint))
}

/// Returns the variants that a patch names in `serve`, `off` and rules.
fn named(patch: &Definition) -> Vec<&str> {
    let rare = patch.rare();
    // `default` means that no variant is served.
    let off = rare.off.value().map(String::as_str).filter(|&off| off != "default");
    let mut names: Vec<_> = rare.serve.value().map(String::as_str).into_iter().chain(off).collect();
    for rule in rare.rules.value().into_iter().flat_map(|rules| rules.iter()) {
        match &rule.serve {
            Serve::Variant(name) => names.push(name),
            Serve::Split(split) => names.extend(split.iter().map(|(name, _)| name.as_str())),
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use flagstaff::definition::{Condition, Rule, Variant, Weight};

    use super::*;

    fn refusal(patch: &Definition, merged: &Definition) -> Option<String> {
        match refuse("a", patch, Some(merged)) {
            Err(Failure::Report(report)) => Some(report.message),
            _ => None,
        }
    }

    #[test]
    fn a_variant_that_the_flag_lacks_is_not_served() {
        let load = Variants::new().with("off", Variant::new()).with("10%", Variant::new());
        let flag = Definition::new().variants(load);

        assert_eq!(refusal(&Definition::new().serve("10%"), &flag), None);
        let new = Definition::new().serve("20%");
        assert_eq!(refusal(&new, &flag).as_deref(), Some("flag `a` has no variant `20%`"));
        assert_eq!(refusal(&new.clone().variants([("20%", 0)]), &flag), None);
        assert!(refusal(&new, &Definition::new()).is_some());
    }

    #[test]
    fn a_variant_that_the_flag_lacks_is_refused_wherever_it_is_named() {
        let flag = Definition::new().variants([("control", 1), ("treatment", 1)]);
        let rule = |serve| Definition::new().rules([Rule::new(Condition::All(Vec::new()), serve)]);
        let variant = |name: &str| Serve::Variant(name.to_owned());
        let split = |name: &str| Serve::Split(vec![(name.to_owned(), Weight::ZERO)]);

        for accepted in [
            Definition::new().off("control"),
            Definition::new().off("default"),
            rule(variant("treatment")),
            rule(split("treatment")),
            rule(Serve::Default),
            rule(Serve::On),
        ] {
            assert_eq!(refusal(&accepted, &flag), None, "{accepted:?}");
        }
        for refused in
            [Definition::new().off("nosuch"), rule(variant("nosuch")), rule(split("nosuch"))]
        {
            let refusal = refusal(&refused, &flag);
            assert_eq!(refusal.as_deref(), Some("flag `a` has no variant `nosuch`"), "{refused:?}");
        }
    }

    #[test]
    fn an_off_that_is_false_is_refused_with_the_word_for_no_variant() {
        let flag = Definition::new().variants([("control", 1), ("treatment", 1)]);

        for (off, is_named) in [("false", true), ("nosuch", false)] {
            let Err(Failure::Report(report)) =
                refuse("a", &Definition::new().off(off), Some(&flag))
            else {
                panic!("`{off}` is accepted");
            };
            let hints = report.hint.unwrap_or_default();
            assert_eq!(hints.contains("off = \"default\""), is_named, "{hints}");
        }
    }

    #[test]
    fn a_flag_keeps_the_type_of_its_values() {
        let limit = Definition::new().value(50);
        let load = Definition::new().variants([("low", Variant::new().value(1))]);

        assert_eq!(refusal(&Definition::new().value(60), &limit), None);
        assert_eq!(
            refusal(&Definition::new().value(7.5), &limit).as_deref(),
            Some("flag `a` serves an integer, and this is a float")
        );
        assert_eq!(refusal(&Definition::new().value("x"), &Definition::new()), None);
        for (patch, flag) in [
            (Definition::new().value("50"), &limit),
            (Definition::new().value(["a"]), &load),
            (Definition::new().variants([("high", Variant::new().value("x"))]), &load),
        ] {
            assert!(
                refusal(&patch, flag).is_some_and(|it| it.starts_with("flag `a` serves a number"))
            );
        }
    }
}
