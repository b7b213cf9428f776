//! A flags.toml that is being edited.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    diff::Diff,
    layout::Step,
    rename,
    splice::Text,
    sync::{self, Settings},
    toml_text::Part,
};
use crate::{
    definition::{
        Diagnostics, FlagsFile, Referrer, UnknownEnvironment, UnknownKeys,
        file::Whole,
        flag::{FORMS, form},
        from_json_object, references, to_json,
    },
    error::debug_is_message,
    model::{Definition, Effect, Entry, Field, FlagKey, nearest},
    text::line,
};

/// The text of a flags.toml, which is edited flag by flag.
///
/// An edit touches only what it is about: comments, the order, line ends and all white space stay,
/// byte by byte. After each edit the whole text is read again. If the new text does not mean
/// exactly what was asked for, the edit fails and the document stays as it was.
///
/// Removing an entry also removes the comment on its own line. Removing a header also removes the
/// comments directly above.
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
    whole: Whole<'static>,
    /// The flags outside of all environments.
    outside: FlagsFile,
    /// The flags in the environment that is being edited, or those outside of all environments.
    file: FlagsFile,
}

impl Document {
    /// Reads `text`; errors call the file `name`.
    ///
    /// # Errors
    ///
    /// Returns [`EditError::Unusable`] if the text is not TOML or has no `[flags]` table. A flag with an
    /// error is not an error here, but it cannot be edited.
    pub fn parse(name: impl Into<String>, text: impl Into<String>) -> Result<Self, EditError> {
        Self::read(name.into(), text.into(), Whole::Yes)
    }

    /// Reads `text`, whose flags may be partial, as [`FlagsFile::parse_partial`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`parse`](Self::parse).
    pub fn parse_partial(
        name: impl Into<String>,
        text: impl Into<String>,
    ) -> Result<Self, EditError> {
        Self::read(name.into(), text.into(), Whole::No)
    }

    fn read(name: String, text: String, whole: Whole<'static>) -> Result<Self, EditError> {
        let file = FlagsFile::read(&name, &text, whole).file;
        let (original, outside) = (text.clone(), file.clone());
        match file.is_usable() {
            true => Ok(Self { name, original, text, whole, outside, file }),
            false => Err(EditError::Unusable(file.diagnostics().clone())),
        }
    }

