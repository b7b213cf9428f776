//! Evaluations of a flag as a type that its value does not have.

use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::ArcSwap;

use super::metrics::{self, Mismatch};
use crate::{
    foreign::warn,
    model::{Value, hash_name},
};

/// The number of pairs of a flag and a type that are kept. Later pairs are neither logged nor
/// counted: more pairs than code can contain come from data.
const CAP: usize = 1_000;

/// Logs once per flag and type that a value has another type, counts each time, and never locks.
#[derive(Debug, Default)]
pub(super) struct Mismatches {
    /// The counters by the hash of the flag and by type. Of two flags with one hash, the second is
    /// counted as the first.
    seen: ArcSwap<HashMap<(u64, &'static str), Arc<Mismatch>>>,
}

impl Mismatches {
    /// Records that a caller evaluated a flag as another type than that of `found`.
    #[cold]
    pub(super) fn note(&self, flag: &str, expected: &'static str, found: Found<'_>) {
        let key = (hash_name(flag), expected);
        let seen = self.seen.load();
        if let Some(known) = seen.get(&key) {
            return known.count();
        }
        if seen.len() >= CAP {
            return;
        }
        let new = Arc::new(metrics::mismatch(flag, expected));
        let before = self.seen.rcu(|seen| {
            let mut seen = HashMap::clone(seen);
            seen.entry(key).or_insert_with(|| Arc::clone(&new));
            seen
        });
        match before.get(&key) {
            // Another thread was faster.
            Some(known) => known.count(),
            None => {
                new.count();
                warn!(
                    flag,
                    expected,
                    %found,
                    "a flag was asked for another type than that of its value, so it answers the default"
                );
            }
        }
    }
}

/// The content of a flag, for the log: its type alone, since a value may be confidential.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'a> {
    /// A flag without variants.
    OnOrOff,
    Variant(&'static str),
    Value(&'a Value<'static>),
}

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnOrOff | Self::Value(Value::Bool(_)) => "boolean",
            Self::Variant(name) => return write!(f, "variant `{name}`"),
            Self::Value(Value::Integer(_)) => "integer",
            Self::Value(Value::Float(_)) => "float",
            Self::Value(Value::String(_)) => "string",
            Self::Value(Value::List(_)) => "list",
            Self::Value(Value::Table(_)) => "table",
        })
    }
}
