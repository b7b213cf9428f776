//! The places of a flag file that name a flag.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{
    Value,
    condition::{ALL, ANY, FLAG, NOT, UNLESS},
    diagnostic::{Location, locations},
    file::FLAGS,
    rule,
    segment::SEGMENTS,
    syntax::Syntax,
    written::in_order,
};
use crate::model::{Field, FlagKey};

/// The table of environments, each of which is a table of flags.
const ENVIRONMENTS: &str = "environments";

/// A place of a flag file that names another flag. It has to change when that flag is renamed, and
/// is a mistake once that flag is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reference {
    /// The environment that the place is in; `None` outside of all environments.
    pub environment: Option<String>,
    /// The part of the file that names the flag.
    pub by: Referrer,
    /// The place of the name, with its quotes: a range of bytes.
    pub span: Range<usize>,
    /// The line and column where the name begins.
    pub location: Location,
}

/// A part of a flag file that names another flag.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Referrer {
    /// The list `requires` of this flag.
    Requires(String),
    /// A condition in a rule.
    #[non_exhaustive]
    Rule {
        /// The flag of the rule.
        flag: String,
        /// The index of the rule, 0 being the first.
        rule: usize,
    },
    /// The condition of this segment.
    Segment(String),
    /// A condition of this flag outside of its rules, which is a mistake.
    Misplaced(String),
}

/// Returns all places of a flag file that name `flag`, in the order of the text. Tests are not
/// among them, because a test names no other flags.
///
/// Flags, segments and environments with errors are searched too, as far as the text can be read:
/// a list that lacks its brackets has the name all the same. A text that is not TOML at all has no
/// places.
///
/// # Example
///
/// ```
/// use flagstaff::definition::{Referrer, references};
///
/// let text = r#"
/// [flags]
/// payments_v3 = true
///
/// [flags.new_checkout]
/// requires = ["payments_v3"]
///
/// [segments.ready]
/// when = { flag = { flag = "payments_v3", on = false } }
/// "#;
///
/// let found = references(text, "payments_v3");
///
/// assert_eq!(found[0].by, Referrer::Requires("new_checkout".to_owned()));
/// assert_eq!(found[1].by, Referrer::Segment("ready".to_owned()));
/// assert_eq!(&text[found[1].span.clone()], "\"payments_v3\"");
/// assert_eq!(found[1].location.to_string(), "9:26");
/// ```
#[must_use]
pub fn references(text: &str, flag: impl FlagKey) -> Vec<Reference> {
    let Syntax { root, .. } = Syntax::parse(text);
    let mut search = Search { flag: flag.as_str(), environment: None, found: Vec::new() };
    search.flags(table(root.get(FLAGS)));
    for (name, segment) in table(root.get(SEGMENTS)).into_iter().flat_map(in_order) {
        search.conditions(segment, &Referrer::Segment(name.get_ref().to_string()));
    }
    for (name, environment) in table(root.get(ENVIRONMENTS)).into_iter().flat_map(in_order) {
        search.environment = Some(name.get_ref().to_string());
        search.flags(environment.get_ref().as_table());
    }
    let mut found = search.found;
    found.sort_by_key(|reference| reference.span.start);
    let starts: Vec<_> = found.iter().map(|reference| reference.span.start).collect();
    for (reference, location) in found.iter_mut().zip(locations(text, starts)) {
        reference.location = location;
    }
    found
}

fn table<'t, 'd>(value: Option<&'t Value<'d>>) -> Option<&'t DeTable<'d>> {
    value.and_then(|value| value.get_ref().as_table())
}

/// Returns the elements of a list and of lists within it. Any other value is an element itself,
/// since a list without its brackets still names flags.
fn elements<'t, 'd>(value: Option<&'t Value<'d>>) -> Vec<&'t Value<'d>> {
    match value.map(|value| (value, value.get_ref())) {
        Some((_, DeValue::Array(list))) => {
            list.iter().flat_map(|element| elements(Some(element))).collect()
        }
        Some((value, _)) => vec![value],
        None => Vec::new(),
    }
}

struct Search<'s> {
    flag: &'s str,
    environment: Option<String>,
    found: Vec<Reference>,
}

