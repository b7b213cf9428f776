//! The unit that buckets are drawn by.

use std::fmt;

/// The unit that the buckets of a flag or of a rule are drawn by. Contexts with the same unit are
/// served alike.
///
/// In flags.toml and in JSON this is a string: `targeting_key`, `request`, or the path of an
/// attribute. A context without the unit is in no bucket: a percentage is off for it.
///
/// # Example
///
/// ```
/// use flagstaff::definition::BucketBy;
///
/// assert_eq!(BucketBy::from("company.id"), BucketBy::Attribute("company.id".to_owned()));
/// assert_eq!(BucketBy::from("request"), BucketBy::Request);
/// assert_eq!(BucketBy::default().to_string(), "targeting_key");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BucketBy {
    /// The targeting key: a share of the users.
    #[default]
    TargetingKey,
    /// The request that passes a [request layer](crate::Flags::request_layer): a sample of requests
    /// instead of users. Outside of a request there is no bucket.
    Request,
    /// The attribute at this path, such as `company.id`: a string, an integer or a boolean. An
    /// attribute named `request` or `targeting_key` has to be renamed, since these words name the
    /// other units.
    Attribute(String),
}

impl BucketBy {
    /// The spelling of [`TargetingKey`](Self::TargetingKey).
    pub(crate) const TARGETING_KEY: &str = "targeting_key";
    /// The spelling of [`Request`](Self::Request).
    pub(crate) const REQUEST: &str = "request";

    /// Returns the spelling in flags.toml and in JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::TargetingKey => Self::TARGETING_KEY,
            Self::Request => Self::REQUEST,
            Self::Attribute(path) => path,
        }
    }
}

impl From<String> for BucketBy {
    fn from(text: String) -> Self {
        match text.as_str() {
            Self::TARGETING_KEY => Self::TargetingKey,
            Self::REQUEST => Self::Request,
            _ => Self::Attribute(text),
        }
    }
}

impl From<&str> for BucketBy {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Display for BucketBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
