//! Changes, each made by one script that compares, sets and logs.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redis::{Cmd, FromRedisValue, RedisResult, Script, ScriptInvocation};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::{
    RedisError, RedisErrorKind, RedisHandle, Settings, beside,
    connect::{Commands, Connection},
    layout::{Layout, MOST_BYTES},
    log::{self, Logged},
    script::{Answer, CHANGE, RENAME},
    value,
};
use crate::{
    backend::{Conflict, Expected, Operation, Refusal, Write, Written},
    model::{Entry, FlagKey},
    text::duration,
};

/// The minimum number of changes that the log keeps.
const KEEP: usize = 10_000;

/// The time for which a change is retried while other writers change the same flag.
const PATIENCE: Duration = Duration::from_secs(10);

/// The number of redirects that one change follows.
const HOPS: usize = 5;

/// The connection through which changes are made.
#[derive(Debug, Default)]
pub(super) struct Writer {
    connection: Mutex<Option<Arc<Connection>>>,
    /// The last failed attempt to connect. Callers that waited for the attempt get its error.
    failed: std::sync::Mutex<Option<(Instant, RedisError)>>,
}

impl Writer {
    fn failure_since(&self, asked: Instant) -> Option<RedisError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.as_ref().filter(|(at, _)| *at >= asked).map(|(_, error)| error.clone())
    }
}

/// The value of a flag in the store before and after a change. Returned by
/// [`RedisHandle::rehearse`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Rehearsed {
    /// The entry of the store after the change; `None` if it would have none.
    pub entry: Option<Entry>,
    /// The value that is stored now.
    pub before: Option<String>,
    /// The value that would be stored.
    pub after: Option<String>,
}

/// The condition of a change on the stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Anything,
    /// No value, or one that is not JSON, since a switch keeps the settings in a JSON value.
    /// Without one, a kill switch takes one round trip.
    Plain,
    /// A value that is too large to be an override, and so has no settings to keep.
    Large,
    Exactly(Option<Vec<u8>>),
}

impl Condition {
    /// Returns the value on which the change depends, if it depends on one.
    fn stored(&self) -> Option<Option<&[u8]>> {
        match self {
            Self::Anything | Self::Plain | Self::Large => None,
            Self::Exactly(stored) => Some(stored.as_deref()),
        }
    }
}

/// The time to live that a key of its own has, such as one set by `SET … EX`, after a change. It ends
/// an override as `override.expires_at` does, so a change treats both alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyTime {
    Keep,
    /// The key stays.
    Drop,
    /// The time is kept if it ends after this instant.
    KeepAfter(SystemTime),
    /// The key ends at this millisecond of the server's clock.
    At(u64),
}

impl KeyTime {
    /// Returns what a change leaves of the time. A switch drops the end of the settings that it
    /// replaces, and a given end replaces the former one. Settings that come back after a switch
    /// keep their end.
    fn after(write: &Write) -> Self {
        match (&write.operation, write.expires_at) {
            (Operation::Enable | Operation::Disable, Some(end)) => Self::KeepAfter(end),
            (Operation::Enable | Operation::Disable, None) | (_, Some(_)) => Self::Drop,
            (_, None) => Self::Keep,
        }
    }

    /// Returns the two arguments of the script.
    fn arguments(self) -> (&'static str, String) {
        let millis =
            |end: SystemTime| end.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        match self {
            Self::Keep => ("keep", String::new()),
            Self::Drop => ("drop", String::new()),
            Self::KeepAfter(end) => ("after", millis(end).to_string()),
            Self::At(millis) => ("at", millis.to_string()),
        }
    }
}

/// One change as it is sent.
#[derive(Debug)]
struct Change<'a> {
    flag: &'a str,
    condition: Condition,
    /// No change of the flag may be newer than this revision.
    since: Option<u64>,
    /// The clock of the server has to have reached this instant.
    ended: Option<SystemTime>,
    /// The value to store; `None` removes the field.
    value: Option<Vec<u8>>,
    time: KeyTime,
    notes: Notes<'a>,
}

