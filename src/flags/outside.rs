//! Questions that are asked where no flags are in scope.

use std::{hash::Hash, panic::Location, sync::LazyLock};

use tracing::warn;

use super::warned::Warned;
use crate::model::hash_name;

/// The place of a question or of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Code(&'static Location<'static>),
    #[cfg(feature = "http")]
    Http(&'static str),
}

/// The names that were warned about at a place, by their hash.
///
/// Long names from data do not fill the memory. Two names with one hash only cost the second one its
/// warning.
///
/// Each kind has a set of its own, since a set has a bound. Names of events that come from data silence
/// no warning about a gate.
type Names = LazyLock<Warned<(u64, Place)>>;

fn is_new(names: &Names, name: &str, place: Place) -> bool {
    names.is_new((hash_name(name), place))
}

/// Warns about a question of a flag, by one of the functions of this crate.
#[cold]
pub(super) fn asked(name: &str, location: &'static Location<'static>) {
    static WARNED: Names = LazyLock::new(Warned::default);
    if is_new(&WARNED, name, Place::Code(location)) {
        warn!(
            flag = name,
            at = %location,
            "asked for a flag outside a request: add a request layer, or spawn the task with \
             `.with_current_flags()`"
        );
    }
}

/// Warns about a tracked event.
#[cold]
pub(super) fn tracked(name: &str, location: &'static Location<'static>) {
    static WARNED: Names = LazyLock::new(Warned::default);
    if is_new(&WARNED, name, Place::Code(location)) {
        warn!(
            event = name,
            at = %location,
            "tracked an event outside a request: add a request layer, or spawn the task with \
             `.with_current_flags()`"
        );
    }
}

/// Warns about a gate or a switch, whichever `asker` names.
#[cfg(feature = "http")]
#[cold]
pub(super) fn unlayered(name: &str, asker: &'static str) {
    static WARNED: Names = LazyLock::new(Warned::default);
    if is_new(&WARNED, name, Place::Http(asker)) {
        warn!(
            flag = name,
            "{asker} `{name}` has no request layer around it: add `.layer(flags.request_layer(…))` \
             further out, or give it flags with `.flags(&flags)`"
        );
    }
}
