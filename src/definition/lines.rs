//! The lines of a file on which flags and their parts are written.

use std::{collections::BTreeMap, sync::Arc};

use toml::de::DeTable;

use super::flag;
use crate::{
    model::{Definition, Entry, Field, FlagKey, Part},
    text,
};

/// The lines of a flags.toml on which flags, their settings and their rules are written.
///
/// Files may have thousands of flags, so a setting or a rule takes four bytes, and a flag takes
/// about twenty.
///
/// # Example
///
/// ```
/// use flagstaff::definition::{Field, FlagsFile};
///
/// let file = FlagsFile::parse("flags.toml", "[flags]\n\n[flags.beta]\npercentage = 10\n");
///
/// assert_eq!(file.lines().flag("beta"), Some(3));
/// assert_eq!(file.lines().setting("beta", Field::Percentage), Some(4));
/// assert_eq!(file.lines().setting("beta", Field::Owner), None);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// The flags, sorted by key.
    flags: Box<[Flag]>,
    /// The settings and rules of all flags, grouped in the order of `flags`.
    parts: Box<[Written]>,
    /// The environment that was chosen, with its entries.
    environment: Option<Chosen>,
}

#[derive(Debug, Clone)]
struct Flag {
    key: Arc<str>,
    line: u32,
    /// The index in `parts` where those of this flag end.
    end: u32,
}

/// An environment, and its entries.
type Chosen = (Arc<str>, BTreeMap<Arc<str>, Entry>);

/// A setting or rule in the lowest byte, and its line in the others. Lines beyond 16 million do not
/// fit and are left out.
#[derive(Debug, Clone, Copy)]
struct Written(u32);

impl Written {
    /// The lowest byte of a rule. Rules are in the order of the flag.
    const RULE: u8 = u8::MAX;

    fn new(what: u8, line: u32) -> Option<Self> {
        Some(Self(line.checked_mul(256)? | u32::from(what)))
    }

    fn is(self, what: u8) -> bool {
        self.0 & 0xff == u32::from(what)
    }

    fn line(self) -> usize {
        (self.0 >> 8) as usize
    }
}

/// The places at which the lines of a file end.
pub(super) struct LineEnds(Vec<usize>);

impl LineEnds {
    pub(super) fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        Self(ends.map(|(at, _)| at).collect())
    }

    /// Returns the line of a position, counted from 1.
    fn line(&self, at: usize) -> u32 {
        self.0.partition_point(|&end| end < at) as u32 + 1
    }
}

impl Lines {
    /// Returns the lines of flags in a file. The flags are sorted, each with the position of its
    /// name and its settings.
    pub(super) fn of<'k, 't: 'k>(
        ends: &LineEnds,
        written: impl Iterator<Item = (&'k Arc<str>, usize, Option<&'k DeTable<'t>>)>,
    ) -> Self {
        let line = |at| ends.line(at);
        let mut flags = Vec::new();
        let mut parts = Vec::new();
        for (key, at, settings) in written {
            let inner = settings.into_iter().flatten();
            for (name, value) in inner {
                let Some(form) = flag::form(name.get_ref()) else { continue };
                parts.extend(Written::new(form.field as u8, line(name.span().start)));
                if let (Field::Rules, Some(rules)) = (form.field, value.get_ref().as_array()) {
                    let lines = rules.iter().map(|rule| line(rule.span().start));
                    parts.extend(lines.map_while(|line| Written::new(Written::RULE, line)));
                }
            }
            let line = line(at);
            flags.push(Flag { key: Arc::clone(key), line, end: parts.len() as u32 });
        }
        Self { flags: flags.into(), parts: parts.into(), environment: None }
    }

    /// Returns the lines of these flags, and for all other flags those of `below`.
    pub(super) fn over(
        &self,
        below: &Self,
        environment: Arc<str>,
        entries: BTreeMap<Arc<str>, Entry>,
    ) -> Self {
        let (mut flags, mut parts) = (Vec::new(), Vec::new());
        let mut push = |lines: &Self, place: usize| {
            parts.extend_from_slice(lines.parts_of(place));
            flags.push(Flag { end: parts.len() as u32, ..lines.flags[place].clone() });
        };
        let mut above = 0;
        for place in 0..below.flags.len() {
            let key = &below.flags[place].key;
            while self.flags.get(above).is_some_and(|flag| flag.key < *key) {
                push(self, above);
                above += 1;
            }
            if self.flags.get(above).is_none_or(|flag| flag.key != *key) {
                push(below, place);
            }
        }
        (above..self.flags.len()).for_each(|place| push(self, place));
        let environment = Some((environment, entries));
        Self { flags: flags.into(), parts: parts.into(), environment }
    }

    /// Returns the line of a flag, counted from 1.
    #[must_use]
    pub fn flag(&self, key: impl FlagKey) -> Option<usize> {
        Some(self.flags[self.index(key.as_str())?].line as usize)
    }

