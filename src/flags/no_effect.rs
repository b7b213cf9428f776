//! Changes that succeed but change no answer, and the reasons.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use serde::{Serialize, Serializer};

use crate::{
    backend::{Source, SourceId, Stack},
    model::{
        Definition, Entry, Field, FlagState, OnStale, Part, Percentage, Prerequisite,
        RequiredState, Resolved, Setting, Variant, WarningKind,
    },
    serialize::object,
};

/// The reason why a change changes no answer of its flag.
///
/// The [`Outcome`](crate::write::Outcome) of a change has the reason.
/// [`Flags::without_effect`](crate::Flags::without_effect) finds it for a change that is not made yet.
///
/// # Example
///
/// ```
/// use flagstaff::{Definition, Flags, Memory, Percentage, write::NoEffectKind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let declared = Memory::new().with("beta", Definition::new().enabled(false));
/// let flags = Flags::builder().source(Memory::new()).source(declared).start().await?;
///
/// let quarter = Definition::new().percentage(Percentage::whole(25)?);
/// let outcome = flags.set("beta", quarter).await?;
///
/// let no_effect = outcome.no_effect.expect("`beta` is switched off");
/// assert_eq!(no_effect.kind, NoEffectKind::Disabled);
/// assert_eq!(no_effect.to_string(), "it stays off: `enabled` is false in source `memory#2`");
/// assert_eq!(no_effect.help.as_deref(), Some("set `enabled` to true as well"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoEffect {
    /// The kind of the reason.
    pub kind: NoEffectKind,
    /// The state of the flag, before and after.
    pub state: FlagState,
    /// The reason, without the source: a clause such as `` `enabled` is false ``.
    pub why: String,
    /// The source that holds the change back, if one does.
    pub source: Option<Source>,
    /// The location of the setting that holds the change back, if its source has locations.
    pub place: Option<String>,
    /// A remedy: an imperative.
    pub help: Option<String>,
}

/// The kind of reason why a change changes no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoEffectKind {
    /// A stronger source has another value.
    Overridden,
    /// A source that the flag depends on is lost, and `on_stale` decides.
    Stale,
    /// The flag is switched off.
    Disabled,
    /// The time is outside of the active window.
    Inactive,
    /// A required flag is off for all users.
    Prerequisite,
    /// The flag is forced on, and none of its variants that are on has a weight.
    StaysOff,
    /// The percentage or the rollout lets no user in.
    NoUsers,
    /// The setting has no effect without another one.
    Incomplete,
    /// One value or variant is served to all, so the draw that is changed does not take place.
    Undrawn,
    /// The answers are already those that the change would give.
    Already,
}

impl NoEffectKind {
    /// Returns the word for the kind in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overridden => "overridden",
            Self::Stale => "stale",
            Self::Disabled => "disabled",
            Self::Inactive => "inactive",
            Self::Prerequisite => "prerequisite",
            Self::StaysOff => "stays_off",
            Self::NoUsers => "no_users",
            Self::Incomplete => "incomplete",
            Self::Undrawn => "undrawn",
            Self::Already => "already",
        }
    }
}

impl NoEffect {
    /// Returns the state in words: off in effect, if a prerequisite is never met.
    fn stays(&self) -> FlagState {
        match self.kind {
            NoEffectKind::Prerequisite => FlagState::Off,
            _ => self.state,
        }
    }
}

/// ``it stays off: `enabled` is false in source `file` (flags.toml:3)``
impl fmt::Display for NoEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it stays {}: {}", self.stays(), self.why)?;
        if let Some(source) = self.source {
            write!(f, " in source `{source}`")?;
        }
        match &self.place {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}

impl Serialize for NoEffectKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for NoEffect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, "NoEffect", {
            "kind": self.kind,
            "state": self.stays(),
            "why": self.why,
            "source": self.source,
            "place": self.place,
            "help": self.help,
        })
    }
}

