//! Suggestions of a name that is similar to an unknown one.

/// Returns the name nearest to `word`, if it is near enough to be a typo.
///
/// Of two names that are equally near, returns the one that keeps a flag closed: a typo of `off`
/// must not be answered with `on`.
pub(crate) fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    names
        .into_iter()
        .filter_map(|name| Some((distance(&word, name)?, name)))
        .min_by_key(|&(distance, name)| {
            // Of two names that begin alike, the one with about the length of the word.
            (distance, !CLOSES.contains(&name), name.len().abs_diff(word.len()))
        })
        .map(|(_, name)| name)
}

/// The words that keep a flag closed.
const CLOSES: [&str; 2] = ["off", "false"];

/// Returns the number of typos between two names, if there are few: one in three letters, as rustc
/// allows. The first name is in lower case.
fn distance(word: &str, name: &str) -> Option<usize> {
    let allowed = name.len().max(3) / 3;
    // Comparing costs the product of the lengths, and a key may be as long as the file.
    if word.len() > name.len() + 2 * allowed + 2 {
        return None;
    }
    if word.len() >= 4 && (name.starts_with(word) || word.starts_with(name)) {
        return Some(1);
    }
    // The lengths of most names differ by more letters than that.
    if word.is_ascii() && name.is_ascii() && word.len().abs_diff(name.len()) > allowed {
        return None;
    }
    Some(strsim::osa_distance(word, name)).filter(|&distance| distance <= allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["enabled", "percentage", "allowed_users", "denied_users"];

    #[test]
    fn of_two_names_that_begin_alike_the_nearer_length_is_meant() {
        assert_eq!(nearest("test", ["testable", "tests"]), Some("tests"));
        assert_eq!(nearest("testa", ["tests", "testable"]), Some("tests"));
        assert_eq!(nearest("testab", ["tests", "testable"]), Some("testable"));
    }

    #[test]
    fn typos_are_recognised_and_other_words_are_not() {
        for (word, name) in [
            ("enabeld", "enabled"),
            ("enable", "enabled"),
            ("Enabled", "enabled"),
            ("percent", "percentage"),
            ("allow_users", "allowed_users"),
            ("denied-users", "denied_users"),
        ] {
            assert_eq!(nearest(word, NAMES), Some(name), "{word}");
        }
        for word in ["", "a", "search", "dark_mode", "users", &"x".repeat(100_000)] {
            assert_eq!(nearest(word, NAMES), None, "{word}");
        }
    }

    #[test]
    fn on_a_tie_the_word_that_closes_is_nearest() {
        for word in ["of", "fof"] {
            assert_eq!(nearest(word, ["on", "off"]), Some("off"), "{word}");
            assert_eq!(nearest(word, ["off", "on"]), Some("off"), "{word}");
        }
        assert_eq!(nearest("no", ["on", "off"]), Some("on"), "it is nearer");
    }
}
