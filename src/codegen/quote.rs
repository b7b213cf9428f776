//! Text of a flag file, quoted for the three places that generated code and build scripts have for it.
//!
//! People who may change flags may not be trusted to change code. So names and descriptions must not
//! become an instruction of Cargo, Rust code, or a test in documentation. Every string of the file
//! goes through one of these functions on its way out.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

/// Quotes a string for Rust code, as a string literal.
pub(super) fn literal(text: &str) -> String {
    // `Debug` escapes quotes, line ends and everything that is not printable, bidirectional
    // controls included, which the compiler refuses in literals.
    format!("{text:?}")
}

/// Quotes a string for rustdoc, as plain paragraphs without Markdown.
///
/// A description was not written for rustdoc. A code fence or an indented line in it would become a test
/// of the service's crate, and a bracket or a URL a warning.
pub(super) fn paragraphs(text: &str) -> String {
    let lines = text.split(['\n', '\r']).map(|line| plain(&one_line(line.trim())));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// Quotes a string for rustdoc, as inline code.
pub(super) fn code(text: &str) -> String {
    let text = one_line(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    // Inline code has no escapes, and ends at a fence that is as long as the first (CommonMark 6.1).
    let fence = "`".repeat(longest + 1);
    let blank = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

/// Writes an instruction of a build script, such as `cargo::warning=…`.
pub(super) fn instruct(cargo: &mut dyn Write, key: &str, value: &str) -> io::Result<()> {
    // Cargo reads one instruction per line, so a line end in a value would begin another one.
    writeln!(cargo, "cargo::{key}={}", one_line(value))
}

/// Returns the text with control characters, line ends and bidirectional controls as escapes.
fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let escape = |line: String, c: char| match is_control(c) {
        true => line + &c.escape_debug().to_string(),
        false => line + c.encode_utf8(&mut [0; 4]),
    };
    Cow::Owned(text.chars().fold(String::new(), escape))
}

fn is_control(c: char) -> bool {
    let is_bidirectional = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || is_bidirectional || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Escapes everything in a line that means something in Markdown.
fn plain(line: &str) -> String {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let mut plain = String::with_capacity(line.len());
    for (at, c) in line.char_indices() {
        let means_something = match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '~' | '|' => true,
            '#' | '+' | '-' | '=' => at == 0,
            // The number of a list.
            '.' | ')' => at == digits && digits > 0,
            // rustdoc warns of a URL that is not a link.
            ':' => line[at..].starts_with("://"),
            _ => false,
        };
        let backslash = if means_something { "\\" } else { "" };
        write!(plain, "{backslash}{c}").expect("a string takes any text");
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_with_a_line_end_gives_no_second_instruction() {
        let mut cargo = Vec::new();

        let name = "x\ncargo::rustc-link-arg=-evil\r\u{202e}";
        instruct(&mut cargo, "warning", &format!("flag `{name}`")).unwrap();

        assert_eq!(
            String::from_utf8(cargo).unwrap(),
            "cargo::warning=flag `x\\ncargo::rustc-link-arg=-evil\\r\\u{202e}`\n"
        );
    }

    #[test]
    fn a_description_is_not_markdown() {
        for (text, quoted) in [
            ("One-page \"checkout\", 2.0 (beta)", "One-page \"checkout\", 2.0 (beta)"),
            ("  ```\n    let x;\n```  ", "\\`\\`\\`\nlet x;\n\\`\\`\\`"),
            ("a\r\n\r\n\tb", "a\n\n\n\nb"),
            ("[x] <b> &lt; *a* a_b ~~~", "\\[x\\] \\<b\\> \\&lt; \\*a\\* a\\_b \\~\\~\\~"),
            ("# a\n- b\n1. c\n2) d\n=== \n---", "\\# a\n\\- b\n1\\. c\n2\\) d\n\\===\n\\---"),
            ("see https://example.com/1", "see https\\://example.com/1"),
            (" \n ", ""),
        ] {
            assert_eq!(paragraphs(text), quoted, "{text}");
        }
    }

    #[test]
    fn code_ends_where_its_text_does() {
        for (text, quoted) in [
            ("new_checkout", "`new_checkout`"),
            ("a`b", "``a`b``"),
            ("``a", "``` ``a ```"),
            ("a\n\nb", "`a\\n\\nb`"),
        ] {
            assert_eq!(code(text), quoted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_quotes(text in "[\\PC\\r\\n\\t `~<\\[>:/_*-]{0,40}") {
            let mut cargo = Vec::new();
            instruct(&mut cargo, "warning", &text).unwrap();
            let lines = cargo.iter().filter(|&&byte| byte == b'\n' || byte == b'\r').count();
            prop_assert_eq!(lines, 1);

            for line in paragraphs(&text).lines() {
                prop_assert_eq!(line.trim_start(), line);
                let unescaped = line.replace("\\\\", "").replace("\\`", "").replace("\\~", "");
                prop_assert!(!unescaped.contains(['`', '~']), "{}", line);
            }
            prop_assert!(!code(&text).contains(['\n', '\r']));
        }
    }
}
