use std::path::PathBuf;

use clap::Args;
use flagstaff::{
    cli::ExitCode,
    definition::{
        Code, FlagsFile,
        edit::{Diff, TextFile},
    },
};
use serde_json::json;
use taplo::{formatter, parser};

use crate::{
    failure::Failure,
    guard::GuardArgs,
    output::{Listing, Row},
    paste, reading,
    session::Session,
    style,
};

/// Format flags.toml
#[derive(Debug, Args)]
#[command(after_help = "\
The style is that of taplo with its defaults, which editors use, too. Line
endings are kept. The meaning of a file never changes.

Examples:
  flagstaff fmt
  flagstaff fmt --check     in CI: prints a diff, and exits with 1
  flagstaff fmt - < in.toml")]
pub(crate) struct Fmt {
    /// Files, or - for stdin [default: the flag file]
    files: Vec<PathBuf>,
    /// Print the changes without making them
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    guard: GuardArgs,
}

impl Fmt {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let files = match self.files.is_empty() {
            true => vec![session.place.needed_path()?],
            false => self.files.clone(),
        };
        if let [only] = &*files
            && only.as_os_str() == "-"
        {
            let text = reading::read(only)?;
            let formatted = formatted("stdin", &text)?;
            if !self.check {
                session.output.write(&formatted)?;
                return Ok(ExitCode::Done);
            }
            let diff = Diff::new("stdin", &text, &formatted).to_string();
            session.output.write(&style::diff(&diff))?;
            return Ok(if formatted == text { ExitCode::Done } else { ExitCode::No });
        }
        let mut changed = Vec::new();
        let mut texts = Vec::new();
        for path in files {
            let name = path.display().to_string();
            let file = TextFile::read(path)?;
            let formatted = formatted(&name, file.text())?;
            if formatted != file.text() {
                let diff = Diff::new(&name, file.text(), &formatted).to_string();
                changed.push((name, diff));
                texts.push((file, formatted));
            }
        }
        // Find files that cannot be formatted before a person is asked about another file.
        if !self.check {
            texts.iter().try_for_each(|(file, _)| self.guard.ask_for(session, file.path()))?;
            texts.iter().try_for_each(|(file, text)| file.replace(text))?;
        }
        self.report(session, &changed)?;
        Ok(if self.check && !changed.is_empty() { ExitCode::No } else { ExitCode::Done })
    }

    fn report(&self, session: &Session, changed: &[(String, String)]) -> Result<(), Failure> {
        let Session { output, .. } = session;
        if output.is_json() {
            let rows = changed.iter().map(|(name, diff)| Row {
                cells: Vec::new(),
                json: json!({ "file": name, "diff": diff }),
            });
            let rows = rows.collect();
            return output.listing(Listing { name: "files", columns: &[], rows, empty: "" });
        }
        for (name, diff) in changed {
            match self.check {
                true => output.write(&style::diff(diff))?,
                false => output.note(format!("formatted `{name}`")),
            }
        }
        Ok(())
    }
}

/// Returns the text of a flag file in taplo's style, with the same meaning.
pub(crate) fn formatted(name: &str, text: &str) -> Result<String, Failure> {
    const BYTE_ORDER_MARK: &str = "\u{feff}";

    let before = FlagsFile::parse(name, text);
    let (mark, body) = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(body) => (BYTE_ORDER_MARK, body),
        None => ("", text),
    };
    let refuse = |problem: &str, line: usize| {
        Failure::usage(format!("cannot format `{name}`: {problem} in line {line}"))
    };
    // Before taplo, whose parser recurses to any depth until the stack overflows.
    let mut problems = before.diagnostics().iter();
    let error = problems.find(|it| matches!(it.code, Code::SyntaxError | Code::TooDeep));
    if let Some(error) = error {
        let lint = paste::for_file("lint", name);
        return Err(refuse(&error.message, error.location.line).hint(format!("{lint} shows more")));
    }
    let parsed = parser::parse(body);
    if let Some(error) = parsed.errors.first() {
        let line = body.get(..error.range.start().into()).unwrap_or_default().lines().count();
        return Err(refuse(&error.message, line.max(1))
            .hint("taplo reads TOML 1.0, which has no line breaks between braces"));
    }
    let options =
        formatter::Options { crlf: body.contains("\r\n"), ..formatter::Options::default() };
    let formatted = mark.to_owned() + &formatter::format_syntax(parsed.into_syntax(), options);
    let after = FlagsFile::parse(name, &formatted);
    let same = before.says_the_same(&after);
    if !same {
        return Err(Failure::refused(format!(
            "`{name}` would change its meaning if it were formatted"
        )));
    }
    Ok(formatted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_toml_error_is_refused_with_the_line_of_the_error() {
        let deep = format!("[flags]\na = {}", "[".repeat(50_000));
        for (text, problem) in [
            (&*deep, "nested too deep in line 2"),
            ("[flags]\n\na = [1,\n", "unclosed array in line 3"),
        ] {
            let failure = formatted("flags.toml", text).unwrap_err();

            assert_eq!(failure.message(), format!("cannot format `flags.toml`: {problem}"));
        }
    }
}
