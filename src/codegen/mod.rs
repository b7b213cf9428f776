//! Typed flags at compile time: Rust source text from a flags.toml, for build scripts.
//!
//! A misspelled flag, and one that is gone from the file, no longer compiles; an expired one is
//! [deprecated]. The build script is one line:
//!
//! ```no_run
//! // build.rs, with `flagstaff` and its feature `codegen` in `[build-dependencies]`
//! fn main() -> Result<(), flagstaff::codegen::Error> {
//!     flagstaff::codegen::generate("flags.toml")
//! }
//! ```
//!
//! The service includes what it writes, `flags.rs` for `flags.toml`:
//!
//! ```ignore
//! mod flag {
//!     include!(concat!(env!("OUT_DIR"), "/flags.rs"));
//! }
//!
//! flags.is_enabled(flag::NEW_CHECKOUT, &context)
//! ```
//!
//! A flag that the file has compiles, and one that it does not have does not:
//!
//! ```
//! # mod flag { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/codegen/flags.rs")); }
//! let name = flag::NEW_CHECKOUT.as_str();
//! ```
//!
//! ```compile_fail,E0425
//! # mod flag { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/codegen/flags.rs")); }
//! let name = flag::NEW_CHEKOUT.as_str();
//! ```
//!
//! Every flag is a constant, a [`FlagName`](crate::FlagName), with what the file says about it for
//! its documentation. A flag with variants is an `enum` besides, whose `from_name` takes the name
//! of the variant that is served. Flags that only other sources have are asked for by texts, as
//! ever.
//!
//! # Names
//!
//! A name is taken apart into words: `new-search`, `new.search` and `newSearch` all are
//! `NEW_SEARCH`. Words are of ASCII letters and digits; whatever else there is parts them. Where
//! two names would become one, and where nothing is left of a name, [`source`] says so.
//!
//! [deprecated]: https://doc.rust-lang.org/reference/attributes/diagnostics.html#the-deprecated-attribute

mod manifest;
mod names;

use std::{
    collections::HashMap,
    env,
    fmt::{self, Write as _},
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::Timestamp;

pub use self::manifest::manifest;
use self::names::{constant, type_name};
use crate::{
    definition::{Diagnostics, FlagsFile},
    error::debug_is_message,
    model::{Definition, Variants},
};

/// Why no source text could be made of a flags.toml.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read, or the source text not be written.
    #[error("cannot read or write {}", path.display())]
    #[non_exhaustive]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file has errors.
    #[error("{0}")]
    Invalid(Diagnostics),
    /// Two names are the same one in Rust.
    #[error(
        "`{first}` and `{second}` are both `{identifier}` in Rust: rename one of them in {file}"
    )]
    #[non_exhaustive]
    Clash {
        /// The file concerned.
        file: String,
        /// One of the names in the file.
        first: String,
        /// The other one.
        second: String,
        /// What both become.
        identifier: String,
    },
    /// Nothing of a name can be kept.
    #[error("`{name}` has no ASCII letter or digit to make a Rust name of: rename it in {file}")]
    #[non_exhaustive]
    Unnameable {
        /// The file concerned.
        file: String,
        /// The name in the file.
        name: String,
    },
    /// There is no `OUT_DIR`, which Cargo sets for build scripts.
    #[error("`OUT_DIR` is not set: call this from a build script")]
    NoOutDir,
}

debug_is_message!(Error);

/// Writes the [source text](source) of the file at `path` to `OUT_DIR`, and lets Cargo run the
/// build script again when the file changes.
///
/// The source text is called as the file is, with the ending `rs`. What the file is warned about
/// becomes warnings of Cargo.
///
/// # Errors
///
/// If the file cannot be read or has errors, and for all that [`source`] returns. As the result of
/// `main` in a build script, the error prints the diagnostics with the lines concerned.
///
/// # Example
///
/// ```no_run
/// // build.rs
/// fn main() -> Result<(), flagstaff::codegen::Error> {
///     flagstaff::codegen::generate("flags.toml")
/// }
/// ```
pub fn generate(path: impl AsRef<Path>) -> Result<(), Error> {
    let directory = env::var_os("OUT_DIR").ok_or(Error::NoOutDir)?;
    write_to(path.as_ref(), Path::new(&directory), SystemTime::now(), &mut io::stdout())
}

fn write_to(
    path: &Path,
    directory: &Path,
    now: SystemTime,
    cargo: &mut dyn io::Write,
) -> Result<(), Error> {
    let name = path.display().to_string();
    // First of all, so that a build that fails is tried again once the file is mended.
    writeln!(cargo, "cargo::rerun-if-changed={name}").map_err(failed(path))?;
    let text = fs::read_to_string(path).map_err(failed(path))?;
    let file = FlagsFile::parse(&name, &text);
    let source = render(&file, now)?;
    for warning in file.diagnostics() {
        writeln!(cargo, "cargo::warning={name}:{warning}").map_err(failed(path))?;
    }
    let output = directory.join(path.file_name().unwrap_or_default()).with_extension("rs");
    fs::write(&output, source).map_err(failed(&output))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::Io { path, source }
}

