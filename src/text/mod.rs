//! Strings from flag files and stores, escaped for the places where they are shown, and times and counts as text.
//!
//! People who may change flags may not be trusted to change code, and a store has other writers. So
//! a flag key, a description or a reason can have any character in it. Such a character may end a
//! line, move the cursor of a terminal, or change the direction of the text after it. It may also
//! have a meaning in Markdown and in a shell.
//!
//! [`Untrusted`] has one method for each kind of place. This crate and the command `flagstaff` send every such
//! string through one of them, and a service that shows flags can do the same:
//!
//! ```
//! use flagstaff::text::Untrusted;
//!
//! let key = Untrusted::new("new\u{1b}[2J|checkout");
//!
//! assert_eq!(key.line(), r"new\u{1b}[2J|checkout");
//! assert_eq!(key.shell(), r"$'new\033[2J|checkout'");
//! ```
//!
//! Values as data need none of this. JSON, TOML and the arguments of a parametrized query keep them as they are,
//! by escapes of their own.

mod hidden;
mod markdown;
mod shell;
mod time;

use std::{borrow::Cow, fmt};

use self::hidden::{escaped, is_plain};
#[cfg(feature = "redis")]
pub(crate) use self::time::is_in_calendar;
pub(crate) use self::time::{exact_instant, rounded_duration};
pub use self::{
    hidden::is_hidden,
    time::{count, duration, instant},
};

/// A string that another person or program has chosen.
///
/// The type has no `Display`, so a string cannot be printed by accident: each method returns the
/// form for one kind of place. No method fails. A method escapes only the characters that its place
/// requires.
///
/// # Example
///
/// ```
/// use flagstaff::text::Untrusted;
///
/// let description = Untrusted::new("One page\nerror: <b>all of it</b>");
///
/// assert_eq!(description.line(), r"One page\nerror: <b>all of it</b>");
/// assert_eq!(description.lines(), "One page\n  error: <b>all of it</b>");
/// assert_eq!(description.markdown(), r"One page\\nerror: \<b\>all of it\</b\>");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Untrusted<'a>(&'a str);

