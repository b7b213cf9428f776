//! Evaluation contexts.

use std::{
    borrow::Cow,
    num::NonZeroU64,
    ops::Deref,
    sync::atomic::{AtomicU64, Ordering},
};

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::{Attributes, IntoAttribute, IntoId, Printed, Value, seldom::Seldom};

/// An evaluation context: the user that a flag is evaluated for, with groups and attributes.
///
/// [`group`](Self::group) and [`attribute`](Self::attribute) add one, [`groups`](Self::groups) and
/// [`attributes`](Self::attributes) add several. The context keeps owned strings, and borrows
/// strings that are passed by reference. [`lend_attributes`](Self::lend_attributes) keeps a
/// reference to a whole slice instead, which allocates nothing. [`iter_groups`](Self::iter_groups)
/// and [`iter_attributes`](Self::iter_attributes) read them.
///
/// A context lives on the stack, so that building one for a single evaluation is cheap.
/// [`into_owned`](Self::into_owned) makes one that a request or a task can keep. Building a context
/// cannot fail: an id or a value that is `None` is absent.
///
/// # Example
///
/// ```
/// use flagstaff::Context;
///
/// struct Account {
///     id: u64,
///     team: Option<&'static str>,
///     plan: Option<&'static str>,
/// }
///
/// let account = Account { id: 42, team: Some("beta"), plan: None };
/// let context = Context::user(account.id).group(account.team).attribute("plan", account.plan);
///
/// assert_eq!(context.targeting_key(), Some("42"));
/// assert!(context.iter_groups().any(|group| group == "beta"));
/// assert_eq!(context.iter_attributes().count(), 0);
/// assert_eq!(Context::anonymous().targeting_key(), None);
/// ```
#[derive(Debug, Default)]
pub struct Context<'a> {
    targeting_key: Option<Cow<'a, str>>,
    /// XXH3 of the targeting key, or 0 until it is needed. Computing the hash twice is harmless, so
    /// plain loads and stores are enough.
    hash: AtomicU64,
    groups: Seldom<SmallVec<[Cow<'a, str>; 2]>>,
    attributes: Attributes<'a>,
    request: Option<NonZeroU64>,
}

impl<'a> Context<'a> {
    /// Creates a context without a targeting key, which is outside of every percentage below 100.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory, Percentage};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let half = Definition::new().percentage(Percentage::whole(50)?);
    /// let source = Memory::new().with("half", half).with("whole", true);
    /// let flags = Flags::builder().source(source).start().await?;
    ///
    /// assert!(!flags.is_enabled("half", &Context::anonymous()));
    /// assert!(flags.is_enabled("whole", &Context::anonymous()));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Creates a context whose targeting key is `id`: a string, an integer, a `Uuid` (feature
    /// `uuid`), or an `Option` of these. `None` is an [anonymous](Self::anonymous) user.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Context;
    ///
    /// assert_eq!(Context::user("ana").targeting_key(), Some("ana"));
    /// assert_eq!(Context::user(42_u64), Context::user("42"));
    /// assert_eq!(Context::user(None::<u64>), Context::anonymous());
    /// ```
    #[inline]
    #[must_use]
    pub fn user(id: impl IntoId<'a>) -> Self {
        Self { targeting_key: id.into_id(), ..Self::default() }
    }

    /// Adds a group that the user is a member of; `None` adds nothing.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Context;
    ///
    /// let context = Context::user("ana").group(Some("beta")).group("staff").group(None::<&str>);
    ///
    /// assert!(context.iter_groups().eq(["beta", "staff"]));
    /// ```
    #[inline]
    #[must_use]
    pub fn group(mut self, name: impl IntoId<'a>) -> Self {
        self.add_group(name);
        self
    }

    #[inline]
    pub(crate) fn add_group(&mut self, name: impl IntoId<'a>) {
        if let Some(name) = name.into_id() {
            self.groups.get_or_insert_default().push(name);
        }
    }

