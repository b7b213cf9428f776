//! Waiting until a change is everywhere.

use std::time::Duration;

use flagstaff::{
    cli::ExitCode,
    source::{Fleet, RedisHandle},
};

use crate::{failure::Failure, output::Output, text::clean};

/// Waits until every instance has a change, and names those that have not.
pub(super) async fn wait_for_all(
    redis: &RedisHandle,
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
