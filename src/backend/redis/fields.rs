//! What the store says, and what of it is in force.

use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

use super::{
    RedisError,
    layout::{Layout, Raw},
    value::{self, Override},
};
use crate::{backend::Offer, model::Entry};

/// All overrides of a store. One that cannot be read keeps its last good value; without one, it switches its
/// flag off.
#[derive(Debug, Default)]
pub(super) struct Fields {
    fields: HashMap<Vec<u8>, Field>,
    /// What is wrong, by the place it is in.
    problems: BTreeMap<String, Unreadable>,
    /// How many values the last update refused.
    refused: usize,
}

#[derive(Debug)]
struct Field {
    raw: Vec<u8>,
    /// The last good value.
    good: Option<Override>,
    /// That value as it was stored, if it is not what is stored now.
    good_raw: Option<Vec<u8>>,
    problem: Option<String>,
}

/// A value that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) problem: String,
    /// True if nothing good was stored before, so that the flag is off.
    pub(super) is_off: bool,
}

/// What the store says that it did not say before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    Nothing,
    /// Other values; what is wrong with the store still is.
    Values,
    /// Something else is wrong with the store, or nothing is any more.
    Problems,
}

impl Field {
    /// The last good value, and how it was stored.
    fn into_good(self) -> (Option<Override>, Option<Vec<u8>>) {
        match self.problem {
            None => (self.good, Some(self.raw)),
            Some(_) => (self.good, self.good_raw),
        }
    }

    /// How the last good value was stored.
    fn good_raw(&self) -> Option<&Vec<u8>> {
        match self.problem {
            None => Some(&self.raw),
            Some(_) => self.good_raw.as_ref(),
        }
    }
}

impl Fields {
    /// Takes what the store says now.
    pub(super) fn update(&mut self, raw: Raw, layout: &Layout) -> Update {
        self.refused = 0;
        let mut before = std::mem::take(&mut self.fields);
        let same = before.len() == raw.len()
            && raw.iter().all(|(name, raw)| before.get(name).is_some_and(|was| was.raw == *raw));
        if same {
            self.fields = before;
            return Update::Nothing;
        }
        let problems = std::mem::take(&mut self.problems);
        let mut update = Update::Values;
        for (name, raw) in raw {
            let field = match before.remove(&name) {
                Some(field) if field.raw == raw => field,
                was => {
                    let (good, good_raw) = was.map(Field::into_good).unwrap_or_default();
                    match value::decode(&name, &raw, layout) {
                        Ok(good) => Field { raw, good, good_raw: None, problem: None },
                        Err(problem) => {
                            update = Update::Problems;
                            self.refused += 1;
                            Field { raw, good, good_raw, problem: Some(problem) }
                        }
                    }
                }
            };
            if let Some(problem) = &field.problem {
                let place = layout.place(&String::from_utf8_lossy(&name));
                let is_off = field.good.is_none();
                self.problems.insert(place, Unreadable { problem: problem.clone(), is_off });
            }
            self.fields.insert(name, field);
        }
        if self.problems == problems { update } else { Update::Problems }
    }

    /// What is in force at the instant `now`.
    pub(super) fn offer(&self, now: SystemTime, layout: &Layout) -> Offer {
        let layout = layout.clone();
        let mut offer = Offer::new().with_places(move |key, _| Some(layout.place(key)));
        for (name, field) in &self.fields {
            let Ok(name) = str::from_utf8(name) else { continue };
            match field.good.as_ref().filter(|good| !good.has_ended(now)) {
                Some(good) => {
                    offer.insert(name.into(), good.entry(now).clone());
                    if let Some(provenance) = &good.provenance {
                        offer.set_provenance(name.into(), provenance.clone());
                    }
                }
                // It may be a kill switch.
                None if field.problem.is_some() => offer.insert(name.into(), Entry::Forced(false)),
                None => {}
            }
            if let Some(problem) = &field.problem {
                offer.set_problem(name.into(), problem.as_str().into());
            }
        }
        offer
    }

    /// How many values the last update refused. One that stays as it is counts once.
    pub(super) fn refused(&self) -> usize {
        self.refused
    }

    /// When the next override ends after the instant `now`.
    pub(super) fn next_end(&self, now: SystemTime) -> Option<SystemTime> {
        self.good().flat_map(|(_, good)| good.changes()).filter(|&change| change > now).min()
    }

