//! The sources in their order: the only place that defines precedence.

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use tokio::time::Instant;

use super::{Lookup, Offer, Provenance, offer::Rejected};
use crate::model::{
    Definition, Entry, Field, OnStale, OtherType, Part, Resolved, Serve, SharedDefinition,
    WarningKind,
};

/// The position of a source, 0 being the strongest.
pub(crate) type SourceId = u8;

/// The circumstances, besides the offers, that decide what a flag is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances<'a> {
    /// The instant since which each source has been unreachable, if it is.
    pub(crate) lost: &'a [Option<Instant>],
    pub(crate) instant: Instant,
    /// The time that clocks show at that instant.
    pub(crate) time: SystemTime,
}

/// The offers of all sources, strongest first.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    /// Shared, since each snapshot keeps the offers of its time.
    offers: Arc<Vec<Arc<Offer>>>,
    /// The patches of forced off and on, which most flags share.
    forced: [SharedDefinition; 2],
}

impl Stack {
    pub(crate) fn new(sources: usize) -> Self {
        Self {
            offers: Arc::new(vec![Arc::default(); sources]),
            forced: [false, true].map(|on| Definition::forced(on).into()),
        }
    }

    /// Returns a stack of sources with these offers.
    pub(crate) fn of(offers: Vec<Arc<Offer>>) -> Self {
        Self { offers: Arc::new(offers), ..Self::new(0) }
    }

    /// Removes the definitions from an offer that the process has no room for.
    pub(crate) fn admit(&self, source: usize, offer: &mut Offer) -> Option<Rejected> {
        offer.admit(&self.offers[source])
    }

    /// Replaces the offer of one source. Returns the keys that may resolve to something else now.
    pub(crate) fn replace(&mut self, source: usize, offer: Offer) -> BTreeSet<Arc<str>> {
        let mut offer = offer;
        self.keep_fitting(source, &mut offer);
        let offers = Arc::make_mut(&mut self.offers);
        let before = std::mem::replace(&mut offers[source], Arc::new(offer));
        if before.lookup().is_some() || self.offers[source].lookup().is_some() {
            // A lookup may have an entry for any name.
            let all = self.offers.iter().chain([&before]);
            let all = all.flat_map(|offer| offer.keys().chain(offer.rejected()));
            return all.cloned().collect();
        }
        let now = &self.offers[source];
        let changed = now.keys().filter(|key| before.listed(key) != now.listed(key));
        let removed = before.keys().filter(|key| now.listed(key).is_none());
        let rejected = now.rejected().filter(|key| !before.rejects(key));
        let mended = before.rejected().filter(|key| !now.rejects(key));
        changed.chain(removed).chain(rejected).chain(mended).cloned().collect()
    }

    /// Changes single flags of the offer of one source. Returns their keys.
    pub(crate) fn amend(
        &mut self,
        source: usize,
        mut changed: Offer,
        removed: Vec<String>,
    ) -> Vec<Arc<str>> {
        self.keep_fitting(source, &mut changed);
        let offer = Arc::make_mut(&mut Arc::make_mut(&mut self.offers)[source]);
        offer.amend(&changed);
        removed.iter().for_each(|key| offer.remove(key));
        changed.keys().cloned().chain(removed.into_iter().map(Into::into)).collect()
    }

    /// Notes the last good entry beside each entry whose values have another type than those of the sources below.
    fn keep_fitting(&self, source: usize, offer: &mut Offer) {
        let before = &self.offers[source];
        let typed: Vec<_> =
            offer.keys().filter(|key| offer.listed(key).is_some_and(has_values)).cloned().collect();
        for key in typed {
            let Some(below) = self.below(&key, source as SourceId) else { continue };
            let fits = |entry: &Entry| check_type(entry, &below).is_ok();
            if offer.listed(&key).is_some_and(fits) {
                continue;
            }
            let last = before.listed(&key).filter(|_| !before.is_unknown(&key));
            let last = last.filter(|entry| fits(entry)).or(before.fitting(&key)).cloned();
            if let Some(last) = last {
                offer.set_fitting(key, last);
            }
        }
    }