    /// Edits flags in an environment from here on: `[environments.NAME]` instead of `[flags]`.
    ///
    /// Settings of a flag are set in the table that the environment has for the flag, which is
    /// added if it is missing. [`enable`](Self::enable) and [`disable`](Self::disable) write a
    /// forced value, unless there is such a table. [`remove`](Self::remove) removes the entry of
    /// the environment, and leaves the flag in `[flags]`.
    ///
    /// # Errors
    ///
    /// Returns [`UnknownEnvironment`] if the file does not have the environment.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Definition, Percentage, definition::edit::Document};
    ///
    /// let text = "[flags]\nbeta = false\nsearch = \"10%\"\n\n[environments.staging] # ours\nbeta = true\n";
    /// let mut document = Document::parse("flags.toml", text)?.in_environment("staging")?;
    ///
    /// document.disable("beta")?;
    /// document.set("search", &Definition::new().percentage(Percentage::whole(50)?).owner("web"))?;
    ///
    /// assert_eq!(document.text(), "[flags]
    /// beta = false
    /// search = \"10%\"
    ///
    /// [environments.staging] # ours
    /// beta = false
    ///
    /// [environments.staging.search]
    /// owner = \"web\"
    /// percentage = 50
    /// ");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn in_environment(self, name: &str) -> Result<Self, UnknownEnvironment> {
        let file = self.outside.clone().in_environment(name)?;
        Ok(Self { file, ..self })
    }

    /// Returns the text with all edits so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the flags of the current text.
    #[must_use]
    pub fn file(&self) -> &FlagsFile {
        &self.file
    }

    /// Returns the lines that differ from the text that was read.
    #[must_use]
    pub fn diff(&self) -> Diff<'_> {
        Diff::new(&self.name, &self.original, &self.text)
    }

    /// Returns `true` if the text differs from the one that was read.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.text != self.original
    }

    /// Switches a flag on: `enabled = true`. All its other settings still apply.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`set`](Self::set).
    pub fn enable(&mut self, flag: impl FlagKey) -> Result<(), EditError> {
        self.switch(flag.as_str(), true)
    }

    /// Switches a flag off: `enabled = false`. All its other settings are kept.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`set`](Self::set).
    pub fn disable(&mut self, flag: impl FlagKey) -> Result<(), EditError> {
        self.switch(flag.as_str(), false)
    }

    /// Changes the settings of a flag that `patch` sets or removes, as [`Definition::merge`] does.
    /// For example, a percentage removes a rollout. Settings that keep their meaning stay as they
    /// are written.
    ///
    /// In an environment, a removed setting is removed from the entry of the environment, and that
    /// of `[flags]` applies. An entry without any settings is removed.
    ///
    /// # Errors
    ///
    /// Returns [`EditError::UnknownFlag`], [`EditError::Rejected`] if the flag already has an error, and
    /// [`EditError::Invalid`] if this flag, or one that requires it, would have an error. In an
    /// environment, [`EditError::InFlags`] if only `[flags]` has a setting that is to be removed.
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
        if self.environment().is_none() {
            changed.merge(patch);
            return self.put(flag, &changed);
        }
        self.refuse_to_remove(flag, patch)?;
        let mut own = self.own(flag).unwrap_or_default();
        own.merge(patch);
        let is_gone = settings(&own).is_empty() && self.outside.flags().contains_key(flag);
        if is_gone || !self.is_forced(flag) {
            return self.put_own(flag, &own);
        }
        // A forced value lifts settings of `[flags]`, and a table does not.
        changed.merge(patch);
        let as_patch = self.put_as(flag, &own, &changed);
        let Err(EditError::Unwritable { .. }) = as_patch else { return as_patch };
        // A table can set empty lists and the like in the place of what a forced value lifts.
        let mut own = self.own(flag).unwrap_or_default();
        if own.enabled.value() == Some(&true) {
            let below = self.outside.flags().get(flag);
            below.into_iter().for_each(|below| lift(&mut own, &Definition::forced(true), below));
        }
        own.merge(patch);
        self.put_as(flag, &own, &changed)
    }

    /// Adds a flag: as a line behind the others, or with a header of its own if it has several
    /// settings. Settings that the definition removes are left out.
    ///
    /// # Errors
    ///
    /// Returns [`EditError::Exists`], and [`EditError::Invalid`] if the name or the definition has an
    /// error.
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
        sync::add(&mut text, &self.table(), flag, &settings, self.part());
        self.accept(flag, &text, Meant::Settings(&settings))
    }

    /// Renames a flag: in its header or line, in `requires` of other flags, and in conditions that
    /// name the flag. The flag stays on for the same users: a flag that draws gets its former name
    /// as `salt`, unless it has a salt.
    ///
    /// # Errors
    ///
    /// Returns [`EditError::UnknownFlag`], [`EditError::Rejected`] if the flag already has an error,
    /// [`EditError::Exists`] if there is a flag with the new name, and [`EditError::Invalid`] if
    /// the new name has an error.
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
        self.rename_and_pin(flag.as_str(), to.as_str(), true)
    }

    /// Renames a flag as [`rename`](Self::rename) does, for a file that overrides a lower one. The
    /// lower file gets the salt, so this one does not. References to the flag are renamed even if
    /// this file does not define it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`rename`](Self::rename).
    pub fn rename_over(&mut self, flag: impl FlagKey, to: impl FlagKey) -> Result<(), EditError> {
        self.rename_and_pin(flag.as_str(), to.as_str(), false)
    }

    fn rename_and_pin(&mut self, old: &str, new: &str, is_pinned: bool) -> Result<(), EditError> {
        let parts = self.parts();
        let has = |part: Option<&str>, key: &str| {
            let flags = self.outside.flags_of(part);
            flags.good.contains_key(key) || flags.rejected.contains(key)
        };
        let is_named_alone =
            !is_pinned && !has(None, old) && !references(self.text(), old).is_empty();
        let is_in_environment =
            parts.iter().any(|part| has(part.as_deref(), old)) && !has(None, old);
        if !is_in_environment && !is_named_alone {
            // Return the error of a flag that is unknown, or rejected outside of all environments.
            let file = self.outside.clone();
            Self { file, ..self.clone() }.definition(old)?;
        }
        if parts.iter().any(|part| has(part.as_deref(), new)) {
            return Err(EditError::Exists { flag: new.to_owned() });
        }
        let mut text = Text::new(self.text.clone());
        rename::rename(&mut text, old, new);
        let drawn = if is_pinned { self.drawn_in(old) } else { Vec::new() };
        let pinned: Vec<_> = drawn.into_iter().map(|part| (part, old)).collect();
        for (part, salt) in &pinned {
            let Some(settings) = self.settings_in(part.as_deref(), old) else { continue };
            let settings = rename::renamed(&settings, old, new);
            let salted = with_salt(&settings, salt);
            let (table, kind) = table_of(part.as_deref());
            let path = [table, vec![new.into()]].concat();
            sync::flag(&mut text, &path, &settings, &salted, kind);
        }
        self.accept_renamed(old, new, &text, &pinned)
    }

    /// Returns all parts of the file that have flags: `[flags]`, and each environment.
    fn parts(&self) -> Vec<Option<String>> {
        self.outside.parts().map(|part| part.map(str::to_owned)).collect()
    }

    /// Returns the parts of the file in which a flag needs a salt to keep its users under another
    /// name. All environments use the salt of `[flags]`. A flag that only environments have needs a
    /// salt in each of them.
    fn drawn_in(&self, flag: &str) -> Vec<Option<String>> {
        let definition = |part: &Option<String>| {
            let flags = self.outside.flags_of(part.as_deref());
            flags.good.get(flag).filter(|it| draws(it) && it.rare().salt.value().is_none())
        };
        let drawn = self.parts().into_iter().filter(|part| definition(part).is_some());
        match self.outside.flags().contains_key(flag) {
            true => drawn.take(1).map(|_| None).collect(),
            false => drawn.collect(),
        }
    }

    /// Returns the settings that a part of the file itself has for a flag.
    fn settings_in(&self, part: Option<&str>, flag: &str) -> Option<Settings> {
        match part {
            None => self.outside.flags().get(flag).map(|flag| settings(flag)),
            Some(name) => self.outside.entry(name, flag)?.as_definition().map(settings),
        }
    }

    /// Returns the flags of the file that need a flag, including rejected ones: they require it, or
    /// one of their conditions names it, also by a segment.
    ///
    /// A segment that names the flag is not among them, and no flag may use the segment:
    /// [`references`] finds it.
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
        let parts = self.parts();
        let flags =
            parts.iter().flat_map(|part| self.outside.flags_of(part.as_deref()).good.iter());
        let needing = flags.filter(|(_, other)| other.needs().iter().any(|it| it.flag == flag));
        let mut needing: BTreeSet<_> = needing.map(|(key, _)| key.to_owned()).collect();
        // Rejected flags have no settings, and need the flag again once their mistake is fixed.
        needing.extend(references(self.text(), flag).into_iter().filter_map(|it| match it.by {
            Referrer::Requires(other)
            | Referrer::Rule { flag: other, .. }
            | Referrer::Misplaced(other) => Some(other),
            Referrer::Segment(_) => None,
        }));
        needing.remove(flag);
        needing.into_iter().collect()
    }

    /// Removes a flag from `[flags]`, with its comments and its tests. Flags that
    /// [need](Self::needing) it stay as they are, and are off unless another source has the removed
    /// flag.
    ///
    /// In an environment, this removes the settings of the entry. The tests of the entry stay,
    /// since they test the flag in that environment, which then is as `[flags]` defines it.
    ///
    /// # Errors
    ///
    /// Returns [`EditError::UnknownFlag`], [`EditError::Rejected`] if the flag already has an error, and
    /// [`EditError::NoEntry`] if the environment has no settings of the flag.
    pub fn remove(&mut self, flag: impl FlagKey) -> Result<(), EditError> {
        let flag = flag.as_str();
        self.definition(flag)?;
        let Some(environment) = self.environment() else { return self.take_out(flag) };
        let has_tests = self.has_tests(flag);
        match self.own(flag) {
            Some(own) if has_tests && !settings(&own).is_empty() => {
                self.put(flag, &Definition::new())
            }
            Some(_) if !has_tests => self.take_out(flag),
            _ => Err(EditError::NoEntry {
                flag: flag.to_owned(),
                environment: environment.to_owned(),
            }),
        }
    }

    /// Removes a flag from the whole file, that is `[flags]` and all environments, with its
    /// comments and its tests.
    ///
    /// # Errors
    ///
    /// Returns [`EditError::UnknownFlag`] if neither `[flags]` nor an environment has the flag, and
    /// [`EditError::Rejected`] if the flag has an error in one of them.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::edit::Document;
    ///
    /// let text = "[flags]\nbeta = false\nsearch = true\n\n[environments.staging]\nbeta = true\n";
    /// let mut document = Document::parse("flags.toml", text)?;
    ///
    /// document.delete("beta")?;
    ///
    /// assert_eq!(document.text(), "[flags]\nsearch = true\n\n[environments.staging]\n");
    /// # Ok::<(), flagstaff::definition::edit::EditError>(())
    /// ```
    pub fn delete(&mut self, flag: impl FlagKey) -> Result<(), EditError> {
        let flag = flag.as_str();
        let before = self.clone();
        let deleted = self.take_out_of_all(flag);
        match deleted {
            Ok(()) => self.look_at(before.environment()),
            Err(_) => *self = before,
        }
        deleted
    }

    /// Removes a flag from all parts. The environments come first: an entry may be invalid without
    /// its flag.
    fn take_out_of_all(&mut self, flag: &str) -> Result<(), EditError> {
        let mut is_there = false;
        for part in self.parts().into_iter().rev() {
            let has_it = match part.as_deref() {
                Some(name) => self.outside.entry(name, flag).is_some(),
                None => self.outside.flags().contains_key(flag),
            };
            self.look_at(part.as_deref());
            // The entries of a rejected flag are not known, so the text may or may not have one.
            if has_it || self.file.rejected().contains(flag) {
                self.definition(flag)?;
                self.take_out(flag)?;
                is_there = true;
            }
        }
        if is_there { Ok(()) } else { self.definition(flag).map(drop) }
    }

    /// Removes everything that a part of the file has about a flag.
    fn take_out(&mut self, flag: &str) -> Result<(), EditError> {
        let mut text = Text::new(self.text.clone());
        text.remove(&self.path(flag));
        self.accept(flag, &text, Meant::Nothing)
    }

    /// Chooses the part of the file that is edited from here on.
    fn look_at(&mut self, part: Option<&str>) {
        let file = self.outside.clone();
        self.file = match part {
            Some(name) => file.in_environment(name).unwrap_or_else(|_| self.outside.clone()),
            None => file,
        };
    }

    /// Makes an override part of the file: the flag then has by itself the effect of the override.
    /// A flag that the file does not have is added.
    ///
    /// A flag that is forced off keeps all its settings, since `enabled = false` is enough. A flag
    /// that is forced on loses every setting that narrows it, except for its deny-lists, because
    /// those apply despite the override. Deny-lists of the override are added to those of the file,
    /// as [`Definition::overlay`] adds them.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`set`](Self::set) and [`add`](Self::add).
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
        let patch = entry.patch(known.map(|known| &**known));
        let is_known = known.is_some() || self.file.rejected().contains(flag);
        if !is_known && self.environment().is_none() {
            return self.add(flag, &patch);
        }
        let mut changed = match is_known {
            true => self.definition(flag)?.clone(),
            false => Definition::new(),
        };
        changed.overlay(&patch);
        if self.environment().is_none() {
            return self.put(flag, &changed);
        }
        self.promote_in_environment(flag, entry, &patch, &changed)
    }

    /// Writes an override into the entry of the environment, so that the flag has the definition
    /// `meant`. Of several ways to write it, those that keep most of the entry are tried first.
    fn promote_in_environment(
        &mut self,
        flag: &str,
        entry: &Entry,
        patch: &Definition,
        meant: &Definition,
    ) -> Result<(), EditError> {
        let own = self.own(flag);
        let forces = self.forces_plainly(flag, entry);
        if let Some(on) = forces
            && own.as_ref().is_none_or(|_| self.is_forced(flag))
        {
            return self.force(flag, on);
        }
        let mut own = own.unwrap_or_default();
        own.overlay(patch);
        let as_patch = self.put_as(flag, &own, meant);
        let Err(EditError::Unwritable { .. }) = as_patch else { return as_patch };
        // An environment cannot remove a setting of `[flags]`, but it can set a value of the same
        // meaning.
        let below = self.outside.flags().get(flag);
        below.into_iter().for_each(|below| lift(&mut own, patch, below));
        let lifted = self.put_as(flag, &own, meant);
        let Err(EditError::Unwritable { .. }) = lifted else { return lifted };
        if let Some(on) = forces.filter(|_| !self.has_tests(flag)) {
            let before = self.clone();
            self.force(flag, on)?;
            if self.is_meant(flag, meant) {
                return Ok(());
            }
            *self = before;
        }
        self.refuse_to_remove(flag, patch)?;
        Err(EditError::Unwritable { flag: flag.to_owned() })
    }

    /// Returns the forced value of an override, unless the override names a variant.
    fn forces_plainly(&self, flag: &str, entry: &Entry) -> Option<bool> {
        let known = self.file.flags().get(flag);
        let variants = known.and_then(|known| known.rare().variants.value());
        match (entry, variants) {
            (Entry::Text(name), Some(variants)) if variants.variant(name).is_some() => None,
            _ => entry.forces(),
        }
    }

    /// Changes the entry of the environment to `own`, if the flag then has the definition `meant`.
    /// This fails if `meant` needs the removal of a setting of `[flags]`.
    fn put_as(
        &mut self,
        flag: &str,
        own: &Definition,
        meant: &Definition,
    ) -> Result<(), EditError> {
        let before = self.clone();
        self.put_own(flag, own)?;
        if !self.is_meant(flag, meant) {
            *self = before;
            return Err(EditError::Unwritable { flag: flag.to_owned() });
        }
        Ok(())
    }

    /// Returns `true` if a flag evaluates in the environment as a definition does.
    fn is_meant(&self, flag: &str, meant: &Definition) -> bool {
        let is = self.file.flags().get(flag).map(|is| text_of(&evaluated(is)));
        is == Some(text_of(&evaluated(meant)))
    }

    /// Changes the entry of the environment to `own`. An entry without settings is removed, so that
    /// no empty table stays behind. A flag that only the environment has keeps an empty table,
    /// which declares it.
    fn put_own(&mut self, flag: &str, own: &Definition) -> Result<(), EditError> {
        let is_empty = settings(own).is_empty();
        if !is_empty || !self.outside.flags().contains_key(flag) {
            return self.put(flag, own);
        }
        match self.own(flag) {
            Some(had) if !settings(&had).is_empty() => self.remove(flag),
            _ => Ok(()),
        }
    }

    /// Turns a flag on or off: by its kill switch, or by a forced value in an environment that has
    /// no settings of the flag.
    fn switch(&mut self, flag: &str, on: bool) -> Result<(), EditError> {
        let has_settings = || self.own(flag).is_some() && !self.is_forced(flag);
        if self.environment().is_none() || has_settings() {
            return self.set(flag, &Definition::new().enabled(on));
        }
        self.definition(flag)?;
        self.force(flag, on)
    }

    /// Makes the environment force a flag on or off.
    fn force(&mut self, flag: &str, on: bool) -> Result<(), EditError> {
        let mut text = Text::new(self.text.clone());
        sync::force(&mut text, &self.table(), flag, on);
        self.accept(flag, &text, Meant::Forced(on))
    }

    /// Returns the entry of the environment for a flag, as settings.
    fn own(&self, flag: &str) -> Option<Definition> {
        let entry = self.file.entry(self.environment()?, flag)?;
        Some(match entry.as_definition() {
            Some(definition) => definition.clone(),
            None => Definition::new().enabled(entry.forces() == Some(true)),
        })
    }

    /// Returns `true` if the part of the file that is edited has tests of a flag.
    fn has_tests(&self, flag: &str) -> bool {
        self.file.flags_of(self.environment()).tests.contains_key(flag)
    }

    fn is_forced(&self, flag: &str) -> bool {
        let entry = self.environment().and_then(|name| self.file.entry(name, flag));
        entry.is_some_and(|entry| entry.forces().is_some())
    }

    /// Returns an error if a patch for an environment removes a setting that only `[flags]` has.
    fn refuse_to_remove(&self, flag: &str, patch: &Definition) -> Result<(), EditError> {
        let Some(below) = self.outside.flags().get(flag) else { return Ok(()) };
        let own = self.own(flag).unwrap_or_default();
        let is_below = |field| below.has(field) && !own.has(field);
        let mut removed = patch.fields().filter(|&field| patch.removes(field) && is_below(field));
        match removed.next() {
            None => Ok(()),
            Some(setting) => Err(EditError::InFlags { flag: flag.to_owned(), setting }),
        }
    }

    fn put(&mut self, flag: &str, changed: &Definition) -> Result<(), EditError> {
        let new = settings(changed);
        let mut text = Text::new(self.text.clone());
        let own = self.own(flag);
        match self.environment() {
            Some(_) if own.is_none() => {
                sync::add(&mut text, &self.table(), flag, &new, self.part());
            }
            _ => {
                let old = match &own {
                    Some(own) => settings(own),
                    None => settings(self.definition(flag)?),
                };
                sync::flag(&mut text, &self.path(flag), &old, &new, self.part());
            }
        }
        self.accept(flag, &text, Meant::Settings(&new))
    }

    /// Returns the definition of a flag that can be edited.
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

    /// Returns the environment that is edited.
    fn environment(&self) -> Option<&str> {
        self.file.environment()
    }

    fn part(&self) -> Part {
        if self.environment().is_some() { Part::Environment } else { Part::Flags }
    }

    /// Returns the path of the table that has the flags.
    fn table(&self) -> Vec<Step> {
        table_of(self.environment()).0
    }

    fn path(&self, flag: &str) -> Vec<Step> {
        [self.table(), vec![flag.into()]].concat()
    }

    /// Accepts the new text if it has the intended meaning: the flag has these settings, or is
    /// gone, and all other flags are unchanged, in all environments.
    fn accept(&mut self, flag: &str, text: &Text, meant: Meant<'_>) -> Result<(), EditError> {
        let text = text.as_str();
        let unwritable = || EditError::Unwritable { flag: flag.to_owned() };
        let outside = FlagsFile::read(&self.name, text, self.whole).file;
        let file = match self.environment() {
            _ if !outside.is_usable() => return Err(unwritable()),
            Some(name) => outside.clone().in_environment(name).map_err(|_| unwritable())?,
            None => outside.clone(),
        };
        if !outside.environments().eq(self.outside.environments()) {
            return Err(unwritable());
        }
        for environment in outside.parts() {
            let (is, was) = (outside.flags_of(environment), self.outside.flags_of(environment));
            let mut rejected = is.rejected.iter();
            if let Some(invalid) = rejected.find(|&flag| !was.rejected.contains(flag)) {
                let (flag, diagnostics) = (invalid.to_owned(), file.diagnostics().clone());
                return Err(EditError::Invalid { flag, diagnostics });
            }
            // A flag that had an error before may be valid now, such as one with a variant that was
            // missing.
            let is_changed = environment == self.environment();
            let is_other = |key: &str| {
                let is_it = is_changed && key == flag;
                !is_it && !was.rejected.contains(key)
            };
            let same = match environment {
                None => {
                    let (is, was) = (is.good.iter(), was.good.iter());
                    is.filter(|(key, _)| is_other(key)).eq(was.filter(|(key, _)| is_other(key)))
                }
                Some(name) => {
                    let (is, was) = (outside.entries(name), self.outside.entries(name));
                    is.filter(|(key, _)| is_other(key)).eq(was.filter(|(key, _)| is_other(key)))
                }
            };
            if !same {
                return Err(unwritable());
            }
        }
        let is = match self.environment() {
            Some(name) => file.entry(name, flag).cloned(),
            None => file.flags().get(flag).cloned().map(Entry::Definition),
        };
        let is_meant = match (&is, meant) {
            (None, Meant::Nothing) => true,
            (Some(Entry::Forced(is)), Meant::Forced(on)) => *is == on,
            (Some(Entry::Definition(is)), Meant::Settings(meant)) => {
                text_of(&settings(is)) == text_of(meant)
            }
            _ => false,
        };
        if !is_meant {
            return Err(unwritable());
        }
        self.text = text.to_owned();
        (self.outside, self.file) = (outside, file);
        Ok(())
    }

    /// Accepts the new text if only the name and the salts that keep the users have changed.
    fn accept_renamed(
        &mut self,
        old: &str,
        new: &str,
        text: &Text,
        pinned: &[(Option<String>, &str)],
    ) -> Result<(), EditError> {
        let text = text.as_str();
        let outside = FlagsFile::read(&self.name, text, self.whole).file;
        let renamed = |key: &str| if key == old { new.to_owned() } else { key.to_owned() };
        for part in self.parts() {
            let name = part.as_deref();
            let was: BTreeSet<_> =
                self.outside.flags_of(name).rejected.iter().map(renamed).collect();
            let mut rejected = outside.flags_of(name).rejected.iter();
            if let Some(invalid) = rejected.find(|flag| !was.contains(*flag)) {
                let (flag, diagnostics) = (invalid.to_owned(), outside.diagnostics().clone());
                return Err(EditError::Invalid { flag, diagnostics });
            }
            let meant = entries_of(&self.outside, name).into_iter().map(|(key, held)| match held {
                Ok(settings) => {
                    let settings = rename::renamed(&settings, old, new);
                    let pin = pinned.iter().find(|(of, _)| *of == part && key == old);
                    let settings = match pin {
                        Some((_, salt)) => with_salt(&settings, salt),
                        None => settings,
                    };
                    (renamed(&key), Ok(text_of(&settings)))
                }
                Err(forced) => (renamed(&key), Err(forced)),
            });
            let is = entries_of(&outside, name).into_iter();
            let is = is.map(|(key, held)| (key, held.map(|settings| text_of(&settings))));
            if !meant.collect::<BTreeMap<_, _>>().into_iter().eq(is) {
                return Err(EditError::Unwritable { flag: old.to_owned() });
            }
        }
        let unwritable = |_| EditError::Unwritable { flag: old.to_owned() };
        let file = match self.environment() {
            Some(name) => outside.clone().in_environment(name).map_err(unwritable)?,
            None => outside.clone(),
        };
        self.text = text.to_owned();
        (self.outside, self.file) = (outside, file);
        Ok(())
    }
}

