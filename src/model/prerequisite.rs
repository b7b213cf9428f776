//! What a flag requires of another.

use super::FlagKey;

/// How many flags a flag can require, with all that those require.
pub(crate) const MOST_PREREQUISITES: usize = 256;

/// Another flag that has to be on, or has to serve a variant, for a flag to be on.
///
/// # Example
///
/// ```
/// use flagstaff::{definition::Prerequisite, Definition};
///
/// let definition = Definition::new()
///     .requires(["payments_v3".into(), Prerequisite::variant("pricing_page", "higher_price")]);
///
/// assert_eq!(definition.rare().requires.value().map(Vec::len), Some(2));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prerequisite {
    /// The flag that has to be on.
    pub flag: String,
    /// The variant that it has to serve, besides being on.
    pub variant: Option<String>,
}

impl Prerequisite {
    /// A flag that has to be on.
    #[must_use]
    pub fn on(flag: impl FlagKey) -> Self {
        Self { flag: flag.as_str().to_owned(), variant: None }
    }

    /// A flag that has to be on and to serve a variant.
    #[must_use]
    pub fn variant(flag: impl FlagKey, variant: impl Into<String>) -> Self {
        Self { variant: Some(variant.into()), ..Self::on(flag) }
    }
}

/// The flag has to be on.
impl<K: FlagKey> From<K> for Prerequisite {
    fn from(flag: K) -> Self {
        Self::on(flag)
    }
}