/// Rust source text for the flags of `text`, a flags.toml; `name` is what errors call it.
///
/// Flags that have expired at `now` are deprecated.
///
/// # Errors
///
/// If the text has errors, or if names of flags, or of variants of one flag, cannot be told apart
/// in Rust.
///
/// # Example
///
/// ```
/// use std::time::SystemTime;
///
/// let text = "[flags]\nnew-checkout = true\n";
///
/// let source = flagstaff::codegen::source("flags.toml", text, SystemTime::UNIX_EPOCH)?;
///
/// assert!(source.ends_with(
/// r#"
/// #[doc = "The flag `new-checkout`."]
/// pub const NEW_CHECKOUT: ::flagstaff::FlagName = ::flagstaff::FlagName::new("new-checkout");
/// "#));
/// # Ok::<(), flagstaff::codegen::Error>(())
/// ```
pub fn source(name: &str, text: &str, now: SystemTime) -> Result<String, Error> {
    render(&FlagsFile::parse(name, text), now)
}

fn render(file: &FlagsFile, now: SystemTime) -> Result<String, Error> {
    let diagnostics = file.diagnostics();
    if diagnostics.has_errors() {
        return Err(Error::Invalid(diagnostics.clone()));
    }
    let mut source = String::from("// Generated from the flags file by flagstaff. Do not edit.\n");
    let mut constants = Identifiers::new(diagnostics.name(), constant);
    let mut types = Identifiers::new(diagnostics.name(), type_name);
    for (key, definition) in file.flags() {
        let name = constants.add(key)?;
        flag(&mut source, key, &name, definition, now);
        if let Some(variants) = definition.variants.value() {
            let name = types.add(key)?;
            let mut members = Identifiers::new(diagnostics.name(), type_name);
            let members: Result<Vec<_>, _> =
                variants.names().map(|variant| members.add(variant)).collect();
            enumeration(&mut source, key, &name, variants, &members?);
        }
    }
    Ok(source)
}

/// The identifiers of one kind, each of which stands for one name only.
struct Identifiers<'a> {
    file: &'a str,
    identifier: fn(&str) -> Option<String>,
    taken: HashMap<String, &'a str>,
}

impl<'a> Identifiers<'a> {
    fn new(file: &'a str, identifier: fn(&str) -> Option<String>) -> Self {
        Self { file, identifier, taken: HashMap::new() }
    }

    fn add(&mut self, name: &'a str) -> Result<String, Error> {
        let file = self.file.to_owned();
        let Some(identifier) = (self.identifier)(name) else {
            return Err(Error::Unnameable { file, name: name.to_owned() });
        };
        match self.taken.insert(identifier.clone(), name) {
            None => Ok(identifier),
            Some(first) => {
                let (first, second) = (first.to_owned(), name.to_owned());
                Err(Error::Clash { file, first, second, identifier })
            }
        }
    }
}

fn flag(source: &mut String, key: &str, name: &str, definition: &Definition, now: SystemTime) {
    let owner = definition.owner.value();
    let expires = definition.expires.value();
    let first = definition.description.value().filter(|text| !text.trim().is_empty());
    let mut docs = vec![first.cloned().unwrap_or_else(|| format!("The flag `{key}`."))];
    docs.extend(owner.map(|owner| format!("Owner: {owner}.")));
    docs.extend(expires.map(|&expires| format!("Expires: {}.", Day(expires))));
    let lead = "::flagstaff::FlagName";
    add(source, format_args!("\n#[doc = {:?}]\n", docs.join("\n\n")));
    if let Some(&expires) = expires.filter(|&&expires| expires <= now) {
        let note = format!("expired on {}: remove it from the code", Day(expires));
        add(source, format_args!("#[deprecated = {note:?}]\n"));
    }
    add(source, format_args!("pub const {name}: {lead} = {lead}::new({key:?});\n"));
}

