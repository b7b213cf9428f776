//! The values of the store, and the overrides in force.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::SystemTime,
};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    RedisError,
    layout::{Layout, Reading},
    scan::Pair,
    value::{self, Override},
};
use crate::{backend::Offer, model::Entry};

/// All overrides of a store. An override that cannot be read keeps its last good value; without
/// one, it switches its flag off.
#[derive(Debug, Default)]
pub(super) struct Fields {
    fields: HashMap<Vec<u8>, Field>,
    /// The problems, by the names of the fields.
    problems: BTreeMap<Vec<u8>, Unreadable>,
    /// The fields whose override ends, or is to end another one. They are few, and each change
    /// reads the next end.
    timed: HashSet<Vec<u8>>,
    /// The number of values that the last update refused.
    refused: usize,
    /// The number of the last scan.
    scan: u64,
}

#[derive(Debug)]
struct Field {
    stored: Stored,
    /// The last good override.
    good: Option<Override>,
    /// The last good value as it was stored, if another one is stored now.
    good_raw: Option<Vec<u8>>,
    problem: Option<String>,
    /// The last scan that had this field.
    scan: u64,
}

/// A value as it is stored. Only a hash is kept of garbage, which shows if the value changes.
#[derive(Debug, PartialEq, Eq)]
enum Stored {
    Good(Vec<u8>),
    Bad {
        bytes: usize,
        hash: u64,
    },
    /// A value too large to be read.
    Large(usize),
}

impl Stored {
    fn is(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Good(stored), Value::Read(raw)) => stored == raw,
            (&Self::Bad { bytes, hash }, Value::Read(raw)) => {
                bytes == raw.len() && hash == xxh3_64(raw)
            }
            (&Self::Large(stored), Value::Large(bytes)) => stored == bytes,
            _ => false,
        }
    }
}

/// A value of the store.
#[derive(Clone, Copy)]
enum Value<'a> {
    Read(&'a [u8]),
    /// A value too large to be read, with its number of bytes.
    Large(usize),
}

/// The differences to the state before.
#[derive(Debug)]
pub(super) struct Amended {
    pub(super) update: Update,
    pub(super) changed: Offer,
    pub(super) removed: Vec<String>,
}

/// The number of characters that are kept of a problem, which may quote the whole value.
const PROBLEM: usize = 300;

/// A value that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) problem: String,
}

/// The kinds of differences to the last update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Update {
    Nothing,
    /// Values have changed; the problem of the store, if any, is the same.
    Values,
    /// The problem of the store has changed, or is gone.
    Problems,
}

impl Field {
    /// Returns a field with a new value, which keeps the last good override of the field before.
    fn new(name: &[u8], value: Value<'_>, before: Option<Self>, layout: &Layout) -> Self {
        let problem = match value {
            Value::Large(bytes) => value::too_large(bytes),
            Value::Read(raw) => match value::decode(name, raw, layout) {
                Err(problem) => shortened(problem),
                Ok(good) => {
                    let stored = Stored::Good(raw.to_vec());
                    return Self { stored, good, good_raw: None, problem: None, scan: 0 };
                }
            },
        };
        let (good, good_raw) = before.map(Self::into_good).unwrap_or_default();
        let stored = match value {
            Value::Read(raw) => Stored::Bad { bytes: raw.len(), hash: xxh3_64(raw) },
            Value::Large(bytes) => Stored::Large(bytes),
        };
        Self { stored, good, good_raw, problem: Some(problem), scan: 0 }
    }

    /// Returns the last good override, and the value that was stored for it.
    fn into_good(self) -> (Option<Override>, Option<Vec<u8>>) {
        match self.stored {
            Stored::Good(raw) => (self.good, Some(raw)),
            Stored::Bad { .. } | Stored::Large(_) => (self.good, self.good_raw),
        }
    }

    /// Returns the stored value of the last good override.
    fn good_raw(&self) -> Option<&Vec<u8>> {
        match &self.stored {
            Stored::Good(raw) => Some(raw),
            Stored::Bad { .. } | Stored::Large(_) => self.good_raw.as_ref(),
        }
    }