    /// Adds several groups that the user is a member of.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Context;
    ///
    /// let context = Context::user("ana").groups(["beta", "employees"]);
    ///
    /// assert_eq!(context, Context::user("ana").group("beta").group("employees"));
    /// ```
    #[must_use]
    pub fn groups<G: IntoId<'a>>(mut self, names: impl IntoIterator<Item = G>) -> Self {
        for name in names {
            self = self.group(name);
        }
        self
    }

    /// Adds an attribute that conditions can compare, such as a plan or a country.
    ///
    /// A name that was added before gets the new value, and `None` adds nothing. In conditions,
    /// `targeting_key` and `groups` always are the targeting key and the groups. Conditions ignore
    /// attributes of these names.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use flagstaff::{answer::Value, Context};
    ///
    /// let context = Context::user("ana")
    ///     .attribute("plan", "pro")
    ///     .attribute("seats", 12_usize)
    ///     .attribute("regions", ["eu", "us"])
    ///     .attribute("since", SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
    ///     .attribute("company", None::<&str>);
    ///
    /// let attributes: Vec<_> = context.iter_attributes().collect();
    /// assert_eq!(attributes[0], ("plan", &Value::from("pro")));
    /// assert_eq!(attributes[3], ("since", &Value::from("2027-01-15T08:00:00Z")));
    /// assert_eq!(attributes.len(), 4);
    /// ```
    #[inline]
    #[must_use]
    pub fn attribute(
        mut self,
        name: impl Into<Cow<'a, str>>,
        value: impl IntoAttribute<'a>,
    ) -> Self {
        if let Some(value) = value.into_attribute() {
            self.attributes.set(name.into(), value);
        }
        self
    }

    /// Adds several attributes, each as [`attribute`](Self::attribute) does.
    ///
    /// # Example
    ///
    /// ```
    /// use std::collections::BTreeMap;
    ///
    /// use flagstaff::Context;
    ///
    /// let claims = BTreeMap::from([("country", "DE"), ("plan", "pro")]);
    /// let context = Context::user("ana").attributes(claims);
    ///
    /// assert_eq!(context.iter_attributes().count(), 2);
    /// ```
    #[must_use]
    pub fn attributes<N: Into<Cow<'a, str>>, V: IntoAttribute<'a>>(
        mut self,
        attributes: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        for (name, value) in attributes {
            self = self.attribute(name, value);
        }
        self
    }

    /// Lends the context attributes that exist elsewhere, which allocates nothing.
    ///
    /// The slice replaces the attributes that were lent before. An attribute that was
    /// [added](Self::attribute) takes precedence over a lent one of the same name.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Context;
    ///
    /// let attributes = [("plan", "pro".into()), ("seats", 12.into())];
    /// let context = Context::user("ana").lend_attributes(&attributes);
    ///
    /// assert_eq!(context.iter_attributes().count(), 2);
    /// ```
    #[inline]
    #[must_use]
    pub fn lend_attributes(mut self, attributes: &'a [(&'a str, Value<'a>)]) -> Self {
        self.attributes.lend(attributes);
        self
    }

    /// Returns the targeting key, which buckets are drawn by; `None` for an anonymous user.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Context;
    ///
    /// assert_eq!(Context::user(42_u64).targeting_key(), Some("42"));
    /// assert_eq!(Context::anonymous().targeting_key(), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn targeting_key(&self) -> Option<&str> {
        self.targeting_key.as_deref()
    }

    /// Iterates over the groups of the user.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Context;
    ///
    /// let context = Context::user("ana").groups(["beta", "employees"]);
    ///
    /// assert_eq!(context.iter_groups().collect::<Vec<_>>(), ["beta", "employees"]);
    /// assert_eq!(Context::anonymous().iter_groups().len(), 0);
    /// ```
    #[inline]
    pub fn iter_groups(&self) -> impl ExactSizeIterator<Item = &str> {
        self.groups.as_deref().unwrap_or_default().iter().map(AsRef::as_ref)
    }

    /// Iterates over the attributes: first those that were lent, then those that were added, each
    /// in their order.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, answer::Value};
    ///
    /// let lent = [("country", "DE".into())];
    /// let context = Context::user("ana").attribute("seats", 12).lend_attributes(&lent);
    ///
    /// let attributes: Vec<_> = context.iter_attributes().collect();
    /// assert_eq!(attributes, [("country", &Value::from("DE")), ("seats", &Value::Integer(12))]);
    /// ```
    pub fn iter_attributes(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.attributes.iter()
    }

    /// Returns the value of an attribute.
    #[inline]
    pub(crate) fn find_attribute(
        &self,
        name: &Printed<impl Deref<Target = str>>,
    ) -> Option<&Value<'a>> {
        self.attributes.find(name)
    }

    /// Converts into a context that borrows nothing.
    ///
    /// Copies the borrowed strings, and moves the others.
    #[must_use]
    pub fn into_owned(self) -> Context<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Context {
            targeting_key: self.targeting_key.map(own),
            hash: self.hash,
            groups: self
                .groups
                .into_inner()
                .map(|groups| groups.into_iter().map(own).collect())
                .into(),
            attributes: self.attributes.into_owned(),
            request: self.request,
        }
    }

    /// Returns the random number that the request layer draws for each request, spread evenly over
    /// all numbers.
    #[inline]
    pub(crate) fn request(&self) -> Option<NonZeroU64> {
        self.request
    }

    #[cfg(feature = "http")]
    pub(crate) fn with_request(self, request: NonZeroU64) -> Self {
        Self { request: Some(request), ..self }
    }

    /// Returns true if no string takes more than `bytes`: the targeting key, each group and each
    /// attribute.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        let fits = |text: &Cow<'_, str>| text.len() <= bytes;
        self.targeting_key.as_ref().is_none_or(fits)
            && self.groups.as_ref().is_none_or(|groups| groups.iter().all(fits))
            && self.attributes.fit(bytes)
    }

    /// Removes the strings that do not [fit](Self::fits), and passes the names that conditions have
    /// for them to `removed`. Groups are removed along with the key, since without it their user is
    /// unknown.
    #[cfg(feature = "http")]
    pub(crate) fn remove_longer(&mut self, bytes: usize, mut removed: impl FnMut(&str)) {
        if self.targeting_key.as_ref().is_some_and(|key| key.len() > bytes) {
            removed("targeting_key");
            self.targeting_key = None;
            *self.groups = None;
        }
        if let Some(groups) = &mut *self.groups {
            let before = groups.len();
            groups.retain(|group| group.len() <= bytes);
            if groups.len() < before {
                removed("groups");
            }
        }
        self.attributes.remove_longer(bytes, removed);
    }

    /// Replaces the targeting key, and keeps groups and attributes.
    #[cfg(feature = "http")]
    pub(crate) fn with_targeting_key(self, id: impl Into<Cow<'a, str>>) -> Self {
        Self { targeting_key: Some(id.into()), hash: AtomicU64::default(), ..self }
    }

    /// Returns the context with a shorter lifetime. Copies nothing.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Context;
    ///
    /// fn of<'a>(kept: &Context<'static>, group: &'a str) -> Context<'a> {
    ///     kept.clone().shorten().group(group)
    /// }
    ///
    /// let group = String::from("beta");
    /// assert!(of(&Context::user("ana"), &group).iter_groups().eq(["beta"]));
    /// ```
    #[must_use]
    pub fn shorten<'b>(self) -> Context<'b>
    where
        'a: 'b,
    {
        // `SmallVec` is invariant, so the compiler does not see by itself that this is sound.
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
            groups: self.groups.into_inner().map(shorten).into(),
            attributes: self.attributes,
            request: self.request,
        }
    }

    /// Returns the XXH3 of `key`, which has to be the targeting key of this context.
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

