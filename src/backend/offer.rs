//! The whole state of a source.

use std::{collections::BTreeSet, fmt, sync::Arc};

use super::{Provenance, shared_map::SharedMap};
use crate::{
    foreign,
    model::{Definitions, Entry, FlagKey, Part, SharedDefinition, TooManyVariantNames},
    text::line,
};

/// Finds the entry of a source for a name that it does not list.
pub(crate) type Lookup = Arc<dyn Fn(&str) -> Option<Entry> + Send + Sync>;

/// Finds the location of a source's entry for a flag.
type Places = Arc<dyn Fn(&str, Part) -> Option<String> + Send + Sync>;

/// The whole state of a source at one moment.
///
/// # Example
///
/// ```
/// use flagstaff::{definition::Entry, source::Offer, Definition, Percentage};
///
/// let offer = Offer::from_iter([
///     ("new_checkout", Entry::from(Definition::new().percentage(Percentage::whole(10)?))),
///     ("legacy", Entry::from(false)),
/// ]);
///
/// assert_eq!(offer.len(), 2);
/// # Ok::<(), flagstaff::definition::InvalidPercentage>(())
/// ```
#[derive(Clone, Default)]
pub struct Offer {
    entries: SharedMap<Entry>,
    /// The provenance of the entries that have one.
    provenance: SharedMap<Arc<Provenance>>,
    /// The problems of the entries that differ from the stored value.
    problems: SharedMap<Arc<str>>,
    /// The entries that stand for a stored value that could never be read.
    unknown: SharedMap<()>,
    /// The last entries whose values had the type of the sources below, for entries whose values do not.
    fitting: SharedMap<Entry>,
    lookup: Option<Lookup>,
    places: Option<Places>,
    fingerprint: Option<u64>,
    refused: usize,
    /// The flags whose definitions were rejected.
    rejected: BTreeSet<Arc<str>>,
}

impl Offer {
    /// Returns an offer without flags.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function that finds the forced value of a name that the offer does not list.
    ///
    /// It is for sources that cannot list their flags, such as environment variables. The lookup
    /// runs on the request path, for unknown names only, so it must be quick. It must not evaluate
    /// flags, which would call the lookup again. It must not publish or change anything, since it
    /// also runs while a state is put in force. Definitions have to be listed: a definition that is
    /// looked up is ignored if no source lists the name. A lookup that panics has no value.
    #[must_use]
    pub fn with_lookup<E: Into<Entry>>(
        mut self,
        lookup: impl Fn(&str) -> Option<E> + Send + Sync + 'static,
    ) -> Self {
        let lookup = move |key: &_| foreign::call(|| lookup(key).map(Into::into)).flatten();
        self.lookup = Some(Arc::new(lookup));
        self
    }

    /// Adds the locations of flags and their parts, such as `flags.toml:12`, which
    /// [`Flags::explain`](crate::Flags::explain) shows. The closure is called for flags that the offer
    /// lists or looks up, also while a state is put in force. So it must not read the health of the
    /// flags, and must not publish or change anything. A closure that panics has no location.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::source::Offer;
    ///
    /// let offer = Offer::from_iter([("beta", true)])
    ///     .with_places(|key, _part| Some(format!("https://flags.example.com/{key}")));
    ///
    /// assert_eq!(offer.len(), 1);
    /// ```
    #[must_use]
    pub fn with_places(
        mut self,
        places: impl Fn(&str, Part) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let places = move |key: &_, part| foreign::call(|| places(key, part)).flatten();
        self.places = Some(Arc::new(places));
        self
    }

    /// Adds the author, time and reason of the entry that is listed for a flag.
    #[must_use]
    pub fn with_provenance(mut self, key: impl FlagKey, provenance: Provenance) -> Self {
        self.set_provenance(key.as_str().into(), provenance);
        self
    }

    /// Adds the reason why the value that is stored for a flag cannot be read. The entry of the flag is then
    /// the last good one, or forced off.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::source::Offer;
    ///
    /// let offer = Offer::from_iter([("beta", false)]).with_problem("beta", "`400` is not a percentage");
    ///
    /// assert_eq!(offer.len(), 1);
    /// ```
    #[must_use]
    pub fn with_problem(mut self, key: impl FlagKey, problem: impl Into<String>) -> Self {
        self.set_problem(key.as_str().into(), problem.into().into());
        self
    }

