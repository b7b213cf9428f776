//! Suggestions of similar names.

use flagstaff::{Context, Snapshot};

use crate::{output::Output, text::clean};

/// Returns the sentence about an override of a flag that no file declares.
pub(crate) fn undeclared(flag: &str, similar: Option<&str>) -> String {
    let sentence = format!("no file declares `{}`, which the store overrides", clean(flag));
    match similar {
        Some(similar) => {
            format!("{sentence}: a flag with a similar name exists: `{}`", clean(similar))
        }
        None => sentence,
    }
}

/// Hints at a flag with a similar name, if no source has this one.
pub(crate) fn hint(snapshot: &Snapshot, flag: &str, output: &Output) {
    if let Some(similar) = snapshot.explain(flag, &Context::anonymous()).similar {
        output.hint(format!("a flag with a similar name exists: `{}`", clean(&similar)));
    }
}
