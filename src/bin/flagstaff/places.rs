//! `flagstaff.toml`: the place that is meant, and its settings.

use std::{
    env,
    path::{Path, PathBuf},
};

use flagstaff::definition::{
    Diagnostics,
    edit::TextFile,
    places::{PlaceSettings, PlacesFile},
};

use crate::{failure::Failure, output::Output, place, text::clean, variable};

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
    /// The error of the variables that the store names and that are not set.
    pub(crate) unset: Option<Diagnostics>,
    /// The other places that are protected.
    pub(crate) protected: Vec<Chosen>,
}

impl Chosen {
    /// Returns the place `name`, or the one at the top level. `given` are the keys of settings that options replace.
    pub(crate) fn new(
        name: Option<&str>,
        given: &[&str],
        output: &Output,
    ) -> Result<Self, Failure> {
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
        let text = place::read(&path)?;
        let places = PlacesFile::parse(&shown, &text);
        if places.diagnostics().has_errors() {
            return Err(place::mistakes(&shown, places.diagnostics(), output));
        }
        let protected = protected(&places, name, &path);
        let places = given.iter().fold(places, |places, key| places.without(key));
        let (settings, unset) = match resolve(&places, name) {
            Err(unset) => {
                let rest = OF_THE_STORE.iter().fold(places.clone(), |it, key| it.without(key));
                let rest = resolve(&rest, name);
                let rest = rest.map_err(|unset| place::mistakes(&shown, &unset, output))?;
                (rest, Some(unset))
            }
            Ok(settings) => (settings, None),
        };
        let Some(mut settings) = settings else {
            return Err(unknown(&places, name.unwrap_or_default(), &shown));
        };
        from_its_directory(&mut settings, &path);
        Ok(Self { name: name.map(str::to_owned), settings, unset, protected })
    }
}

/// Lets the paths of files begin at the directory of `flagstaff.toml`.
fn from_its_directory(settings: &mut PlaceSettings, path: &Path) {
    let directory = path.parent().unwrap_or(path);
    for file in &mut settings.file {
        *file = directory.join(&*file).to_string_lossy().into_owned();
    }
}

/// Returns the protected places but the chosen one. A place whose variables are not set has no store here, and none
/// of its files if these name such variables.
fn protected(places: &PlacesFile, chosen: Option<&str>, path: &Path) -> Vec<Chosen> {
    let names = [None].into_iter().chain(places.names().map(Some));
    let others = names.filter(|name| *name != chosen).filter_map(|name| {
        let without_store = || OF_THE_STORE.iter().fold(places.clone(), |it, key| it.without(key));
        let settings = resolve(places, name).or_else(|_| resolve(&without_store(), name));
        let mut settings = settings.ok()??;
        from_its_directory(&mut settings, path);
        Some(Chosen { name: name.map(str::to_owned), settings, ..Chosen::default() })
    });
    others.filter(|other| other.settings.protected).collect()
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
    place::nearest(&here, FILE)
}
