//! Changes of flags: the options that all have, what they do, and how they are told.
//!
//! Every change is rehearsed first, on layers in memory that say what the real ones say about the
//! flag. So a dry run prints what the real run prints, and a person can be asked before anything
//! is done.

mod effect;
mod file;
mod rehearsal;

use std::{
    env,
    io::{self, BufRead, IsTerminal, Write},
    time::Duration,
};

use clap::{Args, ValueEnum};
use flagstaff::{FlagState, Flags, PendingWrite, Redis, WriteError, backend::Fleet, cli::ExitCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

pub(crate) use self::effect::{Effect, Side};
use crate::{
    assignment::Assignments,
    failure::Failure,
    output::{Listing, Output, Row},
    session::Session,
    similar,
    text::{clean, count},
    time,
};

/// How to change a flag.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Change")]
pub(crate) struct ChangeArgs {
    /// Why
    #[arg(long, short = 'm', value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Who [default: FLAGSTAFF_AUTHOR, else USER]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Only print what it would change
    #[arg(long, short = 'n')]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Wait so long until every instance has it
    #[arg(long, value_name = "TIME", value_parser = time::duration)]
    wait: Option<Duration>,
}

/// How to change an override.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Change")]
pub(crate) struct OverrideArgs {
    /// End it by itself after so long
    #[arg(long = "for", value_name = "TIME", value_parser = time::duration)]
    lasting: Option<Duration>,
    /// Only if revision N changed the flag last
    #[arg(long, value_name = "N")]
    if_rev: Option<u64>,
    /// What to change
    #[arg(
        long,
        value_enum,
        default_value = "redis",
        hide_possible_values = true,
        value_name = "redis|file"
    )]
    layer: Layer,
}

/// A layer that can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Layer {
    Redis,
    File,
}

impl ChangeArgs {
    /// Who makes the change.
    pub(crate) fn author(&self) -> Option<String> {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        self.by.clone().or_else(|| variable("FLAGSTAFF_AUTHOR")).or_else(|| variable("USER"))
    }

    /// Waits for the instances, if somebody wants to.
    pub(crate) async fn finish(
        &self,
        redis: &Redis,
        revision: Option<u64>,
        output: &Output,
    ) -> Result<ExitCode, Failure> {
        match (self.wait, revision) {
            (Some(wait), Some(revision)) => wait_for_all(redis, revision, wait, output).await,
            _ => Ok(ExitCode::Done),
        }
    }
}

/// What to do to a flag.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Enable,
    Disable,
    Set(Assignments),
    Unset,
}

impl Change {
    fn unsets_several(&self, names: &[String]) -> bool {
        matches!(self, Self::Unset) && names.len() > 1
    }
}

/// How long a change that depends on what is there is tried again while others change the flag.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes one change of several flags, one after the other, and tells what became of each.
pub(crate) async fn change(
    session: &Session,
    names: &[String],
    change: &Change,
    args: &ChangeArgs,
    of: &OverrideArgs,
) -> Result<ExitCode, Failure> {
    if of.layer == Layer::File {
        return file::change(session, names, change, args, of);
    }
    // Memory keeps no time.
    let unending = OverrideArgs { lasting: None, if_rev: None, layer: of.layer };
    let rehearse = async |rehearsal: &Flags, flags: &Flags, name: &str| {
        if let Some(expected) = of.if_rev {
            check_revision(flags, name, expected).await?;
        }
        make(rehearsal, name, change, args, &unending).await.map(drop)
    };
    let make = async |flags: &Flags, name: &str| make(flags, name, change, args, of).await;
    perform(session, names, args, change.unsets_several(names), rehearse, make).await
}

/// Rehearses a change, tells what it does, and makes it.
pub(crate) async fn perform(
    session: &Session,
    names: &[String],
    args: &ChangeArgs,
    unsets_several: bool,
    rehearse: impl AsyncFn(&Flags, &Flags, &str) -> Result<(), Failure>,
    make: impl AsyncFn(&Flags, &str) -> Result<Option<u64>, Failure>,
) -> Result<ExitCode, Failure> {
    let Session { place, output } = session;
    let redis = place.needed_redis()?;
    let flags = place.flags_to_change(output).await?;

    let mut effects = Vec::new();
    for name in names {
        let rehearsal = rehearsal::of(&flags, name).await?;
        let before = Side::of(&rehearsal, name);
        rehearse(&rehearsal, &flags, name).await?;
        effects.push(Effect { flag: name.clone(), before, after: Side::of(&rehearsal, name) });
    }
    for effect in &effects {
        output.aside(effect.text().trim_end());
    }
    for new in effects.iter().filter(|effect| effect.makes_a_flag()) {
        output.warning(format!("no layer has `{}` so far", clean(&new.flag)));
        similar::hint(&flags.snapshot(), &new.flag, output);
    }
    if args.dry_run {
        output.aside("nothing was changed: this is a dry run");
        tell(output, effects.iter().map(|effect| (effect, None)), true)?;
        return Ok(ExitCode::Done);
    }
    confirm(unsets_several, &effects, args)?;

    let mut made = Vec::new();
    for (name, effect) in names.iter().zip(&effects) {
        let revision = make(&flags, name).await?;
        let after = Side::of(&flags, name);
        made.push((Effect { after, ..effect.clone() }, revision));
    }
    tell(output, made.iter().map(|(effect, revision)| (effect, *revision)), false)?;
    let latest = made.iter().filter_map(|(_, revision)| *revision).max();
    args.finish(&redis, latest, output).await
}

