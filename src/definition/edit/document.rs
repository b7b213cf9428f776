//! A flags.toml that is being changed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    diff::Diff,
    layout::Step,
    rename,
    splice::Text,
    sync::{self, Settings},
};
use crate::{
    definition::{Diagnostics, FlagsFile, UnknownKeys, from_json_object, to_json},
    error::debug_is_message,
    model::{Definition, Effect, Entry, Field, FlagKey, SharedDefinition, nearest},
    text::line,
};

/// The text of a flags.toml, to be changed flag by flag.
///
/// A change touches what it is about and nothing else: comments, the order, line ends and all white
/// space stay, byte by byte. After each change the whole text is read again; if it does not mean
/// exactly what was asked for, the change is refused and the document is as it was.
///
/// What goes away takes the comment on its own line with it, and a header takes those right above.
///
/// # Example
///
/// ```
/// use flagstaff::{Definition, Percentage, definition::edit::Document};
///
/// let text = r#"
/// [flags]
/// search = "25%" # asked for by ana
/// beta = true    # since May
/// "#;
/// let mut document = Document::parse("flags.toml", text)?;
///
/// document.set("search", &Definition::new().percentage(Percentage::whole(50)?))?;
/// document.set("beta", &Definition::new().owner("web"))?;
///
/// assert_eq!(document.text(), r#"
/// [flags]
/// search = "50%" # asked for by ana
/// beta = { enabled = true, owner = "web" }    # since May
/// "#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Document {
    name: String,
    original: String,
    text: String,
    file: FlagsFile,
}

impl Document {
    /// Reads `text`; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// [`EditError::Unusable`] if the text is not TOML or has no `[flags]` table. A flag that is
    /// wrong is no error: it only cannot be changed.
    pub fn parse(name: impl Into<String>, text: impl Into<String>) -> Result<Self, EditError> {
        let (name, text) = (name.into(), text.into());
        let file = FlagsFile::parse(&name, &text);
        match file.is_usable() {
            true => Ok(Self { name, original: text.clone(), text, file }),
            false => Err(EditError::Unusable(file.diagnostics().clone())),
        }
    }

    /// The text with all changes so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the text says.
    #[must_use]
    pub fn file(&self) -> &FlagsFile {
        &self.file
    }

