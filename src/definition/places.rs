//! `flagstaff.toml`: the places where flags live, such as staging and production.
//!
//! The command `flagstaff` reads the nearest `flagstaff.toml`, and `--at NAME` chooses a place of
//! it. Keys at the top level form the place that is used without `--at`.
//!
//! A value may name environment variables, `$NAME` or `${NAME}`; `$$` is a dollar sign. A password
//! is an error wherever it is written, and no diagnostic shows it. The value of a variable may be a
//! secret, so a [`PlaceValue`] prints as it is written.
//!
//! A mistake in one place leaves the others usable. A mistake at the top level affects all of them.

use std::{borrow::Cow, collections::BTreeMap, fmt, ops::Range};

use serde_json::{Map, Value as Json, json};
use toml::de::{DeTable, DeValue};

use super::{
    Key, Value,
    code::Code,
    decoder::Decoder,
    diagnostic::{Diagnostic, Diagnostics, Location, locations},
    syntax::{Fault, Syntax, merge},
    written::{in_order, kind, source, toml_key, truth},
};
use crate::model::nearest;

/// The table that holds the places with a name.
pub(super) const PLACES: &str = "places";

/// The settings by which a place is recognised.
const FILE: &str = "file";
const REDIS: &str = "redis";
const KEY: &str = "key";

/// Words in names of keys and parameters whose values are secret.
const SECRET: &[&str] = &["password", "passwd", "passphrase", "secret", "token", "credential"];

/// The places that the text of a `flagstaff.toml` names.
///
/// Parsing never fails; problems of the text are in [`diagnostics`](Self::diagnostics). Environment
/// variables are looked up when a place is chosen, so that an unset variable affects only the place
/// that names it.
///
/// # Example
///
/// ```
/// use flagstaff::definition::places::PlacesFile;
///
/// let text = r#"
/// file = "flags.toml"
///
/// [places.production]
/// redis = "$PROD_REDIS_URL"
/// protected = true
/// "#;
/// let places = PlacesFile::parse("flagstaff.toml", text);
///
/// let variable = |name: &str| (name == "PROD_REDIS_URL").then(|| "redis://10.0.0.7".to_owned());
/// let production = places.resolve(Some("production"), variable)?.expect("a place of that name");
/// assert!(production.protected);
/// assert_eq!(production.redis[0].value(), "redis://10.0.0.7");
/// assert_eq!(production.redis[0].to_string(), "$PROD_REDIS_URL");
///
/// let error = places.resolve(Some("production"), |_| None).unwrap_err();
/// assert_eq!(
///     error.summary(),
///     "flagstaff.toml:5:9: error[unset-variable]: environment variable `PROD_REDIS_URL` is not set"
/// );
/// # Ok::<(), flagstaff::definition::Diagnostics>(())
/// ```
#[derive(Debug, Clone)]
pub struct PlacesFile {
    default: Written,
    named: BTreeMap<String, Written>,
    diagnostics: Diagnostics,
    /// The text for diagnostics of variables; without passwords.
    text: String,
}

/// The settings of one place, with the values of its environment variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlaceSettings {
    /// The flag files, the weakest first. Relative paths begin at the directory of `flagstaff.toml`.
    pub file: Vec<PlaceValue>,
    /// The environment of the flag files.
    pub environment: Option<PlaceValue>,
    /// The URL of the store, or those of the nodes of a cluster.
    pub redis: Vec<PlaceValue>,
    /// The URLs of the sentinels.
    pub sentinel: Vec<PlaceValue>,
    /// The hash that holds the overrides.
    pub key: Option<PlaceValue>,
    /// The prefix of the keys, where each flag has a key of its own.
    pub key_prefix: Option<PlaceValue>,
    /// True if the user has to confirm each change with a typed name, and give a reason.
    pub protected: bool,
    /// True if each change needs a reason.
    pub requires_reason: bool,
}

/// A setting of a place that [`PlacesFile::readable`] leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// The name of the setting, such as `redis`.
    pub setting: &'static str,
    /// The reason why the setting is left out.
    pub because: LeftOutBecause,
    /// The location of the value, or of the mistake that may stand for the setting.
    pub location: Location,
}

/// The reason why a setting of a place is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftOutBecause {
    /// The text has a mistake.
    Mistake,
    /// The setting names an environment variable that is not set.
    UnsetVariable,
}

/// A value of a place, with the values of its environment variables.
///
/// A variable may hold a secret, whatever the setting. So a value that names variables prints as it
/// is written.
///
/// # Example
///
/// ```
/// use flagstaff::definition::places::PlacesFile;
///
/// let places = PlacesFile::parse("flagstaff.toml", "key = \"shop-${STAGE}\"\n");
///
/// let place = places.resolve(None, |_| Some("hunter2".to_owned()))?.expect("the place without a name");
/// let key = place.key.expect("it names one");
/// assert_eq!(key.value(), "shop-hunter2");
/// assert_eq!((key.to_string(), format!("{key:?}")), ("shop-${STAGE}".to_owned(), "\"shop-${STAGE}\"".to_owned()));
/// # Ok::<(), flagstaff::definition::Diagnostics>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PlaceValue {
    value: String,
    /// The value as it is written, if it names variables.
    written: Option<String>,
}

