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

mod error;
mod generator;
mod manifest;
mod names;
mod render;

use std::path::Path;

pub use self::{error::Error, generator::Generator, manifest::manifest};

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

#[cfg(test)]
mod tests {
    use std::{
        env, fs,
        time::{Duration, SystemTime},
    };

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
