//! Waiting until a change is everywhere.

use std::time::Duration;

use flagstaff::{
    cli::ExitCode,
    source::{Confirmation, Instance, RedisHandle},
    text::duration,
};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    output::Output,
    paste, places,
    text::{clean, count},
    time,
};

/// The confirmations of the instances when the waiting is over.
#[derive(Debug)]
pub(super) struct Waited {
    seen: Confirmation,
}

impl Waited {
    /// Waits until every instance has a change. Prints the instances that have the change, and those that may lack it.
    pub(super) async fn for_all(
        redis: &RedisHandle,
        revision: u64,
        wait: Duration,
        output: &Output,
    ) -> Result<Self, Failure> {
        /// A longer wait is announced.
        const UNNOTICED: Duration = Duration::from_secs(1);

        let mut seen = redis.wait_until_seen(revision, wait.min(UNNOTICED)).await?;
        if !seen.laggards.is_empty() && wait > UNNOTICED {
            output.note(format!("waiting for {}", names(&seen.laggards)));
            seen = redis.wait_until_seen(revision, wait - UNNOTICED).await?;
        }
        let store = store(redis);
        match (&*seen.laggards, seen.confirmed.len()) {
            ([], 0) => {
                output.warning(format!("no instance follows {store}, so none has the change"));
                output.hint("`--key` and `--redis` have to name the store that the services read");
            }
            ([], 1) => output.note(format!("the one instance of {store} has the change")),
            ([], all) => output.note(format!("all {all} instances of {store} have the change")),
            (laggards, confirmed) => {
                let all = confirmed + laggards.len();
                output.warning(format!(
                    "still without the change after {}: {}; {confirmed} of {} of {store} have it",
                    duration(wait),
                    names(laggards),
                    count(all, "instance"),
                ));
                if laggards.iter().any(Instance::is_silent) {
                    output.hint(format!(
                        "a silent instance may serve its flags without reaching the store; {} removes an instance that is gone from the list",
                        paste::command("instances --forget NAME", ""),
                    ));
                }
            }
        }
        Ok(Self { seen })
    }

    /// The change is confirmed only if there is an instance, and if all of them have the change.
    pub(super) fn code(&self) -> ExitCode {
        if self.seen.is_complete() { ExitCode::Done } else { ExitCode::No }
    }

    pub(super) fn json(&self) -> Value {
        json!(self.seen)
    }
}

/// Returns the store, for people.
pub(crate) fn store(redis: &RedisHandle) -> String {
    format!("`{}` in Redis at `{}`", clean(&places::shown(redis.key())), clean(&redis.address()))
}

/// Returns the names of the instances. A silent instance has the time since its last announcement.
fn names(instances: &[Instance]) -> String {
    let name = |instance: &Instance| match instance.is_silent() {
        true => format!("{} (silent for {})", clean(&instance.name), time::long(instance.age)),
        false => clean(&instance.name).into_owned(),
    };
    instances.iter().map(name).collect::<Vec<_>>().join(", ")
}
