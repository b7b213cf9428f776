//! The flags of one source: their definitions, sets of their keys, and what clones share.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map, btree_set},
    fmt, iter,
    ops::{Deref, Index},
    sync::Arc,
};

use super::{Definition, FlagKey};

/// An iterator that converts items by a function pointer, so that its type has a name.
type Mapped<I, T> = iter::Map<I, fn(<I as Iterator>::Item) -> T>;

/// A definition that its clones share, so that cloning it copies no settings.
///
/// # Example
///
/// ```
/// use flagstaff::{Definition, definition::{Entry, SharedDefinition}};
///
/// let definition = SharedDefinition::from(Definition::new().owner("payments"));
/// let entry = Entry::Definition(definition.clone());
///
/// assert_eq!(definition.owner.value().map(String::as_str), Some("payments"));
/// assert_eq!(entry.as_definition(), Some(&*definition));
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct SharedDefinition(Arc<Definition>);

impl SharedDefinition {
    /// Returns the definition, and copies it if it has other clones.
    #[must_use]
    pub fn into_definition(self) -> Definition {
        Arc::unwrap_or_clone(self.0)
    }

    /// Returns the definition to be changed, and copies it first if it has other clones.
    pub(crate) fn make_mut(&mut self) -> &mut Definition {
        Arc::make_mut(&mut self.0)
    }

    /// Returns `true` for two clones of one definition.
    pub(crate) fn is_clone_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl From<Definition> for SharedDefinition {
    fn from(definition: Definition) -> Self {
        Self(Arc::new(definition))
    }
}

impl Deref for SharedDefinition {
    type Target = Definition;

    #[inline]
    fn deref(&self) -> &Definition {
        &self.0
    }
}

impl fmt::Debug for SharedDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A string that its clones share. An [`Entry`](super::Entry) has one, since an unknown flag is
/// looked up in the environment on the request path, where nothing is allocated.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SharedText(Arc<str>);

impl From<&str> for SharedText {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for SharedText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Deref for SharedText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SharedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for SharedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Definitions by their flag keys, in the order of the keys.
///
/// # Example
///
/// ```
/// use flagstaff::{Definition, definition::Definitions};
///
/// let flags = Definitions::from_iter([
///     ("new_checkout", Definition::new().owner("payments")),
///     ("beta", Definition::new().enabled(false)),
/// ]);
///
/// assert_eq!(flags.keys().collect::<Vec<_>>(), ["beta", "new_checkout"]);
/// assert_eq!(flags.get("beta").and_then(|flag| flag.enabled.value()), Some(&false));
/// assert!(!flags.contains_key("search"));
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Definitions(pub(crate) BTreeMap<Arc<str>, SharedDefinition>);

impl Definitions {
    /// Creates definitions of no flags.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the definition of a flag, or replaces it.
    pub fn insert(&mut self, key: impl FlagKey, definition: impl Into<SharedDefinition>) {
        self.0.insert(key.as_str().into(), definition.into());
    }

    /// Returns the definition of a flag, if there is one.
    #[must_use]
    pub fn get(&self, key: impl FlagKey) -> Option<&SharedDefinition> {
        self.0.get(key.as_str())
    }

    /// Returns `true` if there is a definition of this flag.
    #[must_use]
    pub fn contains_key(&self, key: impl FlagKey) -> bool {
        self.0.contains_key(key.as_str())
    }

    /// Returns the number of flags.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if there are no flags.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the flag keys.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.0.keys().map(|key| &**key)
    }

    /// Returns the definitions.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &SharedDefinition> + Clone {
        self.0.values()
    }

    /// Returns the definitions with their flag keys.
    pub fn iter(&self) -> <&Self as IntoIterator>::IntoIter {
        self.into_iter()
    }
}

impl<K: FlagKey, D: Into<SharedDefinition>> FromIterator<(K, D)> for Definitions {
    fn from_iter<I: IntoIterator<Item = (K, D)>>(flags: I) -> Self {
        let flags = flags.into_iter().map(|(key, flag)| (key.as_str().into(), flag.into()));
        Self(flags.collect())
    }
}

/// Returns the definition of a flag.
///
/// # Panics
///
/// Panics if there is no definition of the flag.
impl<K: FlagKey> Index<K> for Definitions {
    type Output = SharedDefinition;

    fn index(&self, key: K) -> &SharedDefinition {
        self.get(&key).unwrap_or_else(|| panic!("no definition of flag `{}`", key.as_str()))
    }
}

impl<'a> IntoIterator for &'a Definitions {
    type Item = (&'a str, &'a SharedDefinition);
    type IntoIter = Mapped<btree_map::Iter<'a, Arc<str>, SharedDefinition>, Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, flag)| (&**key, flag))
    }
}

impl fmt::Debug for Definitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of flag keys, in their order.
///
/// # Example
///
/// ```
/// use flagstaff::definition::FlagsFile;
///
/// let file = FlagsFile::parse("flags.toml", "[flags]\nsearch = true\nbeta = 1\n");
///
/// assert!(file.rejected().contains("beta"));
/// assert_eq!(file.rejected().iter().collect::<Vec<_>>(), ["beta"]);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FlagKeys(pub(crate) BTreeSet<Arc<str>>);

impl FlagKeys {
    /// Returns `true` if the set has this flag key.
    #[must_use]
    pub fn contains(&self, key: impl FlagKey) -> bool {
        self.0.contains(key.as_str())
    }

    /// Returns the number of flag keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if there are no flag keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the flag keys.
    pub fn iter(&self) -> <&Self as IntoIterator>::IntoIter {
        self.into_iter()
    }
}

impl<K: FlagKey> FromIterator<K> for FlagKeys {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        Self(keys.into_iter().map(|key| key.as_str().into()).collect())
    }
}

impl<'a> IntoIterator for &'a FlagKeys {
    type Item = &'a str;
    type IntoIter = Mapped<btree_set::Iter<'a, Arc<str>>, Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|key| &**key)
    }
}

impl fmt::Debug for FlagKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
