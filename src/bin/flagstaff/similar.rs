//! Suggestions of similar names.

use flagstaff::{Context, Snapshot};

use crate::{output::Output, text::clean};

/// Hints at a flag with a similar name, if no source has this one.
pub(crate) fn hint(snapshot: &Snapshot, flag: &str, output: &Output) {
    if let Some(similar) = snapshot.explain(flag, &Context::anonymous()).similar {
        output.hint(format!("a flag with a similar name exists: `{}`", clean(&similar)));
    }
}