/// The settings of a place as they are written.
#[derive(Debug, Clone, Default)]
struct Written {
    file: Vec<Text>,
    environment: Option<Text>,
    redis: Vec<Text>,
    sentinel: Vec<Text>,
    key: Option<Text>,
    key_prefix: Option<Text>,
    protected: bool,
    requires_reason: bool,
    /// The settings that a mistake may hide, and where it is.
    hidden: Vec<(&'static str, Range<usize>)>,
}

/// A string that may name environment variables.
#[derive(Debug, Clone)]
struct Text {
    written: String,
    span: Range<usize>,
}

/// One key of a place.
struct Row {
    name: &'static str,
    about: &'static str,
    takes: Takes,
}

/// The type of a key, and the field for its value.
enum Takes {
    Text(fn(&mut Written) -> &mut Option<Text>),
    /// One string, or a list of them.
    Texts(fn(&mut Written) -> &mut Vec<Text>),
    Boolean(fn(&mut Written) -> &mut bool),
    /// One of two words; the second one means true.
    Word([&'static str; 2], fn(&mut Written) -> &mut bool),
}

/// The decoder and the schema walk over these rows.
const ROWS: &[Row] = &[
    Row {
        name: FILE,
        about: "The flag file, or several, of which later ones override earlier ones.",
        takes: Takes::Texts(|place| &mut place.file),
    },
    Row {
        name: "environment",
        about: "The environment of the flag file.",
        takes: Takes::Text(|place| &mut place.environment),
    },
    Row {
        name: REDIS,
        about: "The store with overrides, such as $PROD_REDIS_URL; several are nodes of a cluster.",
        takes: Takes::Texts(|place| &mut place.redis),
    },
    Row {
        name: "sentinel",
        about: "The sentinels; `redis` then names the master, redis://NAME.",
        takes: Takes::Texts(|place| &mut place.sentinel),
    },
    Row {
        name: KEY,
        about: "The hash that holds the overrides.",
        takes: Takes::Text(|place| &mut place.key),
    },
    Row {
        name: "key_prefix",
        about: "The prefix of JSON keys, one per flag, instead of a hash.",
        takes: Takes::Text(|place| &mut place.key_prefix),
    },
    Row {
        name: "protected",
        about: "True if each change needs a reason, and a name that is typed to confirm it.",
        takes: Takes::Boolean(|place| &mut place.protected),
    },
    Row {
        name: "reason",
        about: "`required` if each change needs a reason.",
        takes: Takes::Word(["optional", "required"], |place| &mut place.requires_reason),
    },
];

impl PlacesFile {
    /// Reads `text`. Diagnostics name the file `name`.
    #[must_use]
    pub fn parse(name: &str, text: &str) -> Self {
        let Syntax { root, mut faults } = Syntax::parse(text);
        let mut reading =
            Reading { decoder: Decoder::new(text, &faults), secret: Vec::new(), place: None };
        let default = reading.place(None, &root);
        let mut named = BTreeMap::new();
        if let Some(places) = root.get(PLACES) {
            reading.named(places, &mut named);
        }
        let Reading { decoder, secret, .. } = reading;
        for fault in &mut faults {
            fault.diagnostic.place = place_of(text, fault);
            let place = fault.diagnostic.place.as_ref();
            if let Some(place) = place.and_then(|name| named.get_mut(name)) {
                place.hide_by(fault);
            }
        }
        let secret = passwords(text, secret);
        let mut problems = merge(faults, decoder.problems);
        // Some remedies repeat the written value.
        let shows = |problem: &Diagnostic| {
            let Range { start, end } = problem.span;
            problem.code != Code::PasswordInFile
                && secret.iter().any(|secret| secret.start < end && start < secret.end)
        };
        for problem in problems.iter_mut().filter(|problem| shows(problem)) {
            (problem.help, problem.suggestion) = (None, None);
        }
        let text = without(text, &secret);
        let diagnostics = Diagnostics::new(name, &text, problems);
        Self { default, named, diagnostics, text }
    }

    /// Returns all problems of the text. None of them shows a password.
    #[must_use]
    pub fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }

    /// Returns the problems of a place, and of the top level; `None` stands for the place without a
    /// name.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::places::PlacesFile;
    ///
    /// let text = "[places.a]\nkey = \"shop\"\n\n[places.b]\nkee = \"shop\"\n";
    /// let places = PlacesFile::parse("flagstaff.toml", text);
    ///
    /// assert!(places.diagnostics_of(Some("a")).is_empty());
    /// assert!(places.diagnostics_of(Some("b")).has_errors());
    /// assert!(places.diagnostics_elsewhere(Some("a")).has_errors());
    /// ```
    #[must_use]
    pub fn diagnostics_of(&self, place: Option<&str>) -> Diagnostics {
        self.diagnostics.of_place(place)
    }

    /// Returns the problems of all other places, which do not affect this one.
    #[must_use]
    pub fn diagnostics_elsewhere(&self, place: Option<&str>) -> Diagnostics {
        self.diagnostics.of_other_places(place)
    }

    /// Returns the names of the places, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }

    /// Removes a setting from all places, because the caller has its value from elsewhere.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::places::PlacesFile;
    ///
    /// let places = PlacesFile::parse("flagstaff.toml", "key = \"shop\"\nredis = \"$NOT_SET\"\n");
    ///
    /// let place = places.without("redis").resolve(None, |_| None)?.expect("the place without a name");
    /// assert_eq!(place.key.expect("it names one").value(), "shop");
    /// # Ok::<(), flagstaff::definition::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn without(mut self, setting: &str) -> Self {
        for row in ROWS.iter().filter(|row| row.name == setting) {
            for place in self.named.values_mut().chain([&mut self.default]) {
                match &row.takes {
                    Takes::Text(field) => *field(place) = None,
                    Takes::Texts(field) => field(place).clear(),
                    Takes::Boolean(field) | Takes::Word(_, field) => *field(place) = false,
                }
                place.hidden.retain(|(hidden, _)| *hidden != setting);
            }
        }
        self
    }