impl<'a> Untrusted<'a> {
    /// Wraps a string that has to be escaped.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Returns one line for a terminal, a log, or a protocol of lines.
    ///
    /// Characters that [are hidden](is_hidden) are written as Rust escapes them: `\n`, `\u{202e}`. Backslashes
    /// stay, so the form is for people and cannot be read back; [`tsv`](Self::tsv) can.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::text::Untrusted;
    ///
    /// assert_eq!(Untrusted::new("größer\r\n\u{200b}").line(), r"größer\r\n\u{200b}");
    /// ```
    #[must_use]
    pub fn line(self) -> Cow<'a, str> {
        escaped(self.0, is_hidden)
    }

    /// Returns a message, which may have several lines. Lines after the first are indented, so that none looks
    /// like a message of its own.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::text::Untrusted;
    ///
    /// assert_eq!(Untrusted::new("a\nerror: b\u{7}").lines(), "a\n  error: b\\u{7}");
    /// ```
    #[must_use]
    pub fn lines(self) -> Cow<'a, str> {
        if is_plain(self.0) {
            return self.0.into();
        }
        let lines: Vec<_> = self.0.lines().map(|line| Untrusted(line).line()).collect();
        lines.join("\n  ").into()
    }

    /// Returns a report that its renderer has laid out: line ends, tabs and colours stay.
    ///
    /// Colours are the escape sequences that end in `m` (ECMA-48, SGR). Every other escape sequence is shown.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::text::Untrusted;
    ///
    /// let report = "\u{1b}[31merror\u{1b}[0m: `a\u{1b}[2J`\n";
    ///
    /// assert_eq!(Untrusted::new(report).report(), "\u{1b}[31merror\u{1b}[0m: `a\\u{1b}[2J`\n");
    /// ```
    #[must_use]
    pub fn report(self) -> Cow<'a, str> {
        const ESCAPE: char = '\u{1b}';
        let is_layout = |c| c == '\n' || c == '\t';
        if !self.0.contains(ESCAPE) {
            return escaped(self.0, |c| is_hidden(c) && !is_layout(c));
        }
        let mut report = String::with_capacity(self.0.len());
        let mut parts = self.0.split(ESCAPE);
        let plain = |part| escaped(part, |c| is_hidden(c) && !is_layout(c));
        report += &plain(parts.next().unwrap_or_default());
        for part in parts {
            match is_color(part) {
                true => report.push(ESCAPE),
                false => report.extend(ESCAPE.escape_default()),
            }
            report += &plain(part);
        }
        report.into()
    }

    /// Returns a cell of tab-separated values, from which the string can be read back.
    ///
    /// Hidden characters are escaped as in [`line`](Self::line), and a backslash is `\\`.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::text::Untrusted;
    ///
    /// assert_eq!(Untrusted::new("a\tb\\t").tsv(), r"a\tb\\t");
    /// ```
    #[must_use]
    pub fn tsv(self) -> Cow<'a, str> {
        escaped(self.0, |c| is_hidden(c) || c == '\\')
    }

    /// Returns a field of comma-separated values (RFC 4180), which has the same value.
    ///
    /// A field with a comma, a quote or the end of a line is quoted. Hidden characters stay, since the format has no
    /// way to escape them. Some programs take fields for formulas.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::text::Untrusted;
    ///
    /// assert_eq!(Untrusted::new("new_checkout").csv(), "new_checkout");
    /// assert_eq!(Untrusted::new("one \"page\", fast").csv(), r#""one ""page"", fast""#);
    /// ```
    #[must_use]
    pub fn csv(self) -> Cow<'a, str> {
        // Blanks at an end are part of the field, but some readers trim them.
        let is_blank = |end: Option<char>| end.is_some_and(char::is_whitespace);
        let is_plain = !self.0.contains([',', '"', '\n', '\r'])
            && !is_blank(self.0.chars().next())
            && !is_blank(self.0.chars().next_back());
        match is_plain {
            true => self.0.into(),
            false => format!("\"{}\"", self.0.replace('"', "\"\"")).into(),
        }
    }

    /// Returns text for HTML: between tags, and as the value of an attribute in quotes.
    ///
    /// Hidden characters are escaped as in [`line`](Self::line), so that the text is one line, and no part of it is
    /// markup or ends an attribute. It is not fit for a script, a style or a URL.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::text::Untrusted;
    ///
    /// let name = Untrusted::new("<b title='x'>\u{202e}");
    ///
    /// assert_eq!(name.html(), r"&lt;b title=&#39;x&#39;&gt;\u{202e}");
    /// ```
    #[must_use]
    pub fn html(self) -> String {
        let mut html = String::with_capacity(self.0.len());
        for c in self.line().chars() {
            match c {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                // `&apos;` is unknown to HTML 4.
                '\'' => html.push_str("&#39;"),
                c => html.push(c),
            }
        }
        html
    }

    /// Returns a JSON document with the same values, in which hidden characters are escaped.
    ///
    /// Serializers escape only characters below U+0020, since JSON demands no more (RFC 8259,
    /// section 7). Terminals act on other characters, too.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::text::Untrusted;
    ///
    /// let json = serde_json::json!({ "owner": "a\u{9b}2J" }).to_string();
    ///
    /// assert_eq!(Untrusted::new(&json).json(), r#"{"owner":"a\u009b2J"}"#);
    /// ```
    #[must_use]
    pub fn json(self) -> Cow<'a, str> {
        // Between values, the only hidden character is the end of a line.
        let is_bad = |c| is_hidden(c) && c != '\n';
        if !self.0.contains(is_bad) {
            return self.0.into();
        }
        let mut json = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            match is_bad(c) {
                true => c
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .for_each(|unit| json += &format!("\\u{unit:04x}")),
                false => json.push(c),
            }
        }
        json.into()
    }

    /// Returns a basic string of TOML, which has the same value.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::text::Untrusted;
    ///
    /// assert_eq!(Untrusted::new("a\"b\n\u{202e}").toml(), r#""a\"b\n\u202E""#);
    /// ```
    #[must_use]
    pub fn toml(self) -> String {
        let mut toml = String::from('"');
        for c in self.0.chars() {
            match c {
                '"' | '\\' => toml.extend(['\\', c]),
                '\n' => toml.push_str("\\n"),
                '\r' => toml.push_str("\\r"),
                '\t' => toml.push_str("\\t"),
                c if is_hidden(c) && u32::from(c) > 0xffff => {
                    toml += &format!("\\U{:08X}", u32::from(c));
                }
                c if is_hidden(c) => toml += &format!("\\u{:04X}", u32::from(c)),
                c => toml.push(c),
            }
        }
        toml + "\""
    }

    /// Returns a string literal of Rust.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::text::Untrusted;
    ///
    /// assert_eq!(Untrusted::new("a\"b\u{202e}").rust(), r#""a\"b\u{202e}""#);
    /// ```
    #[must_use]
    pub fn rust(self) -> String {
        // `Debug` escapes quotes, line ends and most hidden characters, but no variation selectors.
        escaped(&format!("{:?}", self.0), is_hidden).into_owned()
    }
}

