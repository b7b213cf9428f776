//! `flagstaff.toml`: the chosen place, and its settings.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Once,
};

use flagstaff::definition::{
    Diagnostics, Severity,
    edit::TextFile,
    places::{LeftOut, LeftOutBecause, PlaceSettings, PlacesFile},
};

pub(crate) use crate::shown::{shown, shown_keys, shown_path};
use crate::{failure::Failure, output::Output, reading, shown, text::clean, variable};

/// The name of the file that is looked for.
const FILE: &str = "flagstaff.toml";

/// The keys that name a store, whose variables matter only to commands that use it.
const OF_THE_STORE: [&str; 4] = ["redis", "sentinel", "key", "key_prefix"];

/// The place that was chosen, or the one that `flagstaff.toml` has at its top level.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chosen {
    /// The name of the place, if it has one.
    pub(crate) name: Option<String>,
    pub(crate) settings: PlaceSettings,
    /// The directory of `flagstaff.toml`, to which paths are relative.
    directory: PathBuf,
    /// The error of the variables that the store names and that are not set.
    pub(crate) unset: Option<Diagnostics>,
    /// True if the place has mistakes, so that it may be protected.
    pub(crate) is_in_doubt: bool,
    /// The other places that ask before changes.
    pub(crate) guards: Vec<Chosen>,
    /// The settings that cannot be read or have no value, if this is one of the guards.
    left_out: Vec<LeftOut>,
    /// The line of its first mistake, if this is one of the guards and has one.
    mistake: Option<usize>,
    /// The path of `flagstaff.toml`, for people.
    path: String,
}

/// The settings of the place that options replace.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// The keys of these settings.
    pub(crate) keys: Vec<&'static str>,
    /// True if options or variables name both the file and the store.
    pub(crate) is_enough: bool,
}

impl Chosen {
    /// Returns the place `name`, or the one at the top level.
    ///
    /// Mistakes of other places are warnings. So are all mistakes if the options are enough: a flag has to be switched
    /// off whatever is wrong with `flagstaff.toml`.
    pub(crate) fn new(name: Option<&str>, given: &Given, output: &Output) -> Result<Self, Failure> {
        let Some(path) = nearest() else {
            return match name {
                None => Ok(Self::default()),
                Some(name) => Err(Failure::usage(format!(
                    "there is no place `{}`: no {FILE} here or in a directory above",
                    clean(name)
                ))
                .hint(format!("`[places.NAME]` in {FILE} names one"))),
            };
        };
        let shown = path.display().to_string();
        let is_enough = given.is_enough && name.is_none();
        let text = match reading::read(&path) {
            Ok(text) => text,
            Err(failure) if is_enough => {
                warn_in_doubt(&shown, &failure.text(), output);
                return Ok(Self { is_in_doubt: true, ..Self::default() });
            }
            Err(failure) => return Err(failure.hint(HINT)),
        };
        let places = PlacesFile::parse(&shown, &text);
        let mistakes = places.diagnostics_of(name);
        let mut is_in_doubt = mistakes.has_errors();
        if is_in_doubt && !is_enough {
            return Err(reading::mistakes(&shown, &mistakes, output).hint(HINT));
        }
        if is_in_doubt {
            warn_in_doubt(&shown, &mistakes.summary(), output);
        }
        if !is_in_doubt {
            warn_elsewhere(&places.diagnostics_elsewhere(name), output);
        }
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let guards = guards(&places, &shown, name, &directory);
        let places = given.keys.iter().fold(places, |places, key| places.without(key));
        let (settings, unset) = match resolve(&places, name) {
            _ if is_in_doubt => (Some(places.readable(name, variable::value)), None),
            Err(unset) => {
                let rest = OF_THE_STORE.iter().fold(places.clone(), |it, key| it.without(key));
                match resolve(&rest, name) {
                    Ok(rest) => (rest, Some(unset)),
                    Err(unset) if is_enough => {
                        warn_in_doubt(&shown, &unset.summary(), output);
                        is_in_doubt = true;
                        (Some(places.readable(name, variable::value)), None)
                    }
                    Err(unset) => return Err(reading::mistakes(&shown, &unset, output).hint(HINT)),
                }
            }
            Ok(settings) => (settings, None),
        };
        let Some(settings) = settings else {
            return Err(unknown(&places, name.unwrap_or_default(), &shown));
        };
        let name = name.map(str::to_owned);
        let chosen =
            Self { name, settings, directory, unset, is_in_doubt, guards, ..Self::default() };
        chosen.note_values();
        Ok(chosen)
    }

    /// Returns the reason why the store of the place is unknown, if it cannot be read from `flagstaff.toml`.
    pub(crate) fn doubt_of_store(&self) -> Option<String> {
        self.doubt(&OF_THE_STORE)
    }

    /// Returns the reason why the flag files of the place are unknown, if they cannot be read from `flagstaff.toml`.
    pub(crate) fn doubt_of_file(&self) -> Option<String> {
        self.doubt(&["file"])
    }