    /// Returns the settings of a place; `None` stands for the place without a name. `variable`
    /// looks up an environment variable. The result is `None` if there is no place with this name.
    ///
    /// # Errors
    ///
    /// Returns the diagnostics, if the place or the top level has errors, or if the place names a variable
    /// that is not set. Errors of other places do not matter.
    pub fn resolve(
        &self,
        place: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<PlaceSettings>, Diagnostics> {
        let diagnostics = self.diagnostics_of(place);
        if diagnostics.has_errors() {
            return Err(diagnostics);
        }
        let Some(written) = self.written(place) else { return Ok(None) };
        let mut unset = Vec::new();
        let settings = written.resolved(|text| {
            let value = expanded(&text.written, |name| {
                let value = variable(name).filter(|value| !value.is_empty());
                if value.is_none() {
                    unset.push(unset_variable(name, text.span.clone()).place(place));
                }
                value.unwrap_or_default()
            });
            Some(value)
        });
        match unset.is_empty() {
            true => Ok(Some(settings)),
            false => Err(diagnostics.and(&self.text, unset)),
        }
    }

    /// Returns as much of a place as can be read, even if the place has errors. Callers use this to
    /// ask the user before a change.
    ///
    /// Settings with an error are left out, and so are values that name a variable without a value.
    /// Variables in the login of a URL may be unset. The result is empty if there is no place with
    /// this name.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::places::PlacesFile;
    ///
    /// let text = "[places.a]\nredis = \"redis://:${PASSWORD}@10.0.0.7\"\nkey = 3\nprotected = true\n";
    /// let places = PlacesFile::parse("flagstaff.toml", text);
    ///
    /// let place = places.readable(Some("a"), |_| None);
    ///
    /// assert_eq!(place.redis[0].value(), "redis://:@10.0.0.7");
    /// assert!(place.key.is_none() && place.protected);
    /// ```
    #[must_use]
    pub fn readable(
        &self,
        place: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> PlaceSettings {
        let Some(written) = self.written(place) else { return PlaceSettings::default() };
        written.resolved(|text| text.readable(&variable))
    }

    /// Returns the settings that [`readable`](Self::readable) leaves out, in the order of the text.
    /// A place without one of them is not the place that its author meant.
    ///
    /// An unknown key and an error of TOML may each stand for a setting that the place lacks.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::places::{LeftOutBecause, PlacesFile};
    ///
    /// let text = "[places.a]\nfile = \"$NOT_SET\"\nredsi = \"redis://10.0.0.7\"\n";
    /// let places = PlacesFile::parse("flagstaff.toml", text);
    ///
    /// let left_out = places.left_out(Some("a"), |_| None);
    ///
    /// assert_eq!((left_out[0].setting, left_out[0].because), ("file", LeftOutBecause::UnsetVariable));
    /// assert_eq!((left_out[1].setting, left_out[1].because), ("redis", LeftOutBecause::Mistake));
    /// assert_eq!(left_out[1].location.line, 3);
    /// ```
    #[must_use]
    pub fn left_out(
        &self,
        place: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Vec<LeftOut> {
        let Some(written) = self.written(place) else { return Vec::new() };
        let hidden = written.hidden.iter();
        let hidden = hidden.map(|(name, span)| (span.start, *name, LeftOutBecause::Mistake));
        let mut found: Vec<_> = hidden.collect();
        // The rows lead to fields that can be changed.
        let mut fields = written.clone();
        for row in ROWS {
            let texts = match &row.takes {
                Takes::Text(field) => field(&mut fields).as_slice(),
                Takes::Texts(field) => field(&mut fields).as_slice(),
                Takes::Boolean(_) | Takes::Word(..) => &[],
            };
            let unset = texts.iter().filter(|text| text.readable(&variable).is_none());
            let because = LeftOutBecause::UnsetVariable;
            found.extend(unset.map(|text| (text.span.start, row.name, because)));
        }
        found.sort_by_key(|(start, ..)| *start);
        let locations = locations(&self.text, found.iter().map(|(start, ..)| *start));
        let left_out = found.iter().zip(locations);
        left_out
            .map(|((_, setting, because), location)| LeftOut {
                setting,
                because: *because,
                location,
            })
            .collect()
    }

    fn written(&self, place: Option<&str>) -> Option<&Written> {
        match place {
            None => Some(&self.default),
            Some(name) => self.named.get(name),
        }
    }
}

impl Text {
    /// Returns the value; `None` if it names a variable without a value, unless that is in the login of a URL.
    fn readable(&self, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
        let login = self.written.rfind('@').unwrap_or_default();
        let (login, address) = self.written.split_at(login);
        let mut is_known = true;
        let address = expanded(address, |name| {
            let value = variable(name).filter(|value| !value.is_empty());
            is_known &= value.is_some();
            value.unwrap_or_default()
        });
        let login = expanded(login, |name| variable(name).unwrap_or_default());
        is_known.then(|| login + &address)
    }
}

impl Written {
    /// Notes that a mistake may stand for a setting, as far as the place lacks it.
    fn hide_missing(&mut self, settings: &[&'static str], span: &Range<usize>) {
        let has = |setting| match setting {
            FILE => !self.file.is_empty(),
            REDIS => !self.redis.is_empty(),
            _ => self.key.is_some() || self.key_prefix.is_some(),
        };
        let missing: Vec<_> = settings.iter().filter(|setting| !has(**setting)).collect();
        self.hidden.extend(missing.into_iter().map(|setting| (*setting, span.clone())));
    }

    /// Notes the settings that an error of TOML may hide. Of two values of one key, either may be meant.
    fn hide_by(&mut self, fault: &Fault) {
        let Fault { diagnostic, doubtful, .. } = fault;
        let span = &diagnostic.span;
        if diagnostic.code == Code::DuplicateKey {
            let settings = [FILE, REDIS, KEY].map(|setting| (setting, span.clone()));
            return self.hidden.extend(settings);
        }
        let is_guess = |text: &Text| {
            [span, doubtful].iter().any(|it| it.start < text.span.end && text.span.start < it.end)
        };
        let guesses = ROWS.iter().filter(|row| match &row.takes {
            Takes::Text(field) => field(self).as_ref().is_some_and(is_guess),
            Takes::Texts(field) => field(self).iter().any(is_guess),
            Takes::Boolean(_) | Takes::Word(..) => false,
        });
        let guesses: Vec<_> = guesses.map(|row| (row.name, span.clone())).collect();
        self.hidden.extend(guesses);
        self.hide_missing(&[FILE, REDIS, KEY], span);
    }

    /// Returns the settings, without the values for which `expand` returns `None`.
    fn resolved(&self, mut expand: impl FnMut(&Text) -> Option<String>) -> PlaceSettings {
        let mut value = |text: &Text| Some(PlaceValue::new(text, expand(text)?));
        PlaceSettings {
            file: self.file.iter().filter_map(&mut value).collect(),
            environment: self.environment.as_ref().and_then(&mut value),
            redis: urls(&self.redis, &mut value),
            sentinel: urls(&self.sentinel, &mut value),
            key: self.key.as_ref().and_then(&mut value),
            key_prefix: self.key_prefix.as_ref().and_then(&mut value),
            protected: self.protected,
            requires_reason: self.requires_reason,
        }
    }
}

impl PlaceValue {
    fn new(text: &Text, value: String) -> Self {
        let is_variable = |part| matches!(part, Part::Variable(_));
        let names_variables = references(&text.written).any(is_variable);
        Self { value, written: names_variables.then(|| text.written.clone()) }
    }

    /// Returns the value, which may be a secret.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// Prints the value as it is written, if it names environment variables.
impl fmt::Display for PlaceValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.written.as_ref().unwrap_or(&self.value))
    }
}

impl fmt::Debug for PlaceValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.written.as_ref().unwrap_or(&self.value), f)
    }
}

