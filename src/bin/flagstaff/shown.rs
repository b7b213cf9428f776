//! The printed form of values of places: a value from a variable is printed as the name of the variable.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

/// The values of places that come from variables, each with the string that names the variables. Errors of the library
/// are printed far from any place.
static VALUES: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Returns a key or the name of an environment as it is printed: by the variable that it came out of, if there is one.
/// A variable may hold a secret.
pub(crate) fn shown(value: &str) -> String {
    let known = VALUES.lock().unwrap_or_else(PoisonError::into_inner);
    let found = known.iter().find(|(known, _)| known == value);
    found.map_or(value, |(_, shown)| shown).to_owned()
}

/// Returns a path as it is printed. The path of a file that exists is not a secret.
pub(crate) fn shown_path(path: &Path) -> String {
    let text = path.display().to_string();
    if path.exists() { text } else { shown(&text) }
}

/// Returns a sentence of the library about a store, in which keys are as they are printed.
pub(crate) fn shown_keys(sentence: &str) -> String {
    let known = VALUES.lock().unwrap_or_else(PoisonError::into_inner);
    known.iter().fold(sentence.to_owned(), |sentence, (value, shown)| {
        let forms = |key: &str| [format!("`{key}`"), format!("~{key}"), format!("~{{{key}}}")];
        forms(value)
            .iter()
            .zip(forms(shown))
            .fold(sentence, |sentence, (value, shown)| sentence.replace(value.as_str(), &shown))
    })
}

/// Adds values, each with the string that names its variables.
pub(crate) fn note(values: impl Iterator<Item = (String, String)>) {
    VALUES.lock().unwrap_or_else(PoisonError::into_inner).extend(values);
}
