//! Values of sources that have another effect than their writers may expect.

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
        write!(f, "flag `{flag}` in source `{source}`: {message}")
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

    /// Looks at the values of these flags. Returns the warnings that are new.
    pub(super) fn update(
        &mut self,
        stack: &Stack,
        sources: &[Source],
        changed: &[Arc<str>],
    ) -> Vec<Warning> {
        let mut flags: BTreeSet<Arc<str>> = changed.iter().map(Arc::clone).collect();
        let variables = variables(stack);
        if variables != self.variables {
            // One name of a variable decides whether another one is reported.
            let before = std::mem::replace(&mut self.variables, variables);
            let shared = before.into_values().chain(self.variables.values().cloned());
            flags.extend(shared.flatten());
            flags.extend(stack.looked_up().map(Arc::clone));
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

    fn warnings(&self, stack: &Stack, sources: &[Source], flag: &Arc<str>) -> Vec<Warning> {
        let warning = |source: SourceId, kind, message| Warning {
            source: sources[usize::from(source)],
            flag: flag.to_string(),
            kind,
            message,
            place: stack.place(flag, source),
        };
        let is_a_spelling = |source| match stack.place(flag, source) {
            // Sources with variables list a name for each of them, which need not be that of a flag.
            Some(place) => self
                .variables
                .get(&(source, place))
                .is_some_and(|flags| !flags.is_empty() && !flags.contains(flag)),
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

/// The flags that each variable switches, among those that another source has.
fn variables(stack: &Stack) -> BTreeMap<(SourceId, String), Vec<Arc<str>>> {
    let mut variables = BTreeMap::<_, Vec<_>>::new();
    if !stack.has_lookups() {
        return variables;
    }
    let flags: BTreeSet<_> = stack.declared().collect();
    for flag in flags {
        for (source, place) in stack.variables_of(flag) {
            variables.entry((source, place)).or_default().push(Arc::clone(flag));
        }
    }
    variables
}
