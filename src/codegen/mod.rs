//! Typed flags at compile time: Rust source text from a flags.toml, for build scripts.
//!
//! A misspelled flag, and a flag that was removed from the file, does not compile. The build script is
//! one line:
//!
//! ```no_run
//! // build.rs, with `flagstaff` and its feature `codegen` in `[build-dependencies]`
//! fn main() -> Result<(), flagstaff::codegen::Error> {
//!     flagstaff::codegen::generate("flags.toml")
//! }
//! ```
//!
//! The service includes the source text, which is `flags.rs` for `flags.toml`:
//!
//! ```ignore
//! mod flag {
//!     include!(concat!(env!("OUT_DIR"), "/flags.rs"));
//! }
//!
//! flags.is_enabled(flag::NEW_CHECKOUT, &context)
//! ```
//!
//! A flag that the file has compiles, and one that it lacks does not:
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
//! Every flag is a constant, a [`FlagName`](crate::FlagName), documented by the flag's description,
//! owner and expiry. If the `value` of a flag is a string or a number, the module `value` has it as a typed
//! constant of the same name. Callers can use it as their default:
//!
//! ```ignore
//! let limit = flags.integer(flag::MAX_UPLOAD_MB, &context, flag::value::MAX_UPLOAD_MB);
//! ```
//!
//! A flag with variants also is an `enum`, for [`Flags::variant_of`](crate::Flags::variant_of). Its
//! default is the variant of the off flag, if there is one. The code uses a string for a flag that
//! only other sources have.
//!
//! # Warnings
//!
//! The source text causes no warning of the compiler. A flag of the file that the code does not use
//! is allowed, since services may share a file. A flag that has expired is a warning of Cargo,
//! which fails no build. With [`Generator::deprecate_expired`], it is [deprecated].
//!
//! Names and descriptions are quoted, so nothing in a flag file can become code, a test in
//! documentation, or an instruction of Cargo.
//!
//! # Names
//!
//! A name is split into words of ASCII letters and digits: `new-search`, `new.search` and `newSearch`
//! all are `NEW_SEARCH`. Two names that would become one are an error, and so is a name that has no
//! such letter or digit.
//!
//! [deprecated]: https://doc.rust-lang.org/reference/attributes/diagnostics.html#the-deprecated-attribute

mod generator;
mod manifest;
mod names;

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use self::names::{constant, type_name};
pub use self::{generator::Generator, manifest::manifest};
use crate::{
    definition::{Diagnostics, FlagsFile},
    error::debug_is_message,
    model::{Constant, Definition, Value, Variants},
    text::{Untrusted, instant, line},
};

/// Errors of generating source text from a flags.toml.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read, or the source text could not be written.
    #[error("cannot read or write {}", line(&path.to_string_lossy()))]
    #[non_exhaustive]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file has errors.
    #[error("{0}")]
    Invalid(Diagnostics),
    /// Two names become one in Rust.
    #[error(
        "`{}` and `{}` are both `{identifier}` in Rust: rename one of them in {}",
        line(first),
        line(second),
        line(file)
    )]
    #[non_exhaustive]
    Clash {
        /// The file concerned.
        file: String,
        /// One of the names in the file.
        first: String,
        /// The other name.
        second: String,
        /// The Rust name of both.
        identifier: String,
    },
    /// A name has no ASCII letter or digit.
    #[error(
        "`{}` has no ASCII letter or digit to make a Rust name of: rename it in {}",
        line(name),
        line(file)
    )]
    #[non_exhaustive]
    Unnameable {
        /// The file concerned.
        file: String,
        /// The name in the file.
        name: String,
    },
    /// The variable `OUT_DIR`, which Cargo sets for build scripts, is not set.
    #[error("`OUT_DIR` is not set: call this from a build script")]
    NoOutDir,
}

debug_is_message!(Error);

/// Writes the source text of the flag file at `path` to `OUT_DIR`, like [`Generator::run`] without
/// options. Cargo runs the build script again when the file changes.
///
/// # Errors
///
/// Returns an error if `OUT_DIR` is not set, if the file cannot be read or has errors, or if the source text cannot
/// be written. Also returns the errors of [`Generator::source`]. As the result of `main` in a build
/// script, the error prints the diagnostics with the lines concerned.
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
    Generator::new(path.as_ref()).run()
}

