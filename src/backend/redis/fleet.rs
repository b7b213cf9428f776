//! Which instances there are, and what each has seen.

use std::{collections::BTreeSet, sync::LazyLock, time::Duration};

use redis::Script;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::warn;

use super::{RedisError, RedisErrorKind, RedisHandle, usage::Told};
use crate::{backend::Sink, serialize::object};

/// How often an instance says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// An instance that has been silent for longer is gone.
const SILENCE: Duration = Duration::from_secs(15);
/// How often somebody who waits for the others looks again.
const LOOK: Duration = Duration::from_millis(50);

/// Notes what an instance has seen, by the clock of the server, and forgets those long silent.
static ANNOUNCE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r#"
local now = redis.call('TIME')[1]
redis.call('HSET', KEYS[1], ARGV[1], '{"at":' .. now .. ',' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], 3600)
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at = tonumber(string.match(all[i + 1], '^{"at":(%d+)'))
  if not at or now - at > 60 then redis.call('HDEL', KEYS[1], all[i]) end
end
"#,
    )
});

static LIST: LazyLock<Script> =
    LazyLock::new(|| Script::new("return {redis.call('TIME')[1], redis.call('HGETALL', KEYS[1])}"));

/// The instances that follow a store. Made by [`RedisHandle::fleet`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fleet {
    /// Sorted by name.
    pub instances: Vec<Instance>,
}

/// A process that follows the store, by what it announced last.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// The name of the process; see [`Redis::instance`](crate::Redis::instance).
    pub name: String,
    /// The number of its current generation, which says nothing about other processes.
    pub generation: u64,
    /// The latest change that it has seen, if there was any.
    pub revision: Option<u64>,
    /// The hash of its flag file, if it has one.
    pub file: Option<String>,
    /// The time since it announced this.
    pub age: Duration,
}

impl Fleet {
    /// Returns whether instances have different flag files, as they have during a deployment.
    #[must_use]
    pub fn is_split(&self) -> bool {
        self.files().len() > 1
    }

    /// Returns the different hashes of flag files.
    #[must_use]
    pub fn files(&self) -> BTreeSet<&str> {
        self.instances.iter().filter_map(|instance| instance.file.as_deref()).collect()
    }

    /// Returns the instances that have not seen this change yet.
    pub fn laggards(&self, revision: u64) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(move |instance| instance.revision < Some(revision))
    }
}

impl Instance {
    fn read(name: String, stored: &str, now: u64) -> Option<Self> {
        let stored: Value = serde_json::from_str(stored).ok()?;
        Some(Self {
            name,
            generation: stored["generation"].as_u64()?,
            revision: stored["revision"].as_u64(),
            file: stored["file"].as_str().map(str::to_owned),
            age: Duration::from_secs(now.saturating_sub(stored["at"].as_u64()?)),
        })
    }
}

