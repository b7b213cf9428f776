//! The instances that follow a store, and the changes that each has seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
    time::{Duration, UNIX_EPOCH},
};

use redis::Cmd;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    RedisError, RedisErrorKind, RedisHandle,
    script::{ANNOUNCE, LIST_INSTANCES},
    usage::Reports,
};
use crate::{
    backend::{Sink, Standing},
    definition::to_json,
    foreign::{info, warn},
    model::{Definition, FlagKey},
    serialize::object,
};

/// The interval between two announcements of an instance.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The time without an announcement after which an instance is silent.
const SILENCE: Duration = Duration::from_secs(15);
/// The longest time between the last announcement of an instance and a change for which the
/// instance counts.
const COUNTS: Duration = Duration::from_secs(3_600);
/// The time for which a silent instance is listed.
const LISTED: Duration = Duration::from_secs(24 * 3_600);
/// The shortest time between two announcements. An instance that sees many changes announces the
/// latest one.
const BREATH: Duration = Duration::from_millis(200);
/// The interval at which a writer that waits for the others reads the list again.
const LOOK: Duration = Duration::from_millis(50);
/// The number of overridden flags whose definitions an instance announces. Every reader of the
/// fleet gets all of them.
const DECLARED: usize = 500;

/// The instances that follow a store, silent ones included. Returned by [`RedisHandle::fleet`].
///
/// An instance that stops announcing itself is *silent*, not gone: it may serve its flags without reaching
/// Redis. It is listed for 24 hours, or until it is [forgotten](RedisHandle::forget). A
/// [shutdown](crate::Flags::shutdown) removes it at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fleet {
    /// The instances, sorted by name.
    pub instances: Vec<Instance>,
}

/// A process that follows the store, as of its last announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// The name of the process; see [`Redis::instance`](crate::Redis::instance).
    pub name: String,
    /// The number of its current generation. Numbers of different processes cannot be compared.
    pub generation: u64,
    /// The latest change that the process has seen, if there was any.
    pub revision: Option<u64>,
    /// The hash of the process's flag file, if it has one.
    pub file: Option<String>,
    /// True if the process has refused its flag file, or flags of it, and serves the last good
    /// ones.
    pub has_refused_file: bool,
    /// The time since the announcement.
    pub age: Duration,
    /// The time of the announcement, by the clock of the server.
    at: u64,
    /// The digest of each overridden flag's definition without the override; `None` for a flag
    /// without a definition.
    declared: BTreeMap<String, Option<String>>,
}

/// The instances with and without a change. Returned by [`RedisHandle::wait_until_seen`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Confirmation {
    /// The instances that have the change.
    pub confirmed: Vec<Instance>,
    /// The instances that do not have the change, as far as is known. Silent instances count if
    /// they announced themselves within the hour before the change.
    pub laggards: Vec<Instance>,
}

impl Fleet {
    /// Returns `true` if instances have different flag files, as during a deployment.
    #[must_use]
    pub fn is_split(&self) -> bool {
        self.files().len() > 1
    }

    /// Returns the different hashes of flag files of the instances that [count](Self::counted).
    #[must_use]
    pub fn files(&self) -> BTreeSet<&str> {
        self.counted().filter_map(|instance| instance.file.as_deref()).collect()
    }

    /// Returns the instances that announced themselves within the last hour.
    pub fn counted(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(|instance| instance.age <= COUNTS)
    }

    /// Returns the instances that have not seen a change yet, of those that [count](Self::counted).
    pub fn laggards(&self, revision: u64) -> impl Iterator<Item = &Instance> {
        self.counted().filter(move |instance| instance.revision < Some(revision))
    }

    /// Splits the instances by whether they have a change that was made at the instant `at`.
    fn confirm(self, revision: u64, at: u64) -> Confirmation {
        let since = at.saturating_sub(COUNTS.as_secs());
        let counted = self.instances.into_iter().filter(|instance| instance.at >= since);
        let (confirmed, laggards) =
            counted.partition(|instance| instance.revision >= Some(revision));
        Confirmation { confirmed, laggards }
    }
}