/// Returns Rust source text for a file, in which flags that expire until `deprecated` are deprecated.
fn render(file: &FlagsFile, deprecated: Option<SystemTime>) -> Result<String, Error> {
    let diagnostics = file.diagnostics();
    if diagnostics.has_errors() {
        return Err(Error::Invalid(diagnostics.clone()));
    }
    let mut source = String::from("// Generated from the flags file by flagstaff. Do not edit.\n");
    let mut constants = Identifiers::new(diagnostics.name(), constant);
    let mut types = Identifiers::new(diagnostics.name(), type_name);
    let mut values = String::new();
    let flags = file.everywhere();
    for (key, definition) in &flags {
        let name = constants.add(key)?;
        flag(&mut source, key, &name, definition, deprecated);
        if let Some(constant) = definition.rare().value.value() {
            value(&mut values, key, &name, constant);
        }
        if let Some(variants) = definition.rare().variants.value() {
            let name = types.add(key)?;
            let mut members = Identifiers::new(diagnostics.name(), type_name);
            let members: Result<Vec<_>, _> =
                variants.names().map(|variant| members.add(variant)).collect();
            let members = members?;
            enumeration(&mut source, key, &name, variants, &members, definition.off_variant());
            variant_enum(&mut source, key, &name);
        }
    }
    if !values.is_empty() {
        let doc = "/// The values of the flags that have one for all users, as the file has them.";
        add(&mut source, format_args!("\n{doc}\n{ALLOW}\npub mod value {{{values}}}\n"));
    }
    Ok(source)
}

/// The identifiers of one kind. Each of them stands for one name.
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

/// The attribute of every generated item. The code of a service need not use every flag and every
/// variant, and its lints are for code that its authors can change.
const ALLOW: &str = "#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, \
                     reason = \"generated\")]";

fn flag(
    source: &mut String,
    key: &str,
    name: &str,
    definition: &Definition,
    deprecated: Option<SystemTime>,
) {
    let owner = definition.owner.value();
    let expiry = definition.expiry();
    let first = definition.description.value().map(|text| Untrusted::new(text).rustdoc());
    let first = first.filter(|text| !text.is_empty());
    let mut docs =
        vec![first.unwrap_or_else(|| format!("The flag {}.", Untrusted::new(key).code()))];
    docs.extend(owner.map(|owner| format!("Owner: {}.", Untrusted::new(owner).rustdoc())));
    docs.extend(expiry.map(|expiry| format!("Expires: {}.", Day(expiry))));
    let lead = "::flagstaff::FlagName";
    add(
        source,
        format_args!("\n#[doc = {}]\n{ALLOW}\n", Untrusted::new(&docs.join("\n\n")).rust()),
    );
    if let (Some(expiry), Some(now)) = (expiry, deprecated)
        && expiry <= now
    {
        let note = format!("expired on {}: remove it from the code", Day(expiry));
        add(source, format_args!("#[deprecated = {}]\n", Untrusted::new(&note).rust()));
    }
    add(
        source,
        format_args!("pub const {name}: {lead} = {lead}::new({});\n", Untrusted::new(key).rust()),
    );
}

/// Adds the value of a flag, if Rust has a constant of its type.
fn value(source: &mut String, key: &str, name: &str, constant: &Constant) {
    let (kind, value) = match constant.as_value() {
        Value::Integer(number) => ("i64", number.to_string()),
        // `Debug` writes a point or an exponent, which a literal of a float needs.
        Value::Float(number) => ("f64", format!("{number:?}")),
        Value::String(text) => ("&str", Untrusted::new(text).rust()),
        Value::Bool(_) | Value::List(_) | Value::Table(_) => return,
    };
    let doc = format!("The value of the flag {}.", Untrusted::new(key).code());
    let doc = Untrusted::new(&doc).rust();
    add(source, format_args!("\n    #[doc = {doc}]\n    pub const {name}: {kind} = {value};\n"));
}