/// The parts of a log entry beside the values.
#[derive(Debug, Clone, Copy, Default)]
struct Notes<'a> {
    author: Option<&'a str>,
    reason: Option<&'a str>,
    undoes: Option<u64>,
}

/// The override of a renamed flag under its old name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OldOverride {
    /// The override is removed: no service uses the old name any more.
    Remove,
    /// The override is removed after it was copied with [`Keep`](Self::Keep), which returned this
    /// revision. If no other change is between the two, undoing one undoes both.
    RemoveAfter(u64),
    /// The override stays, for services that still use the old name.
    Keep,
}

/// A move of a value to another name.
#[derive(Debug)]
struct Renaming<'a> {
    old: &'a str,
    new: &'a str,
    old_override: OldOverride,
    /// The value that has to be stored under the old name, with none under the new one.
    expected: Option<Vec<u8>>,
    /// No change of either flag may be newer than this revision.
    since: Option<u64>,
    /// The token of the copy that this move completes.
    token: Option<String>,
    notes: Notes<'a>,
}

/// A change that one script makes.
trait Scripted {
    fn script(&self) -> &'static Script;

    /// Returns the flag whose stored value a refusal is about.
    fn flag(&self) -> &str;

    /// Returns the flag whose entry in the log shows that the change was made.
    fn logged_flag(&self) -> &str {
        self.flag()
    }

    /// Returns the token of an earlier change that this one completes.
    fn token(&self) -> Option<&str> {
        None
    }

    fn pass(
        &self,
        token: &str,
        settings: &Settings,
        now: SystemTime,
        script: &mut ScriptInvocation<'_>,
    );
}

enum Outcome {
    /// The change was made, with its revision; `None` if there was nothing to do.
    Done(Option<u64>),
    /// The stored value is not the expected one: this is stored.
    Differs(Option<Vec<u8>>),
}

impl RedisHandle {
    pub(super) async fn change(&self, flag: &str, write: &Write) -> Result<Written, Refusal> {
        write.check()?;
        let mut current = None;
        let mut is_large = false;
        if needs_current(write, &self.settings.layout) {
            match self.stored(flag).await {
                Ok(stored) => current = stored,
                // A switch does not depend on a value that no reader can read.
                Err(error)
                    if error.kind() == RedisErrorKind::TooLarge
                        && write.expected.is_none()
                        && matches!(write.operation, Operation::Enable | Operation::Disable) =>
                {
                    is_large = true;
                }
                Err(error) => return Err(Refusal::failed(error)),
            }
        }
        // The deadline applies between attempts: a change that was sent is never cancelled.
        let deadline = Instant::now() + PATIENCE;
        let revision = loop {
            let condition = match is_large {
                true => Condition::Large,
                false => self.condition(flag, write, current.as_deref()).await?,
            };
            let base = condition.stored().unwrap_or(current.as_deref());
            let value = self.encode(flag, base, write)?;
            self.encoded(flag, value.as_deref(), write)?;
            let change = Change {
                flag,
                condition,
                since: match write.expected {
                    Some(Expected::Revision(revision)) => Some(revision),
                    _ => None,
                },
                ended: None,
                value: value.map(String::into_bytes),
                time: KeyTime::after(write),
                notes: Notes {
                    author: write.author.as_deref(),
                    reason: write.reason.as_deref(),
                    undoes: None,
                },
            };
            match self.apply(&change).await? {
                Outcome::Done(revision) => break revision,
                // Another writer was faster, which matters only to callers with an expected value.
                Outcome::Differs(_) if Instant::now() >= deadline => {
                    return Err(Refusal::failed(format!(
                        "others changed `{flag}` all the time for {}",
                        duration(PATIENCE)
                    )));
                }
                Outcome::Differs(now) if write.expected.is_none() => {
                    (current, is_large) = (now, false);
                }
                Outcome::Differs(now) => return Err(self.conflict(flag, now).await),
            }
        };
        let written = self.in_force(flag, revision).await;
        self.remove_ended().await;
        written
    }

