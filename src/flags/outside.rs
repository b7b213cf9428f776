//! Evaluations where no flags are in scope.

use std::{panic::Location, sync::LazyLock};

use super::warned::Warned;
use crate::{foreign::warn, model::hash_name};

/// The line of code that evaluated a flag, or that created the gate or switch which evaluated the flag.
type Place = &'static Location<'static>;

/// A gate or a switch, for warnings.
#[cfg(feature = "http")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    /// The kind of layer, in a word.
    pub(crate) kind: &'static str,
    /// The line of code that created the layer.
    pub(crate) place: Place,
}

/// The names that were warned about at a line of code, by their hash.
///
/// A hash takes no more memory for a long name from data. Of two names with one hash, the second
/// gets no warning.
///
/// Each kind has a set of its own, since a set is bounded. So names of events that come from data
/// suppress no warning about a gate.
type Names = LazyLock<Warned<(u64, Place)>>;

fn is_new(names: &Names, name: &str, place: Place) -> bool {
    names.is_new((hash_name(name), place))
}

/// Warns about an evaluation by one of the functions of this crate.
#[cold]
pub(super) fn asked(name: &str, place: Place) {
    static WARNED: Names = LazyLock::new(Warned::default);
    if is_new(&WARNED, name, place) {
        warn!(
            flag = name,
            at = %place,
            "asked for a flag outside a request: add a request layer, or spawn the task with \
             `.with_current_flags()`"
        );
    }
}

/// Warns about a tracked event.
#[cold]
pub(super) fn tracked(name: &str, place: Place) {
    static WARNED: Names = LazyLock::new(Warned::default);
    if is_new(&WARNED, name, place) {
        warn!(
            event = name,
            at = %place,
            "tracked an event outside a request: add a request layer, or spawn the task with \
             `.with_current_flags()`"
        );
    }
}

/// Warns about a gate or a switch.
#[cfg(feature = "http")]
#[cold]
pub(super) fn unlayered(name: &str, Asker { kind, place }: Asker) {
    static WARNED: Names = LazyLock::new(Warned::default);
    if is_new(&WARNED, name, place) {
        warn!(
            flag = name,
            at = %place,
            "{kind} `{}` has no request layer around it: add `.layer(flags.request_layer(…))` \
             further out, or give it flags with `.flags(&flags)`",
            crate::text::line(name)
        );
    }
}