impl RedisHandle {
    /// Reads which instances follow the store at this moment.
    ///
    /// # Errors
    ///
    /// The server cannot be reached or refuses.
    pub async fn fleet(&self) -> Result<Fleet, RedisError> {
        let mut list = LIST.prepare_invoke();
        list.key(self.settings.layout.beside("instances"));
        let (now, stored): (u64, Vec<(String, String)>) = self.run_script(&list).await?;
        let instances = stored.into_iter();
        let instances = instances.filter_map(|(name, stored)| Instance::read(name, &stored, now));
        let mut instances: Vec<_> = instances.filter(|instance| instance.age <= SILENCE).collect();
        instances.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Fleet { instances })
    }

    /// Waits until every instance has seen a change, or until `timeout` is over. Either way it returns
    /// what the instances have seen; [`Fleet::laggards`] are those that have not.
    ///
    /// # Errors
    ///
    /// The server refuses, or cannot be reached when `timeout` is over.
    pub async fn wait_until_seen(
        &self,
        revision: u64,
        timeout: Duration,
    ) -> Result<Fleet, RedisError> {
        let end = Instant::now() + timeout;
        loop {
            let fleet = self.fleet().await;
            let is_decided = match &fleet {
                Ok(fleet) => fleet.laggards(revision).next().is_none(),
                Err(error) => error.kind().needs_somebody(),
            };
            if is_decided || Instant::now() >= end {
                return fleet;
            }
            sleep(LOOK).await;
        }
    }

    /// Tells the others what this instance has seen, for as long as there are flags.
    pub(super) async fn announce(&self, sink: &Sink) {
        if !self.settings.announces {
            return;
        }
        let mut seen = self.shared.seen.subscribe();
        // Nothing to tell before the store was read once.
        if seen.wait_for(Option::is_some).await.is_err() {
            return;
        }
        // Nor before the other sources have said what they have.
        while !sink.is_started() && !sink.is_closed() {
            sleep(LOOK).await;
        }
        let mut told = Told::default();
        let mut beats = interval(HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beats.tick() => {}
                changed = seen.changed() => if changed.is_err() { return },
            }
            let revision = seen.borrow_and_update().and_then(|seen| seen.revision);
            match self.announce_once(sink, revision).await {
                Ok(()) => {}
                Err(error) if error.kind() == RedisErrorKind::Permission => {
                    warn!(%error, "this instance is not announced to the others");
                    return;
                }
                // The session tells of it.
                Err(_) => continue,
            }
            told.tell(self, sink).await;
        }
    }

    async fn announce_once(&self, sink: &Sink, revision: Option<u64>) -> Result<(), RedisError> {
        let Some(standing) = sink.standing() else { return Ok(()) };
        let file = standing.fingerprint.map(|hash| format!("{hash:016x}"));
        let said = json!({ "generation": standing.generation, "revision": revision, "file": file });
        let mut announce = ANNOUNCE.prepare_invoke();
        announce.key(self.settings.layout.beside("instances"));
        // The script puts the time in front.
        announce.arg(&self.shared.instance).arg(&said.to_string()[1..]);
        self.run_script(&announce).await
    }
}

/// What an instance is called that was given no name: its host, process and a random part.
pub(super) fn default_instance() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty());
    let host =
        host.or_else(|| Some(std::fs::read_to_string("/etc/hostname").ok()?.trim().to_owned()));
    let host = host.filter(|host| !host.is_empty());
    let host = host.unwrap_or_else(|| "unknown".to_owned());
    // Containers on one host may all be its process 1.
    let mut random = uuid::Uuid::new_v4().simple().to_string();
    random.truncate(6);
    format!("{host}:{}:{random}", std::process::id())
}

impl Serialize for Fleet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, "Fleet", { "split": self.is_split(), "instances": self.instances })
    }
}

/// Serializes the age in whole seconds.
impl Serialize for Instance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, "Instance", {
            "instance": self.name,
            "revision": self.revision,
            "generation": self.generation,
            "file": self.file,
            "age": self.age.as_secs(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(name: &str, revision: Option<u64>, file: &str) -> Instance {
        Instance {
            name: name.to_owned(),
            generation: 1,
            revision,
            file: Some(file.to_owned()),
            age: Duration::ZERO,
        }
    }

    #[test]
    fn laggards_are_those_who_have_not_seen_it() {
        let instances = vec![
            instance("a", Some(7), "x"),
            instance("b", Some(6), "x"),
            instance("c", None, "y"),
        ];
        let fleet = Fleet { instances };

        let laggards: Vec<_> = fleet.laggards(7).map(|instance| &*instance.name).collect();

        assert_eq!(laggards, ["b", "c"]);
        assert!(fleet.is_split());
        assert!(fleet.files().into_iter().eq(["x", "y"]));
    }

    #[test]
    fn what_is_no_announcement_is_no_instance() {
        let stored = r#"{"at":100,"generation":3,"revision":null,"file":null}"#;

        let read = Instance::read("a".to_owned(), stored, 103).unwrap();

        assert_eq!((read.generation, read.revision, read.age.as_secs()), (3, None, 3));
        for garbage in ["", "{}", "[]", r#"{"at":"now","generation":3}"#] {
            assert_eq!(Instance::read("a".to_owned(), garbage, 103), None, "{garbage}");
        }
    }
}
