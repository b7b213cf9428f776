//! The changes of an edit, in the format of `patch`.

use std::fmt;

use similar::TextDiff;

/// A unified diff of two versions of a file, by lines. It prints nothing if the versions are equal.
///
/// # Example
///
/// ```
/// use flagstaff::definition::edit::Diff;
///
/// let diff = Diff::new("flags.toml", "[flags]\na = true\n", "[flags]\na = false\n");
///
/// assert_eq!(diff.to_string(), "\
/// --- flags.toml
/// +++ flags.toml
/// @@ -1,2 +1,2 @@
///  [flags]
/// -a = true
/// +a = false
/// ");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diff<'t> {
    name: &'t str,
    before: &'t str,
    after: &'t str,
}

impl<'t> Diff<'t> {
    /// Compares two versions of the file with this name.
    #[must_use]
    pub fn new(name: &'t str, before: &'t str, after: &'t str) -> Self {
        Self { name, before, after }
    }
}

impl fmt::Display for Diff<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, before, after } = self;
        let diff = TextDiff::from_lines(*before, *after);
        write!(f, "{}", diff.unified_diff().header(name, name))
    }
}