impl Confirmation {
    /// Returns `true` if all instances have the change, and there is at least one instance.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.laggards.is_empty() && !self.confirmed.is_empty()
    }
}

impl Instance {
    fn read(name: String, stored: &str, now: u64) -> Option<Self> {
        let stored: Value = serde_json::from_str(stored).ok()?;
        let at = stored["at"].as_u64()?;
        let declared = stored["declared"].as_object().into_iter().flatten();
        let declared = declared
            .map(|(flag, digest)| (flag.clone(), digest.as_str().map(str::to_owned)))
            .collect();
        Some(Self {
            name,
            generation: stored["generation"].as_u64()?,
            revision: stored["revision"].as_u64(),
            file: stored["file"].as_str().map(str::to_owned),
            has_refused_file: stored["refused"].as_bool().unwrap_or(false),
            age: Duration::from_secs(now.saturating_sub(at)),
            at,
            declared,
        })
    }

    /// Returns `true` if the instance has announced nothing for 15 seconds. It may be gone, or cut
    /// off from Redis and still serving its last flags.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.age > SILENCE
    }

    /// Returns `true` if the instance runs a flag file with this content.
    #[must_use]
    pub fn runs(&self, content: &[u8]) -> bool {
        self.file.as_deref() == Some(&*hash(content))
    }

    /// Returns `true` if this is the instance's definition of an overridden flag, without the
    /// override.
    ///
    /// `None` if the instance announced nothing about the flag, for example because the flag is not
    /// overridden.
    #[must_use]
    pub fn declares(&self, flag: impl FlagKey, definition: Option<&Definition>) -> Option<bool> {
        Some(*self.declared.get(flag.as_str())? == definition.map(digest))
    }
}

/// Returns the hash by which flag files are compared, as in [`Instance::file`].
fn hash(content: &[u8]) -> String {
    format!("{:016x}", xxh3_64(content))
}

fn digest(definition: &Definition) -> String {
    hash(Value::Object(to_json(definition)).to_string().as_bytes())
}

impl RedisHandle {
    /// Reads the instances that follow the store and have been silent for less than 24 hours.
    ///
    /// # Errors
    ///
    /// Returns an error if the server cannot be reached or refuses.
    pub async fn fleet(&self) -> Result<Fleet, RedisError> {
        Ok(self.fleet_now().await?.1)
    }

    /// Returns the instances, with the time of the server.
    async fn fleet_now(&self) -> Result<(u64, Fleet), RedisError> {
        let mut list = LIST_INSTANCES.prepare_invoke();
        list.key(self.settings.layout.beside("instances"));
        let (now, stored): (u64, Vec<(String, String)>) = self.run_script(&list).await?;
        let instances = stored.into_iter();
        let instances = instances.filter_map(|(name, stored)| Instance::read(name, &stored, now));
        let mut instances: Vec<_> = instances.filter(|instance| instance.age <= LISTED).collect();
        instances.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok((now, Fleet { instances }))
    }

    /// Removes an instance from the list. Returns `false` if the instance is not listed. An
    /// instance that still runs announces itself again.
    ///
    /// # Errors
    ///
    /// Returns an error if the server cannot be reached or refuses.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use flagstaff::Redis;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let redis = Redis::open("redis://127.0.0.1/")?.handle();
    ///
    /// let was_listed = redis.forget("web-7").await?;
    ///
    /// println!("web-7 {} listed", if was_listed { "was" } else { "is not" });
    /// # Ok(())
    /// # }
    /// ```
    pub async fn forget(&self, instance: &str) -> Result<bool, RedisError> {
        self.ask(&Cmd::hdel(self.settings.layout.beside("instances"), instance)).await
    }

