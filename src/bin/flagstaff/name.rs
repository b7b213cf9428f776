//! Names of flags on the command line.

use flagstaff::{Field, Snapshot};

use crate::{failure::Failure, text::clean};

/// Reads the name of a flag, which is anything but nothing: an unset variable of a script names none.
pub(crate) fn flag(text: &str) -> Result<String, String> {
    match text.is_empty() {
        true => Err("the name of a flag is not empty".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// The setting of that name, if there is one.
pub(crate) fn field(name: &str) -> Option<Field> {
    Field::ALL.iter().copied().find(|field| field.as_str() == name)
}

/// Refuses what names a setting of the flag before it, and no flag.
pub(crate) fn refuse_settings(names: &[String], flags: &Snapshot) -> Result<(), Failure> {
    refuse_settings_but(names, |name| flags.info(name).is_some())
}

/// The same, where `is_flag` knows the flags.
pub(crate) fn refuse_settings_but(
    names: &[String],
    is_flag: impl Fn(&str) -> bool,
) -> Result<(), Failure> {
    let Some((flag, rest)) = names.split_first() else { return Ok(()) };
    match rest.iter().find(|name| field(name).is_some() && !is_flag(name)) {
        Some(setting) => Err(Failure::usage(format!(
            "`{setting}` is a setting, and this takes the names of flags"
        ))
        .hint(format!(
            "`flagstaff set {} {setting}=VALUE` changes that setting alone",
            clean(flag)
        ))),
        None => Ok(()),
    }
}

/// Refuses whatever may be a setting of the flag before it, be it a flag as well: what is taken away
/// is gone.
pub(crate) fn refuse_what_may_be_settings(names: &[String]) -> Result<(), Failure> {
    let Some((flag, rest)) = names.split_first() else { return Ok(()) };
    match rest.iter().find(|name| field(name).is_some()) {
        Some(setting) => Err(Failure::usage(format!(
            "`{setting}` is a setting, and this takes away all that is said about a flag"
        ))
        .hint(format!(
            "`flagstaff set {} {setting}-` takes that setting alone out of the override; a flag of \
             that name goes first, or alone",
            clean(flag)
        ))),
        None => Ok(()),
    }
}