impl Search<'_> {
    fn flags(&mut self, flags: Option<&DeTable<'_>>) {
        for (name, value) in flags.into_iter().flat_map(in_order) {
            let Some(settings) = value.get_ref().as_table() else { continue };
            let flag = || name.get_ref().to_string();
            self.conditions(value, &Referrer::Misplaced(flag()));
            for required in elements(settings.get(Field::Requires.as_str())) {
                self.named(required, &Referrer::Requires(flag()));
            }
            let rules = elements(settings.get(Field::Rules.as_str()));
            for (rule, value) in rules.into_iter().enumerate() {
                self.conditions(value, &Referrer::Rule { flag: flag(), rule });
            }
        }
    }

    /// Searches `when` and `unless` of a rule or a segment.
    fn conditions(&mut self, owner: &Value<'_>, by: &Referrer) {
        let Some(owner) = owner.get_ref().as_table() else { return };
        for condition in [rule::WHEN, UNLESS].into_iter().filter_map(|key| owner.get(key)) {
            self.condition(condition, by);
        }
    }

    fn condition(&mut self, condition: &Value<'_>, by: &Referrer) {
        let tables = elements(Some(condition)).into_iter().filter_map(|it| it.get_ref().as_table());
        for (key, value) in tables.flatten() {
            let parts = elements(Some(value));
            match key.get_ref().as_ref() {
                FLAG => parts.into_iter().for_each(|flag| self.named(flag, by)),
                // `when` within a condition is a mistake.
                ANY | ALL | NOT | UNLESS | rule::WHEN => {
                    parts.into_iter().for_each(|part| self.condition(part, by));
                }
                _ => {}
            }
        }
    }

    /// Adds a reference, if the value names the flag: a flag key, or `{ flag = "name", … }`.
    fn named(&mut self, value: &Value<'_>, by: &Referrer) {
        let names = match value.get_ref() {
            DeValue::Table(table) => elements(table.get(FLAG)),
            _ => vec![value],
        };
        let names = names.into_iter().filter(|name| name.get_ref().as_str() == Some(self.flag));
        self.found.extend(names.map(|name| Reference {
            environment: self.environment.clone(),
            by: by.clone(),
            span: name.span(),
            location: Location { line: 1, column: 1 },
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_that_names_a_flag_is_found() {
        let text = r#"
[flags]
x = true
x_2 = true
[flags.a]
requires = ["y", "x", { flag = "x", on = false }, { flag = 'x', variant = "x" }]
owner = "x"
[[flags.a.rules]]
when = { flag = "x", plan = "x", attributes = { flag = "x" }, segment = "x" }
unless = { flag = ["y", "x"] }
serve = true
[[flags.broken.rules]]
when = { any = [{ all = [{ not = { unless = { flag = { flag = "x" } } } }] }] }
serve = 5
[flags.x.variants]
x = 1
[segments.s]
when = { flag = "x" }
unless = { flag = "x" }
[environments.staging]
x = false
[environments.staging.a]
requires = ["x"]
rules = [{ when = { flag = "x" }, serve = true }]
"#;

        let found = references(text, "x");

        let shown: Vec<_> = found
            .iter()
            .map(|it| {
                let name = &text[it.span.clone()];
                assert_eq!(name.trim_matches(['"', '\'']), "x");
                let place = it.environment.as_deref().unwrap_or("-");
                format!("{} {place} {:?}", it.location.line, it.by)
            })
            .collect();
        let requires = |line, place| format!("{line} {place} Requires(\"a\")");
        let rule = |line, place, flag, rule| {
            format!("{line} {place} Rule {{ flag: \"{flag}\", rule: {rule} }}")
        };
        assert_eq!(
            shown,
            [
                requires(6, "-"),
                requires(6, "-"),
                requires(6, "-"),
                rule(9, "-", "a", 0),
                rule(10, "-", "a", 0),
                rule(13, "-", "broken", 0),
                "18 - Segment(\"s\")".to_owned(),
                "19 - Segment(\"s\")".to_owned(),
                requires(23, "staging"),
                rule(24, "staging", "a", 0),
            ]
        );
        assert!(references(text, "nosuch").is_empty());
        assert!(references("[flags", "x").is_empty());
    }

    #[test]
    fn a_mistake_around_a_name_does_not_hide_it() {
        for settings in [
            "requires = \"x\"",
            "requires = { flag = \"x\" }",
            "requires = [[\"x\"]]",
            "requires = [{ flag = [\"x\"] }]",
            "rules = { when = { flag = \"x\" }, serve = true }",
            "rules = [{ when = [{ flag = \"x\" }], serve = true }]",
            "rules = [{ when = { any = { flag = \"x\" } }, serve = true }]",
            "rules = [{ when = { not = [{ flag = \"x\" }] }, serve = true }]",
            "rules = [{ when = { when = { flag = \"x\" } }, serve = true }]",
            "when = { flag = \"x\" }",
            "unless = { all = [{ flag = \"x\" }] }",
        ] {
            let text = format!("[flags.a]\n{settings}\n[environments.e.a]\n{settings}\n");

            assert_eq!(references(&text, "x").len(), 2, "{settings}");
        }
    }
}
