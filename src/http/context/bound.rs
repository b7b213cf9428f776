//! The maximum length of strings that a client chooses.

use std::sync::LazyLock;

use crate::{
    flags::Warned,
    foreign::warn,
    model::{Context, hash_name},
};

/// The maximum length of a string in a context that is read from a request, in bytes.
///
/// Each evaluation may go through all strings of the context, and a request can be far longer: hyper takes
/// headers of some 400 KiB.
pub(super) const MAX_STRING: usize = 8 * 1024;

/// Removes longer strings from a context that is read from a request.
#[inline]
pub(in crate::http) fn bound(context: &mut Context<'_>) {
    if !context.fits(MAX_STRING) {
        cut(context);
    }
}

/// Removes longer strings, with one warning for each attribute.
#[cold]
fn cut(context: &mut Context<'_>) {
    static WARNED: LazyLock<Warned<u64>> = LazyLock::new(Warned::default);
    context.remove_longer(MAX_STRING, |attribute| {
        if WARNED.is_new(hash_name(attribute)) {
            warn!(attribute, "a string of a request is longer than 8 KiB and counts as missing");
        }
    });
}