/// Splits values into URLs. A variable may list several URLs, as `REDIS_URL` does.
fn urls(written: &[Text], value: impl FnMut(&Text) -> Option<PlaceValue>) -> Vec<PlaceValue> {
    let lists = written.iter().filter_map(value);
    lists
        .flat_map(|list| {
            let PlaceValue { value, written } = list;
            let urls: Vec<_> = value.split(',').map(str::to_owned).collect();
            urls.into_iter().map(move |value| PlaceValue { value, written: written.clone() })
        })
        .collect()
}

/// Returns the only place that a TOML error can affect, by its section. The result is `None` if the
/// error may affect others.
fn place_of(text: &str, fault: &Fault) -> Option<String> {
    let (span, doubtful) = (&fault.diagnostic.span, &fault.doubtful);
    let line_of =
        |at: usize| text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |it| it + 1);
    let first = line_of(span.start.min(doubtful.start));
    let end = span.end.max(doubtful.end).max(first);
    let is_header = |line: &&str| line.trim_start().starts_with('[');
    let touched: Vec<_> = text.get(first..end)?.lines().collect();
    let is_second_header = fault.diagnostic.code == Code::DuplicateKey
        && touched.len() == 1
        && touched.iter().any(is_header);
    let header = match is_second_header {
        true => text.get(first..)?.lines().next()?,
        false if touched.iter().any(is_header) => return None,
        false => text.get(..first)?.lines().rfind(is_header)?,
    };
    let (root, errors) = DeTable::parse_recoverable(header);
    let places = root.get_ref().get(PLACES)?.get_ref().as_table()?;
    let name = places.keys().next()?.get_ref().as_ref();
    errors.is_empty().then(|| name.to_owned())
}

