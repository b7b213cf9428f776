//! The ways in which code writes the name of a flag.

/// A way to write the name of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) text: String,
    /// True if it counts within quotes only: a single word is too common.
    pub(crate) quoted: bool,
}

/// Returns the forms of `new_checkout` in code: itself, `NEW_CHECKOUT`, `newCheckout`, `NewCheckout`,
/// `new-checkout`, `FEATURE_NEW_CHECKOUT`.
pub(crate) fn forms(key: &str) -> Vec<Form> {
    let words: Vec<_> = words(key).collect();
    let lower: Vec<_> = words.iter().map(|word| word.to_lowercase()).collect();
    let upper = words.iter().map(|word| word.to_uppercase()).collect::<Vec<_>>().join("_");
    let pascal: String = lower.iter().map(|word| capitalised(word)).collect();
    let camel = match lower.split_first() {
        Some((first, rest)) => {
            first.clone() + &rest.iter().map(|word| capitalised(word)).collect::<String>()
        }
        None => String::new(),
    };
    let single = words.len() < 2;
    let mut forms: Vec<Form> = Vec::new();
    let mut add = |text: String, quoted: bool| {
        if !text.is_empty() && forms.iter().all(|form| form.text != text) {
            forms.push(Form { text, quoted });
        }
    };
    add(key.to_owned(), single);
    add(format!("FEATURE_{}", key.to_uppercase()), false);
    // Of a name without letters or digits nothing is left.
    if !upper.is_empty() {
        add(format!("FEATURE_{upper}"), false);
    }
    add(upper, false);
    if !single {
        [lower.join("_"), lower.join("-"), camel, pascal].into_iter().for_each(|it| add(it, false));
    }
    forms
}

/// The words of a name: `newSearch-2` has `new`, `Search` and `2`.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .flat_map(|part| {
            part.as_bytes().chunk_by(|&before, &after| {
                before.is_ascii_uppercase() || !after.is_ascii_uppercase()
            })
        })
        .filter_map(|word| str::from_utf8(word).ok())
        .filter(|word| !word.is_empty())
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(key: &str) -> Vec<String> {
        forms(key).into_iter().map(|form| form.text).collect()
    }

    #[test]
    fn a_name_has_many_forms() {
        assert_eq!(
            texts("new_checkout"),
            [
                "new_checkout",
                "FEATURE_NEW_CHECKOUT",
                "NEW_CHECKOUT",
                "new-checkout",
                "newCheckout",
                "NewCheckout",
            ]
        );
        assert_eq!(
            texts("payments.v2"),
            [
                "payments.v2",
                "FEATURE_PAYMENTS.V2",
                "FEATURE_PAYMENTS_V2",
                "PAYMENTS_V2",
                "payments_v2",
                "payments-v2",
                "paymentsV2",
                "PaymentsV2",
            ]
        );
    }

    #[test]
    fn one_word_counts_in_quotes_only() {
        let quoted: Vec<_> =
            forms("search").into_iter().map(|form| (form.text, form.quoted)).collect();

        assert_eq!(
            quoted,
            [
                ("search".to_owned(), true),
                ("FEATURE_SEARCH".to_owned(), false),
                ("SEARCH".to_owned(), false),
            ]
        );
        assert_eq!(texts("日本"), ["日本", "FEATURE_日本"]);
    }
}