/// Returns the entries that a part of a file itself has for its flags: settings, or a forced value.
fn entries_of(file: &FlagsFile, part: Option<&str>) -> BTreeMap<String, Result<Settings, Entry>> {
    match part {
        None => {
            let flags = file.flags_of(None).good.iter();
            flags.map(|(key, flag)| (key.to_owned(), Ok(settings(flag)))).collect()
        }
        Some(name) => {
            let entry_of = |entry: &Entry| match entry.as_definition() {
                Some(definition) => Ok(settings(definition)),
                None => Err(entry.clone()),
            };
            file.entries(name).map(|(key, entry)| (key.to_owned(), entry_of(entry))).collect()
        }
    }
}

/// Returns the path of the table of a part of the file, and its kind.
fn table_of(part: Option<&str>) -> (Vec<Step>, Part) {
    match part {
        Some(environment) => (vec!["environments".into(), environment.into()], Part::Environment),
        None => (vec!["flags".into()], Part::Flags),
    }
}

/// Returns settings with a salt, in the order in which definitions have them.
fn with_salt(settings: &Settings, salt: &str) -> Settings {
    let mut salted = settings.clone();
    salted.insert(Field::Salt.to_string(), salt.into());
    let order = |name: &String| Field::ALL.iter().position(|field| field.as_str() == name);
    let mut members: Vec<_> = salted.into_iter().collect();
    members.sort_by_key(|(name, _)| order(name));
    members.into_iter().collect()
}

