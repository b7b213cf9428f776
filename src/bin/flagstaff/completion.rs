//! Completions for shells.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    time::Duration,
};

use clap_complete::{ArgValueCompleter, CompletionCandidate};
use flagstaff::{
    Context, Flags,
    definition::{Field, FlagsFile, edit::TextFile},
    text::is_hidden,
};

use crate::{output::Output, place::Place, places, text::clean};

/// The longest wait of a shell for the store.
const PATIENCE: Duration = Duration::from_millis(300);

/// Completes the names of flags: those of the file, and those of the store.
pub(crate) fn flags() -> ArgValueCompleter {
    ArgValueCompleter::new(|start: &OsStr| {
        let mut flags = BTreeMap::new();
        let place = place();
        for name in overridden(&place) {
            flags.insert(name, None);
        }
        let all = file(&place).map(|file| file.everywhere()).unwrap_or_default();
        for (name, flag) in &all {
            flags.insert(name.to_owned(), flag.description.value().cloned());
        }
        let candidate = |(name, description): (String, Option<String>)| {
            let description = description.map(|text| clean(&text).into_owned());
            CompletionCandidate::new(name).help(description.map(Into::into))
        };
        starting(start, flags).map(candidate).collect()
    })
}

/// Completes the environments of the file.
pub(crate) fn environments() -> ArgValueCompleter {
    ArgValueCompleter::new(|start: &OsStr| {
        let file = file(&place());
        let names = file.iter().flat_map(|file| file.environments());
        let names = names.map(|name| (name.to_owned(), ()));
        starting(start, names).map(|(name, ())| CompletionCandidate::new(name)).collect()
    })
}

/// Completes the names of places.
pub(crate) fn places() -> ArgValueCompleter {
    ArgValueCompleter::new(|start: &OsStr| {
        let names = places::names().into_iter().map(|name| (name, ()));
        starting(start, names).map(|(name, ())| CompletionCandidate::new(name)).collect()
    })
}

/// Completes the settings of a flag, with `suffix` behind them.
pub(crate) fn fields(suffix: &'static str) -> ArgValueCompleter {
    ArgValueCompleter::new(move |start: &OsStr| {
        let fields = Field::ALL.iter().map(|field| (field.to_string(), field.description()));
        let candidate = |(name, description): (String, &str)| {
            CompletionCandidate::new(name + suffix).help(Some(description.to_owned().into()))
        };
        starting(start, fields).map(candidate).collect()
    })
}

fn starting<T>(
    start: &OsStr,
    named: impl IntoIterator<Item = (String, T)>,
) -> impl Iterator<Item = (String, T)> {
    let start = start.to_string_lossy().into_owned();
    // Three kinds of names are left out. A line break would make two lines for the shell, a dash at the start an
    // option. Hidden characters would be misread.
    let is_plain = |name: &str| !name.contains(is_hidden) && !name.starts_with('-');
    named.into_iter().filter(move |(name, _)| name.starts_with(&start) && is_plain(name))
}

/// Returns the place that the command line names so far.
fn place() -> Place {
    // The completed word comes after the dashes.
    let mut arguments = env::args_os().skip_while(|argument| argument != "--").skip(1);
    let mut place = Place::default();
    while let Some(argument) = arguments.next() {
        let argument = argument.to_string_lossy().into_owned();
        let (option, glued) = match argument.split_once('=') {
            Some((option, value)) => (option, Some(OsString::from(value))),
            None => (&*argument, None),
        };
        if let "-f" | "--file" | "--at" = option {
            let Some(value) = glued.or_else(|| arguments.next()) else { break };
            match option {
                "--at" => place.at = vec![value.to_string_lossy().into_owned()],
                _ => place.name_file(value.into()),
            }
        }
    }
    // The command itself reports a mistake.
    place.clone().settled(&Output::silent()).unwrap_or(place)
}

/// Returns the flags in the store; none if the store cannot be reached at once.
fn overridden(place: &Place) -> Vec<String> {
    let Ok(Some(redis)) = place.redis() else { return Vec::new() };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let redis = redis.unannounced().connect_timeout(PATIENCE).response_timeout(PATIENCE);
    let flags = runtime.block_on(Flags::builder().source(redis).max_wait(PATIENCE).start());
    let all = flags.map(|flags| flags.all(&Context::anonymous())).unwrap_or_default();
    all.into_iter().map(|(name, _)| name).collect()
}

fn file(place: &Place) -> Option<FlagsFile> {
    Some(FlagsFile::parse("", TextFile::read(place.path()?).ok()?.text()))
}