    fn unreadable(&self) -> Option<Unreadable> {
        self.problem.clone().map(|problem| Unreadable { problem })
    }

    /// Returns the entry that is in force at the instant `now`.
    fn entry(&self, now: SystemTime) -> Option<Entry> {
        match self.good.as_ref().filter(|good| !good.has_ended(now)) {
            Some(good) => Some(good.entry(now).clone()),
            // The value may be a kill switch.
            None => self.problem.is_some().then_some(Entry::Forced(false)),
        }
    }

    /// Adds the entry in force at the instant `now` to an offer.
    fn list(&self, flag: &str, now: SystemTime, offer: &mut Offer) {
        let Some(entry) = self.entry(now) else { return };
        offer.insert(flag.into(), entry);
        if self.good.is_none() && self.problem.is_some() {
            offer.set_unknown(flag.into());
        }
        let good = self.good.as_ref().filter(|good| !good.has_ended(now));
        if let Some(provenance) = good.and_then(|good| good.provenance.as_ref()) {
            offer.set_provenance(flag.into(), provenance.clone());
        }
    }
}

fn shortened(mut problem: String) -> String {
    if let Some((end, _)) = problem.char_indices().nth(PROBLEM) {
        problem.truncate(end);
        problem.push('…');
    }
    problem
}

impl Fields {
    /// Takes all values that are stored now, except for those of the fields in `newer`, which were
    /// read later.
    pub(super) fn update(
        &mut self,
        reading: &Reading,
        newer: &HashSet<Vec<u8>>,
        layout: &Layout,
    ) -> Update {
        self.refused = 0;
        let read = reading.raw.iter().map(|(name, raw)| (name, Value::Read(raw)));
        let large = reading.too_large.iter().map(|(name, &bytes)| (name, Value::Large(bytes)));
        let mut update = Update::Nothing;
        for (name, value) in read.chain(large).filter(|(name, _)| !newer.contains(*name)) {
            update = update.max(self.put(name, value, layout));
        }
        let gone = |name: &Vec<u8>| !reading.has(name) && !newer.contains(name);
        let gone: Vec<_> = self.fields.keys().filter(|name| gone(name)).cloned().collect();
        for name in gone {
            update = update.max(self.remove(&name));
        }
        update
    }

    /// Returns the number for a new scan.
    pub(super) fn next_scan(&mut self) -> u64 {
        self.scan += 1;
        self.scan
    }

    /// Returns the fields of a scan's piece that differ from the known ones.
    pub(super) fn compare(&mut self, piece: Vec<Pair>, scan: u64) -> Vec<Vec<u8>> {
        let differs = |(name, raw): Pair| match self.fields.get_mut(&name) {
            Some(field) => {
                field.scan = scan;
                (!field.stored.is(Value::Read(&raw))).then_some(name)
            }
            None => Some(name),
        };
        piece.into_iter().filter_map(differs).collect()
    }

    /// Returns the known fields that a scan has not returned.
    pub(super) fn unseen(&self, scan: u64) -> impl Iterator<Item = &Vec<u8>> {
        self.fields.iter().filter(move |(_, field)| field.scan != scan).map(|(name, _)| name)
    }

    /// Returns the fields that the server may have evicted since: a hash as a whole, or keys one by
    /// one.
    pub(super) fn gone(
        &self,
        reading: &Reading,
        newer: &HashSet<Vec<u8>>,
        layout: &Layout,
    ) -> Vec<Vec<u8>> {
        if matches!(layout, Layout::Hash(_)) && !reading.is_empty() {
            return Vec::new();
        }
        let gone = self.fields.keys().filter(|name| !reading.has(name) && !newer.contains(*name));
        gone.cloned().collect()
    }

    /// Takes the current values of some fields.
    pub(super) fn amend(
        &mut self,
        values: &[(Vec<u8>, Option<Vec<u8>>)],
        now: SystemTime,
        layout: &Layout,
    ) -> Amended {
        self.refused = 0;
        let mut amended =
            Amended { update: Update::Nothing, changed: Offer::new(), removed: Vec::new() };
        for (name, value) in values {
            let update = match value {
                Some(raw) => self.put(name, Value::Read(raw), layout),
                None => self.remove(name),
            };
            amended.update = amended.update.max(update);
            let Ok(flag) = str::from_utf8(name) else { continue };
            match self.fields.get(name).filter(|field| field.entry(now).is_some()) {
                Some(field) => field.list(flag, now, &mut amended.changed),
                None => amended.removed.push(flag.to_owned()),
            }
        }
        amended
    }

