//! Flags of other systems, as settings of flags.toml.

mod article;
mod rows;
mod tempest;
mod waffle;
mod whose;

use std::{error::Error, iter::successors};

use flagstaff::{
    Definition,
    definition::{UnknownKeys, from_json_object},
};
use serde_json::{Map, Value};

pub(crate) use self::{
    article::article,
    tempest::{listed, stored},
    waffle::waffle,
    whose::whose,
};

/// Imported flags, and notes on what differs in flags.toml.
#[derive(Debug, Default)]
pub(crate) struct Imported {
    /// The flags in the order of the input.
    pub(crate) flags: Vec<(String, Definition)>,
    pub(crate) notes: Vec<Note>,
    /// The number of flags that could not be imported at all.
    pub(crate) left_out: usize,
}

/// A difference between a flag and its import.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// The flag; `None` for a note about all flags.
    pub(crate) flag: Option<String>,
    pub(crate) text: String,
}

impl Imported {
    fn note(&mut self, flag: &str, text: impl Into<String>) {
        self.notes.push(Note { flag: Some(flag.to_owned()), text: text.into() });
    }

    fn general(&mut self, text: impl Into<String>) {
        self.notes.push(Note { flag: None, text: text.into() });
    }

    /// Adds a flag by its settings, as JSON has them.
    fn add(&mut self, key: &str, settings: &Map<String, Value>) {
        if self.flags.iter().any(|(known, _)| known == key) {
            return self.leave_out(key, "there is a flag of that name already");
        }
        match from_json_object(key, settings, UnknownKeys::Reject) {
            Ok(definition) => self.flags.push((key.to_owned(), definition)),
            Err(error) => self.leave_out(key, &error.to_string()),
        }
    }

    /// Notes a part that could not be read, with an unknown number of flags.
    pub(crate) fn leave_out_unread(&mut self, error: &(dyn Error + 'static)) {
        let causes = successors(error.source(), |&cause| cause.source());
        let because = causes.map(|cause| format!(": {cause}")).collect::<String>();
        self.general(format!("left out: {error}{because}"));
        self.left_out += 1;
    }

    /// Notes the reason why a flag is left out.
    pub(crate) fn leave_out(&mut self, key: &str, why: &str) {
        self.note(key, format!("left out: {why}"));
        self.left_out += 1;
    }
}

/// Refuses an object with other members than `names`: an unknown one may narrow the users of a flag.
fn known(object: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    match object.iter().find(|(name, _)| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, value)) => Err(format!(
            "`{name}`, which is {value}, is not known here and may exclude users; remove it there if it does not"
        )),
    }
}

/// The settings, as JSON has them.
#[cfg(test)]
fn settings(imported: &Imported, key: &str) -> Value {
    let flag = imported.flags.iter().find(|(known, _)| known == key);
    let (_, definition) = flag.unwrap_or_else(|| panic!("no `{key}` in {imported:?}"));
    flagstaff::definition::to_json(definition).into()
}

/// The notes about a flag.
#[cfg(test)]
fn notes<'i>(imported: &'i Imported, key: &str) -> Vec<&'i str> {
    let about = imported.notes.iter().filter(|note| note.flag.as_deref() == Some(key));
    about.map(|note| note.text.as_str()).collect()
}
