//! The types that name a flag.

use std::{fmt, sync::Arc};

use super::names::{Names, Slot, hash_name, hash_name_const};

/// A name of a flag: a string, a [`FlagName`], or a [`Flag`] that was resolved before.
///
/// The trait is sealed: only strings, [`FlagName`] and [`Flag`] implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a flag",
    label = "not a flag key",
    note = "name the flag by a `&str`, a `String`, a `FlagName` constant or a `Flag`"
)]
pub trait FlagKey: sealed::Resolve {
    /// Returns the flag key.
    fn as_str(&self) -> &str;
}

/// A flag that was resolved once: evaluating it neither hashes its name nor looks it up.
///
/// A `Flag` stays valid across reloads, also when the flag is removed and comes back. [`Flags`]
/// other than those that made it look it up by its name. Made by [`Flags::flag`].
///
/// [`Flags`]: crate::Flags
/// [`Flags::flag`]: crate::Flags::flag
#[derive(Clone)]
pub struct Flag {
    name: Arc<str>,
    hash: u64,
    /// The id of the flags that the slot belongs to.
    owner: u64,
    slot: Slot,
}

impl Flag {
    pub(crate) fn new(name: Arc<str>, owner: u64, slot: Slot) -> Self {
        Self { hash: hash_name(&name), name, owner, slot }
    }

    /// Returns the slot among the names of other flags; beyond all slots if the name is not among
    /// them.
    #[cold]
    fn find(&self, names: &Names) -> Slot {
        names.find(self.hash, &self.name).unwrap_or(Slot::MAX)
    }
}

/// The name of a flag, known at compile time: evaluating it does not hash the name.
///
/// The feature `codegen` generates such names from a flags.toml.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, FlagName, Flags, Memory};
///
/// const NEW_CHECKOUT: FlagName = FlagName::new("new_checkout");
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// let flags = Flags::builder().source(Memory::new().with("new_checkout", true)).start().await?;
///
/// assert!(flags.is_enabled(NEW_CHECKOUT, &Context::user("ana")));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FlagName {
    name: &'static str,
    hash: u64,
}

impl FlagName {
    /// Creates the name of a flag. Meant for constants, where the compiler computes the hash.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagName;
    ///
    /// const NEW_CHECKOUT: FlagName = FlagName::new("new_checkout");
    ///
    /// assert_eq!(NEW_CHECKOUT.as_str(), "new_checkout");
    /// ```
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, hash: hash_name_const(name) }
    }

    /// Returns the flag key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.name
    }
}

pub(crate) mod sealed {
    use super::{Names, Slot};

    pub trait Resolve {
        /// Returns the slot of the flag among `names`, which belong to the flags with the id
        /// `owner`.
        fn slot(&self, names: &Names, owner: u64) -> Option<Slot>;

        /// Returns true if the slot was found before. The flag was noted as one that callers use at
        /// that time.
        fn is_resolved(&self, _owner: u64) -> bool {
            false
        }
    }
}

impl sealed::Resolve for str {
    #[inline]
    fn slot(&self, names: &Names, _owner: u64) -> Option<Slot> {
        names.find(hash_name(self), self)
    }
}

impl FlagKey for str {
    fn as_str(&self) -> &str {
        self
    }
}

impl sealed::Resolve for String {
    #[inline]
    fn slot(&self, names: &Names, owner: u64) -> Option<Slot> {
        self.as_str().slot(names, owner)
    }
}

impl FlagKey for String {
    fn as_str(&self) -> &str {
        self
    }
}

impl sealed::Resolve for Flag {
    #[inline]
    fn slot(&self, names: &Names, owner: u64) -> Option<Slot> {
        Some(if self.is_resolved(owner) { self.slot } else { self.find(names) })
    }

    #[inline]
    fn is_resolved(&self, owner: u64) -> bool {
        self.owner == owner
    }
}

impl FlagKey for Flag {
    fn as_str(&self) -> &str {
        &self.name
    }
}

impl sealed::Resolve for FlagName {
    #[inline]
    fn slot(&self, names: &Names, _owner: u64) -> Option<Slot> {
        names.find(self.hash, self.name)
    }
}

impl FlagKey for FlagName {
    fn as_str(&self) -> &str {
        self.name
    }
}

impl<K: sealed::Resolve + ?Sized> sealed::Resolve for &K {
    #[inline]
    fn slot(&self, names: &Names, owner: u64) -> Option<Slot> {
        (**self).slot(names, owner)
    }

    #[inline]
    fn is_resolved(&self, owner: u64) -> bool {
        (**self).is_resolved(owner)
    }
}

impl<K: FlagKey + ?Sized> FlagKey for &K {
    fn as_str(&self) -> &str {
        (**self).as_str()
    }
}

impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flag").field(&self.name).finish()
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for FlagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlagName").field(&self.name).finish()
    }
}

impl fmt::Display for FlagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{FlagName, Names, sealed::Resolve};

    #[test]
    fn a_constant_is_found_by_the_hash_that_the_compiler_made() {
        const NEW_CHECKOUT: FlagName = FlagName::new("new_checkout");
        let mut names = Names::default();
        let slot = names.intern(&Arc::from("new_checkout"));

        assert_eq!(NEW_CHECKOUT.slot(&names, 0), Some(slot));
        // A lookup that hashed the name again would find this flag, too.
        let other = FlagName { hash: !NEW_CHECKOUT.hash, ..NEW_CHECKOUT };
        assert_eq!(other.slot(&names, 0), None);
    }
}