    /// Returns the sources whose values for a key have another type than those of the sources
    /// below, with the types.
    pub(crate) fn mistyped(&self, key: &str) -> Vec<(SourceId, OtherType)> {
        if self.offers.len() < 2 {
            return Vec::new();
        }
        let typed = |offer: &&Arc<Offer>| offer.listed(key).is_some_and(has_values);
        if self.offers.iter().filter(typed).nth(1).is_none() {
            return Vec::new();
        }
        let sources = (0..=SourceId::MAX).take(self.offers.len());
        sources.filter_map(|source| Some((source, self.other_type(key, source)?))).collect()
    }

    /// Returns the conflict of an entry of a source with the types of the sources below.
    fn other_type(&self, key: &str, source: SourceId) -> Option<OtherType> {
        let entry = self.offers[usize::from(source)].listed(key).filter(|it| has_values(it))?;
        check_type(entry, &self.below(key, source)?).err()
    }

    /// Checks that the values of an entry, if a source had it, have the type of the sources below.
    pub(crate) fn check_type(
        &self,
        key: &str,
        source: usize,
        entry: &Entry,
    ) -> Result<(), OtherType> {
        match self.below(key, source as SourceId).filter(|_| has_values(entry)) {
            None => Ok(()),
            Some(below) => check_type(entry, &below),
        }
    }

    /// Returns `true` if a source keeps its last good entry because the values of its new one have
    /// another type.
    pub(crate) fn keeps_former(&self, key: &str, source: SourceId) -> bool {
        self.offers[usize::from(source)].fitting(key).is_some()
    }

    /// Returns the number of flags that a source lists.
    pub(crate) fn listed(&self, source: usize) -> usize {
        self.offers[source].len()
    }

    /// Merges the entries for a key.
    ///
    /// A flag with a `stale_after` reacts to lost sources above the one that sets `stale_after`.
    pub(crate) fn resolve(&self, key: &str, at: &Circumstances<'_>) -> Option<Resolved> {
        self.resolve_with(key, None, at)
    }

    /// As [`resolve`](Self::resolve), with another entry of a source, or none, for the key.
    pub(crate) fn resolve_with(
        &self,
        key: &str,
        entry: Option<(SourceId, Option<&Entry>)>,
        at: &Circumstances<'_>,
    ) -> Option<Resolved> {
        let Circumstances { lost, instant, time } = *at;
        let mut resolved = self.merge_with(key, entry, |_| false)?;
        let is_stale = |source| Self::is_overdue(&resolved, lost, source, instant);
        if (0..).take(lost.len()).any(is_stale) {
            let on_stale = resolved.definition.rare().on_stale.value().copied().unwrap_or_default();
            if on_stale == OnStale::Declared {
                resolved = self.merge_with(key, entry, is_stale)?;
            }
            resolved.stale = Some(on_stale);
        }
        resolved.set_time(time);
        Some(resolved)
    }

    /// Returns the lost sources that the flag has waited for long enough at the instant `now`,
    /// strongest first.
    pub(crate) fn overdue(
        resolved: &Resolved,
        lost: &[Option<Instant>],
        now: Instant,
    ) -> impl Iterator<Item = SourceId> {
        (0..).take(lost.len()).filter(move |&source| Self::is_overdue(resolved, lost, source, now))
    }

    fn is_overdue(
        resolved: &Resolved,
        lost: &[Option<Instant>],
        source: SourceId,
        now: Instant,
    ) -> bool {
        Self::stale_from(resolved, lost, source).is_some_and(|at| at <= now)
    }

    /// Returns the next instant after `now` at which the flag has waited long enough for a lost
    /// source.
    pub(crate) fn next_stale(
        resolved: &Resolved,
        lost: &[Option<Instant>],
        now: Instant,
    ) -> Option<Instant> {
        let instants =
            (0..).take(lost.len()).filter_map(|source| Self::stale_from(resolved, lost, source));
        instants.filter(|&at| at > now).min()
    }

    /// Returns the instant at which the flag has waited long enough for `source`, if that source is
    /// lost and above the source that sets `stale_after`.
    fn stale_from(
        resolved: &Resolved,
        lost: &[Option<Instant>],
        source: SourceId,
    ) -> Option<Instant> {
        let patience = resolved.definition.rare().stale_after.value()?;
        let declared = resolved.claimed(Field::StaleAfter)?;
        let since = lost[usize::from(source)].filter(|_| source < declared)?;
        since.checked_add(*patience)
    }