fn unset_variable(name: &str, span: Range<usize>) -> Diagnostic {
    let message = format!("environment variable `{name}` is not set");
    Diagnostic::new(Code::UnsetVariable, span, message)
        .label(format!("names `{name}`"))
        .help(format!("set `{name}`, or choose another place"))
}

/// Returns the JSON Schema (draft 7) of `flagstaff.toml`, by which editors complete and check the
/// file.
///
/// The schema detects neither passwords nor unset variables.
///
/// # Example
///
/// ```
/// let schema = flagstaff::definition::places::json_schema();
///
/// assert_eq!(schema["properties"]["protected"]["type"], "boolean");
/// ```
#[must_use]
pub fn json_schema() -> Json {
    let keys = || -> Map<String, Json> {
        ROWS.iter().map(|row| (row.name.to_owned(), schema_of(row))).collect()
    };
    let mut top = keys();
    top.insert(
        PLACES.to_owned(),
        json!({
            "description": "Places by name, which `--at NAME` chooses.",
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": keys(),
                "additionalProperties": false,
            },
        }),
    );
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "flagstaff.toml",
        "description": "The places where flags are, as the command flagstaff reads them.",
        "type": "object",
        "properties": top,
        "additionalProperties": false,
    })
}

fn schema_of(row: &Row) -> Json {
    let text = json!({ "type": "string", "minLength": 1 });
    let mut schema = match &row.takes {
        Takes::Text(_) => text,
        Takes::Texts(_) => json!({
            "type": ["string", "array"],
            "minLength": 1,
            "items": text,
        }),
        Takes::Boolean(_) => json!({ "type": "boolean", "default": false }),
        Takes::Word(words, _) => json!({ "enum": words, "default": words[0] }),
    };
    schema["description"] = row.about.into();
    schema
}

/// The findings in a file so far.
struct Reading<'t> {
    decoder: Decoder<'t>,
    /// The spans of values that must not be shown.
    secret: Vec<Range<usize>>,
    /// The place that is being read, which its problems name.
    place: Option<String>,
}

