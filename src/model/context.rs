//! Who is asking.

use std::{
    borrow::Cow,
    num::NonZeroU64,
    ops::Deref,
    sync::atomic::{AtomicU64, Ordering},
};

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::{Attributes, Printed, Value};

/// The evaluation context: who asks for a flag.
///
/// It borrows what it can and lives on the stack, so building one for a single evaluation is
/// cheap. [`into_owned`](Self::into_owned) makes one that a request or a task can keep.
///
/// # Example
///
/// ```
/// use flagstaff::Context;
///
/// let context = Context::user("ana").group("beta");
///
/// assert_eq!(context.targeting_key(), Some("ana"));
/// assert!(context.groups().any(|group| group == "beta"));
/// assert_eq!(Context::anonymous().targeting_key(), None);
/// ```
#[derive(Debug, Default)]
pub struct Context<'a> {
    targeting_key: Option<Cow<'a, str>>,
    /// XXH3 of the targeting key; 0 until someone needs it. Computing it twice is harmless, so
    /// plain loads and stores are enough.
    hash: AtomicU64,
    /// `None` until there is one, since dropping even an empty one is a call.
    groups: Option<SmallVec<[Cow<'a, str>; 2]>>,
    attributes: Attributes<'a>,
    request: Option<NonZeroU64>,
}

impl<'a> Context<'a> {
    /// A context without a targeting key: outside every percentage below 100.
    #[inline]
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A context whose targeting key is `id`.
    #[inline]
    #[must_use]
    pub fn user(id: impl Into<Cow<'a, str>>) -> Self {
        Self { targeting_key: Some(id.into()), ..Self::default() }
    }

    /// Adds a group that the user is a member of.
    #[inline]
    #[must_use]
    pub fn group(mut self, name: impl Into<Cow<'a, str>>) -> Self {
        self.groups.get_or_insert_default().push(name.into());
        self
    }

    /// Adds several groups.
    #[must_use]
    pub fn with_groups<G: Into<Cow<'a, str>>>(
        mut self,
        names: impl IntoIterator<Item = G>,
    ) -> Self {
        self.groups.get_or_insert_default().extend(names.into_iter().map(Into::into));
        self
    }

    /// Adds something that conditions can ask for, such as a plan or a country. A name that was
    /// given before gets the new value.
    ///
    /// In conditions, `targeting_key` and `groups` always name the user and the groups.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{answer::Value, Context};
    ///
    /// let context = Context::user("ana")
    ///     .attribute("plan", "pro")
    ///     .attribute("seats", 12)
    ///     .attribute("regions", ["eu", "us"]);
    ///
    /// assert_eq!(context.attributes().next(), Some(("plan", &Value::from("pro"))));
    /// ```
    #[must_use]
    pub fn attribute(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Value<'a>>) -> Self {
        self.attributes.set(name.into(), value.into());
        self
    }

    /// Lends it attributes that exist already, which allocates nothing. Those that
    /// [`attribute`](Self::attribute) gives go before them.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Context;
    ///
    /// let attributes = [("plan", "pro".into()), ("seats", 12.into())];
    /// let context = Context::user("ana").with_attributes(&attributes);
    ///
    /// assert_eq!(context.attributes().count(), 2);
    /// ```
    #[inline]
    #[must_use]
    pub fn with_attributes(mut self, attributes: &'a [(&'a str, Value<'a>)]) -> Self {
        self.attributes.lend(attributes);
        self
    }

    /// The user, which buckets are drawn from.
    #[inline]
    #[must_use]
    pub fn targeting_key(&self) -> Option<&str> {
        self.targeting_key.as_deref()
    }

    /// The groups of the user.
    #[inline]
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &str> {
        self.groups.as_deref().unwrap_or_default().iter().map(AsRef::as_ref)
    }

    /// The attributes, in the order in which they were given.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.attributes.iter()
    }

    /// The value of an attribute that [`attribute`](Self::attribute) gave.
    #[inline]
    pub(crate) fn find_attribute(
        &self,
        name: &Printed<impl Deref<Target = str>>,
    ) -> Option<&Value<'a>> {
        self.attributes.find(name)
    }

    /// The same context, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Context<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Context {
            targeting_key: self.targeting_key.map(own),
            hash: self.hash,
            groups: self.groups.map(|groups| groups.into_iter().map(own).collect()),
            attributes: self.attributes.into_owned(),
            request: self.request,
        }
    }

    /// The random number of the request that asks, which the request layer draws. It is spread
    /// evenly over all numbers.
    #[inline]
    pub(crate) fn request(&self) -> Option<NonZeroU64> {
        self.request
    }

    #[cfg(feature = "http")]
    pub(crate) fn with_request(self, request: NonZeroU64) -> Self {
        Self { request: Some(request), ..self }
    }

    /// The same groups and attributes, with this targeting key.
    #[cfg(feature = "http")]
    pub(crate) fn with_targeting_key(self, id: impl Into<Cow<'a, str>>) -> Self {
        Self { targeting_key: Some(id.into()), hash: AtomicU64::default(), ..self }
    }

    /// The same context with a shorter lifetime. `SmallVec` is invariant, so that the compiler does
    /// not see by itself that this is sound; nothing is copied.
    #[cfg(feature = "http")]
    pub(crate) fn shorten<'b>(self) -> Context<'b>
    where
        'a: 'b,
    {
        let shorten = |groups: SmallVec<[Cow<'a, str>; 2]>| {
            if groups.spilled() {
                let spilled: Vec<Cow<'b, str>> = groups.into_vec();
                return SmallVec::from_vec(spilled);
            }
            let mut shorter = SmallVec::new();
            for group in groups {
                shorter.push(group);
            }
            shorter
        };
        Context {
            targeting_key: self.targeting_key,
            hash: self.hash,
            groups: self.groups.map(shorten),
            attributes: self.attributes,
            request: self.request,
        }
    }

    /// XXH3 of `key`, which is this context's targeting key.
    #[inline]
    pub(crate) fn hash_of(&self, key: &str) -> u64 {
        match self.hash.load(Ordering::Relaxed) {
            0 => self.compute_hash(key),
            hash => hash,
        }
    }

    #[inline(never)]
    fn compute_hash(&self, key: &str) -> u64 {
        let hash = xxh3_64(key.as_bytes());
        self.hash.store(hash, Ordering::Relaxed);
        hash
    }
}

impl Clone for Context<'_> {
    fn clone(&self) -> Self {
        Self {
            targeting_key: self.targeting_key.clone(),
            hash: AtomicU64::new(self.hash.load(Ordering::Relaxed)),
            groups: self.groups.clone(),
            attributes: self.attributes.clone(),
            request: self.request,
        }
    }
}

/// Whether the same is said about who asks; of two requests, too.
impl PartialEq for Context<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.targeting_key == other.targeting_key
            && self.groups().eq(other.groups())
            && self.attributes == other.attributes
    }
}