    /// Merges the entries for a key, from the weakest source up, except for those of some sources.
    fn merge(&self, key: &str, without: impl Fn(SourceId) -> bool) -> Option<Resolved> {
        self.merge_with(key, None, without)
    }

    /// As [`merge`](Self::merge), with another entry of a source, or none, for the key.
    fn merge_with(
        &self,
        key: &str,
        other: Option<(SourceId, Option<&Entry>)>,
        without: impl Fn(SourceId) -> bool,
    ) -> Option<Resolved> {
        let mut resolved: Option<Resolved> = None;
        let mut is_rejected = false;
        for (source, offer) in self.offers.iter().enumerate().rev() {
            let source = source as SourceId;
            let entry = match other {
                Some((changed, entry)) if changed == source => entry.cloned(),
                _ => offer.entry(key),
            };
            let Some(entry) = entry.filter(|_| !without(source)) else {
                // The deny-lists of the rejected definition are unknown. So no source above can
                // switch the flag on, and those below are not the answer.
                if offer.rejects(key) && !without(source) {
                    is_rejected = true;
                    resolved = None;
                }
                continue;
            };
            let mut is_unknown = offer.is_unknown(key);
            let entry = match &resolved {
                // A rejected definition counts as one that cannot be read, since it may be meant to
                // switch the flag off.
                Some(below) if check_type(&entry, below).is_err() => {
                    let last = offer.fitting(key).filter(|last| check_type(last, below).is_ok());
                    let last = last.filter(|_| !switches_off(&entry)).cloned();
                    is_unknown = last.is_none() && !switches_off(&entry);
                    last.unwrap_or(Entry::Forced(false))
                }
                _ => entry,
            };
            let definition = self.patch(&entry, resolved.as_ref());
            if is_rejected {
                if definition.enabled.value() == Some(&false) {
                    let off = resolved.insert(Resolved::new(self.forced[0].clone(), source));
                    off.is_unknown = is_unknown;
                }
                continue;
            }
            let is_forced_on =
                entry.forces().is_some() && definition.enabled.value() == Some(&true);
            let is_switched = definition.enabled.value().is_some();
            let merged = match resolved {
                None => resolved.insert(Resolved::new(definition, source)),
                Some(ref mut below) => {
                    below.merge(&definition, source);
                    below
                }
            };
            if is_forced_on {
                merged.set_forced_on();
            }
            // The strongest source that switches the flag decides.
            if is_switched {
                merged.is_unknown = is_unknown;
            }
        }
        if let Some(resolved) = &mut resolved {
            Definition::settle(&mut resolved.definition);
        }
        resolved
    }

    /// Returns the offers of all sources, strongest first.
    pub(crate) fn offers(&self) -> Arc<Vec<Arc<Offer>>> {
        Arc::clone(&self.offers)
    }

    /// Returns the number of flags of a source that keep a former definition.
    pub(crate) fn former(&self, source: usize) -> usize {
        self.offers[source].former()
    }

    /// Returns the combined version of all sources that have one.
    pub(crate) fn fingerprint(&self) -> Option<u64> {
        let all = self.offers.iter().filter_map(|offer| offer.fingerprint());
        all.reduce(|all, one| all.rotate_left(1) ^ one)
    }

    /// Returns the sources that have a version.
    pub(crate) fn versioned(&self) -> Vec<usize> {
        let offers = self.offers.iter().enumerate();
        offers
            .filter(|(_, offer)| offer.fingerprint().is_some())
            .map(|(source, _)| source)
            .collect()
    }

    /// Returns the patch that an entry is on top of the sources below it.
    fn patch(&self, entry: &Entry, below: Option<&Resolved>) -> SharedDefinition {
        let below = below.map(|below| &*below.definition);
        let serves = |below: &Definition| {
            below.rare().variants.value().is_some() || below.rare().serve.value().is_some()
        };
        match (below.filter(|below| serves(below)), entry.forces()) {
            // Most flags are plain, and share these two patches.
            (None, Some(on)) => self.forced[usize::from(on)].clone(),
            (below, _) => entry.patch(below),
        }
    }

