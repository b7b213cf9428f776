use clap::Args;
use flagstaff::{Context, Snapshot, cli::ExitCode, definition::Definitions, text::Untrusted};

use super::plan::PlanArgs;
use crate::{
    assignment::{self, Assignment, Assignments},
    change::{Rehearsal, grown_from},
    completion,
    failure::Failure,
    name, paste,
    session::Session,
    text::clean,
    unreadable,
};

/// Preview which users a `set` would affect
#[derive(Debug, Args)]
#[command(after_help = "\
Compares all sources together before and after the change, and changes nothing.
Settings and values are those of `flagstaff set`, and the table is that of
`flagstaff plan`. A stored value that cannot be read is an error (2), if one of
the flags in that table depends on it.

Examples:
  flagstaff simulate new_checkout percentage=50
  flagstaff simulate new_checkout denied_groups+=beta --contexts users.jsonl
  flagstaff simulate sale active.from=2026-12-24T00:00:00Z --as-of 2026-12-25")]
pub(crate) struct Simulate {
    /// Flag
    #[arg(value_parser = name::flag, add = completion::flags())]
    flag: String,
    /// Changes: field=value, list+=value, list-=value, field-
    #[arg(required = true, value_parser = assignment::parse, value_name = "FIELD=VALUE")]
    assignments: Vec<Assignment>,
    #[command(flatten)]
    report: PlanArgs,
}

impl Simulate {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        session.place.refuse_without_file()?;
        let flags = session.place.flags_at(&session.output, self.report.as_of).await?;
        let snapshot = flags.snapshot();
        let before: Definitions = snapshot
            .all(&Context::anonymous())
            .filter_map(|(key, _)| Some((key, snapshot.info(key)?.definition().clone())))
            .collect();
        if !before.contains_key(&*self.flag) {
            return Err(Failure::usage(format!("no source has a flag `{}`", clean(&self.flag)))
                .hint(format!("{} lists the flags", paste::command("list", ""))));
        }
        for name in self.related(&snapshot) {
            unreadable::refuse_answer(&flags, &name)?;
        }
        let assignments = Assignments::new(self.assignments);
        let grown_from = grown_from(&flags, &self.flag);
        let patch = assignments.patch(&self.flag, grown_from.as_ref())?;
        let rehearsal = Rehearsal::of(&flags, &self.flag).await?;
        rehearsal.flags.set(&self.flag, patch).inheriting(assignments.taken_out()).await?;
        let changed = rehearsal.flags.snapshot();
        let changed = changed.info(&self.flag).map(|info| info.definition().clone());
        let mut after = before.clone();
        after.insert(&self.flag, changed.unwrap_or_default());
        let title = format!("A change of {}", Untrusted::new(&self.flag).code());
        self.report.run(title, &before, &after, session).await
    }

    /// Returns the flag, and all flags that require it.
    fn related(&self, snapshot: &Snapshot) -> Vec<String> {
        let anonymous = Context::anonymous();
        let names = snapshot.all(&anonymous).map(|(name, _)| name);
        let related = names.filter(|name| unreadable::needed(snapshot, name).contains(&self.flag));
        related.map(str::to_owned).collect()
    }
}