    /// Waits until every instance has seen a change, or until `timeout` is over. Returns the
    /// instances with and without the change in both cases.
    ///
    /// Silent instances are waited for if they announced themselves within the hour before the
    /// change. Without any instance the method returns at once, and the confirmation is not
    /// [complete](Confirmation::is_complete).
    ///
    /// # Errors
    ///
    /// Returns an error if the server refuses, or cannot be reached when `timeout` is over.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use flagstaff::Redis;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let redis = Redis::open("redis://127.0.0.1/")?.handle();
    ///
    /// let seen = redis.wait_until_seen(42, Duration::from_secs(5)).await?;
    ///
    /// for laggard in &seen.laggards {
    ///     println!("{} may not have it", laggard.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_until_seen(
        &self,
        revision: u64,
        timeout: Duration,
    ) -> Result<Confirmation, RedisError> {
        let end = Instant::now() + timeout;
        let mut changed = None;
        loop {
            let seen = self.confirm(revision, &mut changed).await;
            let is_decided = match &seen {
                Ok(seen) => seen.laggards.is_empty(),
                Err(error) => error.kind().needs_action(),
            };
            if is_decided || Instant::now() >= end {
                return seen;
            }
            sleep(LOOK).await;
        }
    }

    /// Reads the instances once. The time of the change is kept in `changed`.
    async fn confirm(
        &self,
        revision: u64,
        changed: &mut Option<u64>,
    ) -> Result<Confirmation, RedisError> {
        let (now, fleet) = self.fleet_now().await?;
        let changed = match *changed {
            Some(changed) => changed,
            None => {
                // The clock of the writer may be ahead of the server's, and the log may not be
                // readable.
                let logged = self.logged(revision).await.ok().flatten();
                let at = logged.and_then(|logged| logged.at);
                let at = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                *changed.insert(at.map_or(now, |at| at.as_secs().min(now)))
            }
        };
        Ok(fleet.confirm(revision, changed))
    }

    /// Announces to the other instances what this one has seen, for as long as there are flags.
    pub(super) async fn announce(&self, sink: &Sink) {
        if !self.settings.announces {
            return;
        }
        let mut seen = self.shared.seen.subscribe();
        // There is nothing to announce before the first read of the store.
        if seen.wait_for(Option::is_some).await.is_err() {
            return;
        }
        // Nor before the other sources have published their states.
        while !sink.is_started() && !sink.is_closed() {
            sleep(LOOK).await;
        }
        let Some(mut progress) = sink.progress() else { return };
        let mut reports = Reports::default();
        let mut announced = None;
        let mut beats = interval(HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next = Instant::now();
        let mut is_denied = false;
        loop {
            let news = async {
                sleep_until(next).await;
                loop {
                    // Most reports change nothing that others see, and cost no message.
                    tokio::select! {
                        changed = seen.changed() => return changed,
                        changed = progress.changed() => changed?,
                    }
                    if sink.standing().is_some_and(|it| Some(of_file(&it)) != announced) {
                        return Ok(());
                    }
                }
            };
            let is_beat = tokio::select! {
                _ = beats.tick() => true,
                changed = news => match changed {
                    Ok(()) => false,
                    Err(_) => return,
                },
            };
            next = Instant::now() + BREATH;
            let revision = seen.borrow_and_update().and_then(|seen| seen.revision);
            let Some(standing) = sink.standing() else { return };
            match self.announce_once(sink, revision, standing).await {
                Ok(()) => {
                    announced = Some(of_file(&standing));
                    if is_denied {
                        is_denied = false;
                        info!("this instance is announced to the others from here on");
                    }
                }
                // The right may be granted later, so heartbeats go on. Changes do not: the server logs each command
                // that it denies.
                Err(error) if error.kind() == RedisErrorKind::Permission => {
                    if !is_denied {
                        warn!(%error, "this instance is not announced to the others");
                    }
                    is_denied = true;
                    next = Instant::now() + HEARTBEAT;
                    continue;
                }
                // The session reports the failure.
                Err(_) => continue,
            }
            // Send the usage at a heartbeat only: it goes through all flags, and does not depend on
            // changes.
            if is_beat {
                reports.send(self, sink).await;
            }
        }
    }

    async fn announce_once(
        &self,
        sink: &Sink,
        revision: Option<u64>,
        standing: Standing,
    ) -> Result<(), RedisError> {
        let file = standing.fingerprint.map(|hash| format!("{hash:016x}"));
        let declared = sink.below(DECLARED).into_iter().map(|(flag, definition)| {
            (flag, json!(definition.map(|definition| digest(&definition))))
        });
        let seen = json!({
            "generation": standing.generation,
            "revision": revision,
            "file": file,
            "refused": standing.has_refused,
            "declared": Value::Object(declared.collect()),
        });
        let mut announce = ANNOUNCE.prepare_invoke();
        announce.key(self.settings.layout.beside("instances"));
        // The script adds the time in front.
        announce.arg(&self.shared.instance).arg(&seen.to_string()[1..]).arg(LISTED.as_secs());
        self.shared.is_announced.store(true, Ordering::Relaxed);
        self.run_script(&announce).await
    }
}