    fn put(&mut self, name: &[u8], value: Value<'_>, layout: &Layout) -> Update {
        let before = match self.fields.get(name) {
            Some(field) if field.stored.is(value) => return Update::Nothing,
            _ => self.fields.remove(name),
        };
        let was_wrong = before.as_ref().is_some_and(|before| before.problem.is_some());
        let field = Field::new(name, value, before, layout);
        let is_wrong = field.problem.is_some();
        match field.unreadable() {
            Some(problem) => self.problems.insert(name.to_vec(), problem),
            None => self.problems.remove(name),
        };
        self.refused += usize::from(is_wrong);
        match field.good.as_ref().is_some_and(|good| good.changes().next().is_some()) {
            true => self.timed.insert(name.to_vec()),
            false => self.timed.remove(name),
        };
        self.fields.insert(name.to_vec(), field);
        if was_wrong || is_wrong { Update::Problems } else { Update::Values }
    }

    fn remove(&mut self, name: &[u8]) -> Update {
        self.timed.remove(name);
        match self.fields.remove(name) {
            None => Update::Nothing,
            Some(Field { problem: None, .. }) => Update::Values,
            Some(_) => {
                self.problems.remove(name);
                Update::Problems
            }
        }
    }

    /// Returns the offer at the instant `now`.
    pub(super) fn offer(&self, now: SystemTime, layout: &Layout) -> Offer {
        let layout = layout.clone();
        let mut offer = Offer::new().with_places(move |key, _| Some(layout.place(key)));
        for (name, field) in &self.fields {
            let Ok(name) = str::from_utf8(name) else { continue };
            field.list(name, now, &mut offer);
            if let Some(problem) = &field.problem {
                offer.set_problem(name.into(), problem.as_str().into());
            }
        }
        offer
    }

    /// Returns the number of values that the last update refused. A refused value that stays counts
    /// once.
    pub(super) fn refused(&self) -> usize {
        self.refused
    }

    /// Returns the instant at which the next override ends after `now`.
    pub(super) fn next_end(&self, now: SystemTime) -> Option<SystemTime> {
        let good = self.timed().filter_map(|(_, field)| field.good.as_ref());
        good.flat_map(Override::changes).filter(|&change| change > now).min()
    }

    /// Returns the overrides that have ended, as they are stored, with their ends.
    pub(super) fn ended(&self, now: SystemTime) -> Vec<(String, Vec<u8>, SystemTime)> {
        let over = self.timed().filter_map(|(name, field)| {
            let Stored::Good(raw) = &field.stored else { return None };
            let end = field.good.as_ref()?.end().filter(|&end| end <= now)?;
            Some((String::from_utf8(name.clone()).ok()?, raw.clone(), end))
        });
        over.collect()
    }

    fn timed(&self) -> impl Iterator<Item = (&Vec<u8>, &Field)> {
        self.timed.iter().filter_map(|name| self.fields.get_key_value(name))
    }

