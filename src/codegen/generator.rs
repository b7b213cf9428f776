//! Reads a flag file, and writes its source text.

use std::{
    env, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    error::Error,
    render::{Day, render},
};
use crate::{
    definition::{Field, FlagsFile},
    read,
    replace::{Readers, replace},
    text::line,
};

/// A generator of Rust source text from a flag file, with options; [`generate`] has none.
///
/// [`generate`]: super::generate
///
/// # Example
///
/// ```no_run
/// // build.rs
/// fn main() -> Result<(), flagstaff::codegen::Error> {
///     flagstaff::codegen::Generator::new("flags.toml").deprecate_expired(true).run()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generator {
    path: PathBuf,
    deprecate_expired: bool,
    now: Option<SystemTime>,
}

impl Generator {
    /// Creates a generator for the flag file at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), deprecate_expired: false, now: None }
    }

    /// Marks flags that have expired as `#[deprecated]`. Off unless set.
    ///
    /// The compiler then warns wherever the code names such a flag. A build that denies warnings
    /// fails from the day on that a flag expires, without a change of the code. Otherwise
    /// [`run`](Self::run) emits a warning of Cargo, which fails no build.
    ///
    /// Cargo runs a build script again when the flag file changes and not when a day passes, so both
    /// are as of the last run.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::codegen::Generator;
    ///
    /// let text = "[flags.old_search]\nexpires = 2020-02-01\n";
    /// let generator = Generator::new("flags.toml");
    ///
    /// assert!(!generator.source(text)?.contains("#[deprecated"));
    /// assert!(generator.deprecate_expired(true).source(text)?.contains("#[deprecated"));
    /// # Ok::<(), flagstaff::codegen::Error>(())
    /// ```
    #[must_use]
    pub fn deprecate_expired(mut self, deprecate: bool) -> Self {
        self.deprecate_expired = deprecate;
        self
    }

    /// Sets the time by which flags have expired or not. The time of the run unless set.
    #[must_use]
    pub fn at(mut self, now: SystemTime) -> Self {
        self.now = Some(now);
        self
    }

    /// Returns Rust source text for the flags of `text`, the content of the flag file. The path
    /// only appears in errors.
    ///
    /// The source text depends on the time only if expired flags are
    /// [deprecated](Self::deprecate_expired), so it can be kept under version control.
    ///
    /// # Errors
    ///
    /// Returns an error if the text has errors, or if two names of flags, or of variants of one flag, become one in
    /// Rust.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::codegen::Generator;
    ///
    /// let source = Generator::new("flags.toml").source("[flags]\nnew-checkout = true\n")?;
    ///
    /// assert!(source.ends_with(
    /// r#"
    /// pub const NEW_CHECKOUT: ::flagstaff::FlagName = ::flagstaff::FlagName::new("new-checkout");
    /// "#));
    /// # Ok::<(), flagstaff::codegen::Error>(())
    /// ```
    pub fn source(&self, text: &str) -> Result<String, Error> {
        let file = FlagsFile::parse(&self.path.display().to_string(), text);
        render(&file, self.deprecated(self.now()))
    }

    /// Writes the source text of the file to `OUT_DIR`, and makes Cargo run the build script again
    /// when the file changes. For build scripts.
    ///
    /// The source text has the name of the file with the ending `rs`. Warnings about the file are
    /// emitted as warnings of Cargo, and so are flags that have expired, unless they are
    /// [deprecated](Self::deprecate_expired).
    ///
    /// # Errors
    ///
    /// Returns an error if `OUT_DIR` is not set, if the file cannot be read or has errors, or if the source text
    /// cannot be written. Also returns the errors of [`source`](Self::source). As the result of
    /// `main` in a build script, the error prints the diagnostics with the lines concerned.
    pub fn run(&self) -> Result<(), Error> {
        let directory = env::var_os("OUT_DIR").ok_or(Error::NoOutDir)?;
        self.write_to(Path::new(&directory), &mut io::stdout())
    }

    fn write_to(&self, directory: &Path, cargo: &mut dyn io::Write) -> Result<(), Error> {
        let (path, now) = (&*self.path, self.now());
        let name = path.display().to_string();
        // First, so that Cargo runs the script again once the file is fixed.
        instruct(cargo, "rerun-if-changed", &name).map_err(failed(path))?;
        let text = read::text(path).map_err(failed(path))?;
        let file = FlagsFile::parse(&name, &text);
        let source = render(&file, self.deprecated(now))?;
        let warnings = file.diagnostics().iter().map(ToString::to_string);
        let expired = (!self.deprecate_expired).then(|| expired(&file, now));
        for warning in warnings.chain(expired.into_iter().flatten()) {
            let warning = format!("{name}:{warning}");
            instruct(cargo, "warning", &warning).map_err(failed(path))?;
        }
        let output = directory.join(path.file_name().unwrap_or_default()).with_extension("rs");
        replace(&output, source.as_bytes(), Readers::Umask).map_err(failed(&output))
    }

    fn now(&self) -> SystemTime {
        self.now.unwrap_or_else(SystemTime::now)
    }

    /// Returns the time until which flags have to expire to be deprecated, if any are deprecated.
    fn deprecated(&self, now: SystemTime) -> Option<SystemTime> {
        self.deprecate_expired.then_some(now)
    }
}