/// One change of the entry of one source.
pub(super) struct Change<'a, F> {
    pub(super) key: &'a str,
    pub(super) stack: &'a Stack,
    pub(super) sources: &'a [Source],
    /// The source that is changed.
    pub(super) source: SourceId,
    /// The entry of the source before and after.
    pub(super) entries: [Option<&'a Entry>; 2],
    /// The flag before and after, from all sources.
    pub(super) flag: [Option<&'a Resolved>; 2],
    /// Finds other flags.
    pub(super) find: F,
}

impl<'a, F: Fn(&str) -> Option<&'a Resolved>> Change<'a, F> {
    /// Returns the reason why the change changes no answer, if it changes none.
    pub(super) fn no_effect(&self) -> Option<NoEffect> {
        let touched = self.touched();
        let after = self.flag[1]?;
        let [was_off, is_off] = self.flag.map(|flag| flag.is_none_or(|flag| self.is_off(flag)));
        // A forced value keeps the flag as it is, whatever the sources below have later.
        let is_kill = touched.contains(&Field::Enabled)
            && matches!(self.entries[1], Some(entry) if self.switches_off(entry));
        let is_on = matches!(self.entries[1], Some(entry) if entry.forces() == Some(true))
            && after.state() == FlagState::On;
        if touched.is_empty() || (is_kill && is_off) || is_on {
            return None;
        }
        let is_same = self.is_same(after);
        let definition = &*after.definition;
        let are_off = was_off && is_off && self.off_is_same(definition);
        let are_on = self.flag.iter().all(|flag| flag.is_some_and(is_plainly_on));
        let undrawn = self.undrawn(definition).filter(|_| !is_same);
        if !(is_same || are_off || are_on || undrawn.is_some()) {
            return None;
        }
        let overriding = touched.iter().filter(|field| !field.adds_up()).filter_map(|&field| {
            let source = after.claimed(field).filter(|&source| source < self.source)?;
            Some((source, field))
        });
        if let Some((source, field)) = overriding.min().filter(|_| is_same) {
            let why = format!("`{field}` is set");
            let help = Some("change it in that source".to_owned());
            return Some(self.because(NoEffectKind::Overridden, why, Some((source, field)), help));
        }
        if after.stale.is_some_and(|on_stale| on_stale != OnStale::Keep) {
            let why = "a source is lost, and `on_stale` decides".to_owned();
            let field = (after.origin(Field::OnStale), Field::OnStale);
            return Some(self.because(NoEffectKind::Stale, why, Some(field), None));
        }
        if is_off && !is_kill {
            return Some(self.off_because(after));
        }
        if let Some(field) = undrawn {
            let why = format!("nothing is drawn beside `{field}`");
            let by = Some((after.origin(field), field));
            let help = Some(format!("remove `{field}`, too"));
            return Some(self.because(NoEffectKind::Undrawn, why, by, help));
        }
        // Removing a setting that the other sources also have is meant to change nothing.
        self.entries[1]?;
        // A forced value removes settings, and a removed setting needs no other one.
        let is_set = |field: Field| definition.has(field) && !definition.removes(field);
        let set = touched.iter().filter(|&&field| is_set(field));
        let incomplete = set.into_iter().find_map(|field| {
            let (needed, why) = field.roles().needs?;
            (definition.entries(needed) == 0).then_some((field, needed, why))
        });
        if let Some((field, needed, why)) = incomplete {
            let why = format!("`{field}` has no effect, since {why}");
            let help = Some(format!("set `{needed}` as well"));
            return Some(self.because(NoEffectKind::Incomplete, why, None, help));
        }
        let why = match are_on {
            true => "it is on for all users already",
            false => "the other sources have the same",
        };
        let added = touched.iter().find(|field| field.adds_up() && definition.entries(**field) > 0);
        let help = added.map(|field| {
            format!("`{field}` of all sources add up: remove entries in the source that has them")
        });
        Some(self.because(NoEffectKind::Already, why.to_owned(), None, help))
    }

    fn because(
        &self,
        kind: NoEffectKind,
        why: String,
        by: Option<(SourceId, Field)>,
        help: Option<String>,
    ) -> NoEffect {
        let place = by.and_then(|(source, field)| {
            let offer = &self.stack.offers()[usize::from(source)];
            let place = |part| offer.place(self.key, part);
            place(Part::Setting(field)).or_else(|| place(Part::Whole))
        });
        NoEffect {
            kind,
            state: self.flag[1].map(Resolved::state).unwrap_or_default(),
            why,
            source: by.map(|(source, _)| self.sources[usize::from(source)]),
            place,
            help,
        }
    }

    /// Returns the reason why a flag is off for all users.
    fn off_because(&self, flag: &'a Resolved) -> NoEffect {
        let because = |kind, why: &str, field: Field, remedy: &str| {
            let source = flag.origin(field);
            let help = match source < self.source {
                true => "change it in that source".to_owned(),
                false => remedy.to_owned(),
            };
            // A removed entry has no settings to which another one could be added.
            let help = self.entries[1].is_some().then_some(help);
            self.because(kind, why.to_owned(), Some((source, field)), help)
        };
        let warning = self.stack.warning_about(self.key, self.source, self.entries[1]);
        if let Some((WarningKind::StaysOff, why)) = warning {
            let help = "set the weight of a variant, or force a variant by its name".to_owned();
            return self.because(NoEffectKind::StaysOff, why, None, Some(help));
        }
        if flag.definition.enabled.value() == Some(&false) {
            let remedy = "set `enabled` to true as well";
            return because(NoEffectKind::Disabled, "`enabled` is false", Field::Enabled, remedy);
        }
        if !flag.is_active() {
            let why = "the time is outside of its `active` window";
            let remedy = "change `active`, or wait until the window begins";
            return because(NoEffectKind::Inactive, why, Field::Active, remedy);
        }
        if let Some(required) = self.unmet(flag) {
            let why = format!("it requires `{required}`, which is never as required");
            let remedy = format!("change `{required}`, or remove it from `requires`");
            return because(NoEffectKind::Prerequisite, &why, Field::Requires, &remedy);
        }
        let (percentage, field) = flag.percentage();
        let why = format!("its {field} is at {percentage}");
        let remedy = format!("change `{field}` as well");
        match percentage > Percentage::ZERO {
            true => because(
                NoEffectKind::StaysOff,
                "none of its variants that are on is served",
                Field::Variants,
                "change `variants` as well",
            ),
            false => because(NoEffectKind::NoUsers, &why, field, &remedy),
        }
    }

    /// Returns the evaluated settings that differ in the source.
    fn touched(&self) -> Vec<Field> {
        let below = self.stack.below(self.key, self.source);
        let below = below.as_ref().map(|below| &*below.definition);
        let [before, after] = self.entries.map(|entry| match entry {
            Some(entry) => Definition::clone(&entry.patch(below)),
            None => Definition::new(),
        });
        let differing = before.differences(&after);
        let is_other = |field: Field| {
            before.has(field) != after.has(field)
                || before.removes(field) != after.removes(field)
                || differing.contains(&field)
        };
        let evaluated = Field::ALL.iter().copied().filter(|field| !field.is_about());
        evaluated.filter(|&field| is_other(field)).collect()
    }

    fn switches_off(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Definition(definition) => definition.enabled.value() == Some(&false),
            Entry::Forced(_) | Entry::Text(_) => {
                entry.forces() == Some(false)
                    || self.flag[1].is_some_and(|flag| {
                        entry.patch(Some(&flag.definition)).enabled.value() == Some(&false)
                            && self
                                .stack
                                .warning_about(self.key, self.source, Some(entry))
                                .is_none()
                    })
            }
        }
    }

    /// Returns true if the change alters no setting that is evaluated.
    fn is_same(&self, after: &Resolved) -> bool {
        let Some(before) = self.flag[0] else { return false };
        let differences = before.definition.differences(&after.definition);
        // An empty list has no effect.
        let is_empty = |field: &Field| {
            let entries = |flag: &Resolved| flag.definition.entries(*field);
            entries(before) == 0 && entries(after) == 0
        };
        differences.iter().all(|field| field.is_about() || is_empty(field))
            && before.is_forced_on() == after.is_forced_on()
            && before.stale == after.stale
    }

    /// Returns the setting by which no variant is drawn before and after, if the change is one of draws.
    fn undrawn(&self, after: &Definition) -> Option<Field> {
        let before = self.flag[0]?.definition.clone();
        let field = after.spares_draws().filter(|_| before.spares_draws().is_some())?;
        let without_draws = |definition: &Definition| {
            let mut rest = definition.clone();
            let rare = rest.rare_mut();
            rare.traffic = Setting::Inherit;
            if let Setting::Set(variants) = &rare.variants {
                let bare = |(name, variant): (&str, &Variant)| {
                    (name.to_owned(), Variant { weight: Setting::Inherit, ..variant.clone() })
                };
                rare.variants = Setting::Set(variants.iter().map(bare).collect());
            }
            rest
        };
        let differences = without_draws(&before).differences(&without_draws(after));
        differences.iter().all(|field| field.is_about()).then_some(field)
    }

    /// Returns true if the off flag serves what it served before.
    fn off_is_same(&self, after: &Definition) -> bool {
        let served = |definition: &Definition| {
            let name = definition.off_variant()?.to_owned();
            let value = definition.rare().variants.value()?.value(&name);
            Some((name, value))
        };
        self.flag[0].is_some_and(|before| served(&before.definition) == served(after))
    }

    /// Returns true if a flag is off for all users.
    fn is_off(&self, flag: &'a Resolved) -> bool {
        flag.state() == FlagState::Off || self.unmet(flag).is_some()
    }

    /// Returns a required flag that is never in its required state.
    fn unmet(&self, flag: &'a Resolved) -> Option<&'a str> {
        let mut off = HashMap::new();
        let mut begun = HashSet::new();
        // Not by recursion: overrides make chains of thousands of flags.
        let mut open: Vec<_> = required(flag).map(|required| (&*required.flag, false)).collect();
        while let Some((name, is_begun)) = open.pop() {
            let Some(other) = (self.find)(name) else { continue };
            if is_begun {
                let is_off = other.state() == FlagState::Off
                    || required(other).any(|required| self.is_unmet(required, &off));
                off.insert(name, is_off);
            } else if begun.insert(name) {
                // The flag is settled when all flags above it are.
                open.push((name, true));
                open.extend(required(other).map(|required| (&*required.flag, false)));
            }
        }
        let unmet = required(flag).find(|required| self.is_unmet(required, &off));
        unmet.map(|required| &*required.flag)
    }

    /// Returns true if a flag is never in its required state. `off` has the flags that were visited, with `true` for
    /// those that are off for all users.
    fn is_unmet(&self, required: &Prerequisite, off: &HashMap<&str, bool>) -> bool {
        let Some(other) = (self.find)(&required.flag) else { return true };
        // The flag requires itself.
        let Some(&is_off) = off.get(&*required.flag) else { return true };
        match &required.state {
            RequiredState::On => is_off,
            RequiredState::Off => is_plainly_on(other),
            RequiredState::Variants(names) => {
                let off = other.definition.off_variant();
                is_off && !names.iter().any(|name| off == Some(name.as_str()))
            }
        }
    }
}

fn required(flag: &Resolved) -> impl Iterator<Item = &Prerequisite> {
    flag.definition.rare().requires.value().into_iter().flatten()
}

/// Returns true if a flag is on for all users, and serves neither a value nor a variant.
fn is_plainly_on(flag: &Resolved) -> bool {
    let rare = flag.definition.rare();
    let variants = rare.variants.value();
    flag.state() == FlagState::On
        && variants.is_none_or(|variants| variants.is_empty())
        && rare.serve.value().is_none()
        && rare.value.value().is_none()
}
