//! Flags from environment variables.

use std::{collections::HashMap, ffi::OsString, sync::Arc};

use super::{Backend, BackendError, BoxFuture, Offer, Sink, SourceKind};
use crate::{foreign::warn, model::Entry};

/// Forces flags through environment variables, which override a file for one deployment.
///
/// The variable of a flag is the prefix and the flag key in upper case: `FEATURE_NEW_CHECKOUT` for
/// `new_checkout`. If that variable is absent, `-` and `.` of the key are read as `_` too, since a
/// shell cannot export `FEATURE_NEW-SEARCH`.
///
/// A flag is on if the value, without surrounding white space and in any case, is one of `1 true
/// yes on t y`. **Any other value is off, the empty one too.** These are the rules of the Python
/// package `tempest-fastapi-sdk`, so services in both languages can share the environment of a
/// deployment. A value that is exactly the name of a variant of the flag forces that variant,
/// unless the value is a word for off: see [`Entry::from_text`].
///
/// The environment is read once, when the flags start. A variable that is not Unicode is skipped
/// with a warning.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Env, Flags};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// let env = Env::with_prefix("FEATURE_").variables([("FEATURE_NEW_CHECKOUT", "yes")]);
/// let flags = Flags::builder().source(env).start().await?;
///
/// assert!(flags.is_enabled("new_checkout", &Context::anonymous()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Env {
    prefix: String,
    variables: Option<Vec<(OsString, OsString)>>,
}

impl Env {
    /// Reads the variables of this process whose names start with `prefix`.
    #[must_use]
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), variables: None }
    }

    /// Reads these variables instead of those of the process.
    #[must_use]
    pub fn variables<N: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.variables = Some(variables.collect());
        self
    }

    fn read(&self) -> Offer {
        let variables = self.variables.clone().unwrap_or_else(|| std::env::vars_os().collect());
        let mut values = HashMap::new();
        for (name, value) in variables {
            if !name.as_encoded_bytes().starts_with(self.prefix.as_bytes()) {
                continue;
            }
            match (name.to_str(), value.to_str()) {
                (Some(name), Some(value)) => {
                    values.insert(name[self.prefix.len()..].to_owned(), Entry::from_text(value));
                }
                _ => warn!(variable = ?name, "environment variable is not Unicode, ignoring it"),
            }
        }
        let mut offer = Offer::new();
        for suffix in values.keys() {
            let key = suffix.to_lowercase();
            match forced(&values, &key) {
                Some(entry) => offer.insert(key.into(), entry),
                None => warn!(
                    variable = format!("{}{suffix}", self.prefix),
                    "environment variable is read by no flag: its name is not in upper case"
                ),
            }
        }
        let values = Arc::new(values);
        let (prefix, known) = (self.prefix.clone(), Arc::clone(&values));
        let offer = offer.with_places(move |key, _| {
            let (suffix, _) = find(&known, key)?;
            Some(format!("{prefix}{suffix}"))
        });
        offer.with_lookup(move |key| forced(&values, key))
    }
}

impl Backend for Env {
    fn name(&self) -> &'static str {
        self.kind().as_str()
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Env
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        sink.publish(self.read());
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Returns the value that the variables, by suffix, force for a flag.
fn forced(values: &HashMap<String, Entry>, key: &str) -> Option<Entry> {
    find(values, key).map(|(_, entry)| entry.clone())
}

/// Returns the variable, by suffix, of a flag.
///
/// Requests call this with names that no source lists, so an ASCII name of up to 128 bytes is
/// changed on the stack.
fn find<'v>(values: &'v HashMap<String, Entry>, key: &str) -> Option<(&'v String, &'v Entry)> {
    let mut buffer = [0; 128];
    match buffer.get_mut(..key.len()) {
        Some(exact) if key.is_ascii() => {
            exact.copy_from_slice(key.as_bytes());
            exact.make_ascii_uppercase();
            let find = |suffix: &[u8]| values.get_key_value(str::from_utf8(suffix).ok()?);
            find(exact).or_else(|| {
                for byte in exact.iter_mut().filter(|byte| matches!(byte, b'-' | b'.')) {
                    *byte = b'_';
                }
                find(exact)
            })
        }
        _ => {
            let exact = key.to_uppercase();
            let plain = || values.get_key_value(&exact.replace(['-', '.'], "_"));
            values.get_key_value(&exact).or_else(plain)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_finds_its_exact_variable_before_the_one_with_underscores() {
        let env = Env::with_prefix("F_").variables([
            ("F_NEW-SEARCH", "0"),
            ("F_NEW_SEARCH", "1"),
            ("F_A_B", "1"),
            ("F_lower", "1"),
        ]);

        let offer = env.read();

        assert_eq!(offer.entry("new-search"), Some(Entry::Forced(false)));
        assert_eq!(offer.entry("new.search"), Some(Entry::from_text("1")));
        assert_eq!(offer.entry("A.b"), Some(Entry::from_text("1")));
        assert_eq!(offer.entry("lower"), None);
    }

    #[test]
    fn long_and_foreign_names_are_found_too() {
        let long = "long_name_".repeat(20);
        let env = Env::with_prefix("F_").variables([
            (format!("F_{}", long.to_uppercase()), "1"),
            ("F_STRASSE_ÄÖ".to_owned(), "1"),
        ]);

        let offer = env.read();

        assert_eq!(offer.entry(&long), Some(Entry::from_text("1")));
        assert_eq!(offer.entry("straße.äö"), Some(Entry::from_text("1")));
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_unicode_is_skipped() {
        use std::os::unix::ffi::OsStringExt;

        let env = Env::with_prefix("F_").variables([
            (OsString::from("F_BAD"), OsString::from_vec(vec![0xff])),
            (OsString::from_vec(b"F_\xff".to_vec()), OsString::from("1")),
            (OsString::from("F_GOOD"), OsString::from("1")),
        ]);

        let offer = env.read();

        assert_eq!(offer.keys().map(|key| &**key).collect::<Vec<_>>(), ["good"]);
    }
}