/// Returns a warning for each flag that has expired at `now`, with its line first.
fn expired(file: &FlagsFile, now: SystemTime) -> impl Iterator<Item = String> {
    file.flags().iter().filter_map(move |(key, definition)| {
        let &expires = definition.expires.value().filter(|&&expires| expires <= now)?;
        let line = file.lines().setting(key, Field::Expires)?;
        let day = Day(expires);
        Some(format!("{line}: warning: flag `{key}` expired on {day}: remove it from the code"))
    })
}

/// Writes an instruction of a build script, such as `cargo::warning=…`.
fn instruct(cargo: &mut dyn io::Write, key: &str, value: &str) -> io::Result<()> {
    // Cargo reads one instruction per line, so a line end in a value would begin another one.
    writeln!(cargo, "cargo::{key}={}", line(value))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::Io { path, source }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Runs the generator for a file with this text. Returns the output for Cargo and the source
    /// text.
    fn run(
        text: &str,
        options: impl Fn(Generator) -> Generator,
    ) -> (Result<(), Error>, String, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.toml");
        fs::write(&path, text).unwrap();
        let mut cargo = Vec::new();

        let result = options(Generator::new(&path)).write_to(directory.path(), &mut cargo);

        let cargo = String::from_utf8(cargo).unwrap().replace(&path.display().to_string(), "F");
        let written = fs::read_to_string(directory.path().join("flags.rs")).unwrap_or_default();
        (result, cargo, written)
    }

    #[test]
    fn a_build_script_is_run_again_when_the_file_changes() {
        let (result, cargo, written) = run("[flags]\nsearch = { tags = [\"\"] }\n", |it| it);

        result.unwrap();
        assert!(cargo.starts_with("cargo::rerun-if-changed=F\n"), "{cargo}");
        assert!(cargo.contains("\ncargo::warning=F:2:20: warning["), "{cargo}");
        assert!(written.contains("pub const SEARCH: "), "{written}");

        let (result, cargo, _) = run("[flags]\nsearch = 1\n", |it| it);
        assert!(matches!(result, Err(Error::Invalid(_))), "{result:?}");
        assert_eq!(cargo, "cargo::rerun-if-changed=F\n");
    }

    #[test]
    fn an_expired_flag_is_a_warning_of_cargo_or_deprecated_by_choice() {
        let text = "[flags.a]\nenabled = true\nexpires = 2026-02-01\n";
        let warning = "cargo::warning=F:3: warning: flag `a` expired on 2026-02-01: \
                       remove it from the code\n";
        // 2026-02-01
        let day = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_769_904_000);
        let before = day - std::time::Duration::from_secs(1);

        let (_, cargo, written) = run(text, |it| it.at(day));
        assert!(cargo.ends_with(warning), "{cargo}");
        assert!(!written.contains("deprecated"), "{written}");

        let (_, cargo, written) = run(text, |it| it.at(day).deprecate_expired(true));
        assert_eq!(cargo, "cargo::rerun-if-changed=F\n");
        assert!(written.contains("#[deprecated = \"expired on 2026-02-01: "), "{written}");

        for deprecate in [false, true] {
            let (_, cargo, written) = run(text, |it| it.at(before).deprecate_expired(deprecate));
            assert_eq!(cargo, "cargo::rerun-if-changed=F\n");
            assert!(!written.contains("deprecated"), "{written}");
        }
    }

    #[test]
    fn a_name_with_a_line_break_is_not_a_cargo_instruction() {
        let key = r#""x\ncargo::rustc-link-arg=-evil""#;
        let expired = format!("[flags.{key}]\nexpires = 2020-01-01\n");
        let doubtful = format!("[flags.{key}]\nvariants = {{ a = 1, b = 1 }}\ntags = [\"\"]\n");

        for text in [expired, doubtful] {
            let (result, cargo, _) = run(&text, |it| it);

            result.unwrap();
            assert!(cargo.contains(r"x\ncargo::rustc-link-arg=-evil"), "{cargo}");
            let instructions: Vec<_> = cargo.lines().map(|line| line.split('=').next()).collect();
            assert_eq!(
                instructions,
                [Some("cargo::rerun-if-changed"), Some("cargo::warning")],
                "{cargo}"
            );
        }
    }
}