    /// Returns the entries for a key by source, strongest first.
    pub(crate) fn entries(
        &self,
        key: &str,
    ) -> impl Iterator<Item = (SourceId, Entry, Option<Arc<Provenance>>)> {
        (0..=SourceId::MAX).zip(&*self.offers).filter_map(move |(source, offer)| {
            Some((source, offer.entry(key)?, offer.provenance(key).cloned()))
        })
    }

    /// Returns the reason why the value of a source for a key cannot be read, if there is one.
    pub(crate) fn problem(&self, key: &str, source: SourceId) -> Option<String> {
        let unreadable = self.offers[usize::from(source)].problem(key).map(str::to_owned);
        unreadable.or_else(|| self.other_type(key, source).map(|other| other.to_string()))
    }

    /// Returns the last good entry of a source for a key whose stored value cannot be read. A flag
    /// without one is forced off.
    pub(crate) fn last_good(&self, key: &str, source: SourceId) -> Option<Entry> {
        let offer = &self.offers[usize::from(source)];
        match self.other_type(key, source) {
            Some(_) => offer.fitting(key).cloned(),
            None => offer.entry(key).filter(|entry| *entry != Entry::Forced(false)),
        }
    }

    /// Returns the warning about the entry of a source for a key, if there is one.
    pub(crate) fn warning(&self, key: &str, source: SourceId) -> Option<(WarningKind, String)> {
        let offer = &self.offers[usize::from(source)];
        let entry = offer.entry(key).filter(|_| self.problem(key, source).is_none());
        self.warning_about(key, source, entry.as_ref())
    }

    /// Returns the warning about an entry, if a source had it for a key.
    pub(crate) fn warning_about(
        &self,
        key: &str,
        source: SourceId,
        entry: Option<&Entry>,
    ) -> Option<(WarningKind, String)> {
        let entry = entry?;
        if let Entry::Definition(definition) = entry {
            return self.unknown_variant(key, source, definition);
        }
        let is_on = entry.forces()?;
        if *entry == Entry::Forced(false) {
            return None;
        }
        let below = self.below(key, source);
        let variants = below.as_ref().and_then(|below| below.definition.rare().variants.value());
        let is_variant = |text: &str| variants.is_some_and(|it| it.variant(text).is_some());
        match entry {
            Entry::Text(text) if is_variant(text) => None,
            Entry::Text(text) if !is_on => Some((
                WarningKind::NeitherOnNorOff,
                format!(
                    "`{}` is neither on nor off, nor a variant, so the flag is off",
                    beginning(text)
                ),
            )),
            _ if self.patch(entry, below.as_ref()).enabled.value() == Some(&false) => {
                let names = variants.into_iter().flat_map(|variants| {
                    let on = variants.names().filter(|name| !variants.counts_as_off(name));
                    on.map(|name| format!("`{name}`"))
                });
                let names: Vec<_> = names.collect();
                let why = match names.is_empty() {
                    true => "each of its variants counts as off".to_owned(),
                    false => format!("none of its variants {} has a weight", names.join(", ")),
                };
                Some((WarningKind::StaysOff, format!("it is forced on and stays off, since {why}")))
            }
            _ => None,
        }
    }

    /// Returns the warning about a definition that serves a variant which neither the definition
    /// nor the sources below have.
    fn unknown_variant(
        &self,
        key: &str,
        source: SourceId,
        definition: &SharedDefinition,
    ) -> Option<(WarningKind, String)> {
        let rare = definition.rare();
        if rare.serve.value().is_none() && rare.rules.value().is_none() {
            return None;
        }
        let mut merged = match self.below(key, source) {
            None => definition.clone(),
            Some(below) => {
                let mut merged = below.definition;
                merged.make_mut().overlay(definition);
                merged
            }
        };
        Definition::settle(&mut merged);
        let variants = merged.rare().variants.value();
        let is_unknown = |name: &str| variants.is_none_or(|it| it.variant(name).is_none());
        let serve = rare.serve.value().filter(|name| is_unknown(name));
        if let Some(name) = serve {
            let name = beginning(name);
            let message = format!(
                "it serves `{name}`, which is not a variant of the flag, so the flag is off"
            );
            return Some((WarningKind::UnknownVariant, message));
        }
        // Only rules of this source, with the variants as merged.
        let rules = merged.rare().rules.value().filter(|_| rare.rules.value().is_some())?;
        let unknown = rules.iter().zip(1..).find_map(|(rule, number)| match &rule.serve {
            Serve::Variant(name) if is_unknown(name) => Some((number, name)),
            Serve::Split(split) => {
                let unknown = split.iter().find(|(name, _)| is_unknown(name));
                unknown.map(|(name, _)| (number, name))
            }
            _ => None,
        });
        let (number, name): (u32, _) = unknown?;
        let name = beginning(name);
        let message = format!(
            "rule {number} serves `{name}`, which is not a variant of the flag, so it is off for \
             these users"
        );
        Some((WarningKind::UnknownVariant, message))
    }