/// Shows the string as a literal of Rust.
impl fmt::Debug for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Untrusted({})", self.rust())
    }
}

/// Returns one line for a terminal, a log, or a protocol of lines: short for [`Untrusted::line`].
///
/// # Example
///
/// ```
/// use flagstaff::text::line;
///
/// assert_eq!(format!("flag `{}` is off", line("a\nb")), r"flag `a\nb` is off");
/// ```
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    Untrusted(text).line()
}

/// Returns the names of a cycle, such as flags that require each other, the first of them again at
/// the end.
pub(crate) fn cycle<'n>(names: impl Iterator<Item = &'n str> + Clone) -> String {
    let first = names.clone().take(1);
    let names: Vec<_> = names.chain(first).map(|name| format!("`{}`", line(name))).collect();
    names.join(" -> ")
}

/// Returns true if an escape sequence is one of a colour.
fn is_color(rest: &str) -> bool {
    let parameters = rest.strip_prefix('[');
    let end = parameters.and_then(|it| {
        it.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').chars().next()
    });
    end == Some('m')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cycle_ends_where_it_begins() {
        assert_eq!(cycle(["a", "b\n"].into_iter()), "`a` -> `b\\n` -> `a`");
        assert_eq!(cycle(["a"].into_iter()), "`a` -> `a`");
    }

    #[test]
    fn nothing_in_a_string_moves_the_cursor_or_changes_the_direction() {
        for (text, line) in [
            ("größer 👍", "größer 👍"),
            ("a\tb\n\u{1b}[31mc", "a\\tb\\n\\u{1b}[31mc"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c"),
            ("pay\u{200b}\u{feff}ments", "pay\\u{200b}\\u{feff}ments"),
            ("\u{2028}x", "\\u{2028}x"),
            ("\u{e0061}", "\\u{e0061}"),
            ("a\\n", "a\\n"),
        ] {
            assert_eq!(Untrusted::new(text).line(), line, "{text:?}");
        }
    }

    #[test]
    fn a_report_keeps_its_colours_and_no_other_sequence() {
        let report = |text| Untrusted::new(text).report().into_owned();

        assert_eq!(report("\u{1b}[1;31mx\u{1b}[0m\n\ty"), "\u{1b}[1;31mx\u{1b}[0m\n\ty");
        assert_eq!(report("\u{1b}[2J\u{1b}]0;t\u{7}"), "\\u{1b}[2J\\u{1b}]0;t\\u{7}");
        assert_eq!(report("\u{1b}"), "\\u{1b}");
        assert_eq!(report("a\u{9b}2J\r"), "a\\u{9b}2J\\r");
    }

    #[test]
    fn json_keeps_its_values() {
        let value = serde_json::json!({ "a\u{9b}": ["\u{202e}\u{e0061}", "b\n\u{7f}"] });

        let text = format!("{value:#}\n");
        let json = Untrusted::new(&text).json();

        assert!(!json.contains(|c| is_hidden(c) && c != '\n'), "{json}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
    }

    /// Reads a cell back as the documentation describes.
    fn read_tsv(cell: &str) -> String {
        let mut text = String::new();
        let mut rest = cell;
        while let Some((before, after)) = rest.split_once('\\') {
            text += before;
            let end = if after.starts_with('u') { after.find('}').unwrap() } else { 0 };
            let (escape, after) = after.split_at(end + 1);
            text.push(match escape {
                "\\" => '\\',
                "n" => '\n',
                "r" => '\r',
                "t" => '\t',
                code => {
                    let code = u32::from_str_radix(&code[2..code.len() - 1], 16).unwrap();
                    char::from_u32(code).unwrap()
                }
            });
            rest = after;
        }
        text + rest
    }

    proptest! {
        #[test]
        fn a_cell_can_be_read_back(text in "[\\PC\\pC\\\\u{}ntr]{0,20}") {
            let cell = Untrusted::new(&text).tsv();

            prop_assert!(!cell.contains(is_hidden));
            prop_assert_eq!(read_tsv(&cell), text);
        }

        #[test]
        fn no_form_of_one_line_has_a_hidden_character(text in "[\\PC\\pC`|\\\\'\"]{0,20}") {
            let text = Untrusted::new(&text);
            let forms = [
                text.line().into_owned(),
                text.tsv().into_owned(),
                text.markdown(),
                text.code(),
                text.rust(),
                text.shell().into_owned(),
                text.html(),
            ];

            for form in forms {
                prop_assert!(!form.contains(is_hidden), "{}", form);
            }
        }
    }
}
