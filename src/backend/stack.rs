//! The sources in their order: the only place of precedence.

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use tokio::time::Instant;

use super::{Lookup, Offer, Provenance, offer::Rejected};
use crate::model::{Definition, Entry, Field, OnStale, Resolved, SharedDefinition};

/// The place of a source, 0 being the strongest.
pub(crate) type SourceId = u8;

/// The offers of all sources, strongest first.
#[derive(Debug)]
pub(crate) struct Stack {
    /// Snapshots keep those of their time.
    offers: Arc<Vec<Arc<Offer>>>,
    /// The patches of forced off and on: most flags share these two.
    forced: [SharedDefinition; 2],
}

impl Stack {
    pub(crate) fn new(sources: usize) -> Self {
        Self {
            offers: Arc::new(vec![Arc::default(); sources]),
            forced: [false, true].map(|on| Definition::forced(on).into()),
        }
    }

    /// Takes out of an offer the definitions that the process has no room for.
    pub(crate) fn admit(&self, source: usize, offer: &mut Offer) -> Option<Rejected> {
        offer.admit(&self.offers[source])
    }

    /// Replaces what one source offers. Returns the keys that may resolve to something else now.
    pub(crate) fn replace(&mut self, source: usize, offer: Offer) -> BTreeSet<Arc<str>> {
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

    /// Changes single flags of what one source offers. Returns their keys.
    pub(crate) fn amend(
        &mut self,
        source: usize,
        changed: &Offer,
        removed: Vec<String>,
    ) -> Vec<Arc<str>> {
        let offer = Arc::make_mut(&mut Arc::make_mut(&mut self.offers)[source]);
        offer.amend(changed);
        removed.iter().for_each(|key| offer.remove(key));
        changed.keys().cloned().chain(removed.into_iter().map(Into::into)).collect()
    }

    /// Returns the number of flags that a source lists.
    pub(crate) fn listed(&self, source: usize) -> usize {
        self.offers[source].len()
    }

    /// Merges the entries for a key at the instant `now`, at which clocks show `time`.
    ///
    /// `lost` has, per source, since when it has been unreachable. A flag with a
    /// `stale_after` reacts to that, for the sources above the one that sets it.
    pub(crate) fn resolve(
        &self,
        key: &str,
        lost: &[Option<Instant>],
        now: Instant,
        time: SystemTime,
    ) -> Option<Resolved> {
        let mut resolved = self.merge(key, |_| false)?;
        let is_stale = |source| Self::is_overdue(&resolved, lost, source, now);
        if (0..).take(lost.len()).any(is_stale) {
            let on_stale = resolved.definition.rare().on_stale.value().copied().unwrap_or_default();
            if on_stale == OnStale::Declared {
                resolved = self.merge(key, is_stale)?;
            }
            resolved.stale = Some(on_stale);
        }
        resolved.set_time(time);
        Some(resolved)
    }

    /// The lost sources that the flag has waited for long enough at the instant `now`, strongest first.
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

    /// The next instant after `now` at which the flag has waited long enough for a lost source.
    pub(crate) fn next_stale(
        resolved: &Resolved,
        lost: &[Option<Instant>],
        now: Instant,
    ) -> Option<Instant> {
        let instants =
            (0..).take(lost.len()).filter_map(|source| Self::stale_from(resolved, lost, source));
        instants.filter(|&at| at > now).min()
    }

    /// The instant at which the flag has waited long enough for `source`, if that is lost and above the
    /// source that sets `stale_after`.
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

    /// Merges the entries for a key, from the weakest source up, but for some sources.
    fn merge(&self, key: &str, without: impl Fn(SourceId) -> bool) -> Option<Resolved> {
        let mut resolved: Option<Resolved> = None;
        let mut is_rejected = false;
        for (source, offer) in self.offers.iter().enumerate().rev() {
            let source = source as SourceId;
            let Some(entry) = offer.entry(key).filter(|_| !without(source)) else {
                // Its deny-lists are unknown, so nothing above can switch it on.
                is_rejected |= offer.rejects(key) && !without(source);
                continue;
            };
            let definition = self.patch(&entry, resolved.as_ref());
            if is_rejected {
                if definition.enabled.value() == Some(&false) {
                    resolved = Some(Resolved::new(self.forced[0].clone(), source));
                }
                continue;
            }
            let is_forced_on =
                entry.forces().is_some() && definition.enabled.value() == Some(&true);
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
        }
        resolved
    }

    /// The offers of all sources, strongest first.
    pub(crate) fn offers(&self) -> Arc<Vec<Arc<Offer>>> {
        Arc::clone(&self.offers)
    }

    /// The number of flags of a source that keep a former definition.
    pub(crate) fn former(&self, source: usize) -> usize {
        self.offers[source].former()
    }

    /// The version of all sources that have one.
    pub(crate) fn fingerprint(&self) -> Option<u64> {
        let all = self.offers.iter().filter_map(|offer| offer.fingerprint());
        all.reduce(|all, one| all.rotate_left(1) ^ one)
    }

    /// The sources that have a version.
    pub(crate) fn versioned(&self) -> Vec<usize> {
        let offers = self.offers.iter().enumerate();
        offers
            .filter(|(_, offer)| offer.fingerprint().is_some())
            .map(|(source, _)| source)
            .collect()
    }

    /// The patch that an entry is on top of the sources below it.
    fn patch(&self, entry: &Entry, below: Option<&Resolved>) -> SharedDefinition {
        let variants = below.and_then(|below| below.definition.rare().variants.value());
        match (variants, entry.forces()) {
            (None, Some(on)) => self.forced[usize::from(on)].clone(),
            _ => entry.patch(variants),
        }
    }

    /// The entries for a key by source, strongest first.
    pub(crate) fn entries(
        &self,
        key: &str,
    ) -> impl Iterator<Item = (SourceId, Entry, Option<Arc<Provenance>>)> {
        (0..=SourceId::MAX).zip(&*self.offers).filter_map(move |(source, offer)| {
            Some((source, offer.entry(key)?, offer.provenance(key).cloned()))
        })
    }

    /// Returns the problem with the entry of a source for a key, if it has one.
    pub(crate) fn problem(&self, key: &str, source: SourceId) -> Option<String> {
        let offer = &self.offers[usize::from(source)];
        if let Some(problem) = offer.problem(key) {
            return Some(problem.to_owned());
        }
        let entry = offer.entry(key)?;
        let Entry::Text(text) = &entry else { return None };
        if entry.forces() == Some(true) {
            return None;
        }
        let below = self.merge(key, |other| other <= source);
        let variants = below.as_ref().and_then(|below| below.definition.rare().variants.value());
        let is_variant = variants.is_some_and(|variants| variants.variant(text).is_some());
        (!is_variant).then(|| format!("`{text}` is neither on nor off, nor a variant"))
    }

    /// Returns the sources whose entry for a key is neither on, nor off, nor a variant.
    pub(crate) fn unclear(&self, key: &str) -> impl Iterator<Item = (SourceId, String)> {
        let texts = (0..=SourceId::MAX).zip(&*self.offers).filter(|(_, offer)| {
            // Most flags have none, and what is below need not be merged for them.
            matches!(offer.listed(key), Some(Entry::Text(_)))
        });
        texts.filter_map(|(source, _)| Some((source, self.problem(key, source)?)))
    }

    /// The entries that a source lists.
    pub(crate) fn overrides(
        &self,
        source: usize,
    ) -> impl Iterator<Item = (&Arc<str>, &Entry, Option<Arc<Provenance>>)> {
        let offer = &self.offers[source];
        let listed = offer.keys().filter_map(|key| Some((key, offer.listed(key)?)));
        listed.map(|(key, entry)| (key, entry, offer.provenance(key).cloned()))
    }

    /// The definition of a key without `source` and those above, and the one with `source`, which lists it.
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

    /// The definition of a key without `source` and those above, and the one with `entry` in `source`.
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
            with.make_mut().merge(&patch);
        }
        (below, with)
    }

    /// The lookups for names that no source lists, strongest first.
    pub(crate) fn lookups(&self) -> Arc<[(SourceId, Lookup)]> {
        let lookups = (0..=SourceId::MAX).zip(&*self.offers);
        lookups.filter_map(|(source, offer)| Some((source, Arc::clone(offer.lookup()?)))).collect()
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
