//! The ways in which code writes the name of a flag.

use heck::{ToKebabCase, ToLowerCamelCase, ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};

/// A way to write the name of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) text: String,
    /// True if the form counts only within quotes, since a single word is too common.
    pub(crate) quoted: bool,
}

/// Returns the forms of `new_checkout` in code: itself, `NEW_CHECKOUT`, `newCheckout`, `NewCheckout`,
/// `new-checkout`, `FEATURE_NEW_CHECKOUT`.
pub(crate) fn forms(key: &str) -> Vec<Form> {
    // Code has these forms in ASCII only.
    let ascii = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = key.chars().map(ascii).collect();
    let upper = name.to_shouty_snake_case();
    let single = !upper.contains('_');
    let mut forms: Vec<Form> = Vec::new();
    let mut add = |text: String, quoted: bool| {
        if !text.is_empty() && forms.iter().all(|form| form.text != text) {
            forms.push(Form { text, quoted });
        }
    };
    add(key.to_owned(), single);
    add(format!("FEATURE_{}", key.to_uppercase()), false);
    // A name without letters or digits has no such form.
    if !upper.is_empty() {
        add(format!("FEATURE_{upper}"), false);
    }
    add(upper, false);
    if !single {
        add(name.to_snake_case(), false);
        add(name.to_kebab_case(), false);
        add(name.to_lower_camel_case(), false);
        add(name.to_upper_camel_case(), false);
    }
    forms
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
        assert_eq!(
            texts("HTTPServer"),
            [
                "HTTPServer",
                "FEATURE_HTTPSERVER",
                "FEATURE_HTTP_SERVER",
                "HTTP_SERVER",
                "http_server",
                "http-server",
                "httpServer",
                "HttpServer",
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
