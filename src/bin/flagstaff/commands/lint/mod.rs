mod against;
mod checked;
mod explain;
mod github;
mod json;
mod places;
mod sarif;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::SystemTime,
};

use clap::{Args, ValueEnum};
use flagstaff::{
    Flags,
    cli::ExitCode,
    definition::{
        Code, Diagnostics, FlagsFile, Safety, Severity,
        edit::{TextFile, TextFileError},
        lint::{Level, Lints},
    },
    source::{FlagsBuilder, SourceKind},
};

use self::{against::Against, checked::Checked, explain::CodeArg};
use crate::{
    failure::Failure,
    guard::GuardArgs,
    output::Output,
    paste,
    place::{self, Declared, Once, warning_text},
    reading::read,
    session::Session,
    text::count,
    time::instant,
};

/// Check a flag file for errors and likely mistakes
#[derive(Debug, Args)]
#[command(after_help = "\
Checks the file, not the store. With --env-prefix, also warns of environment
variables that are neither on nor off.

CODE may be `all` for every lint, or `warnings` for every lint that is a
warning. An option that names a code takes precedence over both. Failed tests of
the file are errors.

Exits with 1 if there are errors, and with 2 if a file cannot be read. Warnings
alone exit with 0; -D warnings turns them into errors.

Examples:
  flagstaff lint
  flagstaff lint -D missing-owner -A unusual-name
  flagstaff lint --fix
  flagstaff lint --against git:origin/main --format github
  flagstaff lint --explain redraws-users")]
pub(crate) struct Lint {
    /// Flag files, or - for stdin [default: that of --file]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Report this code as an error
    #[arg(long, short = 'D', value_name = "CODE", add = explain::codes())]
    deny: Vec<Named>,
    /// Report this code as a warning
    #[arg(long, short = 'W', value_name = "CODE", add = explain::codes())]
    warn: Vec<Named>,
    /// Do not report this code
    #[arg(long, short = 'A', value_name = "CODE", add = explain::codes())]
    allow: Vec<Named>,
    /// Regular expression that flag names have to match [default: snake_case]
    #[arg(long, value_name = "REGEX")]
    names: Option<String>,
    /// Find edits that re-bucket users, compared with git:REV or the file before
    #[arg(long, value_name = "BEFORE")]
    against: Option<Against>,
    /// Check at this time: 2026-11-21T09:00:00Z, 2026-11-21, +2h
    #[arg(long, value_name = "TIME", value_parser = instant, allow_hyphen_values = true)]
    as_of: Option<SystemTime>,
    /// Format of the findings [default: that of --output, or text]
    #[arg(long, value_name = "FORM")]
    format: Option<Format>,
    /// Apply the suggestions that change no answer
    #[arg(long, conflicts_with = "against")]
    fix: bool,
    /// Apply all other suggestions, too
    #[arg(long, requires = "fix")]
    unsafe_fixes: bool,
    #[command(flatten)]
    guard: GuardArgs,
    /// Explain a code, or list all codes, without a file
    #[arg(long, value_name = "CODE", num_args = 0..=1, add = explain::codes())]
    #[arg(conflicts_with_all = ["paths", "fix", "against", "format"])]
    explain: Option<Option<CodeArg>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Github,
    Sarif,
}

/// The codes that a level is set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    All,
    Warnings,
    Code(Code),
}

impl std::str::FromStr for Named {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "all" => Ok(Self::All),
            "warnings" => Ok(Self::Warnings),
            _ => name.parse().map(|CodeArg(code)| Self::Code(code)),
        }
    }
}

/// Returns the flags of files that are merged over each other, the weakest first.
fn stacked<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Vec<FlagsFile> {
    let parse = |(index, (name, text)): (usize, (&str, &str))| match index {
        0 => FlagsFile::parse(name, text),
        _ => FlagsFile::parse_partial(name, text),
    };
    files.into_iter().enumerate().map(parse).collect()
}

