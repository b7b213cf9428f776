//! Rust names for the names of flags and variants.

/// Converts `new-search` into `NEW_SEARCH`; `None` without an ASCII letter or digit.
pub(super) fn constant(name: &str) -> Option<String> {
    identifier(words(name).map(str::to_ascii_uppercase).collect::<Vec<_>>().join("_"))
}

/// Converts `new-search` into `NewSearch`; `None` without an ASCII letter or digit.
pub(super) fn type_name(name: &str) -> Option<String> {
    let capitalised = words(name).map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    });
    identifier(capitalised.collect())
}

/// Splits a name into words: `newSearch-2` has `new`, `Search` and `2`.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .flat_map(|part| {
            part.as_bytes().chunk_by(|&before, &after| {
                before.is_ascii_uppercase() || !after.is_ascii_uppercase()
            })
        })
        .filter_map(|word| str::from_utf8(word).ok())
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
    use super::*;

    #[test]
    fn names_are_split_into_words() {
        for (name, upper, camel) in [
            ("new_checkout", "NEW_CHECKOUT", "NewCheckout"),
            ("new-search", "NEW_SEARCH", "NewSearch"),
            ("payments.v2", "PAYMENTS_V2", "PaymentsV2"),
            ("newCheckout", "NEW_CHECKOUT", "NewCheckout"),
            ("HTTP3", "HTTP3", "Http3"),
            ("2fa", "_2FA", "_2fa"),
            ("self", "SELF", "Self_"),
            ("match", "MATCH", "Match"),
            ("größe", "GR_E", "GrE"),
            ("--x--", "X", "X"),
        ] {
            assert_eq!(constant(name).as_deref(), Some(upper), "{name}");
            assert_eq!(type_name(name).as_deref(), Some(camel), "{name}");
        }
        assert_eq!((constant("日本"), type_name("_")), (None, None));
    }
}