    /// Returns the value of the store for a flag after a change, whatever the condition of the
    /// change. The change is not made.
    ///
    /// # Errors
    ///
    /// Returns the reason why the change cannot be made, as far as it depends on what is stored for the flag.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use flagstaff::{write::{Operation, Write}, Redis};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let redis = Redis::open("redis://127.0.0.1/")?.handle();
    ///
    /// let rehearsed = redis.rehearse("search", &Write::new(Operation::Disable)).await?;
    ///
    /// println!("the store would say: {:?}", rehearsed.entry);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn rehearse(&self, flag: impl FlagKey, write: &Write) -> Result<Rehearsed, Refusal> {
        let flag = flag.as_str();
        write.check()?;
        let stored = self.stored(flag).await.map_err(Refusal::failed)?;
        let after = self.encode(flag, stored.as_deref(), write)?;
        let entry = self.encoded(flag, after.as_deref(), write)?;
        let before = stored.map(|stored| String::from_utf8_lossy(&stored).into_owned());
        Ok(Rehearsed { entry, before, after })
    }

    /// Stores a value of the log again, such as [`LogEntry::after`](crate::write::LogEntry::after), or removes
    /// the stored value.
    ///
    /// The change is made only if `expected` is stored for the flag, byte by byte; `None` expects no value.
    ///
    /// # Errors
    ///
    /// Returns [`Refusal::Conflict`] if another value is stored; [`Refusal::Failed`] if the value cannot be read, or if
    /// the server cannot be reached or refuses.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use flagstaff::{source::WritableBackend, Redis};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let redis = Redis::open("redis://127.0.0.1/")?.handle();
    /// let changes = redis.history(Some("search"), 2).await?;
    /// let [latest, before] = &*changes else { return Ok(()) };
    ///
    /// let stored = latest.after.as_deref();
    /// redis.store("search", stored, before.after.as_deref(), Some("ana"), None).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn store(
        &self,
        flag: impl FlagKey,
        expected: Option<&str>,
        value: Option<&str>,
        author: Option<&str>,
        reason: Option<&str>,
    ) -> Result<Written, Refusal> {
        let flag = flag.as_str();
        self.fitting(flag, value.map(str::as_bytes))?;
        let change = Change {
            flag,
            condition: Condition::Exactly(expected.map(|expected| expected.as_bytes().to_vec())),
            since: None,
            ended: None,
            value: value.map(|value| value.as_bytes().to_vec()),
            time: KeyTime::Keep,
            notes: Notes { author, reason, undoes: None },
        };
        match self.apply(&change).await? {
            Outcome::Done(revision) => self.in_force(flag, revision).await,
            Outcome::Differs(now) => Err(self.conflict(flag, now).await),
        }
    }

    /// Moves the override of a flag to the flag's new name in one step, byte by byte. A value that
    /// cannot be read is moved, too.
    ///
    /// With [`OldOverride::Keep`] the flag has its override under both names. Renaming it again
    /// with [`OldOverride::Remove`] removes the old one. The log has an entry for each changed
    /// flag. [Undoing](crate::source::WritableBackend::undo) one of them moves the override back.
    /// Returns no revision if there was nothing to do.
    ///
    /// # Errors
    ///
    /// Returns [`Refusal::Conflict`] if another value is stored for the new name; [`Refusal::Failed`] if the server
    /// cannot be reached or refuses.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use flagstaff::{source::OldOverride, Redis};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let redis = Redis::open("redis://127.0.0.1/")?.handle();
    ///
    /// redis.rename("checkout", "fast_checkout", OldOverride::Remove, Some("ana"), None).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn rename(
        &self,
        old: impl FlagKey,
        new: impl FlagKey,
        old_override: OldOverride,
        author: Option<&str>,
        reason: Option<&str>,
    ) -> Result<Written, Refusal> {
        let (old, new) = (old.as_str(), new.as_str());
        if old == new {
            return Err(Refusal::failed("the new name is the old one"));
        }
        let token = match old_override {
            OldOverride::RemoveAfter(copy) => {
                let copy = self.logged(copy).await.map_err(Refusal::failed)?;
                let copy = copy
                    .filter(|copy| copy.flag == new && copy.renamed_from.as_deref() == Some(old));
                copy.and_then(|copy| copy.token)
            }
            OldOverride::Remove | OldOverride::Keep => None,
        };
        self.apply_renaming(&Renaming {
            old,
            new,
            old_override,
            expected: None,
            since: None,
            token,
            notes: Notes { author, reason, undoes: None },
        })
        .await
    }

    async fn apply_renaming(&self, renaming: &Renaming<'_>) -> Result<Written, Refusal> {
        match self.apply(renaming).await? {
            Outcome::Done(revision) => {
                self.in_force(renaming.old, revision).await?;
                self.in_force(renaming.new, revision).await
            }
            Outcome::Differs(now) => Err(self.conflict(renaming.new, now).await),
        }
    }

    /// Moves an override back, if a revision is one of the two entries of its move.
    async fn restore_name(
        &self,
        logged: &Logged,
        author: Option<&str>,
        reason: Option<&str>,
    ) -> Result<Option<Written>, Refusal> {
        let other = match (&logged.renamed_from, &logged.renamed_to) {
            (Some(_), None) => logged.revision.checked_add(1),
            (None, Some(_)) => logged.revision.checked_sub(1),
            _ => None,
        };
        let Some(other) = other else { return Ok(None) };
        let other = self.logged(other).await.map_err(Refusal::failed)?;
        // A copy, and the removal of one, change a single flag.
        let Some(other) = other.filter(|other| other.token == logged.token) else {
            return Ok(None);
        };
        let (first, second) = match logged.renamed_from {
            Some(_) => (logged, &other),
            None => (&other, logged),
        };
        let renaming = Renaming {
            old: &first.flag,
            new: &second.flag,
            old_override: OldOverride::Remove,
            expected: first.after.clone(),
            since: Some(second.revision),
            token: None,
            notes: Notes { author, reason, undoes: Some(logged.revision) },
        };
        self.apply_renaming(&renaming).await.map(Some)
    }

    /// Returns the value after a change of the current one.
    fn encode(
        &self,
        flag: &str,
        current: Option<&[u8]>,
        write: &Write,
    ) -> Result<Option<String>, Refusal> {
        let layout = &self.settings.layout;
        value::encode(flag, current, write, self.shared.now(), layout)
            .map_err(|problem| Refusal::failed(format!("{}: {problem}", layout.place(flag))))
    }

    /// Returns the entry of a value that is to be stored. Refuses a value that cannot be read, or
    /// whose type differs from that of the sources below.
    fn fitting(&self, flag: &str, value: Option<&[u8]>) -> Result<Option<Entry>, Refusal> {
        let entry = self.entry(flag, value).map_err(Refusal::failed)?;
        if let Some((entry, sink)) = entry.as_ref().zip(self.shared.sink()) {
            sink.check_type(flag, entry).map_err(Refusal::failed)?;
        }
        Ok(entry)
    }

    /// Returns the entry after a change. A flag can be switched off whatever else is stored for it.
    fn encoded(
        &self,
        flag: &str,
        value: Option<&str>,
        write: &Write,
    ) -> Result<Option<Entry>, Refusal> {
        let value = value.map(str::as_bytes);
        match write.operation {
            Operation::Disable => self.entry(flag, value).map_err(Refusal::failed),
            _ => self.fitting(flag, value),
        }
    }

    /// Restores the value before a change.
    pub(super) async fn restore(
        &self,
        revision: u64,
        author: Option<&str>,
        reason: Option<&str>,
    ) -> Result<Written, Refusal> {
        let Some(logged) = self.logged(revision).await.map_err(Refusal::failed)? else {
            let log = self.settings.layout.log();
            return Err(Refusal::failed(format!(
                "the log `{log}` has no revision {revision}: it was never made or is too old"
            )));
        };
        if let Some(bytes) = logged.large {
            return Err(Refusal::failed(format!(
                "revision {revision} replaced a value of {bytes} bytes, which is too large to be kept in the log"
            )));
        }
        if let Some(written) = self.restore_name(&logged, author, reason).await? {
            return Ok(written);
        }
        let before = logged.before.as_deref();
        if before.is_some_and(|before| self.entry(&logged.flag, Some(before)).is_ok()) {
            self.fitting(&logged.flag, before)?;
        }
        let change = Change {
            flag: &logged.flag,
            condition: Condition::Exactly(logged.after),
            since: Some(revision),
            ended: None,
            value: logged.before,
            time: logged.key_ends.map_or(KeyTime::Keep, KeyTime::At),
            notes: Notes { author, reason, undoes: Some(revision) },
        };
        match self.apply(&change).await? {
            Outcome::Done(revision) => self.in_force(&logged.flag, revision).await,
            Outcome::Differs(now) => Err(self.conflict(&logged.flag, now).await),
        }
    }

    /// Returns the condition on the stored value under which `write` is made.
    async fn condition(
        &self,
        flag: &str,
        write: &Write,
        current: Option<&[u8]>,
    ) -> Result<Condition, Refusal> {
        match &write.expected {
            None if needs_current(write, &self.settings.layout) || current.is_some() => {
                Ok(Condition::Exactly(current.map(<[u8]>::to_vec)))
            }
            None if matches!(write.operation, Operation::Enable | Operation::Disable) => {
                Ok(Condition::Plain)
            }
            None => Ok(Condition::Anything),
            Some(Expected::Revision(revision)) => {
                let logged = self.logged(*revision).await.map_err(Refusal::failed)?;
                match logged.filter(|logged| logged.flag == flag) {
                    Some(logged) => Ok(Condition::Exactly(logged.after)),
                    None => {
                        let now = self.stored(flag).await.map_err(Refusal::failed)?;
                        Err(self.conflict(flag, now).await)
                    }
                }
            }
            Some(Expected::Entry(expected)) => {
                let entry = self.entry(flag, current).map_err(Refusal::failed)?;
                match entry == *expected {
                    true => Ok(Condition::Exactly(current.map(<[u8]>::to_vec))),
                    false => Err(self.conflict(flag, current.map(<[u8]>::to_vec)).await),
                }
            }
        }
    }

    /// Returns the current entry of a stored value.
    pub(super) fn entry(&self, flag: &str, stored: Option<&[u8]>) -> Result<Option<Entry>, String> {
        let Some(stored) = stored else { return Ok(None) };
        let layout = &self.settings.layout;
        let decoded = value::decode(flag.as_bytes(), stored, layout)
            .map_err(|problem| format!("{}: {problem}", layout.place(flag)))?;
        let now = self.shared.now();
        let in_force = decoded.filter(|decoded| !decoded.has_ended(now));
        Ok(in_force.map(|decoded| decoded.entry(now).clone()))
    }

    /// Returns the conflict with the current value.
    async fn conflict(&self, flag: &str, now: Option<Vec<u8>>) -> Refusal {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let conflict = Conflict::new(now.as_ref().map(text));
        let latest = self.latest(flag).await.ok().flatten();
        // A writer that keeps no log may have changed the value after that.
        match latest.filter(|latest| latest.after == now) {
            Some(latest) => conflict.made_by(latest.author, Some(latest.revision)),
            None => conflict,
        }
        .into()
    }

    /// Runs the script on the node that has the flags.
    async fn apply(&self, change: &impl Scripted) -> Result<Outcome, Refusal> {
        let token = change.token().map(str::to_owned);
        let token = token.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let mut hops = 0;
        loop {
            let connection = self.connection().await.map_err(Refusal::failed)?;
            let mut conn = connection.conn.clone();
            let mut script = change.script().prepare_invoke();
            change.pass(&token, &self.settings, self.shared.now(), &mut script);
            connection.allowance.set(MOST_BYTES);
            let error = match script.invoke_async(&mut conn).await {
                Ok(Answer::Done(revision)) => return Ok(Outcome::Done(revision)),
                Ok(Answer::Nothing) => return Ok(Outcome::Done(None)),
                Ok(Answer::Differs(now)) => return Ok(Outcome::Differs(now)),
                Ok(Answer::Large(bytes)) => {
                    let place = self.settings.layout.place(change.flag());
                    let problem = value::too_large(bytes);
                    return Err(Refusal::failed(format!(
                        "{place}: {problem}; clear it, then set it again"
                    )));
                }
                Ok(Answer::Full(fields)) => {
                    let max = self.settings.max_fields;
                    let full = RedisError::too_many(&connection.place, fields, max);
                    return Err(Refusal::failed(full));
                }
                Ok(Answer::LogFull(last)) => {
                    let kind = RedisErrorKind::LogFull;
                    let full = RedisError::new(kind, &connection.place, last);
                    return Err(Refusal::failed(full));
                }
                Err(error) => error,
            };
            let error = connection.error(&error);
            self.disconnect(&connection).await;
            let elsewhere =
                matches!(error.kind(), RedisErrorKind::Moved | RedisErrorKind::ReadOnly);
            if elsewhere && hops < HOPS {
                // Nothing was changed: another node has the flags.
                hops += 1;
                continue;
            }
            return match error.kind() {
                RedisErrorKind::ResponseTimeout | RedisErrorKind::Lost => {
                    self.settle(&token, change.logged_flag(), error).await
                }
                _ => Err(Refusal::failed(error)),
            };
        }
    }

    /// Looks for a change in the log whose answer did not come. The change is never sent again.
    ///
    /// A change that is not among the latest 64 of the flag is unconfirmed. It is never reported as
    /// not made: it may be older than these, it may still wait at the server, or the log may not be
    /// readable. So the bound costs certainty, and cannot give a wrong result.
    async fn settle(&self, token: &str, flag: &str, error: RedisError) -> Result<Outcome, Refusal> {
        // Other writers may have changed the flag since.
        let logged = self.entries(Some(flag), 64).await.unwrap_or_default();
        match logged.iter().find(|logged| logged.token.as_deref() == Some(token)) {
            Some(logged) => Ok(Outcome::Done(Some(logged.revision))),
            None => Err(Refusal::Unconfirmed(error.into())),
        }
    }

    /// Removes overrides that have ended, which readers ignore. They must have ended by the clock
    /// of the server, too: our clock may be fast, and those of the readers right.
    async fn remove_ended(&self) {
        let ended = self.shared.fields().ended(self.shared.now());
        for (flag, stored, end) in ended {
            let change = Change {
                flag: &flag,
                condition: Condition::Exactly(Some(stored)),
                since: None,
                ended: Some(end),
                value: None,
                time: KeyTime::Drop,
                notes: Notes { reason: Some("the override has ended"), ..Notes::default() },
            };
            // The next writer tries again.
            if self.apply(&change).await.is_err() {
                return;
            }
        }
    }

    /// Waits until a change that is stored is in force here, if flags follow the store.
    async fn in_force(&self, flag: &str, revision: Option<u64>) -> Result<Written, Refusal> {
        let written = revision.map_or_else(Written::unnumbered, Written::revision);
        match self.until_in_force(flag).await {
            Ok(()) => Ok(written),
            Err(error) => Err(Refusal::NotInForce { written, error: error.into() }),
        }
    }

    async fn until_in_force(&self, flag: &str) -> Result<(), RedisError> {
        let shared = &self.shared;
        if !shared.is_followed() {
            return Ok(());
        }
        let (mut done, mut failure) = (shared.done.subscribe(), shared.failure.subscribe());
        let count = shared.ask(flag);
        let lasts = |failure: &Option<RedisError>| {
            failure.as_ref().is_some_and(|error| error.kind().needs_action())
        };
        let within = self.settings.timeouts.response;
        let wait = async {
            tokio::select! {
                read = done.wait_for(|&done| done >= count) => read.is_ok(),
                // A failure that lasts: the change will not be read soon.
                _ = failure.wait_for(lasts) => false,
            }
        };
        if timeout(within, wait).await.unwrap_or(false) {
            return Ok(());
        }
        let failure = shared.failure.borrow().clone();
        Err(failure.unwrap_or_else(|| {
            let place = self.settings.place();
            RedisError::timeout(RedisErrorKind::ResponseTimeout, &place, within)
        }))
    }

    /// Reads the stored value of a flag.
    pub(super) async fn stored(&self, flag: &str) -> Result<Option<Vec<u8>>, RedisError> {
        let read = match &self.settings.layout {
            Layout::Hash(key) => Cmd::hget(key, flag),
            Layout::Keys(prefix) => Cmd::get(format!("{prefix}:{flag}")),
        };
        self.ask(&read).await
    }

    /// Runs a script that may run twice.
    pub(super) async fn run_script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, RedisError> {
        self.send(|mut conn| async move { script.invoke_async(&mut conn).await }).await
    }

    /// Sends a command that changes nothing.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        self.send(|mut conn| async move { command.query_async(&mut conn).await }).await
    }

    /// Sends a command that may be sent twice to the node that has the flags.
    async fn send<T, Answer: Future<Output = RedisResult<T>>>(
        &self,
        send: impl Fn(Commands) -> Answer,
    ) -> Result<T, RedisError> {
        let mut hops = 0;
        loop {
            let connection = self.connection().await?;
            connection.allowance.set(MOST_BYTES);
            let error = match send(connection.conn.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            self.disconnect(&connection).await;
            let error = connection.error(&error);
            if error.kind() != RedisErrorKind::Moved || hops == HOPS {
                return Err(error);
            }
            hops += 1;
        }
    }

    pub(super) async fn connection(&self) -> Result<Arc<Connection>, RedisError> {
        let target = &self.settings.target;
        let shared = &self.shared.writer;
        let asked = Instant::now();
        let mut writer = shared.connection.lock().await;
        if let Some(error) = shared.failure_since(asked) {
            return Err(error);
        }
        // A former master accepts writes and loses them, so writers check its role, too.
        match writer.as_ref().filter(|connection| !connection.is_over()) {
            Some(known) if target.is_current(known).await => return Ok(Arc::clone(known)),
            _ => *writer = None,
        }
        match self.connect().await {
            Ok(connection) => Ok(Arc::clone(writer.insert(Arc::new(connection)))),
            Err(error) => {
                let mut failed = shared.failed.lock().unwrap_or_else(PoisonError::into_inner);
                *failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Connects, and reads the time of the server if no session does. Ends of overrides count from
    /// that time.
    async fn connect(&self) -> Result<Connection, RedisError> {
        let Settings { target, layout, timeouts, .. } = &*self.settings;
        let connection = target.connect(layout.key(), timeouts, None).await?;
        if self.shared.is_followed() {
            return Ok(connection);
        }
        connection.allowance.set(MOST_BYTES);
        match beside::time(connection.conn.clone()).await {
            Ok(asked) => drop(self.shared.clock.note(asked)),
            Err(error) if error.is_timeout() || error.is_io_error() => {
                return Err(connection.error(&error));
            }
            // The user need not have the right to read the time.
            Err(_) => {}
        }
        Ok(connection)
    }

    /// Makes the next change look for the server again, since another may have replaced it.
    pub(super) async fn forget_writer(&self) {
        *self.shared.writer.connection.lock().await = None;
    }

    /// Makes the next change use a new connection.
    pub(super) async fn disconnect(&self, broken: &Arc<Connection>) {
        let mut writer = self.shared.writer.connection.lock().await;
        if writer.as_ref().is_some_and(|writer| Arc::ptr_eq(writer, broken)) {
            *writer = None;
        }
    }
}

/// Returns `true` if the value after a change depends on the one before.
fn needs_current(write: &Write, layout: &Layout) -> bool {
    match write.operation {
        Operation::Set(_) => true,
        Operation::Enable | Operation::Disable => {
            matches!(layout, Layout::Keys(_)) || matches!(write.expected, Some(Expected::Entry(_)))
        }
        Operation::Clear => matches!(write.expected, Some(Expected::Entry(_))),
    }
}

impl Scripted for Change<'_> {
    fn script(&self) -> &'static Script {
        &CHANGE
    }

    fn flag(&self) -> &str {
        self.flag
    }

    fn pass(
        &self,
        token: &str,
        settings: &Settings,
        now: SystemTime,
        script: &mut ScriptInvocation<'_>,
    ) {
        let layout = &settings.layout;
        let (layout_name, store) = stored_at(layout, self.flag);
        let (condition, expected): (_, &[u8]) = match &self.condition {
            Condition::Anything => ("anything", b""),
            Condition::Plain => ("plain", b""),
            Condition::Large => ("large", b""),
            Condition::Exactly(None) => ("absent", b""),
            Condition::Exactly(Some(stored)) => ("is", stored),
        };
        let (operation, value): (_, &[u8]) = match &self.value {
            None => ("clear", b""),
            Some(value) => ("set", value),
        };
        script.key(store).key(layout.log());
        script.arg(layout_name).arg(self.flag).arg(condition).arg(expected);
        script.arg(operation).arg(value);
        script.arg(self.since.map(|since| since.to_string()).unwrap_or_default()).arg(KEEP);
        let ended = self.ended.and_then(|ended| ended.duration_since(UNIX_EPOCH).ok());
        script.arg(ended.map(|ended| ended.as_millis().to_string()).unwrap_or_default());
        let (time, instant) = self.time.arguments();
        script.arg(settings.max_fields).arg(value::MAX_BYTES).arg(time).arg(instant);
        self.notes.pass(token, now, script);
    }
}

impl Scripted for Renaming<'_> {
    fn script(&self) -> &'static Script {
        &RENAME
    }

    fn flag(&self) -> &str {
        self.new
    }

    fn logged_flag(&self) -> &str {
        match self.old_override {
            // A move of a copied override adds no entry for the new name.
            OldOverride::Remove | OldOverride::RemoveAfter(_) => self.old,
            OldOverride::Keep => self.new,
        }
    }

    fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    fn pass(
        &self,
        token: &str,
        settings: &Settings,
        now: SystemTime,
        script: &mut ScriptInvocation<'_>,
    ) {
        let layout = &settings.layout;
        let (layout_name, old) = stored_at(layout, self.old);
        let (_, new) = stored_at(layout, self.new);
        let mode = match self.old_override {
            OldOverride::Remove | OldOverride::RemoveAfter(_) => "move",
            OldOverride::Keep => "copy",
        };
        let (condition, expected): (_, &[u8]) = match &self.expected {
            None => ("anything", b""),
            Some(stored) => ("is", stored),
        };
        script.key(old).key(new).key(layout.log());
        script.arg(layout_name).arg(self.old).arg(self.new).arg(mode).arg(condition).arg(expected);
        script.arg(self.since.map(|since| since.to_string()).unwrap_or_default()).arg(KEEP);
        script.arg(settings.max_fields).arg(value::MAX_BYTES);
        self.notes.pass(token, now, script);
    }
}

impl Notes<'_> {
    /// Passes all parts of the log entry as the last arguments.
    fn pass(&self, token: &str, now: SystemTime, script: &mut ScriptInvocation<'_>) {
        let Self { author, reason, undoes } = *self;
        let at = log::stamp(now);
        let notes = [
            (log::AUTHOR, author.map(str::to_owned)),
            (log::REASON, reason.map(str::to_owned)),
            (log::AT, at),
            (log::UNDOES, undoes.map(|undoes| undoes.to_string())),
            (log::TOKEN, Some(token.to_owned())),
        ];
        for (name, note) in notes {
            if let Some(note) = note {
                script.arg(name).arg(note);
            }
        }
    }
}

/// Returns the name of a layout, and the key of the server that has the value of a flag.
fn stored_at(layout: &Layout, flag: &str) -> (&'static str, String) {
    match layout {
        Layout::Hash(key) => ("hash", key.clone()),
        Layout::Keys(prefix) => ("keys", format!("{prefix}:{flag}")),
    }
}