impl Reading<'_> {
    fn named(&mut self, value: &Value<'_>, named: &mut BTreeMap<String, Written>) {
        let help = "write `[places.NAME]` above the settings of each place";
        let DeValue::Table(table) = value.get_ref() else {
            return self.wrong_type(PLACES, "at the top level", value, "a table", Some(help));
        };
        for (key, value) in in_order(table) {
            let name = key.get_ref().as_ref();
            self.place = Some(name.to_owned());
            let place = match value.get_ref() {
                DeValue::Table(place) => self.place(Some(name), place),
                _ => {
                    self.wrong_type(name, "in `places`", value, "a table", Some(help));
                    let mut place = Written::default();
                    place.hide_missing(&[FILE, REDIS], &value.span());
                    place
                }
            };
            named.insert(name.to_owned(), place);
            self.place = None;
        }
    }

    fn report(&mut self, problem: Diagnostic) {
        self.decoder.report(problem.place(self.place.as_deref()));
    }

    /// Reads the settings of a place; `None` stands for the top level.
    fn place(&mut self, name: Option<&str>, table: &DeTable<'_>) -> Written {
        let mut place = Written::default();
        let mut unknown = Vec::new();
        let of = match name {
            Some(name) => Cow::Owned(format!("in place `{name}`")),
            None => Cow::Borrowed("at the top level"),
        };
        for (key, value) in in_order(table) {
            let row = ROWS.iter().find(|row| row.name == key.get_ref());
            match (row, name) {
                (Some(row), _) => self.set(row, value, &of, &mut place),
                (None, None) if key.get_ref() == PLACES => {}
                (None, _) => unknown.extend(self.unknown(key, value, &of, name)),
            }
        }
        for (meant, span) in unknown {
            match meant {
                Some(setting) => place.hidden.push((setting, span)),
                None => place.hide_missing(&[FILE, REDIS], &span),
            }
        }
        if let (Some(_), Some(prefix)) = (&place.key, &place.key_prefix) {
            let message = format!("both `key` and `key_prefix` {of}");
            let problem = Diagnostic::new(Code::InvalidWord, prefix.span.clone(), message)
                .label("the two exclude each other")
                .help("`key` names a hash with all overrides; `key_prefix` names a key per flag");
            self.report(problem);
        }
        place
    }

    fn set(&mut self, row: &Row, value: &Value<'_>, of: &str, place: &mut Written) {
        match (&row.takes, value.get_ref()) {
            (Takes::Text(field), DeValue::String(_)) => match self.text(row.name, value, of) {
                Some(text) => *field(place) = Some(text),
                None => place.hidden.push((row.name, value.span())),
            },
            (Takes::Texts(field), DeValue::String(_)) => match self.text(row.name, value, of) {
                Some(text) => field(place).push(text),
                None => place.hidden.push((row.name, value.span())),
            },
            (Takes::Texts(field), DeValue::Array(list)) => {
                for element in list.iter() {
                    let text = match element.get_ref() {
                        DeValue::String(_) => self.text(row.name, element, of),
                        _ => {
                            self.wrong_type(row.name, of, element, "a string", None);
                            None
                        }
                    };
                    match text {
                        Some(text) => field(place).push(text),
                        None => place.hidden.push((row.name, element.span())),
                    }
                }
            }
            (Takes::Boolean(field), DeValue::Boolean(is)) => *field(place) = *is,
            (Takes::Word(words, field), DeValue::String(word)) => {
                match words.iter().position(|known| *known == word.as_ref()) {
                    Some(index) => *field(place) = index == 1,
                    None => self.wrong_word(row.name, *words, value, word, of),
                }
            }
            (takes, found) => {
                place.hidden.push((row.name, value.span()));
                let expected = match takes {
                    Takes::Text(_) => "a string",
                    Takes::Texts(_) => "a string or a list of strings",
                    Takes::Boolean(_) => "`true` or `false`",
                    Takes::Word(..) => "`\"optional\"` or `\"required\"`",
                };
                let meant = match (takes, found) {
                    (Takes::Boolean(_), DeValue::String(text)) => {
                        truth(text).map(|is| is.to_string())
                    }
                    (Takes::Word(words, _), DeValue::Boolean(is)) => {
                        Some(format!("\"{}\"", words[usize::from(*is)]))
                    }
                    (Takes::Text(_), DeValue::Integer(_)) => {
                        let written = source(self.decoder.text, value.span());
                        written.map(|written| format!("\"{written}\""))
                    }
                    _ => None,
                };
                let help = meant.map(|meant| format!("write `{} = {meant}`", row.name));
                self.wrong_type(row.name, of, value, expected, help.as_deref());
            }
        }
    }

    /// Returns a string, or `None` after reporting what is wrong with it.
    fn text(&mut self, name: &str, value: &Value<'_>, of: &str) -> Option<Text> {
        let DeValue::String(written) = value.get_ref() else { return None };
        let span = value.span();
        if has_password(written) {
            let raw = self.decoder.text.get(span.clone()).unwrap_or_default();
            let is_plain = ['"', '\''].iter().any(|quote| {
                raw.strip_prefix(*quote).and_then(|it| it.strip_suffix(*quote)) == Some(written)
            });
            // Otherwise the search through lines finds and hides the secret part.
            if !is_plain || written.contains('%') {
                self.secret.push(span.clone());
            }
            self.password(name, span.clone(), of);
            // The store is still known, so that the command asks the user before a change to this place.
            return without_logins(written).map(|written| Text { written, span });
        }
        if written.is_empty() {
            self.wrong_type(name, of, value, "a string that is not empty", None);
            return None;
        }
        if references(written).any(|part| matches!(part, Part::Broken)) {
            let message = format!("invalid variable in `{name}` {of}");
            let problem = Diagnostic::new(Code::InvalidWord, span, message)
                .label("has a `$` without the name of a variable")
                .help("write `$NAME` or `${NAME}`; `$$` is a dollar sign");
            self.report(problem);
            return None;
        }
        Some(Text { written: written.as_ref().to_owned(), span })
    }

    fn password(&mut self, name: &str, span: Range<usize>, of: &str) {
        let problem =
            Diagnostic::new(Code::PasswordInFile, span, format!("password in `{name}` {of}"))
                .label("has a password")
                .help("name an environment variable: `redis = \"$PROD_REDIS_URL\"`");
        self.report(problem);
    }

    fn wrong_word(
        &mut self,
        name: &str,
        words: [&str; 2],
        value: &Value<'_>,
        word: &str,
        of: &str,
    ) {
        let [first, second] = words;
        let problem =
            Diagnostic::new(Code::InvalidWord, value.span(), format!("invalid `{name}` {of}"))
                .label(format!("expected `\"{first}\"` or `\"{second}\"`"));
        let meant = nearest(word, words);
        let problem = match meant {
            Some(meant) => problem.help(format!("write `{name} = \"{meant}\"`")),
            None => problem,
        };
        self.report(problem);
    }

    fn wrong_type(
        &mut self,
        name: &str,
        of: &str,
        value: &Value<'_>,
        expected: &str,
        help: Option<&str>,
    ) {
        let found = match value.get_ref() {
            DeValue::String(text) if text.is_empty() => "an empty one",
            found => kind(found),
        };
        let message = format!("wrong type for `{name}` {of}");
        let problem = Diagnostic::new(Code::InvalidType, value.span(), message)
            .label(format!("expected {expected}, found {found}"));
        self.report(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }

    /// Reports an unknown key. Returns the setting with a similar name, if there is one, and where the key is; `None`
    /// if the key is a password, which stands for no setting.
    fn unknown(
        &mut self,
        key: &Key<'_>,
        value: &Value<'_>,
        of: &str,
        place: Option<&str>,
    ) -> Option<(Option<&'static str>, Range<usize>)> {
        let name = key.get_ref().as_ref();
        if is_secret(name) && matches!(value.get_ref(), DeValue::String(_)) {
            self.secret.push(value.span());
            self.password(name, value.span(), of);
            return None;
        }
        let message = format!("unknown key `{name}` {of}");
        let problem = Diagnostic::new(Code::UnknownKey, key.span(), message)
            .label("not a setting of a place");
        let keys = ROWS.iter().map(|row| row.name).chain(place.is_none().then_some(PLACES));
        let similar = nearest(name, keys);
        let help = match (similar, value.get_ref()) {
            (Some(similar), _) => format!("a key with a similar name exists: `{similar}`"),
            (None, DeValue::Table(_)) if place.is_none() => {
                format!("write `[places.{}]` for a place", toml_key(name))
            }
            (None, _) => {
                let names: Vec<_> = ROWS.iter().map(|row| format!("`{}`", row.name)).collect();
                format!("the keys of a place are {}", names.join(", "))
            }
        };
        self.report(problem.help(help));
        Some((similar, key.span()))
    }
}