/// Makes it for one flag. Returns its revision.
async fn make(
    flags: &Flags,
    name: &str,
    change: &Change,
    args: &ChangeArgs,
    of: &OverrideArgs,
) -> Result<Option<u64>, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut write = match change {
            Change::Enable => flags.enable(name).plainly(),
            Change::Disable => flags.disable(name).plainly(),
            Change::Unset => flags.clear(name),
            Change::Set(assignments) => {
                let snapshot = flags.snapshot();
                let merged = snapshot.info(name).map(|info| info.definition());
                let write = flags.set(name, assignments.patch(name, merged)?);
                match assignments.depend_on_what_is_there() && of.if_rev.is_none() {
                    true => write.if_entry(said(flags, name)),
                    false => write,
                }
            }
        };
        write = signed(write, args);
        if let Some(lasting) = of.lasting {
            write = write.expires_in(lasting);
        }
        if let Some(revision) = of.if_rev {
            write = write.if_revision(revision);
        }
        match write.await {
            Ok(written) => return Ok(written.revision),
            // Somebody else was faster: what it depends on is read again, which takes a moment.
            Err(WriteError::Conflict { .. })
                if of.if_rev.is_none() && Instant::now() < deadline =>
            {
                sleep(Duration::from_millis(5)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What the layer that is written to says about a flag.
fn said(flags: &Flags, name: &str) -> Option<flagstaff::Entry> {
    let layers = flags.layers_of(name);
    layers
        .into_iter()
        .find(|layer| matches!(layer.layer, "redis" | "memory"))
        .map(|layer| layer.entry)
}

/// Who and why.
fn signed<'a>(write: PendingWrite<'a>, args: &ChangeArgs) -> PendingWrite<'a> {
    let write = match args.author() {
        Some(author) => write.author(author),
        None => write,
    };
    match &args.reason {
        Some(reason) => write.reason(reason),
        None => write,
    }
}

async fn check_revision(flags: &Flags, name: &str, expected: u64) -> Result<(), Failure> {
    let latest = flags.history(Some(name), 1).await?;
    let revision = latest.first().and_then(|latest| latest.revision);
    if revision == Some(expected) {
        return Ok(());
    }
    let latest =
        revision.map_or_else(|| "nobody knows".to_owned(), |revision| format!("it is {revision}"));
    Err(Failure::new(
        ExitCode::Changed,
        format!("revision {expected} is not the latest change of `{}`: {latest}", clean(name)),
    ))
}

/// Prints the flags as they are then.
fn tell<'a>(
    output: &Output,
    effects: impl Iterator<Item = (&'a Effect, Option<u64>)>,
    is_dry_run: bool,
) -> Result<(), Failure> {
    let rows: Vec<_> = effects.map(|(effect, revision)| effect.row(revision, is_dry_run)).collect();
    if output.is_json() {
        return output.listing(Listing { name: "changes", columns: &[], rows, empty: "" });
    }
    let lines: String = rows.into_iter().map(|Row { cells, .. }| cells.join(" ") + "\n").collect();
    output.write(&lines)
}

/// Asks the person at the terminal before something that is hard to take back. Scripts are not asked.
fn confirm(unsets_several: bool, effects: &[Effect], args: &ChangeArgs) -> Result<(), Failure> {
    let turned_off = effects.iter().filter(|effect| {
        effect.after.state == FlagState::Off && effect.before.state != FlagState::Off
    });
    let turned_off = turned_off.count();
    let question = match turned_off {
        _ if unsets_several => {
            format!("take away the overrides of {}?", count(effects.len(), "flag"))
        }
        0 => return Ok(()),
        1 => "switch it off for everybody?".to_owned(),
        _ => format!("switch {} off for everybody?", count(turned_off, "flag")),
    };
    ask(&question, args.yes)
}

/// Asks, if somebody is there to answer.
fn ask(question: &str, yes: bool) -> Result<(), Failure> {
    if yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    anstream::eprint!("\x1b[1m{question}\x1b[0m [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::refused("nothing was changed").hint("`--yes` does not ask")),
    }
}

/// Waits until every instance has a change, and names those that have not.
async fn wait_for_all(
    redis: &Redis,
    revision: u64,
    wait: Duration,
    output: &Output,
) -> Result<ExitCode, Failure> {
    /// What takes longer is told.
    const UNNOTICED: Duration = Duration::from_secs(1);

    let mut fleet = redis.wait_until_seen(revision, wait.min(UNNOTICED)).await?;
    if fleet.laggards(revision).next().is_some() && wait > UNNOTICED {
        output.note(format!("waiting for {}", laggards(&fleet, revision)));
        fleet = redis.wait_until_seen(revision, wait - UNNOTICED).await?;
    }
    if fleet.laggards(revision).next().is_none() {
        output.note(format!("{} it", have(fleet.instances.len())));
        return Ok(ExitCode::Done);
    }
    output.warning(format!("still without it after {wait:?}: {}", laggards(&fleet, revision)));
    Ok(ExitCode::No)
}

fn have(instances: usize) -> String {
    match instances {
        0 => "no instance is there to have".to_owned(),
        1 => "the one instance has".to_owned(),
        _ => format!("all {instances} instances have"),
    }
}

fn laggards(fleet: &Fleet, revision: u64) -> String {
    let names: Vec<_> = fleet.laggards(revision).map(|instance| clean(&instance.name)).collect();
    names.join(", ")
}

/// A dry run or not, in JSON.
fn mark(mut json: Value, is_dry_run: bool) -> Value {
    json["dryRun"] = json!(is_dry_run);
    json
}