    /// Returns the last good values, as they were stored.
    pub(super) fn good_raw(&self) -> Vec<(String, String)> {
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).ok();
        let good = self.fields.iter();
        let mut good: Vec<_> = good
            .filter_map(|(name, field)| Some((text(name)?, text(field.good_raw()?)?)))
            .collect();
        good.sort_unstable();
        good
    }

    /// Returns the failure that describes the problems of the store, if there are any.
    pub(super) fn problem(&self, layout: &Layout) -> Option<RedisError> {
        RedisError::bad_values(&self.problems, layout)
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::layout::Raw, *};

    fn raw(fields: &[(&[u8], &[u8])]) -> Reading {
        let raw: Raw =
            fields.iter().map(|&(name, value)| (name.to_vec(), value.to_vec())).collect();
        raw.into()
    }

    impl Fields {
        fn all(&mut self, reading: &Reading) -> Update {
            self.update(reading, &HashSet::new(), &hash())
        }
    }

    fn hash() -> Layout {
        Layout::Hash("feature_flags".to_owned())
    }

    #[test]
    fn a_value_that_turns_bad_keeps_its_last_good_meaning() {
        let mut fields = Fields::default();
        fields.all(&raw(&[(b"a", b"1"), (b"b", b"0")]));

        let update = fields.all(&raw(&[(b"a", b"{\"percentage\": true}"), (b"b", b"1")]));

        let offer = fields.offer(SystemTime::now(), &hash());
        assert_eq!(update, Update::Problems);
        assert_eq!(offer.listed("a"), Some(&Entry::from_text("1")));
        assert_eq!(offer.listed("b"), Some(&Entry::from_text("1")));
        let problem = fields.problem(&hash()).unwrap().to_string();
        assert!(problem.contains("field `a` of the hash `feature_flags`"), "{problem}");
    }

    #[test]
    fn a_value_that_was_never_good_is_off() {
        let mut fields = Fields::default();
        fields.all(&raw(&[(b"a", b"\xff"), (b"b", b"{\"percentage\": 400}")]));

        let offer = fields.offer(SystemTime::now(), &hash());

        assert_eq!(offer.listed("a"), Some(&Entry::Forced(false)));
        assert_eq!(offer.listed("b"), Some(&Entry::Forced(false)));
        assert!(offer.problem("b").is_some_and(|problem| problem.contains("percentage")));
        let problem = fields.problem(&hash()).unwrap().to_string();
        assert!(problem.contains("keep its last good value, or have the flag off"), "{problem}");
    }

    #[test]
    fn what_was_good_last_is_kept_as_it_was_stored() {
        let mut fields = Fields::default();
        fields.all(&raw(&[(b"a", b"yes")]));

        for garbage in [&b"{"[..], b"{ "] {
            fields.all(&raw(&[(b"a", garbage), (b"never", b"{")]));
            assert_eq!(fields.good_raw(), [("a".to_owned(), "yes".to_owned())]);
        }

        fields.all(&raw(&[(b"never", b"{")]));
        assert_eq!(fields.good_raw(), []);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_left_out_and_reported() {
        let mut fields = Fields::default();

        fields.all(&raw(&[(b"\xff", b"1"), (b"b", b"1")]));

        let offer = fields.offer(SystemTime::now(), &hash());
        assert_eq!(offer.len(), 1);
        assert!(fields.problem(&hash()).is_some());
        fields.all(&raw(&[(b"b", b"1")]));
        assert!(fields.problem(&hash()).is_none());
    }

    #[test]
    fn only_new_problems_are_reported() {
        let mut fields = Fields::default();
        let mut update = |stored: &[(&[u8], &[u8])]| fields.all(&raw(stored));

        assert_eq!(update(&[(b"a", b"{")]), Update::Problems);
        assert_eq!(update(&[(b"a", b"{")]), Update::Nothing);
        assert_eq!(update(&[(b"a", b"{"), (b"b", b"1")]), Update::Values);
        assert_eq!(update(&[(b"a", b"{ "), (b"b", b"1")]), Update::Problems);
        assert_eq!(update(&[(b"a", b"0"), (b"b", b"1")]), Update::Problems);
        assert_eq!(update(&[(b"a", b"0")]), Update::Values);
    }

    #[test]
    fn an_override_ends_at_its_instant() {
        let mut fields = Fields::default();
        let value = br#"{"force": true, "override": {"expires_at": "2026-11-21T09:00:00Z"}}"#;
        fields.all(&raw(&[(b"a", value)]));
        let end = fields.next_end(SystemTime::UNIX_EPOCH).unwrap();
        let before = end - Duration::from_millis(1);

        assert_eq!(fields.offer(before, &hash()).len(), 1);
        assert_eq!(fields.offer(end, &hash()).len(), 0);
        assert_eq!(fields.next_end(end), None);
        assert_eq!(fields.ended(end), [("a".to_owned(), value.to_vec(), end)]);
    }
}
