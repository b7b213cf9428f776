//! On which line of a file something is said.

use std::sync::Arc;

use toml::de::DeTable;

use super::flag;
use crate::model::Field;

/// The lines of a flags.toml on which flags and their settings are written.
///
/// Thousands of flags are kept, so this is four bytes for a setting and some twenty for a flag.
///
/// # Example
///
/// ```
/// use flagstaff::{Field, definition::FlagsFile};
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
    settings: Box<[Setting]>,
}

#[derive(Debug, Clone)]
struct Flag {
    key: Arc<str>,
    line: u32,
    /// Where its settings end, and those of the next flag begin.
    end: u32,
}

/// The field in the lowest byte, the line in the others: one far below 16 million is no use to
/// anybody, and is not told.
#[derive(Debug, Clone, Copy)]
struct Setting(u32);

impl Setting {
    fn new(field: usize, line: u32) -> Option<Self> {
        let field = u32::from(u8::try_from(field).ok()?);
        Some(Self(line.checked_mul(256)? | field))
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
        let mut settings = Vec::new();
        for key in keys {
            let Some((name, value)) = table.get_key_value(&**key) else { continue };
            let inner = value.get_ref().as_table().into_iter().flatten();
            settings.extend(inner.filter_map(|(name, _)| {
                let row = flag::setting(name.get_ref())?;
                Setting::new(row.field as usize, line(name.span().start))
            }));
            let line = line(name.span().start);
            flags.push(Flag { key: Arc::clone(key), line, end: settings.len() as u32 });
        }
        Self { flags: flags.into(), settings: settings.into() }
    }

    /// The line of a flag, counted from 1.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<usize> {
        Some(self.flags[self.place(key)?].line as usize)
    }

    /// The line of a setting of a flag, counted from 1.
    #[must_use]
    pub fn setting(&self, key: &str, field: Field) -> Option<usize> {
        let place = self.place(key)?;
        let start = place.checked_sub(1).map_or(0, |before| self.flags[before].end);
        let settings = &self.settings[start as usize..self.flags[place].end as usize];
        let found = settings.iter().find(|setting| setting.0 & 0xff == field as u32)?;
        Some((found.0 >> 8) as usize)
    }

    fn place(&self, key: &str) -> Option<usize> {
        self.flags.binary_search_by(|flag| (*flag.key).cmp(key)).ok()
    }
}

#[cfg(test)]
mod tests {
    use crate::{definition::FlagsFile, model::Field};

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
        assert_eq!(lines.flag("rejected"), Some(15));
        assert_eq!(lines.flag("missing"), None);
    }
}
