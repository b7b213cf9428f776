//! What shells complete.

use std::{env, ffi::OsStr, fs, path::PathBuf, sync::Arc};

use clap_complete::{ArgValueCompleter, CompletionCandidate};
use flagstaff::{Definition, definition::FlagsFile};

use crate::place;

/// Completes the names of the flags in the flag file.
pub(crate) fn flags() -> ArgValueCompleter {
    ArgValueCompleter::new(|start: &OsStr| {
        let start = start.to_string_lossy();
        let Some(file) = file() else { return Vec::new() };
        let flags = file.flags().iter().filter(|(key, _)| key.starts_with(&*start));
        let candidate = |(key, flag): (&Arc<str>, &Arc<Definition>)| {
            let description = flag.description.value().map(|text| text.clone().into());
            CompletionCandidate::new(&**key).help(description)
        };
        flags.map(candidate).collect()
    })
}

/// The file that the command line names so far, else the usual one.
fn file() -> Option<FlagsFile> {
    // What is completed comes after the dashes.
    let mut arguments = env::args_os().skip_while(|argument| argument != "--").skip(1);
    let mut named = None;
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("-f" | "--file") => named = arguments.next(),
            Some(text) => named = text.strip_prefix("--file=").map(Into::into).or(named),
            None => {}
        }
    }
    let path = named.map(PathBuf::from).or_else(place::usual_file)?;
    Some(FlagsFile::parse("", &fs::read_to_string(path).ok()?))
}
