use std::{path::Path, time::SystemTime};

use clap::Args;
use flagstaff::{
    cli::ExitCode,
    definition::{Definitions, FlagsFile},
    text::Untrusted,
};

use crate::{
    context,
    failure::Failure,
    parts, place,
    plan::{Change, Counts, FailOn, Report, UserArgs, count},
    reading, revision,
    session::Session,
    text, time,
};

/// Preview which users a change of flags.toml affects
#[derive(Debug, Args)]
#[command(after_help = "\
Every flag that differs, or requires one that does, is evaluated for each user,
before and after. A user is re-bucketed if the same draw has another outcome,
and the change of the shares does not explain it. Causes are a new salt, another
`bucket_by`, or another order of variants.

Made-up users have the groups and attributes that the flags name. The number of
your users who have these is unknown, and then the share is, too: `?`, or null
in JSON. Rules that decided for none of the users are listed. Overrides in the
store are ignored. With --environment, both sides are the flags there; an old
file that lacks the environment is read without it.

Exits with 1 if a flag exceeds a bound of --fail-on.

Examples:
  flagstaff plan git:origin/main flags.toml
  flagstaff plan git:HEAD flags.toml --contexts users.jsonl
  flagstaff plan git:main flags.toml --fail-on redrawn
  flagstaff plan git:main flags.toml --markdown >> \"$GITHUB_STEP_SUMMARY\"")]
pub(crate) struct Plan {
    /// Flag file before, or `git:REV` for --file at a revision
    #[arg(value_name = "OLD")]
    before: String,
    /// Flag file after, or `git:REV`
    #[arg(value_name = "NEW")]
    after: String,
    #[command(flatten)]
    report: PlanArgs,
}

/// The users that a change is tried on, and the form of the report.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    users: UserArgs,
    /// Evaluate at this time: 2026-11-21T09:00:00Z, 2026-11-21, +2h
    #[arg(long, value_name = "TIME", value_parser = time::instant, allow_hyphen_values = true)]
    pub(crate) as_of: Option<SystemTime>,
    /// Exit with 1 beyond a bound: redrawn, redrawn=N, newly-on=N or newly-off=N
    /// users of a flag; N is a number, or a share such as 5%
    #[arg(long, value_name = "BOUND")]
    fail_on: Vec<FailOn>,
    /// Print Markdown, for GitHub
    #[arg(long, conflicts_with = "output", help_heading = "Output")]
    markdown: bool,
}

impl Plan {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let at = self.report.as_of.unwrap_or_else(SystemTime::now);
        let environment = session.place.environment_name()?;
        let before = read(&self.before, session)?;
        let before = match &environment {
            Some(name) => before.clone().in_environment(name).unwrap_or(before),
            None => before,
        };
        let before = before.tested(&Definitions::new(), at);
        let after = read(&self.after, session)?;
        if environment.is_none() {
            warn_of_environments(&before, &after, session);
        }
        let after = match &environment {
            Some(name) => after
                .in_environment(name)
                .map_err(|error| place::unknown_environment(Path::new(&self.after), &error))?,
            None => after,
        };
        if place::has_errors(&before) {
            place::warn_of_left_out(&self.before, &before, &session.output);
        }
        if place::has_errors(&after) {
            return Err(reading::mistakes(&self.after, after.diagnostics(), &session.output));
        }
        // As in a running service, a flag whose tests fail keeps its former definition.
        let after = after.tested(before.flags(), at);
        if place::has_errors(&after) {
            place::warn_of_left_out(&self.after, &after, &session.output);
        }
        let before = before.flags();
        let kept = after.rejected().iter().filter_map(|key| Some((key, before.get(key)?)));
        let flags = after.flags().iter().chain(kept);
        let after = flags.map(|(key, flag)| (key, flag.clone())).collect();
        let title = [&self.before, &self.after].map(|it| Untrusted::new(it).code()).join(" -> ");
        let title = match &environment {
            Some(name) => format!("{title}, environment {}", Untrusted::new(name).code()),
            None => title,
        };
        self.report.run(title, before, &after, session).await
    }
}

impl PlanArgs {
    /// Evaluates all users before and after a change, and prints the effects.
    pub(crate) async fn run(
        self,
        title: String,
        before: &Definitions,
        after: &Definitions,
        session: &Session,
    ) -> Result<ExitCode, Failure> {
        let output = &session.output;
        let at = self.as_of.unwrap_or_else(SystemTime::now);
        let users = self.users.source()?;
        let change = Change::new(before, after, at);
        let counts = count(&change, users)?;
        if counts.users == 0 {
            return Err(self.users.no_contexts());
        }
        self.warn(&counts, session);
        let are_made_up = self.users.are_made_up();
        let report = Report {
            change: &change,
            counts: &counts,
            title,
            users: self.users.to_string(),
            are_made_up,
        };
        match self.markdown {
            true => output.write(&report.markdown())?,
            false => report.print(output)?,
        }
        let beyond = report.beyond(&self.fail_on);
        beyond.iter().for_each(|flag| output.warning(flag));
        Ok(if beyond.is_empty() { ExitCode::Done } else { ExitCode::No })
    }

    /// Warns of attributes that the contexts of the users lack.
    fn warn(&self, counts: &Counts, session: &Session) {
        if let Some(name) = counts.boxed {
            session.output.warning(context::boxed_warning(name));
        }
        if counts.anonymous > 0 {
            session.output.warning(format!(
                "{} of {} {} no `targetingKey`: {} outside of every percentage",
                counts.anonymous,
                text::count(counts.users as usize, "context"),
                text::verb(counts.anonymous as usize, "has", "have"),
                text::verb(counts.anonymous as usize, "it is", "they are"),
            ));
        }
    }
}

/// Names the environments whose entries differ: a plan is about one environment, or about `[flags]` alone.
fn warn_of_environments(before: &FlagsFile, after: &FlagsFile, session: &Session) {
    let differs = |name: &&str| !before.entries(name).eq(after.entries(name));
    let names = parts::environments([before, after]).into_iter().filter(differs);
    let names: Vec<_> = names.map(|name| format!("`{}`", text::clean(name))).collect();
    if !names.is_empty() {
        session.output.note(format!(
            "this compares `[flags]` alone; {} {} too, and `--environment` selects one of them",
            match names.len() {
                1 => format!("environment {}", names[0]),
                _ => format!("environments {}", names.join(", ")),
            },
            text::verb(names.len(), "differs", "differ"),
        ));
    }
}

/// Returns a flag file, or that of the place at a revision.
fn read(source: &str, session: &Session) -> Result<FlagsFile, Failure> {
    let text = match source.strip_prefix("git:") {
        None => reading::read(Path::new(source))?,
        Some(revision) => {
            let path = session.place.path().ok_or_else(|| {
                Failure::usage("there is no flags.toml here or in a directory above")
                    .hint("name the file with `--file`")
            })?;
            revision::text_at(revision, &path)?
        }
    };
    let file = FlagsFile::parse(source, &text);
    if !file.is_usable() {
        return Err(reading::mistakes(source, file.diagnostics(), &session.output));
    }
    Ok(file)
}