/// Compares targeting keys, groups and attributes. Contexts of two requests can be equal.
// For any two lifetimes: `Context` is invariant, so a borrowed one would not compare with an owned
// one.
impl<'b> PartialEq<Context<'b>> for Context<'_> {
    fn eq(&self, other: &Context<'b>) -> bool {
        let (attributes, others): (&Attributes<'_>, &Attributes<'_>) =
            (&self.attributes, &other.attributes);
        self.targeting_key == other.targeting_key
            && self.iter_groups().eq(other.iter_groups())
            && attributes == others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_an_absent_value() {
        let none = None::<&str>;

        let context = Context::user(none)
            .group(none)
            .groups([None, Some("beta")])
            .attribute("plan", none)
            .attributes([("country", None), ("seats", Some(12))]);

        assert_eq!(context, Context::anonymous().group("beta").attribute("seats", 12));
    }

    #[test]
    fn a_value_of_none_keeps_the_value_that_was_added_before() {
        let context = Context::anonymous().attribute("plan", "pro").attribute("plan", None::<&str>);

        assert_eq!(context, Context::anonymous().attribute("plan", "pro"));
    }

    #[test]
    fn an_integer_is_drawn_by_the_digits_of_its_string() {
        let (number, string) = (Context::user(42_u64), Context::user("42"));

        assert_eq!(number.targeting_key(), Some("42"));
        assert_eq!(number.hash_of("42"), string.hash_of("42"));
    }

    #[test]
    fn an_owned_context_is_equal_to_the_borrowed_one() {
        let lent = [("plan", "free".into()), ("os", "ios".into())];
        let context = Context::user("ana")
            .groups(["a", "b", "c"])
            .lend_attributes(&lent)
            .attribute("plan", "pro");

        let owned: Context<'static> = context.clone().into_owned();

        assert_eq!(owned, context);
        assert_eq!(owned.iter_attributes().count(), 2);
    }
}