/// Returns `true` if a flag can draw buckets. One that is plainly on or off cannot.
fn draws(definition: &Definition) -> bool {
    let settings = settings(definition);
    let shares = |field: &Field| *field != Field::Enabled && field.effect() == Effect::Share;
    let mut drawing = Field::ALL.iter().filter(|field| shares(field) || field.roles().redraws);
    drawing.any(|field| settings.contains_key(field.as_str()))
}

/// The intended result of an edit, for the part of the text that is about a flag.
enum Meant<'s> {
    Settings(&'s Settings),
    /// A forced value of an environment.
    Forced(bool),
    Nothing,
}

/// Replaces settings that a patch removes from the flag below: sets them to a neutral value, where
/// there is one.
fn lift(own: &mut Definition, patch: &Definition, below: &Definition) {
    let removed = FORMS.iter().filter(|form| patch.removes(form.field) && below.has(form.field));
    for form in removed {
        // A percentage ends a rollout.
        let form = match form.field {
            Field::Rollout => FORMS.iter().find(|form| form.field == Field::Percentage),
            _ => Some(form),
        };
        let Some(form) = form else { continue };
        let tried = [(form.default)(), Some(Value::Array(Vec::new()))];
        let tried = tried.into_iter().flatten().find_map(|value| {
            let setting = Settings::from_iter([(form.field.to_string(), value)]);
            from_json_object("", &setting, UnknownKeys::Reject).ok()
        });
        tried.into_iter().for_each(|neutral| own.merge(&neutral));
    }
}