    /// The lines that differ from the text that was read.
    #[must_use]
    pub fn diff(&self) -> Diff<'_> {
        Diff::new(&self.name, &self.original, &self.text)
    }

    /// Whether anything differs from the text that was read.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.text != self.original
    }

    /// Turns the kill switch of a flag on: `enabled = true`. Whatever else it says still holds.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn enable(&mut self, flag: impl FlagKey) -> Result<(), EditError> {
        self.set(flag, &Definition::new().enabled(true))
    }

    /// Turns the kill switch of a flag off: `enabled = false`. Whatever else it says stays for later.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn disable(&mut self, flag: impl FlagKey) -> Result<(), EditError> {
        self.set(flag, &Definition::new().enabled(false))
    }

    /// Changes the settings of a flag that `patch` sets or removes, as [`Definition::merge`] does. So
    /// a percentage takes a rollout away. What means the same afterwards stays as it is written.
    ///
    /// # Errors
    ///
    /// [`EditError::UnknownFlag`], [`EditError::Rejected`] if the flag is wrong already, and
    /// [`EditError::Invalid`] if it, or one that requires it, would be.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{definition::{edit::Document, Setting}, Definition};
    ///
    /// let text = "[flags.search]\npercentage = 10\nallowed_users = [\n  \"ana\", # tester\n]\n";
    /// let mut document = Document::parse("flags.toml", text)?;
    /// let mut patch = Definition::new().allowed_users(["ana", "bob"]);
    /// patch.percentage = Setting::Remove;
    ///
    /// document.set("search", &patch)?;
    ///
    /// assert_eq!(document.diff().to_string(), r#"--- flags.toml
    /// +++ flags.toml
    /// @@ -1,5 +1,5 @@
    ///  [flags.search]
    /// -percentage = 10
    ///  allowed_users = [
    ///    "ana", # tester
    /// +  "bob",
    ///  ]
    /// "#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&mut self, flag: impl FlagKey, patch: &Definition) -> Result<(), EditError> {
        let flag = flag.as_str();
        let mut changed = self.definition(flag)?.clone();
        changed.merge(patch);
        self.put(flag, &changed)
    }

    /// Adds a flag: behind the others as a line, or with a header of its own if it says more than one
    /// thing. What the definition removes is left out.
    ///
    /// # Errors
    ///
    /// [`EditError::Exists`], and [`EditError::Invalid`] if the name or the definition is wrong.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Definition, definition::edit::Document};
    ///
    /// let mut document = Document::parse("flags.toml", "[flags]\nbeta = true\n")?;
    ///
    /// document.add("search", &Definition::new().enabled(false))?;
    /// document.add("checkout", &Definition::new().owner("payments").enabled(true))?;
    ///
    /// assert_eq!(document.text(), r#"[flags]
    /// beta = true
    /// search = false
    ///
    /// [flags.checkout]
    /// owner = "payments"
    /// enabled = true
    /// "#);
    /// # Ok::<(), flagstaff::definition::edit::EditError>(())
    /// ```
    pub fn add(&mut self, flag: impl FlagKey, definition: &Definition) -> Result<(), EditError> {
        let flag = flag.as_str();
        if self.file.flags().contains_key(flag) || self.file.rejected().contains(flag) {
            return Err(EditError::Exists { flag: flag.to_owned() });
        }
        let settings = settings(definition);
        let mut text = Text::new(self.text.clone());
        sync::add(&mut text, &flags(), flag, &settings);
        self.accept(flag, &text, Some(&settings))
    }

    /// Gives a flag another name: in its header or line, in `requires` of other flags, and in conditions that
    /// ask for it. The users whom it is on for stay the same: a flag that draws gets its former name as
    /// `salt`, unless it has one.
    ///
    /// # Errors
    ///
    /// [`EditError::UnknownFlag`], [`EditError::Rejected`] if the flag is wrong already,
    /// [`EditError::Exists`] if there is a flag with the new name, and [`EditError::Invalid`] if the new name is
    /// wrong.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::edit::Document;
    ///
    /// let text = "[flags.checkout] # one page\npercentage = 10\n\n[flags.gifts]\nrequires = [\"checkout\"]\n";
    /// let mut document = Document::parse("flags.toml", text)?;
    ///
    /// document.rename("checkout", "fast_checkout")?;
    ///
    /// assert_eq!(document.text(), r#"[flags.fast_checkout] # one page
    /// percentage = 10
    /// salt = "checkout"
    ///
    /// [flags.gifts]
    /// requires = ["fast_checkout"]
    /// "#);
    /// # Ok::<(), flagstaff::definition::edit::EditError>(())
    /// ```
    pub fn rename(&mut self, flag: impl FlagKey, to: impl FlagKey) -> Result<(), EditError> {
        let (old, new) = (flag.as_str(), to.as_str());
        let definition = self.definition(old)?;
        if self.file.flags().contains_key(new) || self.file.rejected().contains(new) {
            return Err(EditError::Exists { flag: new.to_owned() });
        }
        let settings = rename::renamed(&settings(definition), old, new);
        let mut pinned = definition.clone();
        if draws(definition) && definition.rare().salt.value().is_none() {
            pinned = pinned.salt(old);
        }
        let pinned = rename::renamed(&self::settings(&pinned), old, new);
        let mut text = Text::new(self.text.clone());
        rename::rename(&mut text, old, new);
        sync::flag(&mut text, &path(new), &settings, &pinned);
        self.accept_renamed(old, new, &text, &pinned)
    }

    /// Returns the flags of the file that need a flag: they require it, or a condition asks for it.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::edit::Document;
    ///
    /// let text = "[flags]\ncheckout = true\n[flags.gifts]\nrequires = [\"checkout\"]\n";
    /// let document = Document::parse("flags.toml", text)?;
    ///
    /// assert_eq!(document.needing("checkout"), ["gifts"]);
    /// # Ok::<(), flagstaff::definition::edit::EditError>(())
    /// ```
    #[must_use]
    pub fn needing(&self, flag: impl FlagKey) -> Vec<String> {
        let flag = flag.as_str();
        let others = self.file.flags().iter().filter(|(key, _)| *key != flag);
        let needing = others.filter(|(_, other)| rename::names(&settings(other), flag));
        needing.map(|(key, _)| key.to_owned()).collect()
    }

    /// Takes a flag away, with its comments. Flags that [need](Self::needing) it stay as they are, and are off
    /// unless another source has it.
    ///
    /// # Errors
    ///
    /// [`EditError::UnknownFlag`], and [`EditError::Rejected`] if the flag is wrong already.
    pub fn remove(&mut self, flag: impl FlagKey) -> Result<(), EditError> {
        let flag = flag.as_str();
        self.definition(flag)?;
        let mut text = Text::new(self.text.clone());
        text.remove(&path(flag));
        self.accept(flag, &text, None)
    }

    /// Makes a flag say by itself what an override makes of it. A flag that the file does not have
    /// is added.
    ///
    /// What is forced off keeps all its settings, since `enabled = false` is enough. What is forced on
    /// loses whatever narrows it but its deny-lists, because those hold against the override too. Entries of
    /// its deny-lists are added to those of the file, as [`Definition::overlay`] adds them.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set) and [`add`](Self::add).
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::{edit::Document, Entry};
    ///
    /// let text = "[flags.search]\npercentage = 10\ndenied_users = [\"mallory\"]\n";
    /// let mut document = Document::parse("flags.toml", text)?;
    ///
    /// document.promote("search", &Entry::Forced(true))?;
    ///
    /// assert_eq!(document.text(), "[flags.search]\ndenied_users = [\"mallory\"]\nenabled = true\n");
    /// # Ok::<(), flagstaff::definition::edit::EditError>(())
    /// ```
    pub fn promote(&mut self, flag: impl FlagKey, entry: &Entry) -> Result<(), EditError> {
        let flag = flag.as_str();
        let known = self.file.flags().get(flag);
        let variants = known.and_then(|known| known.rare().variants.value());
        let patch = entry.patch(variants);
        match known.is_some() || self.file.rejected().contains(flag) {
            true => {
                let mut changed = self.definition(flag)?.clone();
                changed.overlay(&patch);
                self.put(flag, &changed)
            }
            false => self.add(flag, &patch),
        }
    }

    fn put(&mut self, flag: &str, changed: &Definition) -> Result<(), EditError> {
        let (old, new) = (settings(self.definition(flag)?), settings(changed));
        let mut text = Text::new(self.text.clone());
        sync::flag(&mut text, &path(flag), &old, &new);
        self.accept(flag, &text, Some(&new))
    }

    /// The definition of a flag that can be changed.
    fn definition(&self, flag: &str) -> Result<&Definition, EditError> {
        if let Some(definition) = self.file.flags().get(flag) {
            return Ok(definition);
        }
        let (flag, file) = (flag.to_owned(), &self.file);
        if file.rejected().contains(&*flag) {
            return Err(EditError::Rejected { flag, diagnostics: file.diagnostics().clone() });
        }
        let similar = nearest(&flag, file.flags().keys().map(AsRef::as_ref)).map(str::to_owned);
        Err(EditError::UnknownFlag { flag, similar })
    }

    /// Takes the new text if it means what it should: the flag has these settings, or is gone, and
    /// all others are what they were.
    fn accept(
        &mut self,
        flag: &str,
        text: &Text,
        settings: Option<&Settings>,
    ) -> Result<(), EditError> {
        let text = text.as_str();
        let file = FlagsFile::parse(&self.name, text);
        if let Some(invalid) =
            file.rejected().iter().find(|&flag| !self.file.rejected().contains(flag))
        {
            let (flag, diagnostics) = (invalid.to_owned(), file.diagnostics().clone());
            return Err(EditError::Invalid { flag, diagnostics });
        }
        let is = file.flags().get(flag).map(|definition| self::settings(definition));
        let is_meant = match (&is, settings) {
            (Some(is), Some(meant)) => text_of(is) == text_of(meant),
            (is, meant) => is.is_none() && meant.is_none(),
        };
        // What was wrong before may be right now, such as the name of a variant that was missing.
        let is_other = |key: &str| key != flag && !self.file.rejected().contains(key);
        let (now, before) = (file.flags().iter(), self.file.flags().iter());
        let same = now.filter(|(key, _)| is_other(key)).eq(before.filter(|(key, _)| is_other(key)));
        if !file.is_usable() || !is_meant || !same {
            return Err(EditError::Unwritable { flag: flag.to_owned() });
        }
        self.text = text.to_owned();
        self.file = file;
        Ok(())
    }

    /// Takes the new text if it means what it did, but for the name.
    fn accept_renamed(
        &mut self,
        old: &str,
        new: &str,
        text: &Text,
        settings: &Settings,
    ) -> Result<(), EditError> {
        let text = text.as_str();
        let file = FlagsFile::parse(&self.name, text);
        if let Some(invalid) =
            file.rejected().iter().find(|&flag| !self.file.rejected().contains(flag))
        {
            let (flag, diagnostics) = (invalid.to_owned(), file.diagnostics().clone());
            return Err(EditError::Invalid { flag, diagnostics });
        }
        let meant = |(key, definition): (&str, &SharedDefinition)| match key == old {
            true => (new.to_owned(), text_of(settings)),
            false => {
                (key.to_owned(), text_of(&rename::renamed(&self::settings(definition), old, new)))
            }
        };
        let meant: BTreeMap<_, _> = self.file.flags().iter().map(meant).collect();
        let is = file.flags().iter();
        let is: BTreeMap<_, _> =
            is.map(|(key, is)| (key.to_owned(), text_of(&self::settings(is)))).collect();
        if !file.is_usable() || is != meant {
            return Err(EditError::Unwritable { flag: old.to_owned() });
        }
        self.text = text.to_owned();
        self.file = file;
        Ok(())
    }
}