/// A part of a string that may name variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'t> {
    Plain(&'t str),
    Variable(&'t str),
    /// A dollar sign that starts neither `$$` nor the name of a variable.
    Broken,
}

fn references(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let Some(after) = rest.strip_prefix('$') else {
            let end = rest.find('$').unwrap_or(rest.len());
            let (plain, left) = rest.split_at(end);
            rest = left;
            return (!plain.is_empty()).then_some(Part::Plain(plain));
        };
        if let Some(left) = after.strip_prefix('$') {
            rest = left;
            return Some(Part::Plain("$"));
        }
        let (name, left) = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}').unwrap_or(("", braced)),
            None => after.split_at(length_of_name(after)),
        };
        rest = left;
        match !name.is_empty() && length_of_name(name) == name.len() {
            true => Some(Part::Variable(name)),
            false => Some(Part::Broken),
        }
    })
}

/// Returns the length of the name of a variable at the start of a string.
fn length_of_name(text: &str) -> usize {
    let is_part = |(at, c): (usize, char)| {
        c == '_' || c.is_ascii_alphabetic() || at > 0 && c.is_ascii_digit()
    };
    text.char_indices().take_while(|&it| is_part(it)).count()
}

fn expanded(text: &str, mut variable: impl FnMut(&str) -> String) -> String {
    let mut expanded = String::new();
    for part in references(text) {
        match part {
            Part::Plain(plain) => expanded += plain,
            Part::Variable(name) => expanded += &variable(name),
            Part::Broken => {}
        }
    }
    expanded
}

/// Returns `true` if a value has a written secret, as opposed to one from a variable.
fn has_password(written: &str) -> bool {
    let decoded = percent_decoded(written);
    [written, &decoded].into_iter().any(|text| {
        secrets_of_urls(text).into_iter().any(|span| {
            text.get(span).is_some_and(|secret| !expanded(secret, |_| String::new()).is_empty())
        })
    })
}

