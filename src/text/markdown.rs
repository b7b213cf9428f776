//! Markdown of GitHub and of rustdoc.

use std::fmt::Write;

use super::Untrusted;

impl Untrusted<'_> {
    /// Returns plain text of one line for Markdown: no markup, no link, and no cell of a table begins or ends in it.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::text::Untrusted;
    ///
    /// let name = Untrusted::new("[beta](https://example.com) | <b>");
    ///
    /// assert_eq!(name.markdown(), r"\[beta\](https\://example.com) &#124; \<b\>");
    /// ```
    #[must_use]
    pub fn markdown(self) -> String {
        plain(self.line().trim())
    }

    /// Returns inline code for Markdown, which keeps a string closest to itself: elsewhere GitHub
    /// makes links of `@name` and `#1`.
    ///
    /// A string with a vertical bar is [plain text](Self::markdown) instead, since Markdown has no way to write it
    /// as code in a table.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::text::Untrusted;
    ///
    /// assert_eq!(Untrusted::new("new_checkout").code(), "`new_checkout`");
    /// assert_eq!(Untrusted::new("a`b").code(), "``a`b``");
    /// assert_eq!(Untrusted::new("a|b").code(), "a&#124;b");
    /// ```
    #[must_use]
    pub fn code(self) -> String {
        let text = self.line();
        if text.contains('|') {
            return plain(text.trim());
        }
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
        // Inline code has no escapes, and ends at a fence that is as long as the first (CommonMark
        // 6.1). A blank on both sides is removed, unless the code is blank.
        let fence = "`".repeat(longest + 1);
        let is_edge = |c| matches!(c, ' ' | '`');
        let is_blank = text.bytes().all(|byte| byte == b' ');
        let blank = match () {
            () if text.is_empty() => return "` `".to_owned(),
            () if is_blank => "",
            () if text.starts_with(is_edge) || text.ends_with(is_edge) => " ",
            () => "",
        };
        format!("{fence}{blank}{text}{blank}{fence}")
    }

    /// Returns paragraphs of plain text for rustdoc.
    ///
    /// A description was not written for rustdoc. A code fence or an indented line in it would become a test of the
    /// service's crate. A bracket or a URL would be a warning.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::text::Untrusted;
    ///
    /// let description = Untrusted::new("Fast:\n```\n    panic!()\n```");
    ///
    /// assert_eq!(description.rustdoc(), "Fast:\n\\`\\`\\`\npanic!()\n\\`\\`\\`");
    /// ```
    #[must_use]
    pub fn rustdoc(self) -> String {
        let lines = self.0.split(['\n', '\r']).map(|line| Untrusted(line.trim()).markdown());
        lines.collect::<Vec<_>>().join("\n").trim().to_owned()
    }
}

/// Escapes the characters of a line that have a meaning in Markdown.
fn plain(line: &str) -> String {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let mut plain = String::with_capacity(line.len());
    for (at, c) in line.char_indices() {
        let rest = &line[at..];
        let means_something = match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '~' | '^' | '$' | '@' => true,
            '#' | '+' | '-' | '=' | ':' if at == 0 => true,
            // The number of a list, or the end of a host that GitHub makes a link of.
            '.' => at == digits && digits > 0 || line[..at].to_ascii_lowercase().ends_with("www"),
            ')' => at == digits && digits > 0,
            // rustdoc warns of a URL that is not a link, and GitHub makes one of it.
            ':' => rest.starts_with("://"),
            _ => false,
        };
        match c {
            // A backslash before the bar does not keep it in its cell if another backslash precedes
            // that one.
            '|' => plain.push_str("&#124;"),
            _ if means_something => write!(plain, "\\{c}").expect("a string takes any text"),
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_not_markdown() {
        for (text, quoted) in [
            ("One-page \"checkout\", 2.0 (beta)", "One-page \"checkout\", 2.0 (beta)"),
            ("  ```\n    let x;\n```  ", "\\`\\`\\`\nlet x;\n\\`\\`\\`"),
            ("a\r\n\r\n\tb", "a\n\n\n\nb"),
            ("[x] <b> &lt; *a* a_b ~~~", "\\[x\\] \\<b\\> \\&lt; \\*a\\* a\\_b \\~\\~\\~"),
            ("# a\n- b\n1. c\n2) d\n=== \n---", "\\# a\n\\- b\n1\\. c\n2\\) d\n\\===\n\\---"),
            ("see https://example.com/1", "see https\\://example.com/1"),
            ("a|b www.x.org $x$ @ana", "a&#124;b www\\.x.org \\$x\\$ \\@ana"),
            (" \n ", ""),
        ] {
            assert_eq!(Untrusted::new(text).rustdoc(), quoted, "{text}");
        }
    }

    #[test]
    fn code_ends_where_its_text_does() {
        for (text, quoted) in [
            ("new_checkout", "`new_checkout`"),
            ("a`b", "``a`b``"),
            ("``a", "``` ``a ```"),
            ("a\n\nb", "`a\\n\\nb`"),
            (" a", "`  a `"),
            ("  ", "`  `"),
            ("", "` `"),
            ("a|`", "a&#124;\\`"),
        ] {
            assert_eq!(Untrusted::new(text).code(), quoted, "{text}");
        }
    }
}
