use std::{slice, time::SystemTime};

use clap::{Args, Subcommand};
use flagstaff::{Flags, PendingStep, Progress, RolloutControl, cli::ExitCode};
use serde_json::{Value, json};

use crate::{
    change::{ChangeArgs, perform},
    completion,
    failure::Failure,
    session::Session,
    text::clean,
    time,
};

/// Steer a staged rollout
#[derive(Debug, Args)]
#[command(after_help = "\
Each step is one conditional write: of two that advance at once, one ends with
5.

Examples:
  flagstaff rollout status checkout_v2
  flagstaff rollout advance checkout_v2 --reason 'no errors'
  flagstaff rollout rollback checkout_v2 --reason 'slow answers' --wait 5s")]
pub(crate) struct Rollout {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Begin the first stage now
    Start(Forced),
    /// Go on to the next stage
    Advance(Forced),
    /// Hold it where it is
    Pause(Step),
    /// Let a paused rollout go on
    Resume(Step),
    /// Go back one stage and hold it there
    Rollback(Rollback),
    /// Show where it stands
    #[command(after_help = "\
A pipe gets one line: the flag, the status, the stage, of how many stages, the
percentage, since when, and when the next stage is due.")]
    Status(Status),
}

#[derive(Debug, Args)]
struct Step {
    #[arg(add = completion::flags())]
    /// Flag
    flag: String,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
struct Forced {
    #[command(flatten)]
    step: Step,
    /// Leave a stage before its time, or start anew what is under way
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct Rollback {
    #[command(flatten)]
    step: Step,
    /// Go back to before the first stage
    #[arg(long)]
    completely: bool,
}

#[derive(Debug, Args)]
struct Status {
    #[arg(add = completion::flags())]
    /// Flag
    flag: String,
}

impl Rollout {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        match self.verb {
            Verb::Start(Forced { step, force }) => {
                step.make(session, force, |rollout| rollout.start()).await
            }
            Verb::Advance(Forced { step, force }) => {
                step.make(session, force, |rollout| rollout.advance()).await
            }
            Verb::Pause(step) => step.make(session, false, |rollout| rollout.pause()).await,
            Verb::Resume(step) => step.make(session, false, |rollout| rollout.resume()).await,
            Verb::Rollback(Rollback { step, completely: true }) => {
                step.make(session, false, |rollout| rollout.roll_back_completely()).await
            }
            Verb::Rollback(Rollback { step, completely: false }) => {
                step.make(session, false, |rollout| rollout.roll_back()).await
            }
            Verb::Status(Status { flag }) => status(session, &flag).await,
        }
    }
}

impl Step {
    async fn make(
        self,
        session: &Session,
        force: bool,
        step: fn(RolloutControl<'_>) -> PendingStep<'_>,
    ) -> Result<ExitCode, Failure> {
        let Self { flag, change } = &self;
        let make = async |flags: &Flags, flag: &str| {
            let mut step = step(flags.rollout(flag));
            if force {
                step = step.forced();
            }
            if let Some(author) = change.author() {
                step = step.author(author);
            }
            if let Some(reason) = &change.reason {
                step = step.reason(reason);
            }
            Ok(step.await?.revision)
        };
        let rehearse =
            async |rehearsal: &Flags, _: &Flags, flag: &str| make(rehearsal, flag).await.map(drop);
        perform(session, slice::from_ref(flag), change, false, rehearse, make).await
    }
}

async fn status(session: &Session, flag: &str) -> Result<ExitCode, Failure> {
    let flags = session.place.flags(&session.output).await?;
    let snapshot = flags.snapshot();
    let Some(progress) = snapshot.info(flag).and_then(|info| info.rollout()) else {
        return Err(Failure::refused(format!("flag `{}` has no rollout", clean(flag))));
    };
    if session.output.is_terse() {
        return session.output.rows(&[row(flag, &progress)]).map(|()| ExitCode::Done);
    }
    session.output.thing(json(flag, &progress), || {
        let now = SystemTime::now();
        let mut text = format!("{} {progress}\n", clean(flag));
        if let Some(since) = progress.since {
            text += &format!("  since {}, {}\n", time::rfc3339(since), time::relative(since, now));
        }
        if let Some(due) = progress.due {
            text += &format!("  due {}, {}\n", time::rfc3339(due), time::relative(due, now));
        }
        text
    })?;
    Ok(ExitCode::Done)
}

/// Of how many stages which, and since and until when; no instant where there is none.
fn row(flag: &str, progress: &Progress) -> Vec<String> {
    let Progress { status, stage, stages, percentage, since, due, .. } = progress;
    let date = |at: &Option<SystemTime>| at.map(time::rfc3339).unwrap_or_default();
    vec![
        flag.to_owned(),
        status.to_string(),
        stage.to_string(),
        stages.to_string(),
        percentage.to_string(),
        date(since),
        date(due),
    ]
}

fn json(flag: &str, progress: &Progress) -> Value {
    json!({
        "flag": flag,
        "status": progress.status.as_str(),
        "stage": progress.stage,
        "stages": progress.stages,
        "percentage": f64::from(progress.percentage.ten_thousandths()) / 10_000.0,
        "since": progress.since.map(time::rfc3339),
        "due": progress.due.map(time::rfc3339),
    })
}