    /// Returns the number of listed flags.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns `true` if no flag is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.entries.keys()
    }

    pub(crate) fn lookup(&self) -> Option<&Lookup> {
        self.lookup.as_ref()
    }

    /// Returns the listed entry for `key`.
    pub(crate) fn listed(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Returns the listed entry for `key`, or the one that is looked up.
    pub(crate) fn entry(&self, key: &str) -> Option<Entry> {
        let listed = self.listed(key).cloned();
        listed.or_else(|| self.lookup.as_ref()?(key).filter(has_room))
    }

    /// Keeps the names of variants in all definitions. A definition that finds no room is replaced
    /// by the entry that `before` has for the flag, and is reported.
    pub(crate) fn admit(&mut self, before: &Self) -> Option<Rejected> {
        let mut rejected: Option<Rejected> = None;
        // Proceed in the order of names, so that all instances reject the same flags.
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|&(key, _)| key);
        for (key, entry) in entries {
            let Entry::Definition(definition) = entry else { continue };
            let is_known = matches!(before.listed(key), Some(Entry::Definition(known)) if known.is_clone_of(definition));
            if is_known {
                continue;
            }
            if let Err(cause) = definition.keep_variant_names() {
                let rejected = rejected.get_or_insert(Rejected { flags: Vec::new(), cause });
                rejected.flags.push(Arc::clone(key));
            }
        }
        let rejected = rejected?;
        for key in &rejected.flags {
            self.remove(key);
            if let Some(entry) = before.listed(key) {
                self.entries.insert(Arc::clone(key), entry.clone());
            }
            if let Some(provenance) = before.provenance(key) {
                self.provenance.insert(Arc::clone(key), Arc::clone(provenance));
            }
        }
        Some(rejected)
    }

    /// Adds the version of the source, such as a hash of a file's content, so that processes can
    /// compare their versions.
    #[must_use]
    pub fn with_fingerprint(mut self, fingerprint: u64) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    pub(crate) fn fingerprint(&self) -> Option<u64> {
        self.fingerprint
    }

    /// Returns the location of a flag, or of a part of it.
    pub(crate) fn place(&self, key: &str, part: Part) -> Option<String> {
        self.places.as_ref()?(key, part)
    }

    /// Adds the number of flags that were rejected when this state was read, for metrics.
    #[must_use]
    pub fn with_refused(mut self, flags: usize) -> Self {
        self.refused = flags;
        self
    }

    pub(crate) fn refused(&self) -> usize {
        self.refused
    }

    /// Adds the flags whose definitions were rejected. Rejected flags that the offer lists keep the
    /// listed entry.
    ///
    /// The others answer the caller's default with the error code `PARSE_ERROR`. Stronger sources
    /// can only switch them off, since the deny-lists of the rejected definition are unknown.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::source::Offer;
    ///
    /// let offer = Offer::from_iter([("beta", true)]).with_rejected(["new_checkout"]);
    ///
    /// assert_eq!(offer.len(), 1);
    /// ```
    #[must_use]
    pub fn with_rejected<K: FlagKey>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.rejected = keys.into_iter().map(|key| key.as_str().into()).collect();
        self
    }

    /// Returns the flags whose definitions were rejected, and that have no former one.
    pub(crate) fn rejected(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rejected.iter().filter(|key| self.listed(key).is_none())
    }

    /// Returns the number of flags whose definitions were rejected, and that keep a former one.
    pub(crate) fn former(&self) -> usize {
        self.rejected.iter().filter(|key| self.listed(key).is_some()).count()
    }

    pub(crate) fn rejects(&self, key: &str) -> bool {
        self.rejected.contains(key) && self.listed(key).is_none()
    }

    pub(crate) fn provenance(&self, key: &str) -> Option<&Arc<Provenance>> {
        self.provenance.get(key)
    }

    pub(crate) fn set_provenance(&mut self, key: Arc<str>, provenance: Provenance) {
        self.provenance.insert(key, Arc::new(provenance));
    }

    pub(crate) fn problem(&self, key: &str) -> Option<&str> {
        self.problems.get(key).map(|problem| &**problem)
    }

    pub(crate) fn set_problem(&mut self, key: Arc<str>, problem: Arc<str>) {
        self.problems.insert(key, problem);
    }

    /// Returns `true` if the entry is off only because the stored value cannot be read.
    pub(crate) fn is_unknown(&self, key: &str) -> bool {
        self.unknown.get(key).is_some()
    }

    #[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "for values of a store"))]
    pub(crate) fn set_unknown(&mut self, key: Arc<str>) {
        self.unknown.insert(key, ());
    }

    /// Returns the last entry whose values had the type of the sources below.
    pub(crate) fn fitting(&self, key: &str) -> Option<&Entry> {
        self.fitting.get(key)
    }

    pub(crate) fn set_fitting(&mut self, key: Arc<str>, entry: Entry) {
        self.fitting.insert(key, entry);
    }

    /// Takes over the entries that `changed` lists.
    pub(crate) fn amend(&mut self, changed: &Self) {
        for (key, entry) in changed.entries.iter() {
            self.problems.remove(key);
            self.rejected.remove(key);
            self.insert(Arc::clone(key), entry.clone());
        }
        for (key, provenance) in changed.provenance.iter() {
            self.provenance.insert(Arc::clone(key), Arc::clone(provenance));
        }
        for (key, problem) in changed.problems.iter() {
            self.problems.insert(Arc::clone(key), Arc::clone(problem));
        }
        for key in changed.unknown.keys() {
            self.unknown.insert(Arc::clone(key), ());
        }
        for (key, entry) in changed.fitting.iter() {
            self.fitting.insert(Arc::clone(key), entry.clone());
        }
    }

    pub(crate) fn insert(&mut self, key: Arc<str>, entry: Entry) {
        self.provenance.remove(&key);
        self.unknown.remove(&key);
        self.fitting.remove(&key);
        self.entries.insert(key, entry);
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.entries.remove(key);
        self.provenance.remove(key);
        self.problems.remove(key);
        self.unknown.remove(key);
        self.fitting.remove(key);
        self.rejected.remove(key);
    }
}