    /// Returns the merged definition of the sources below one for a key.
    pub(crate) fn below(&self, key: &str, source: SourceId) -> Option<Resolved> {
        self.merge(key, |other| other <= source)
    }

    /// Returns the warnings about the entries of all sources for a key.
    pub(crate) fn unclear(
        &self,
        key: &str,
    ) -> impl Iterator<Item = (SourceId, WarningKind, String)> {
        let sources = (0..=SourceId::MAX).take(self.offers.len());
        sources.filter_map(|source| {
            let (kind, message) = self.warning(key, source)?;
            Some((source, kind, message))
        })
    }

    /// Returns `true` if a source has a lookup for flags that it does not list.
    pub(crate) fn has_lookups(&self) -> bool {
        self.offers.iter().any(|offer| offer.lookup().is_some())
    }

    /// Returns `true` if a source without a lookup has a flag.
    pub(crate) fn declares(&self, key: &str) -> bool {
        self.offers.iter().any(|offer| offer.lookup().is_none() && offer.listed(key).is_some())
    }

    /// Returns the flags that sources with a lookup list.
    pub(crate) fn looked_up(&self) -> impl Iterator<Item = &Arc<str>> {
        self.offers.iter().filter(|offer| offer.lookup().is_some()).flat_map(|offer| offer.keys())
    }

    /// Returns the locations of a flag in sources with a lookup.
    pub(crate) fn variables_of(&self, key: &str) -> impl Iterator<Item = (SourceId, String)> {
        let offers = (0..=SourceId::MAX).zip(&*self.offers);
        let offers = offers.filter(|(_, offer)| offer.lookup().is_some());
        offers.filter_map(|(source, offer)| Some((source, offer.place(key, Part::Whole)?)))
    }

    /// Returns the location of the entry of a source for a key.
    pub(crate) fn place(&self, key: &str, source: SourceId) -> Option<String> {
        self.offers[usize::from(source)].place(key, Part::Whole)
    }

    /// Returns `true` if a source rejects a flag and has no former definition of it.
    pub(crate) fn rejects(&self, key: &str) -> bool {
        self.offers.iter().any(|offer| offer.rejects(key))
    }

    /// Returns the location at which the strongest source below one has a flag.
    pub(crate) fn place_below(&self, key: &str, source: usize) -> Option<String> {
        let mut below = self.offers.iter().skip(source + 1);
        below.find(|offer| offer.entry(key).is_some())?.place(key, Part::Whole)
    }

    /// Returns the entries that a source lists.
    pub(crate) fn overrides(
        &self,
        source: usize,
    ) -> impl Iterator<Item = (&Arc<str>, &Entry, Option<Arc<Provenance>>)> {
        let offer = &self.offers[source];
        let listed = offer.keys().filter_map(|key| Some((key, offer.listed(key)?)));
        listed.map(|(key, entry)| (key, entry, offer.provenance(key).cloned()))
    }

    /// Returns the definition of a key without `source` and those above, and the one with `source`,
    /// which lists the key.
    pub(crate) fn with_and_without(
        &self,
        key: &str,
        source: usize,
    ) -> (Option<SharedDefinition>, SharedDefinition) {
        let below = self.merge(key, |other| usize::from(other) <= source);
        let with = self.merge(key, |other| usize::from(other) < source);
        let definition = |resolved: Resolved| resolved.definition;
        (below.map(definition), with.map(definition).unwrap_or_default())
    }