/// Returns true if a flag can draw buckets. One that is plainly on or off cannot.
fn draws(definition: &Definition) -> bool {
    let settings = to_json(definition);
    let shares = |field: &Field| *field != Field::Enabled && field.effect() == Effect::Share;
    let mut drawing = Field::ALL.iter().filter(|field| shares(field) || field.roles().redraws);
    drawing.any(|field| settings.contains_key(field.as_str()))
}

fn flags() -> [Step; 1] {
    ["flags".into()]
}

fn path(flag: &str) -> [Step; 2] {
    ["flags".into(), flag.into()]
}

/// What a definition sets, without what it removes: nothing is below a file.
fn settings(definition: &Definition) -> Settings {
    fn without_nulls(table: Settings) -> Settings {
        let member = |(name, value)| match value {
            Value::Null => None,
            Value::Object(table) => Some((name, without_nulls(table).into())),
            value => Some((name, value)),
        };
        table.into_iter().filter_map(member).collect()
    }
    let settings = without_nulls(to_json(definition));
    if definition.rare().rules.value().is_none() {
        return settings;
    }
    // A condition with segments is written out in other words than those that are read back.
    match from_json_object("", &settings, UnknownKeys::Reject) {
        Ok(same) => without_nulls(to_json(&same)),
        Err(_) => settings,
    }
}

