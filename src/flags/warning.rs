//! Values of sources whose effect may surprise their writers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde::{Serialize, Serializer};

use crate::{
    backend::{Source, SourceId, Stack},
    model::WarningKind,
    serialize::object,
    text::line,
};

/// A warning about the value that a source has for a flag. It lasts as long as the value.
///
/// The value is in force. [`Flags::warnings`](crate::Flags::warnings) lists all warnings, and
/// [`Event::Warned`](crate::event::Event::Warned) reports each one once.
///
/// # Example
///
/// ```
/// use flagstaff::{Env, Flags, event::WarningKind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// let env = Env::with_prefix("FEATURE_").variables([("FEATURE_BETA", "enabled")]);
/// let flags = Flags::builder().source(env).start().await?;
///
/// let warnings = flags.warnings();
///
/// assert_eq!((&*warnings[0].flag, warnings[0].kind), ("beta", WarningKind::NeitherOnNorOff));
/// assert_eq!(
///     warnings[0].to_string(),
///     "flag `beta` in source `env`: `enabled` is neither on nor off, nor a variant, so the flag is off"
/// );
/// # Ok(())
/// # }
/// ```
///
/// Characters in the message that could control a terminal are escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// The source.
    pub source: Source,
    /// The flag key.
    pub flag: String,
    /// The kind of the warning.
    pub kind: WarningKind,
    /// The value, and its effect.
    pub message: String,
    /// The location of the value, if its source has locations.
    pub place: Option<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, flag, message, .. } = self;
        write!(f, "flag `{}` in source `{source}`: {}", line(flag), line(message))
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, "Warning", {
            "flag": self.flag,
            "source": self.source,
            "kind": self.kind,
            "message": self.message,
            "place": self.place,
        })
    }
}

/// The warnings about the values in force.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    lasting: BTreeMap<(Arc<str>, SourceId, WarningKind), Warning>,
    /// The flags of other sources by the variable that switches them.
    variables: BTreeMap<(SourceId, String), Vec<Arc<str>>>,
}

impl Warnings {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Warning> {
        self.lasting.values()
    }

    /// Returns the number of warnings about the values of a source.
    pub(super) fn of(&self, source: usize) -> usize {
        self.iter().filter(|warning| warning.source.position == source).count()
    }

    /// Checks the values of these flags. Returns the warnings that are new.
    pub(super) fn update(
        &mut self,
        stack: &Stack,
        sources: &[Source],
        changed: impl IntoIterator<Item = Arc<str>>,
    ) -> Vec<Warning> {
        let mut flags: BTreeSet<Arc<str>> = changed.into_iter().collect();
        if stack.has_lookups() {
            let shared: Vec<_> = flags.iter().flat_map(|flag| self.note(stack, flag)).collect();
            if !shared.is_empty() {
                // The name of one variable decides whether another one is reported.
                flags.extend(stack.looked_up().cloned());
                flags.extend(shared);
            }
        }
        let mut new = Vec::new();
        for flag in flags {
            let now = self.warnings(stack, sources, &flag);
            let start = (Arc::clone(&flag), SourceId::MIN, WarningKind::NeitherOnNorOff);
            let lasting = self.lasting.range(start..).take_while(|((key, ..), _)| *key == flag);
            let lasting: Vec<_> = lasting.map(|(key, _)| key.clone()).collect();
            let mut before: BTreeMap<_, _> = lasting
                .into_iter()
                .filter_map(|key| Some((key.clone(), self.lasting.remove(&key)?)))
                .collect();
            for warning in now {
                let source = warning.source.position as SourceId;
                let key = (Arc::clone(&flag), source, warning.kind);
                if before.remove(&key).is_none_or(|before| before.message != warning.message) {
                    new.push(warning.clone());
                }
                self.lasting.insert(key, warning);
            }
        }
        new
    }

    /// Records the variables that switch a flag, if another source has it. Returns the flags of the
    /// variables for which this is new.
    fn note(&mut self, stack: &Stack, flag: &Arc<str>) -> Vec<Arc<str>> {
        let is_declared = stack.declares(flag);
        let mut shared = Vec::new();
        for variable in stack.variables_of(flag) {
            let flags = self.variables.entry(variable).or_default();
            match (flags.binary_search(flag), is_declared) {
                (Err(place), true) => flags.insert(place, Arc::clone(flag)),
                (Ok(place), false) => drop(flags.remove(place)),
                (Ok(_), true) | (Err(_), false) => continue,
            }
            shared.extend(flags.iter().cloned());
            shared.push(Arc::clone(flag));
        }
        self.variables.retain(|_, flags| !flags.is_empty());
        shared
    }

    fn warnings(&self, stack: &Stack, sources: &[Source], flag: &Arc<str>) -> Vec<Warning> {
        let warning = |source: SourceId, kind, message| Warning {
            source: sources[usize::from(source)],
            flag: flag.to_string(),
            kind,
            message,
            place: stack.place(flag, source),
        };
        let is_a_spelling = |source| match stack.place(flag, source) {
            // A source of variables lists a name for each of them, which may be that of no flag.
            Some(place) => {
                self.variables.get(&(source, place)).is_some_and(|flags| !flags.contains(flag))
            }
            None => false,
        };
        let unclear = stack.unclear(flag).filter(|(source, ..)| !is_a_spelling(*source));
        let unclear = unclear.map(|(source, kind, message)| warning(source, kind, message));
        let shared = self.variables.iter().filter(|(_, flags)| flags.first() == Some(flag));
        let shared = shared.filter(|(_, flags)| flags.len() > 1);
        let shared = shared.map(|((source, variable), flags)| {
            let names: Vec<_> = flags.iter().map(|flag| format!("`{flag}`")).collect();
            let message = format!("`{variable}` switches several flags: {}", names.join(", "));
            warning(*source, WarningKind::SeveralFlags, message)
        });
        unclear.chain(shared).collect()
    }
}