/// Returns the settings of a definition without those that have a default or neutral value.
fn evaluated(definition: &Definition) -> Settings {
    let mut settings = settings(definition);
    settings.retain(|name, value| {
        let default = form(name).and_then(|form| (form.default)());
        default.as_ref() != Some(value) && value.as_array().is_none_or(|list| !list.is_empty())
    });
    settings
}

/// Returns the settings of a definition without the removed ones: no source is below a file.
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
    // A condition that names segments is written out, in a form that differs from the one that is
    // read back.
    match from_json_object("", &settings, UnknownKeys::Reject) {
        Ok(same) => without_nulls(to_json(&same)),
        Err(_) => settings,
    }
}

/// Returns settings as a string, to compare them with the order of variants. Maps compare without
/// order.
fn text_of(settings: &Map<String, Value>) -> String {
    Value::from(settings.clone()).to_string()
}

/// Errors of [`Document`]. The document stays as it was.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The text is not a usable flags.toml.
    #[error("the file cannot be used")]
    Unusable(#[source] Diagnostics),
    /// The file does not have the flag.
    #[error(
        "the file has no flag `{}`{}",
        line(flag),
        similar.as_ref().map(|name| format!("; it has `{}`", line(name))).unwrap_or_default()
    )]
    UnknownFlag {
        /// The flag key.
        flag: String,
        /// A flag with a similar name.
        similar: Option<String>,
    },
    /// The file already has a flag with this name.
    #[error("the file already has a flag `{}`", line(flag))]
    Exists {
        /// The flag key.
        flag: String,
    },
    /// The flag already has an error, so its current definition is unknown.
    #[error("flag `{}` has to be corrected before it can be changed", line(flag))]
    Rejected {
        /// The flag key.
        flag: String,
        /// The problems of the file.
        #[source]
        diagnostics: Diagnostics,
    },
    /// The edit would make a flag invalid.
    #[error("flag `{}` would be invalid", line(flag))]
    Invalid {
        /// The flag that would be invalid, which may be another one than the edited one.
        flag: String,
        /// The problems that the file would have.
        #[source]
        diagnostics: Diagnostics,
    },
    /// The environment that is edited has no entry for the flag.
    #[error("environment `{}` has no entry for flag `{}`", line(environment), line(flag))]
    NoEntry {
        /// The flag key.
        flag: String,
        /// The environment.
        environment: String,
    },
    /// An environment cannot remove a setting of `[flags]`.
    #[error(
        "`[flags]` sets `{setting}` of flag `{}`, which an environment cannot remove",
        line(flag)
    )]
    InFlags {
        /// The flag key.
        flag: String,
        /// The setting.
        setting: Field,
    },
    /// No text was found that gives the flag the intended definition and leaves all other flags as
    /// they are.
    #[error("flag `{}` cannot be changed that way in this file; edit the file by hand", line(flag))]
    Unwritable {
        /// The flag key.
        flag: String,
    },
}

debug_is_message!(EditError);