/// The order of variants counts, which maps do not compare.
fn text_of(settings: &Map<String, Value>) -> String {
    Value::from(settings.clone()).to_string()
}

/// Why a flags.toml was not changed. The document is as it was.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The text is no flags.toml at all.
    #[error("the file cannot be used")]
    Unusable(#[source] Diagnostics),
    /// The file has no such flag.
    #[error(
        "the file has no flag `{}`{}",
        line(flag),
        similar.as_ref().map(|name| format!("; it has `{}`", line(name))).unwrap_or_default()
    )]
    UnknownFlag {
        /// The flag key.
        flag: String,
        /// A flag with a name like it.
        similar: Option<String>,
    },
    /// The file has such a flag already.
    #[error("the file has a flag `{}` already", line(flag))]
    Exists {
        /// The flag key.
        flag: String,
    },
    /// The flag is wrong already, so that nobody knows what it would be changed from.
    #[error("flag `{}` has to be corrected before it can be changed", line(flag))]
    Rejected {
        /// The flag key.
        flag: String,
        /// What is wrong with the file.
        #[source]
        diagnostics: Diagnostics,
    },
    /// A flag would be wrong afterwards.
    #[error("flag `{}` would be wrong", line(flag))]
    Invalid {
        /// The flag that would be wrong; it need not be the one that is changed.
        flag: String,
        /// What would be wrong with the file.
        #[source]
        diagnostics: Diagnostics,
    },
    /// No text was found that says what the flag should be and leaves all others as they are.
    #[error("flag `{}` cannot be changed that way in this text; edit it by hand", line(flag))]
    Unwritable {
        /// The flag key.
        flag: String,
    },
}

debug_is_message!(EditError);
