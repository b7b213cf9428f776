//! Names of flags on the command line.

use std::time::SystemTime;

use flagstaff::{
    Snapshot,
    definition::{Code, Field, lint::Lints},
    text::Untrusted,
};

use crate::{
    failure::Failure,
    output::Output,
    paste,
    text::{self, clean},
};

/// Reads the name of a flag. The empty string is refused: it is probably an unset variable of a script.
pub(crate) fn flag(text: &str) -> Result<String, String> {
    match text.is_empty() {
        true => Err("the name of a flag cannot be empty".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// Warns of the name of a new flag that `flagstaff lint` would report.
pub(crate) fn warn_of_convention(flag: &str, output: &Output) {
    // A file of its own: whatever else is unusual in the real one is not about this name.
    let text = format!("[flags]\n{} = true\n", Untrusted::new(flag).toml());
    let found = Lints::new().check("", &text, SystemTime::now());
    let Some(unusual) = found.iter().find(|found| found.code == Code::UnusualName) else { return };
    output.warning(&*unusual.message);
    if let Some(help) = &unusual.help {
        output.hint(&**help);
    }
}

/// Returns the setting of that name, if there is one.
pub(crate) fn field(name: &str) -> Option<Field> {
    Field::ALL.iter().copied().find(|field| field.as_str() == name)
}

/// Returns the setting that an argument in the form of an assignment is about: `FIELD=…`, `FIELD+=…`,
/// `FIELD-=…` or `FIELD-`, of the setting or of what is in it.
fn assigned(text: &str) -> Option<Field> {
    let path = match text.split_once('=') {
        Some((path, _)) => path.strip_suffix(['+', '-']).unwrap_or(path),
        None => text.strip_suffix('-')?,
    };
    field(path.split('.').next()?)
}

/// Refuses arguments that name or set a setting of the flag before them, instead of naming a flag.
pub(crate) fn refuse_settings(names: &[String], flags: &Snapshot) -> Result<(), Failure> {
    refuse_settings_but(names, |name| flags.info(name).is_some())
}

/// Refuses settings in place of names, unless `is_flag` returns `true` for one.
pub(crate) fn refuse_settings_but(
    names: &[String],
    is_flag: impl Fn(&str) -> bool,
) -> Result<(), Failure> {
    let is_assignment = |name: &&String| name.contains('=') || assigned(name).is_some();
    if let Some(assignment) = names.iter().filter(is_assignment).find(|name| !is_flag(name)) {
        let flag = names.iter().find(|name| !is_assignment(name));
        return Err(Failure::usage(format!(
            "`{}` has the form of an assignment, and this command takes names of flags",
            clean(assignment)
        ))
        .hint(set(flag.map_or("FLAG", String::as_str), assignment)));
    }
    let Some((flag, rest)) = names.split_first() else { return Ok(()) };
    match rest.iter().find(|name| field(name).is_some() && !is_flag(name)) {
        Some(setting) => Err(Failure::usage(format!(
            "`{setting}` is a setting, and this command takes names of flags"
        ))
        .hint(format!(
            "{} changes only that setting",
            paste::command("set", &format!("{} {setting}=VALUE", text::word(flag)))
        ))),
        None => Ok(()),
    }
}

/// Refuses arguments that may be a setting of the flag before them, even if they are flags, too: a removed
/// override is lost.
pub(crate) fn refuse_what_may_be_settings(names: &[String]) -> Result<(), Failure> {
    let Some((flag, rest)) = names.split_first() else { return Ok(()) };
    let setting = |name: &str| field(name).or_else(|| assigned(name));
    match rest.iter().find_map(|name| Some((name, setting(name)?))) {
        Some((name, setting)) => Err(Failure::usage(format!(
            "`{}` is a setting, and this command removes the whole override of a flag",
            clean(name)
        ))
        .hint(format!(
            "{} removes only that setting from the override; name a flag of that name first, or alone",
            paste::command("set", &format!("{} {}-", text::word(flag), setting.as_str()))
        ))),
        None => Ok(()),
    }
}

/// Returns the `set` command for an assignment that was given to another command.
fn set(flag: &str, assignment: &str) -> String {
    let flag = text::word(flag);
    match assigned(assignment).map(Field::as_str) {
        Some(field) if assignment.ends_with('-') => {
            let set = paste::command("set", &format!("{flag} {field}-"));
            format!("{set} removes only that setting from the override")
        }
        Some(field) => {
            let set = paste::command("set", &format!("{flag} {field}=VALUE"));
            format!("{set} changes only that setting")
        }
        None => {
            let set = paste::command("set", &format!("{flag} FIELD=VALUE"));
            format!("{set} changes a setting of a flag")
        }
    }
}