    /// Returns the line of a setting of a flag, counted from 1.
    #[must_use]
    pub fn setting(&self, key: impl FlagKey, field: Field) -> Option<usize> {
        Some(self.parts(key.as_str()).iter().find(|part| part.is(field as u8))?.line())
    }

    /// Returns the line of a rule of a flag, counted from 1. `index` is counted from 0.
    #[must_use]
    pub fn rule(&self, key: impl FlagKey, index: usize) -> Option<usize> {
        let parts = self.parts(key.as_str());
        // The rules follow their setting. An explanation looks up each of them, so a lookup must not
        // visit all others.
        let first = parts.iter().position(|part| part.is(Field::Rules as u8))? + 1;
        parts.get(first + index).filter(|part| part.is(Written::RULE)).map(|rule| rule.line())
    }

    /// Returns the line of a part of a flag, or else that of the flag.
    #[must_use]
    pub fn part(&self, key: impl FlagKey, part: Part) -> Option<usize> {
        let line = match part {
            Part::Whole => None,
            Part::Setting(field) => self.setting(&key, field),
            Part::Rule(index) => self.rule(&key, index),
        };
        line.or_else(|| self.flag(key))
    }

    /// Returns the line of a part of a flag as messages show it: `12`, or ``12 in environment
    /// `staging` `` if the entry of the chosen environment sets that part.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::{Field, FlagsFile, Part};
    ///
    /// let text = "[flags.beta]\nowner = \"web\"\n\n[environments.staging]\nbeta = \"50%\"\n";
    /// let file = FlagsFile::parse("flags.toml", text).in_environment("staging")?;
    ///
    /// let place = |field| file.lines().place("beta", Part::Setting(field));
    /// assert_eq!(place(Field::Owner).as_deref(), Some("2"));
    /// assert_eq!(place(Field::Percentage).as_deref(), Some("5 in environment `staging`"));
    /// # Ok::<(), flagstaff::definition::UnknownEnvironment>(())
    /// ```
    #[must_use]
    pub fn place(&self, key: impl FlagKey, part: Part) -> Option<String> {
        let line = self.part(&key, part)?;
        let environment = self.environment.as_ref().filter(|(_, entries)| {
            entries.get(key.as_str()).is_some_and(|entry| sets(entry, part))
        });
        Some(match environment {
            Some((name, _)) => format!("{line} in environment `{}`", text::line(name)),
            None => line.to_string(),
        })
    }

    fn parts(&self, key: &str) -> &[Written] {
        self.index(key).map_or(&[], |place| self.parts_of(place))
    }

    fn parts_of(&self, place: usize) -> &[Written] {
        let start = place.checked_sub(1).map_or(0, |before| self.flags[before].end);
        &self.parts[start as usize..self.flags[place].end as usize]
    }

    fn index(&self, key: &str) -> Option<usize> {
        self.flags.binary_search_by(|flag| (*flag.key).cmp(key)).ok()
    }
}

/// Returns `true` if an entry of an environment sets this part of a flag.
fn sets(entry: &Entry, part: Part) -> bool {
    let field = match part {
        Part::Whole => return true,
        Part::Setting(field) => field,
        Part::Rule(_) => Field::Rules,
    };
    match (entry.as_definition(), entry.forces()) {
        (Some(definition), _) => definition.has(field),
        (None, on) => Definition::forced(on == Some(true)).has(field),
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, Part};
    use crate::definition::FlagsFile;

    #[test]
    fn lines_are_those_of_the_keys() {
        let text = "\
[flags]
dark_mode = true
inline = { owner = \"a\", percentage = 10 }

[flags.\"new.checkout\"]
description = \"\"\"
two
lines\"\"\"
enabled = true

[[flags.\"new.checkout\".rules]]
when = { os = \"ios\" }
serve = false

[[flags.\"new.checkout\".rules]]
when = { os = \"android\" }
serve = false

[flags.rejected]
enabeld = true
";
        let file = FlagsFile::parse("flags.toml", text);
        let lines = file.lines();

        assert_eq!(lines.flag("dark_mode"), Some(2));
        assert_eq!(lines.setting("dark_mode", Field::Enabled), None);
        assert_eq!(lines.setting("inline", Field::Percentage), Some(3));
        assert_eq!(lines.flag("new.checkout"), Some(5));
        assert_eq!(lines.setting("new.checkout", Field::Description), Some(6));
        assert_eq!(lines.setting("new.checkout", Field::Enabled), Some(9));
        assert_eq!(lines.setting("new.checkout", Field::Rules), Some(11));
        assert_eq!(lines.setting("new.checkout", Field::Owner), None);
        assert_eq!(lines.rule("new.checkout", 0), Some(11));
        assert_eq!(lines.rule("new.checkout", 1), Some(15));
        assert_eq!(lines.rule("new.checkout", 2), None);
        assert_eq!(lines.part("new.checkout", Part::Rule(2)), Some(5));
        assert_eq!(lines.flag("rejected"), Some(19));
        assert_eq!(lines.flag("missing"), None);
    }
}