    /// Returns the definition of a key without `source` and those above, and the one with `entry`
    /// in `source`.
    pub(crate) fn with_entry(
        &self,
        key: &str,
        source: usize,
        entry: Option<&Entry>,
    ) -> (SharedDefinition, SharedDefinition) {
        let below = self.merge(key, |other| usize::from(other) <= source);
        let patch = entry.map(|entry| self.patch(entry, below.as_ref()));
        let below = below.map(|below| below.definition).unwrap_or_default();
        let mut with = below.clone();
        if let Some(patch) = patch {
            with.make_mut().overlay(&patch);
            Definition::settle(&mut with);
        }
        (below, with)
    }

    /// Returns the lookups for names that no source lists, strongest first.
    pub(crate) fn lookups(&self) -> Arc<[(SourceId, Lookup)]> {
        let lookups = (0..=SourceId::MAX).zip(&*self.offers);
        lookups.filter_map(|(source, offer)| Some((source, Arc::clone(offer.lookup()?)))).collect()
    }
}

/// Returns `true` if an entry can give a flag values.
fn has_values(entry: &Entry) -> bool {
    matches!(entry, Entry::Definition(definition) if definition.has_values())
}

/// Returns `true` if an entry switches a flag off.
fn switches_off(entry: &Entry) -> bool {
    matches!(entry, Entry::Definition(it) if it.enabled.value() == Some(&false))
}

/// Checks that the values of an entry are of the type that the flag has in the sources below.
fn check_type(entry: &Entry, below: &Resolved) -> Result<(), OtherType> {
    match entry {
        Entry::Definition(patch) => below.definition.check_type(patch),
        _ => Ok(()),
    }
}

/// Returns the beginning of a string from a store, which may be long, for a message.
fn beginning(text: &str) -> String {
    const MOST: usize = 64;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Percentage;

    fn stack(sources: &[&[(&str, Entry)]]) -> Stack {
        let mut stack = Stack::new(sources.len());
        for (source, entries) in sources.iter().enumerate() {
            stack.replace(source, entries.iter().cloned().collect());
        }
        stack
    }

    fn ten_percent() -> Definition {
        Definition::new()
            .owner("payments")
            .denied_users(["mallory"])
            .percentage(Percentage::whole(10).unwrap())
    }

    #[test]
    fn a_partial_definition_changes_its_fields_and_leaves_the_rest() {
        let quarter = Percentage::whole(25).unwrap();
        let stack = stack(&[
            &[("a", Definition::new().percentage(quarter).into())],
            &[("a", ten_percent().into())],
        ]);

        let a = stack.merge("a", |_| false).unwrap();

        assert_eq!(a.definition.percentage.value(), Some(&quarter));
        assert_eq!(a.definition.owner.value().map(String::as_str), Some("payments"));
        assert_eq!(a.claimed(Field::Percentage), Some(0));
        assert_eq!(a.claimed(Field::Owner), Some(1));
        assert_eq!(a.claimed(Field::Salt), None);
    }

    #[test]
    fn a_forced_on_clears_the_percentage_and_keeps_the_deny_list() {
        let stack = stack(&[&[("a", true.into())], &[("a", ten_percent().into())]]);

        let a = stack.merge("a", |_| false).unwrap();

        assert_eq!(a.definition.percentage.value(), None);
        assert_eq!(a.definition.denied_users.value(), Some(&vec!["mallory".to_owned()]));
        assert_eq!(a.origin(Field::Enabled), 0);
    }

    #[test]
    fn a_stronger_definition_narrows_a_forced_value_below_it() {
        let patch = Definition::new().percentage(Percentage::ZERO);
        let stack = stack(&[&[("a", patch.into())], &[("a", true.into())]]);

        let a = stack.merge("a", |_| false).unwrap();

        assert_eq!(a.definition.percentage.value(), Some(&Percentage::ZERO));
        assert_eq!(a.definition.enabled.value(), Some(&true));
    }

    #[test]
    fn only_keys_that_differ_are_resolved_again() {
        let mut stack = stack(&[&[("same", true.into()), ("gone", true.into())]]);

        let changed =
            stack.replace(0, [("same", true), ("new", true)].into_iter().collect::<Offer>());

        assert_eq!(changed.iter().map(|key| &**key).collect::<Vec<_>>(), ["gone", "new"]);
    }
}