/// Returns the URLs of a value that has a password, reduced to their addresses; `None` if no address
/// is clear.
fn without_logins(written: &str) -> Option<String> {
    // A password may have a comma, so the part behind the last `@` is an address, too.
    let whole = written
        .split_once("://")
        .and_then(|(scheme, rest)| Some(format!("{scheme}://{}", rest.rsplit_once('@')?.1)));
    let parts = written.split(',').map(|url| {
        let (scheme, rest) = url.split_once("://")?;
        let address = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
        Some(format!("{scheme}://{address}"))
    });
    let addresses = parts.flatten().chain(whole).map(|url| {
        // Parameters may contain a password.
        url.split(['?', '#']).next().unwrap_or_default().to_owned()
    });
    let has_host = |url: &String| !url.ends_with("://") && !url.contains("://:");
    let clear: Vec<_> = addresses.filter(|url| has_host(url) && !has_password(url)).collect();
    (!clear.is_empty()).then(|| clear.join(","))
}

/// Returns the parts of a line that are passwords of URLs.
fn secrets_of_urls(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, scheme) in line.match_indices("://") {
        let start = at + scheme.len();
        let rest = &line[start..];
        // A password may have a slash, although it should be encoded.
        let secret = match rest.rfind('@') {
            Some(end) => rest[..end].find(':').map(|colon| colon + 1..end),
            None => after_a_colon(rest),
        };
        found.extend(secret.map(|secret| start + secret.start..start + secret.end));
        // The parameters of a URL.
        for (at, _) in rest.match_indices('=') {
            let name = rest[..at].rsplit(['?', '&', ';', '#']).next().unwrap_or_default();
            if name.len() < at && is_secret(name) {
                let value = &rest[at + 1..];
                let end = value.find(['&', ';', '#']).unwrap_or(value.len());
                found.push(start + at + 1..start + at + 1 + end);
            }
        }
    }
    found
}

/// Returns the part of an address behind a colon, unless it is a port. It may be the beginning of a
/// password.
fn after_a_colon(address: &str) -> Option<Range<usize>> {
    let colon = address.find(':')?;
    let rest = &address[colon + 1..];
    let port = rest.split(['/', '?', '#', ',', '"', '\'', ' ']).next().unwrap_or_default();
    // IPv6 addresses have colons of their own, and a port may come from a variable.
    let port = expanded(port, |_| String::new());
    let is_fine = address.starts_with('[') || port.bytes().all(|byte| byte.is_ascii_digit());
    (!is_fine).then_some(colon + 1..address.len())
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|word| name.contains(word)) || matches!(&*name, "pass" | "pwd" | "auth")
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, left @ ..] = rest {
        let code = match (first, left) {
            (b'%', [high, low, ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                digit(*high).zip(digit(*low)).map(|(high, low)| (high * 16 + low) as u8)
            }
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &left[2..] } else { left };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the parts of the file that may be passwords, and `values`.
///
/// If a line has a TOML error, its value is not in the tree, so each line is searched.
fn passwords(text: &str, values: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut spans = values;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let names_only = |secret: &str| {
            let end = secret.find(['"', '\'']).unwrap_or(secret.len());
            expanded(&secret[..end], |_| String::new()).is_empty()
        };
        let found = secrets_of_urls(line.trim_end()).into_iter();
        let found = found.filter(|span| line.get(span.clone()).is_some_and(|it| !names_only(it)));
        spans.extend(found.map(|span| start + span.start..start + span.end));
        // If a line is percent-encoded, the position of the password is unknown.
        let is_hidden = |(name, _): &(&str, &str)| {
            is_secret(name.trim()) || line.contains('%') && has_password(line)
        };
        if let Some((name, value)) = line.split_once('=').filter(is_hidden) {
            let blank = value.len() - value.trim_start().len();
            let from = start + name.len() + 1 + blank;
            spans.push(from..from.max(start + line.trim_end().len()));
        }
        start += line.len();
    }
    spans
}

/// Returns the text with its passwords masked. The masks have the same number of bytes and
/// characters, so that all spans and locations stay valid.
fn without(text: &str, secret: &[Range<usize>]) -> String {
    let mut is_secret = vec![false; text.len()];
    for span in secret {
        is_secret.get_mut(span.clone()).into_iter().for_each(|bytes| bytes.fill(true));
    }
    let hidden = |(at, c): (usize, char)| match (is_secret[at] && c != '\n', c.len_utf8()) {
        (false, _) => c,
        (true, 1) => '*',
        (true, 2) => '\u{b7}',
        (true, 3) => '\u{2022}',
        (true, _) => '\u{1f512}',
    };
    text.char_indices().map(hidden).collect()
}