fn enumeration(
    source: &mut String,
    key: &str,
    name: &str,
    variants: &Variants,
    members: &[String],
) {
    let doc = format!("The variants of the flag `{key}`.");
    let allow = "#[allow(dead_code, reason = \"not every variant has to be named\")]";
    let pairs = || members.iter().zip(variants.names());
    add(
        source,
        format_args!(
            "\n#[doc = {doc:?}]\n{allow}\n\
             #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]\npub enum {name} {{\n"
        ),
    );
    for (member, variant) in pairs() {
        let doc = format!("`{variant}`");
        add(source, format_args!("    #[doc = {doc:?}]\n    {member},\n"));
    }
    add(
        source,
        format_args!(
            "}}\n\n{allow}\nimpl {name} {{\n    \
             /// Every variant, in the order of the file.\n    \
             pub const ALL: &'static [Self] = &["
        ),
    );
    let all: Vec<_> = members.iter().map(|member| format!("Self::{member}")).collect();
    add(
        source,
        format_args!(
            "{}];\n\n    /// The variant of that name, such as the one that is served.\n    \
             pub fn from_name(name: &str) -> ::core::option::Option<Self> {{\n        \
             match name {{\n",
            all.join(", ")
        ),
    );
    for (member, variant) in pairs() {
        let some = format!("::core::option::Option::Some(Self::{member})");
        add(source, format_args!("            {variant:?} => {some},\n"));
    }
    add(
        source,
        format_args!(
            "            _ => ::core::option::Option::None,\n        }}\n    }}\n\n    \
             /// Its name in the file.\n    \
             pub const fn as_str(self) -> &'static str {{\n        match self {{\n"
        ),
    );
    for (member, variant) in pairs() {
        add(source, format_args!("            Self::{member} => {variant:?},\n"));
    }
    source.push_str("        }\n    }\n}\n");
}

fn add(source: &mut String, text: fmt::Arguments<'_>) {
    source.write_fmt(text).expect("a string takes any text");
}

/// The day of a time, in UTC.
struct Day(SystemTime);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::try_from(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{}", time.strftime("%Y-%m-%d"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// `tests/it` is compiled with this file. With `UPDATE=1`, it is written anew.
    #[test]
    fn the_generated_file_is_up_to_date() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/codegen");
        let text = fs::read_to_string(directory.join("flags.toml")).unwrap();
        // 2026-11-21
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_219_200);

        let source = source("flags.toml", &text, now).unwrap();

        let path = directory.join("flags.rs");
        if env::var_os("UPDATE").is_some() {
            fs::write(&path, &source).unwrap();
        }
        assert_eq!(source, fs::read_to_string(&path).unwrap(), "run this test with UPDATE=1");
    }

    fn error(text: &str) -> String {
        source("flags.toml", text, SystemTime::UNIX_EPOCH).unwrap_err().to_string()
    }

    #[test]
    fn names_that_would_be_one_are_refused() {
        assert_eq!(
            error("[flags]\nnew-search = true\nnewSearch = true\n"),
            "`new-search` and `newSearch` are both `NEW_SEARCH` in Rust: rename one of them in \
             flags.toml"
        );
        assert_eq!(
            error("[flags]\na1 = { variants = { x = 1 } }\na_1 = { variants = { x = 1 } }\n"),
            "`a1` and `a_1` are both `A1` in Rust: rename one of them in flags.toml"
        );
        assert_eq!(
            error("[flags]\na = { variants = { x = 1, X = 1 } }\n"),
            "`x` and `X` are both `X` in Rust: rename one of them in flags.toml"
        );
        assert_eq!(
            error("[flags]\n\"?\" = true\n"),
            "`?` has no ASCII letter or digit to make a Rust name of: rename it in flags.toml"
        );
    }

    #[test]
    fn a_file_with_an_error_is_refused_with_its_diagnostics() {
        let error = error("[flags]\ngood = true\nbad = 1\n");

        assert!(error.starts_with("error[ambiguous-number]: flag `bad`"), "{error}");
        assert!(error.contains(" --> flags.toml:3:7"), "{error}");
    }

    #[test]
    fn a_build_script_is_run_again_when_the_file_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.toml");
        let run = |text: &str| {
            fs::write(&path, text).unwrap();
            let mut said = Vec::new();
            let result = write_to(&path, directory.path(), SystemTime::UNIX_EPOCH, &mut said);
            (result, String::from_utf8(said).unwrap())
        };

        let (result, said) = run("[flags]\nsearch = { tags = [\"\"] }\n");
        let name = path.display();
        result.unwrap();
        assert!(said.starts_with(&format!("cargo::rerun-if-changed={name}\n")), "{said}");
        assert!(said.contains(&format!("\ncargo::warning={name}:2:20: warning[")), "{said}");
        let written = fs::read_to_string(directory.path().join("flags.rs")).unwrap();
        assert!(written.contains("pub const SEARCH: "), "{written}");

        let (result, said) = run("[flags]\nsearch = 1\n");
        assert!(matches!(result, Err(Error::Invalid(_))), "{result:?}");
        assert_eq!(said, format!("cargo::rerun-if-changed={name}\n"));
    }
}
