//! The flags that a flag requires.

use super::FlagKey;

/// The largest number of other flags that can decide about a flag, directly and through each other.
pub(crate) const MOST_PREREQUISITES: usize = 256;

/// Another flag and the state that it has to be in.
///
/// A prerequisite is an element of `requires`, and the part `flag` of a condition. A flag is in no
/// state if no source has it, if it is rejected, or if its source is lost with `on_stale =
/// "unavailable"`. A prerequisite on such a flag is never met.
///
/// # Example
///
/// ```
/// use flagstaff::{definition::Prerequisite, Definition};
///
/// let definition = Definition::new().requires([
///     "payments_v3".into(),
///     Prerequisite::off("maintenance"),
///     Prerequisite::variant("pricing_page", "higher_price"),
/// ]);
///
/// assert_eq!(definition.rare().requires.value().map(Vec::len), Some(3));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Prerequisite {
    /// The other flag.
    pub flag: String,
    /// The state that it has to be in.
    pub state: RequiredState,
}

/// The state that another flag has to be in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequiredState {
    /// The flag is on, whatever it serves.
    On,
    /// The flag is off, whatever it serves.
    Off,
    /// The flag serves one of these variants. It also has to be on, unless that variant counts as
    /// off. An empty list is never met.
    Variants(Vec<String>),
}

impl RequiredState {
    /// Returns the variants of which the flag has to serve one. The list is empty if on or off is
    /// enough.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::Prerequisite;
    ///
    /// assert_eq!(Prerequisite::variant("pricing_page", "control").state.variants(), ["control"]);
    /// assert!(Prerequisite::on("payments_v3").state.variants().is_empty());
    /// ```
    #[must_use]
    pub fn variants(&self) -> &[String] {
        match self {
            Self::On | Self::Off => &[],
            Self::Variants(names) => names,
        }
    }
}

impl Prerequisite {
    /// Requires a flag to be on.
    #[must_use]
    pub fn on(flag: impl FlagKey) -> Self {
        Self { flag: flag.as_str().to_owned(), state: RequiredState::On }
    }

    /// Requires a flag to be off.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory, definition::Prerequisite};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let writes = Definition::new().requires([Prerequisite::off("maintenance")]);
    /// let source = Memory::new().with("writes", writes).with("maintenance", false);
    /// let flags = Flags::builder().source(source).start().await?;
    ///
    /// assert!(flags.is_enabled("writes", &Context::anonymous()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn off(flag: impl FlagKey) -> Self {
        Self { state: RequiredState::Off, ..Self::on(flag) }
    }

    /// Requires a flag to be on and to serve a variant.
    #[must_use]
    pub fn variant(flag: impl FlagKey, variant: impl Into<String>) -> Self {
        Self::any_variant(flag, [variant])
    }

    /// Requires a flag to be on and to serve one of several variants.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::Prerequisite;
    ///
    /// let tested = Prerequisite::any_variant("pricing_page", ["higher_price", "lower_price"]);
    ///
    /// assert_eq!(tested.state.variants(), ["higher_price", "lower_price"]);
    /// ```
    #[must_use]
    pub fn any_variant(
        flag: impl FlagKey,
        variants: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let names = variants.into_iter().map(Into::into).collect();
        Self { state: RequiredState::Variants(names), ..Self::on(flag) }
    }
}

/// Requires the flag to be on.
impl<K: FlagKey> From<K> for Prerequisite {
    fn from(flag: K) -> Self {
        Self::on(flag)
    }
}