    /// The overrides that have ended, as they are stored, and when they have.
    pub(super) fn ended(&self, now: SystemTime) -> Vec<(String, Vec<u8>, SystemTime)> {
        let sound = self.fields.iter().filter(|(_, field)| field.problem.is_none());
        let over = sound.filter_map(|(name, field)| {
            let end = field.good.as_ref()?.end().filter(|&end| end <= now)?;
            Some((String::from_utf8(name.clone()).ok()?, field.raw.clone(), end))
        });
        over.collect()
    }

    /// What was good last, as it was stored.
    pub(super) fn good_raw(&self) -> Vec<(String, String)> {
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).ok();
        let good = self.fields.iter();
        let mut good: Vec<_> = good
            .filter_map(|(name, field)| Some((text(name)?, text(field.good_raw()?)?)))
            .collect();
        good.sort_unstable();
        good
    }

    /// What is wrong with the store, if anything is.
    pub(super) fn problem(&self) -> Option<RedisError> {
        RedisError::bad_values(&self.problems)
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    fn good(&self) -> impl Iterator<Item = (&str, &Override)> {
        self.fields
            .iter()
            .filter_map(|(name, field)| Some((str::from_utf8(name).ok()?, field.good.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn raw(fields: &[(&[u8], &[u8])]) -> Raw {
        fields.iter().map(|&(name, value)| (name.to_vec(), value.to_vec())).collect()
    }

    fn hash() -> Layout {
        Layout::Hash("feature_flags".to_owned())
    }

    #[test]
    fn a_value_that_turns_bad_keeps_its_last_good_meaning() {
        let mut fields = Fields::default();
        fields.update(raw(&[(b"a", b"1"), (b"b", b"0")]), &hash());

        let update =
            fields.update(raw(&[(b"a", b"{\"percentage\": true}"), (b"b", b"1")]), &hash());

        let offer = fields.offer(SystemTime::now(), &hash());
        assert_eq!(update, Update::Problems);
        assert_eq!(offer.listed("a"), Some(&Entry::from_text("1")));
        assert_eq!(offer.listed("b"), Some(&Entry::from_text("1")));
        let problem = fields.problem().unwrap().to_string();
        assert!(problem.contains("field `a` of the hash `feature_flags`"), "{problem}");
    }

    #[test]
    fn a_value_that_was_never_good_is_off() {
        let mut fields = Fields::default();
        fields.update(raw(&[(b"a", b"\xff"), (b"b", b"{\"percentage\": 400}")]), &hash());

        let offer = fields.offer(SystemTime::now(), &hash());

        assert_eq!(offer.listed("a"), Some(&Entry::Forced(false)));
        assert_eq!(offer.listed("b"), Some(&Entry::Forced(false)));
        assert!(offer.problem("b").is_some_and(|problem| problem.contains("percentage")));
        let problem = fields.problem().unwrap().to_string();
        assert!(problem.contains("so the flag is off"), "{problem}");
    }

    #[test]
    fn what_was_good_last_is_kept_as_it_was_stored() {
        let mut fields = Fields::default();
        fields.update(raw(&[(b"a", b"yes")]), &hash());

        for garbage in [&b"{"[..], b"{ "] {
            fields.update(raw(&[(b"a", garbage), (b"never", b"{")]), &hash());
            assert_eq!(fields.good_raw(), [("a".to_owned(), "yes".to_owned())]);
        }

        fields.update(raw(&[(b"never", b"{")]), &hash());
        assert_eq!(fields.good_raw(), []);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_left_out_and_told() {
        let mut fields = Fields::default();

        fields.update(raw(&[(b"\xff", b"1"), (b"b", b"1")]), &hash());

        let offer = fields.offer(SystemTime::now(), &hash());
        assert_eq!(offer.len(), 1);
        assert!(fields.problem().is_some());
        fields.update(raw(&[(b"b", b"1")]), &hash());
        assert!(fields.problem().is_none());
    }

    #[test]
    fn it_tells_what_is_new() {
        let mut fields = Fields::default();
        let mut update = |said: &[(&[u8], &[u8])]| fields.update(raw(said), &hash());

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
        fields.update(raw(&[(b"a", value)]), &hash());
        let end = fields.next_end(SystemTime::UNIX_EPOCH).unwrap();
        let before = end - Duration::from_millis(1);

        assert_eq!(fields.offer(before, &hash()).len(), 1);
        assert_eq!(fields.offer(end, &hash()).len(), 0);
        assert_eq!(fields.next_end(end), None);
        assert_eq!(fields.ended(end), [("a".to_owned(), value.to_vec(), end)]);
    }
}