/// Returns `true` if the process has room for the names of variants in an entry that was looked up.
fn has_room(entry: &Entry) -> bool {
    match entry {
        Entry::Definition(definition) => definition.keep_variant_names().is_ok(),
        _ => true,
    }
}

/// An error about flags whose new definitions are rejected.
#[derive(thiserror::Error)]
#[error("{} keeps its last good definition", first(.flags))]
pub(crate) struct Rejected {
    pub(crate) flags: Vec<Arc<str>>,
    #[source]
    cause: TooManyVariantNames,
}

crate::error::debug_is_message!(Rejected);

/// Returns the first of several flags, in the order of their names.
fn first(flags: &[Arc<str>]) -> String {
    let name = line(flags.iter().min().map_or("", |flag| flag));
    match flags.len() {
        0 | 1 => format!("flag `{name}`"),
        more => format!("each of {more} flags, such as `{name}`,"),
    }
}

impl<K: FlagKey, E: Into<Entry>> FromIterator<(K, E)> for Offer {
    fn from_iter<I: IntoIterator<Item = (K, E)>>(entries: I) -> Self {
        let entries = entries.into_iter().map(|(key, entry)| (key.as_str().into(), entry.into()));
        Self { entries: entries.collect(), ..Self::default() }
    }
}

/// Lists the flags of a file.
impl From<&Definitions> for Offer {
    fn from(flags: &Definitions) -> Self {
        let entry = |flag: &SharedDefinition| Entry::Definition(flag.clone());
        let entries = flags.0.iter().map(|(key, flag)| (Arc::clone(key), entry(flag)));
        Self { entries: entries.collect(), ..Self::default() }
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("entries", &self.entries)
            .field("provenance", &self.provenance)
            .field("lookup", &self.lookup.is_some())
            .field("places", &self.places.is_some())
            .finish()
    }
}