    fn doubt(&self, settings: &[&str]) -> Option<String> {
        let is_hidden =
            |it: &&LeftOut| it.because == LeftOutBecause::Mistake && settings.contains(&it.setting);
        let hidden = self.left_out.iter().find(is_hidden)?;
        Some(format!("{}:{}", self.path, hidden.location.line))
    }

    /// Returns the reason why a URL of the place is invalid.
    pub(crate) fn doubt_of_urls(&self) -> String {
        match self.mistake {
            Some(line) => format!("{}:{line}", self.path),
            None => "its `redis` is not a URL of Redis".to_owned(),
        }
    }

    /// Returns true if a setting names an environment variable that is not set.
    pub(crate) fn is_unset(&self, setting: &str) -> bool {
        let is_unset = |it: &LeftOut| it.because == LeftOutBecause::UnsetVariable;
        self.left_out.iter().any(|it| is_unset(it) && it.setting == setting)
    }

    /// Returns the paths of the flag files, the weakest first.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.settings.file.iter().map(|file| self.directory.join(file.value())).collect()
    }

    /// Notes the values that came out of variables, for [`shown`].
    fn note_values(&self) {
        let PlaceSettings { file, environment, key, key_prefix, .. } = &self.settings;
        let paths = file.iter().map(|file| {
            let path = self.directory.join(file.value());
            (path.to_string_lossy().into_owned(), file.to_string())
        });
        let others = [environment, key, key_prefix].into_iter().flatten();
        let others = others.map(|value| (value.value().to_owned(), value.to_string()));
        let is_variable = |(value, shown): &(String, String)| !value.ends_with(shown.as_str());
        shown::note(paths.chain(others).filter(is_variable));
    }

    /// Returns the directory of `flagstaff.toml`, which may be the working directory of other users of the place.
    pub(crate) fn directory(&self) -> &Path {
        match self.directory.as_os_str().is_empty() {
            true => Path::new("."),
            false => &self.directory,
        }
    }
}

/// The hint for running a command without the file.
const HINT: &str = "a command without `--at` whose options name the file and the store needs no flagstaff.toml: \
                    `--file` or `--no-file`, and `--redis` or `--no-redis`";

/// Warns of mistakes of other places, once: `diff` chooses two places.
fn warn_elsewhere(mistakes: &Diagnostics, output: &Output) {
    static TOLD: Once = Once::new();

    if mistakes.has_errors() {
        let summary = mistakes.summary();
        let warning = format!("a place of {FILE} cannot be used: {summary}");
        TOLD.call_once(|| output.warning(warning));
    }
}

/// Warns of mistakes that do not stop the command.
fn warn_in_doubt(shown: &str, why: &str, output: &Output) {
    output.warning(format!(
        "`{}` cannot be used, so a change needs a confirmation as in a protected place: {why}",
        clean(shown)
    ));
}

/// Returns the other places that ask before changes, with all that can be read of them. A place with mistakes is among
/// them, since it may be protected.
fn guards(places: &PlacesFile, shown: &str, chosen: Option<&str>, directory: &Path) -> Vec<Chosen> {
    let names = [None].into_iter().chain(places.names().map(Some));
    let others = names.filter(|name| *name != chosen).map(|name| {
        let diagnostics = places.diagnostics_of(name);
        let mut errors = diagnostics.iter().filter(|it| it.severity == Severity::Error);
        Chosen {
            name: name.map(str::to_owned),
            settings: places.readable(name, variable::value),
            directory: directory.to_owned(),
            is_in_doubt: name.is_some() && diagnostics.has_errors(),
            mistake: errors.next().map(|it| it.location.line),
            left_out: places.left_out(name, variable::value),
            path: shown.to_owned(),
            ..Chosen::default()
        }
    });
    let asks = |it: &Chosen| it.is_in_doubt || it.settings.protected || it.settings.requires_reason;
    others.filter(asks).collect()
}

fn resolve(places: &PlacesFile, name: Option<&str>) -> Result<Option<PlaceSettings>, Diagnostics> {
    places.resolve(name, variable::value)
}

fn unknown(places: &PlacesFile, name: &str, file: &str) -> Failure {
    let failure = Failure::usage(format!("`{}` has no place `{}`", clean(file), clean(name)));
    let near = places.names().map(|known| (strsim::jaro_winkler(name, known), known));
    let near = near.filter(|(near, _)| *near >= 0.8).max_by(|(a, _), (b, _)| a.total_cmp(b));
    match near {
        Some((_, near)) => {
            failure.hint(format!("a place with a similar name exists: `{}`", clean(near)))
        }
        None => {
            let names: Vec<_> = places.names().map(|name| format!("`{}`", clean(name))).collect();
            failure.hint(match &*names {
                [] => format!("`[places.{}]` names it", clean(name)),
                names => format!("its places are {}", names.join(", ")),
            })
        }
    }
}

/// Returns the names of the places, for shells to complete.
pub(crate) fn names() -> Vec<String> {
    let text = nearest().and_then(|path| TextFile::read(path).ok());
    let places = text.map(|file| PlacesFile::parse("", file.text()));
    places.iter().flat_map(PlacesFile::names).map(str::to_owned).collect()
}

/// Returns the nearest file, from the working directory upwards.
fn nearest() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    reading::nearest(&here, FILE)
}