/// Returns the part of a standing that others learn at once: the file of this instance, and whether
/// the instance refuses it.
const fn of_file(standing: &Standing) -> (Option<u64>, bool) {
    (standing.fingerprint, standing.has_refused)
}

/// Returns the name of an instance without a given name: its host, its process number and a random
/// part.
pub(super) fn default_instance() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty());
    let host =
        host.or_else(|| Some(std::fs::read_to_string("/etc/hostname").ok()?.trim().to_owned()));
    let host = host.filter(|host| !host.is_empty());
    let host = host.unwrap_or_else(|| "unknown".to_owned());
    // Every container on a host may run as process 1.
    let mut random = uuid::Uuid::new_v4().simple().to_string();
    random.truncate(6);
    format!("{host}:{}:{random}", std::process::id())
}

impl Serialize for Fleet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, "Fleet", { "split": self.is_split(), "instances": self.instances })
    }
}

impl Serialize for Confirmation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, "Confirmation", {
            "complete": self.is_complete(),
            "confirmed": self.confirmed,
            "laggards": self.laggards,
        })
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
            "refusedFile": self.has_refused_file,
            "silent": self.is_silent(),
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
            has_refused_file: false,
            age: Duration::ZERO,
            at: 0,
            declared: BTreeMap::new(),
        }
    }

    #[test]
    fn a_silent_instance_counts_if_it_was_there_within_the_hour_before_the_change() {
        let changed = 10_000;
        let silent = |name, at| Instance { at, ..instance(name, Some(6), "x") };
        let instances = vec![
            Instance { at: changed, ..instance("a", Some(7), "x") },
            silent("b", changed - 3_600),
            silent("c", changed - 3_601),
        ];

        let seen = Fleet { instances }.confirm(7, changed);

        let names = |of: &[Instance]| of.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&seen.confirmed), ["a"]);
        assert_eq!(names(&seen.laggards), ["b"]);
        assert!(!seen.is_complete());
    }

    #[test]
    fn no_instances_confirm_no_change() {
        let empty = Fleet { instances: Vec::new() };

        assert!(!empty.confirm(7, 10_000).is_complete());
    }

    #[test]
    fn instances_compare_definitions_and_not_their_sources() {
        let definition = Definition::new().owner("web");
        let announced = json!({
            "at": 1, "generation": 1,
            "declared": { "a": digest(&definition), "b": null },
        });

        let read = Instance::read("one".to_owned(), &announced.to_string(), 1).unwrap();

        assert_eq!(read.declares("a", Some(&definition)), Some(true));
        assert_eq!(read.declares("a", Some(&Definition::new())), Some(false));
        assert_eq!(read.declares("b", None), Some(true));
        assert_eq!(read.declares("c", None), None);
    }

    #[test]
    fn laggards_are_the_instances_that_have_not_seen_the_change() {
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
    fn a_field_that_is_not_an_announcement_is_not_an_instance() {
        let stored = r#"{"at":100,"generation":3,"revision":null,"file":null}"#;

        let read = Instance::read("a".to_owned(), stored, 103).unwrap();

        assert_eq!((read.generation, read.revision, read.age.as_secs()), (3, None, 3));
        for garbage in ["", "{}", "[]", r#"{"at":"now","generation":3}"#] {
            assert_eq!(Instance::read("a".to_owned(), garbage, 103), None, "{garbage}");
        }
    }
}
