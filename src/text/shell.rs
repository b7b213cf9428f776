//! Words of a shell.

use std::borrow::Cow;

use super::{Untrusted, hidden::is_plain, is_hidden};

impl<'a> Untrusted<'a> {
    /// Returns one word for a shell, for commands that are printed to be pasted.
    ///
    /// The form is for `sh`, bash, zsh, ksh and dash. A word with hidden characters is written as
    /// `$'…'` (POSIX.1-2024, section 2.2.4), which dash does not support yet.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::text::Untrusted;
    ///
    /// assert_eq!(Untrusted::new("new_checkout").shell(), "new_checkout");
    /// assert_eq!(Untrusted::new("x;touch 'y'").shell(), r"'x;touch '\''y'\'''");
    /// assert_eq!(Untrusted::new("a\nb").shell(), r"$'a\012b'");
    /// ```
    #[must_use]
    pub fn shell(self) -> Cow<'a, str> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+,".contains(&byte);
        if !self.0.is_empty() && self.0.bytes().all(is_word) {
            return self.0.into();
        }
        if is_plain(self.0) {
            return format!("'{}'", self.0.replace('\'', r"'\''")).into();
        }
        let mut word = String::from("$'");
        for c in self.0.chars() {
            match c {
                '\'' | '\\' => word.extend(['\\', c]),
                // Octal, byte by byte: this does not depend on the locale, and includes no digit of
                // the next character. An exclamation mark would expand history in an interactive
                // bash.
                '!' => word += "\\041",
                c if is_hidden(c) => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        word += &format!("\\{byte:03o}");
                    }
                }
                c => word.push(c),
            }
        }
        word.push('\'');
        word.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_only_where_it_has_to_be() {
        for (text, word) in [
            ("new-checkout.v2", "new-checkout.v2"),
            ("", "''"),
            ("=ls", "'=ls'"),
            ("a b", "'a b'"),
            ("größer", "'größer'"),
            ("$(x)`y`\\", "'$(x)`y`\\'"),
            ("it's", r"'it'\''s'"),
            ("a\u{202e}'!\\", r"$'a\342\200\256\'\041\\'"),
        ] {
            assert_eq!(Untrusted::new(text).shell(), word, "{text}");
        }
    }
}