impl Lint {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let output = &session.output;
        if let Some(code) = &self.explain {
            return explain::run(*code, output);
        }
        let lints = self.lints()?;
        let place = &session.place;
        let paths = match &*self.paths {
            [] if place.paths().is_empty() => vec![place.needed_path()?],
            [] => place.paths(),
            paths => paths.to_vec(),
        };
        if let Some(environment) = place.environment_name()? {
            // The content of a pipe cannot be read twice.
            let named = paths.iter().filter(|path| *path != "-").cloned().collect();
            place::declared(named, Some(&environment))?;
        }
        if self.fix && paths.iter().any(|path| path == "-") {
            return Err(Failure::usage("stdin cannot be fixed").hint("name a file"));
        }
        let mut files = Vec::with_capacity(paths.len());
        for path in &paths {
            let lints = Self::over_files_below(lints.clone(), path, session, &files)?;
            files.push(self.check(path, lints, session)?);
        }
        self.print(&files, output)?;
        let has_odd_values = self.warn_of_odd_values(session, &files).await?;
        let has_errors = files.iter().any(|file| file.found.has_errors())
            || (has_odd_values && self.deny.contains(&Named::Warnings));
        Ok(if has_errors { ExitCode::No } else { ExitCode::Done })
    }

    /// Returns the lints for a file of the place with the files below it. `checked` has those that were checked, some
    /// of which may have been fixed.
    fn over_files_below(
        lints: Lints,
        path: &Path,
        session: &Session,
        checked: &[Checked],
    ) -> Result<Lints, Failure> {
        let mut texts = Vec::new();
        for below in session.place.paths_below(path) {
            let name = below.to_string_lossy().into_owned();
            let text = match checked.iter().find(|file| file.name == name) {
                Some(file) => file.text.clone(),
                None => read(&below)?,
            };
            texts.push((name, text));
        }
        let below = stacked(texts.iter().map(|(name, text)| (&**name, &**text)));
        Ok(below.into_iter().fold(lints, Lints::over))
    }

    /// Returns the lints with the levels of the options.
    fn lints(&self) -> Result<Lints, Failure> {
        let mut lints = Lints::new();
        if let Some(pattern) = &self.names {
            lints = lints.names(pattern).map_err(|error| Failure::of(ExitCode::Usage, &error))?;
        }
        let named =
            [(Level::Deny, &self.deny), (Level::Warn, &self.warn), (Level::Allow, &self.allow)];
        let mut codes: BTreeMap<Code, Level> = BTreeMap::new();
        let mut groups = Vec::new();
        for (level, list) in named {
            for &one in list {
                let Named::Code(code) = one else {
                    groups.push((one, level));
                    continue;
                };
                if code.severity() == Severity::Error && level < Level::Deny {
                    let hint = "such a file cannot be published";
                    return Err(Failure::usage(format!("`{code}` is always an error")).hint(hint));
                }
                if codes.insert(code, level).is_some_and(|other| other != level) {
                    return Err(Failure::usage(format!("`{code}` cannot have two levels")));
                }
            }
        }
        for &(group, level) in &groups {
            for &code in Code::ALL {
                let is_in = match group {
                    Named::All => code.is_lint(),
                    _ => lints.level(code) == Level::Warn,
                };
                if is_in {
                    lints = lints.set(code, level);
                }
            }
        }
        Ok(codes.into_iter().fold(lints, |lints, (code, level)| lints.set(code, level)))
    }

    fn check(&self, path: &Path, lints: Lints, session: &Session) -> Result<Checked, Failure> {
        let output = &session.output;
        let now = self.as_of.unwrap_or_else(SystemTime::now);
        let name = match path == "-" {
            true => "stdin".to_owned(),
            false => path.to_string_lossy().into_owned(),
        };
        let lints = match &self.against {
            Some(against) => match against.text(path, output)? {
                Some(before) => lints.against(before),
                None => lints,
            },
            None => lints,
        };
        let check = |text: &str| lints.check(&name, text, now);
        if !self.fix {
            let text = read(path)?;
            let found = check(&text);
            return Ok(Checked { name, text, found });
        }
        let file = TextFile::read(path).map_err(|error| unfixed(&error))?;
        let found = check(file.text());
        let Some((text, left)) = self.fixed(file.text(), &found, check) else {
            return Ok(Checked { text: file.text().to_owned(), name, found });
        };
        self.guard.ask_for(session, path)?;
        file.replace(&text).map_err(|error| unfixed(&error))?;
        let settled = found.len().saturating_sub(left.len());
        output.note(format!("{} fixed in `{name}`", count(settled, "problem")));
        Ok(Checked { name, text, found: left })
    }

    /// Returns the text with all suggestions applied, and the remaining problems; `None` if there is no suggestion.
    fn fixed(
        &self,
        text: &str,
        found: &Diagnostics,
        check: impl Fn(&str) -> Diagnostics,
    ) -> Option<(String, Diagnostics)> {
        // If several suggestions change one place, they are applied one at a time.
        const ROUNDS: usize = 100;

        let safety = if self.unsafe_fixes { Safety::Unsafe } else { Safety::Safe };
        let apply = |text: &str, found: &Diagnostics| {
            let fixed = found.apply(safety).filter(|fixed| fixed != text)?;
            let left = check(&fixed);
            Some((fixed, left))
        };
        let first = apply(text, found)?;
        std::iter::successors(Some(first), |(text, found)| apply(text, found)).take(ROUNDS).last()
    }

    /// Warns of environment variables that have another effect than expected on the flags of the files. Returns true
    /// if there are any.
    async fn warn_of_odd_values(
        &self,
        session: &Session,
        files: &[Checked],
    ) -> Result<bool, Failure> {
        let Some(variables) = session.place.environment() else { return Ok(false) };
        // Files that are named as arguments are not merged.
        let stacks: Vec<_> = match self.paths.is_empty() {
            true => vec![files],
            false => files.chunks(1).collect(),
        };
        let mut found = BTreeSet::new();
        for stack in stacks {
            let parsed = stacked(stack.iter().map(|file| (&*file.name, &*file.text)));
            let files = stack.iter().zip(parsed).rev().map(|(file, parsed)| {
                let (path, text) = (PathBuf::from(&file.name), file.text.clone());
                Once::file(&Declared { path, text, parsed })
            });
            let over = Flags::builder().source(variables.clone());
            let flags = files.fold(over, FlagsBuilder::source).start().await?;
            // Warnings about files are among the findings.
            let warnings = flags.warnings();
            let of_variables = warnings.iter().filter(|it| it.source.kind == SourceKind::Env);
            found.extend(of_variables.map(warning_text));
        }
        let has_odd_values = !found.is_empty();
        session.output.warnings(found);
        Ok(has_odd_values)
    }

    fn print(&self, files: &[Checked], output: &Output) -> Result<(), Failure> {
        let format = self.format.unwrap_or(match output.is_json() {
            true => Format::Json,
            false => Format::Text,
        });
        match format {
            Format::Json => return json::print(files, output),
            Format::Sarif => return output.json_text(&format!("{:#}\n", sarif::log(files))),
            Format::Github => output.write(&github::lines(files))?,
            Format::Text => {
                for file in files {
                    // Colours are taken away where none are shown.
                    let report = file.found.report().limit(usize::MAX).ansi();
                    output.write(&report.to_string())?;
                }
            }
        }
        for file in files {
            if let Some(summary) = summary(file) {
                output.note(summary);
            }
        }
        Ok(())
    }
}

/// Returns the number of findings in words; `None` if there are none.
fn summary(file: &Checked) -> Option<String> {
    let Checked { name, found, .. } = file;
    if found.is_empty() {
        return None;
    }
    let of = |severity| found.iter().filter(|problem| problem.severity == severity).count();
    let parts = [(of(Severity::Error), "error"), (of(Severity::Warning), "warning")];
    let parts: Vec<_> =
        parts.iter().filter(|(number, _)| *number > 0).map(|&(n, thing)| count(n, thing)).collect();
    let safe = found.iter().filter_map(|problem| problem.suggestion.as_ref());
    let safe = safe.filter(|suggestion| suggestion.safety == Safety::Safe).count();
    let help = match safe {
        // Input from a pipe cannot be written back.
        _ if name == "stdin" => String::new(),
        0 => String::new(),
        _ => format!("; {} settles {safe}", paste::for_file("lint --fix", name)),
    };
    Some(format!("{} in `{name}`{help}", parts.join(" and ")))
}

fn unfixed(error: &TextFileError) -> Failure {
    let code = match error {
        TextFileError::Changed { .. } => ExitCode::Changed,
        _ => ExitCode::Usage,
    };
    Failure::of(code, error)
}
