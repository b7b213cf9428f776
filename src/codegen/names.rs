//! Rust names for the names of flags and variants.

use heck::{ToShoutySnakeCase, ToUpperCamelCase};

/// Converts `new-search` into `NEW_SEARCH`; `None` without an ASCII letter or digit.
pub(super) fn constant(name: &str) -> Option<String> {
    identifier(ascii(name).to_shouty_snake_case())
}

/// Converts `new-search` into `NewSearch`; `None` without an ASCII letter or digit.
pub(super) fn type_name(name: &str) -> Option<String> {
    identifier(ascii(name).to_upper_camel_case())
}

/// Replaces other characters than ASCII letters and digits by the end of a word. Identifiers that
/// look alike in other scripts could stand for different flags.
fn ascii(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn identifier(name: String) -> Option<String> {
    match name.bytes().next()? {
        b'0'..=b'9' => Some(format!("_{name}")),
        // The only keyword that begins with a capital letter.
        _ if name == "Self" => Some(name + "_"),
        _ => Some(name),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_split_into_words() {
        for (name, upper, camel) in [
            ("new_checkout", "NEW_CHECKOUT", "NewCheckout"),
            ("new-search", "NEW_SEARCH", "NewSearch"),
            ("payments.v2", "PAYMENTS_V2", "PaymentsV2"),
            ("newCheckout", "NEW_CHECKOUT", "NewCheckout"),
            ("HTTPServer", "HTTP_SERVER", "HttpServer"),
            ("HTTP3", "HTTP3", "Http3"),
            ("2fa", "_2FA", "_2fa"),
            ("self", "SELF", "Self_"),
            ("match", "MATCH", "Match"),
            ("größe", "GR_E", "GrE"),
            ("--x--", "X", "X"),
            ("a\n\"; b", "A_B", "AB"),
            ("a\u{202e}b", "A_B", "AB"),
        ] {
            assert_eq!(constant(name).as_deref(), Some(upper), "{name}");
            assert_eq!(type_name(name).as_deref(), Some(camel), "{name}");
        }
        assert_eq!((constant("日本"), type_name("_")), (None, None));
    }

    proptest! {
        #[test]
        fn any_name_becomes_an_ascii_identifier_or_none(name in ".{0,12}") {
            let has_word = name.contains(|c: char| c.is_ascii_alphanumeric());
            for identifier in [constant(&name), type_name(&name)] {
                prop_assert_eq!(identifier.is_some(), has_word);
                let identifier = identifier.unwrap_or_else(|| "none".to_owned());
                prop_assert!(identifier.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
                prop_assert!(!identifier.starts_with(|c: char| c.is_ascii_digit()));
            }
        }
    }
}