fn enumeration(
    source: &mut String,
    key: &str,
    name: &str,
    variants: &Variants,
    members: &[String],
    off: Option<&str>,
) {
    let doc =
        Untrusted::new(&format!("The variants of the flag {}.", Untrusted::new(key).code())).rust();
    let pairs = || members.iter().zip(variants.names());
    // The order of the file does not choose a default: without an off variant, the caller names
    // one.
    let derived = if off.is_some() { "Default, " } else { "" };
    add(
        source,
        format_args!(
            "\n#[doc = {doc}]\n{ALLOW}\n\
             #[derive(Debug, Clone, Copy, {derived}PartialEq, Eq, Hash)]\npub enum {name} {{\n"
        ),
    );
    for (member, variant) in pairs() {
        let doc = Untrusted::new(&Untrusted::new(variant).code()).rust();
        let default = if off == Some(variant) { "    #[default]\n" } else { "" };
        add(source, format_args!("    #[doc = {doc}]\n{default}    {member},\n"));
    }
    add(
        source,
        format_args!(
            "}}\n\n{ALLOW}\nimpl {name} {{\n    \
             /// Every variant, in the order of the file.\n    \
             pub const ALL: &'static [Self] = &["
        ),
    );
    let all: Vec<_> = members.iter().map(|member| format!("Self::{member}")).collect();
    add(
        source,
        format_args!(
            "{}];\n\n    /// Returns the variant of that name, such as the one that is served.\n    \
             pub fn from_name(name: &str) -> ::core::option::Option<Self> {{\n        \
             match name {{\n",
            all.join(", ")
        ),
    );
    for (member, variant) in pairs() {
        let some = format!("::core::option::Option::Some(Self::{member})");
        add(source, format_args!("            {} => {some},\n", Untrusted::new(variant).rust()));
    }
    add(
        source,
        format_args!(
            "            _ => ::core::option::Option::None,\n        }}\n    }}\n\n    \
             /// Returns the name of the variant in the file.\n    \
             pub const fn as_str(self) -> &'static str {{\n        match self {{\n"
        ),
    );
    for (member, variant) in pairs() {
        add(
            source,
            format_args!("            Self::{member} => {},\n", Untrusted::new(variant).rust()),
        );
    }
    source.push_str("        }\n    }\n}\n");
}

/// Implements the trait by which `variant_of` evaluates the enum.
fn variant_enum(source: &mut String, key: &str, name: &str) {
    let key = Untrusted::new(key).rust();
    add(
        source,
        format_args!(
            "\n{ALLOW}\nimpl ::flagstaff::answer::VariantEnum for {name} {{\n    \
             const FLAG: ::flagstaff::FlagName = ::flagstaff::FlagName::new({key});\n\n    \
             fn from_name(name: &str) -> ::core::option::Option<Self> {{\n        \
             Self::from_name(name)\n    }}\n}}\n"
        ),
    );
}

fn add(source: &mut String, text: fmt::Arguments<'_>) {
    source.write_fmt(text).expect("a string takes any text");
}

/// A day in UTC, from a time.
struct Day(SystemTime);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Years have four digits in RFC 3339.
        f.write_str(&instant(self.0)[.."2026-11-21".len()])
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, time::Duration};

    use super::*;

    /// `tests/it` is compiled with this file. `UPDATE=1` writes it again.
    #[test]
    fn the_generated_file_is_up_to_date() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/codegen");
        let text = fs::read_to_string(directory.join("flags.toml")).unwrap();
        // 2026-11-21
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_219_200);

        let generator = Generator::new("flags.toml").at(now).deprecate_expired(true);
        let source = generator.source(&text).unwrap();

        let path = directory.join("flags.rs");
        if env::var_os("UPDATE").is_some() {
            fs::write(&path, &source).unwrap();
        }
        assert_eq!(source, fs::read_to_string(&path).unwrap(), "run this test with UPDATE=1");
    }

    fn error(text: &str) -> String {
        Generator::new("flags.toml").source(text).unwrap_err().to_string()
    }

    #[test]
    fn names_that_become_one_constant_are_refused() {
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
    fn the_default_of_an_enum_is_the_variant_of_the_off_flag() {
        let default = |settings: &str| {
            let text =
                format!("[flags]\na = {{ variants = {{ x = 1, control = 1 }}{settings} }}\n");
            let source = Generator::new("flags.toml").source(&text).unwrap();
            let (_, rest) = source.split_once("#[default]\n").unwrap();
            rest.lines().next().unwrap().trim().to_owned()
        };

        assert_eq!(default(", off = \"x\""), "X,");
        assert_eq!(default(""), "Control,");
        let none = "[flags]\na = { variants = { x = 1, y = 1 } }\n";
        let source = Generator::new("flags.toml").source(none).unwrap();
        assert!(!source.contains("efault"), "the order of a table chooses no default: {source}");
    }

    #[test]
    fn a_file_with_an_error_is_refused_with_its_diagnostics() {
        let error = error("[flags]\ngood = true\nbad = 1\n");

        assert!(error.starts_with("error[ambiguous-number]: flag `bad`"), "{error}");
        assert!(error.contains(" --> flags.toml:3:7"), "{error}");
    }
}
