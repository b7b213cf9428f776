//! Variants as enums.

use std::any::type_name;

use super::{Flags, RequestFlags, Snapshot, content::Content, mismatch::Found, values::VARIANT};
use crate::model::{Answer, Cause, Context, FlagName};

/// The variants of one flag as an enum, for [`Flags::variant_of`].
///
/// [`codegen`](crate::codegen) generates one for each flag of a flags.toml that has variants, and
/// implements this trait for it. The enum has a default if the file has a variant for the off flag,
/// which is that variant.
///
/// # Example
///
/// Written by hand, for a flag that is in no file:
///
/// ```
/// use flagstaff::{answer::VariantEnum, Context, Definition, FlagName, Flags, Memory};
///
/// #[derive(Debug, Clone, Copy, PartialEq)]
/// enum PricingPage {
///     Control,
///     HigherPrice,
/// }
///
/// impl VariantEnum for PricingPage {
///     const FLAG: FlagName = FlagName::new("pricing_page");
///
///     fn from_name(name: &str) -> Option<Self> {
///         match name {
///             "control" => Some(Self::Control),
///             "higher_price" => Some(Self::HigherPrice),
///             _ => None,
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// let prices = Definition::new().variants([("control", 50), ("higher_price", 50)]);
/// let flags = Flags::builder().source(Memory::new().with("pricing_page", prices)).start().await?;
///
/// let page = flags.variant_of(&Context::user("ana"), PricingPage::Control);
///
/// assert_eq!(page.value, PricingPage::HigherPrice);
/// # Ok(())
/// # }
/// ```
pub trait VariantEnum: Copy {
    /// The flag that has these variants.
    const FLAG: FlagName;

    /// Returns the variant of that name; `None` for a name that is not in the enum.
    fn from_name(name: &str) -> Option<Self>;
}

impl Snapshot {
    /// Returns the variant that `context` is served, of the flag that `V` is the enum of. It is
    /// `default` if no variant is served, or if the variant is not in `V`. See
    /// [`Flags::variant_of`].
    #[inline]
    pub fn variant_of<V: VariantEnum>(&self, context: &Context<'_>, default: V) -> Answer<V> {
        let named = |named| self.enum_of(named);
        self.read_as(&V::FLAG, context, VARIANT, Content::variant, named).unwrap_or(default)
    }

    #[inline]
    fn enum_of<V: VariantEnum>(&self, named: Answer<Option<&'static str>>) -> Answer<Option<V>> {
        match named.value.map(V::from_name) {
            Some(None) => {
                let found = Found::Variant(named.variant.unwrap_or_default());
                self.mismatches.note(V::FLAG.as_str(), type_name::<V>(), found);
                Answer::new(None, Cause::UnknownVariant, named.source)
            }
            variant => named.map(|_| variant.flatten()),
        }
    }
}

impl Flags {
    /// Returns the variant that `context` is served, of the flag that `V` is the enum of.
    ///
    /// If no source has the flag, or if it serves no variant, the value is `default`. A source may
    /// also serve a variant that the enum did not have when the program was compiled. The value is
    /// `default` then, with the error code
    /// [`TypeMismatch`](crate::answer::ErrorCode::TypeMismatch).
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory, definition::Definition};
    ///
    /// mod flag {
    ///     # #![allow(deprecated)]
    ///     // include!(concat!(env!("OUT_DIR"), "/flags.rs"));
    ///     # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/codegen/flags.rs"));
    /// }
    /// use flag::PricingPage;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let page = Definition::new().variants([("higher-price", 100)]);
    /// # let flags = Flags::builder().source(Memory::new().with("pricing_page", page)).start().await?;
    /// let price = match flags.variant_of(&Context::user("ana"), PricingPage::Control).value {
    ///     PricingPage::Control | PricingPage::Self_ => 10,
    ///     PricingPage::HigherPrice => 12,
    /// };
    ///
    /// assert_eq!(price, 12);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn variant_of<V: VariantEnum>(&self, context: &Context<'_>, default: V) -> Answer<V> {
        self.cell.ask(
            |snapshot| {
                let named = snapshot.read_unobserved(&V::FLAG, context, VARIANT, Content::variant);
                snapshot.enum_of(named).unwrap_or(default)
            },
            |snapshot| snapshot.variant_of(context, default),
        )
    }
}

impl RequestFlags {
    /// Returns the variant that this request is served, of the flag that `V` is the enum of. See
    /// [`Flags::variant_of`].
    #[inline]
    pub fn variant_of<V: VariantEnum>(&self, default: V) -> Answer<V> {
        self.ask(|snapshot, context| snapshot.variant_of(context, default))
    }
}
