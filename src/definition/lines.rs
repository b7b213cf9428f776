//! On which line of a file something is said.

use std::sync::Arc;

use toml::de::DeTable;

use super::flag;
use crate::model::{Field, FlagKey, Part};

/// The lines of a flags.toml on which flags, their settings and their rules are written.
///
/// Thousands of flags are kept, so this is four bytes for a setting or a rule and some twenty for a
/// flag.
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
    /// Sorted by key.
    flags: Box<[Flag]>,
    /// Those of one flag after those of another.
    parts: Box<[Written]>,
}

#[derive(Debug, Clone)]
struct Flag {
    key: Arc<str>,
    line: u32,
    /// Where its parts end, and those of the next flag begin.
    end: u32,
}

/// What it is in the lowest byte, the line in the others: one far below 16 million is no use to
/// anybody, and is not told.
#[derive(Debug, Clone, Copy)]
struct Written(u32);

impl Written {
    /// Instead of a setting: the first one is the first rule, and so on.
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

impl Lines {
    /// The lines of a text with these flags; `keys` is sorted, and what is kept of the names.
    pub(super) fn of<'k>(
        text: &str,
        table: &DeTable<'_>,
        keys: impl Iterator<Item = &'k Arc<str>>,
    ) -> Self {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let ends: Vec<usize> = ends.map(|(at, _)| at).collect();
        let line = |at: usize| ends.partition_point(|&end| end < at) as u32 + 1;
        let mut flags = Vec::new();
        let mut parts = Vec::new();
        for key in keys {
            let Some((name, value)) = table.get_key_value(&**key) else { continue };
            let inner = value.get_ref().as_table().into_iter().flatten();
            for (name, value) in inner {
                let Some(form) = flag::form(name.get_ref()) else { continue };
                parts.extend(Written::new(form.field as u8, line(name.span().start)));
                if let (Field::Rules, Some(rules)) = (form.field, value.get_ref().as_array()) {
                    let lines = rules.iter().map(|rule| line(rule.span().start));
                    parts.extend(lines.map_while(|line| Written::new(Written::RULE, line)));
                }
            }
            let line = line(name.span().start);
            flags.push(Flag { key: Arc::clone(key), line, end: parts.len() as u32 });
        }
        Self { flags: flags.into(), parts: parts.into() }
    }

    /// The line of a flag, counted from 1.
    #[must_use]
    pub fn flag(&self, key: impl FlagKey) -> Option<usize> {
        Some(self.flags[self.place(key.as_str())?].line as usize)
    }

    /// The line of a setting of a flag, counted from 1.
    #[must_use]
    pub fn setting(&self, key: impl FlagKey, field: Field) -> Option<usize> {
        Some(self.written(key.as_str(), field as u8).next()?.line())
    }

    /// The line of a rule of a flag, 0 being the first rule and 1 the first line.
    #[must_use]
    pub fn rule(&self, key: impl FlagKey, index: usize) -> Option<usize> {
        Some(self.written(key.as_str(), Written::RULE).nth(index)?.line())
    }

    /// The line of a part of a flag, or else that of the flag.
    #[must_use]
    pub fn part(&self, key: impl FlagKey, part: Part) -> Option<usize> {
        let line = match part {
            Part::Whole => None,
            Part::Setting(field) => self.setting(&key, field),
            Part::Rule(index) => self.rule(&key, index),
        };
        line.or_else(|| self.flag(key))
    }

    fn written(&self, key: &str, what: u8) -> impl Iterator<Item = Written> {
        let place = self.place(key);
        let parts = place.map_or(&[][..], |place| {
            let start = place.checked_sub(1).map_or(0, |before| self.flags[before].end);
            &self.parts[start as usize..self.flags[place].end as usize]
        });
        parts.iter().copied().filter(move |part| part.is(what))
    }

    fn place(&self, key: &str) -> Option<usize> {
        self.flags.binary_search_by(|flag| (*flag.key).cmp(key)).ok()
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
