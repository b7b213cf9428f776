//! The log of changes: a stream beside the store, with one entry per change.
//!
//! The number in the id of an entry is its revision. Writers in other languages keep no log. Their
//! changes show as a difference between the value after one change and the value before the next.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use redis::{Cmd, RedisResult, cmd};

use super::connect::Commands;
use super::{
    RedisError, RedisHandle,
    layout::{Layout, Raw},
    value,
};
use crate::{
    backend::{BackendError, LogEntry, Provenance},
    model::{Entry, FlagKey},
    text::{exact_instant, is_in_calendar},
};

// The scripts in `lua/` write these seven themselves.
const FLAG: &str = "flag";
const BEFORE: &str = "before";
const AFTER: &str = "after";
/// The member in place of the value before, if that value is too large: its number of bytes.
const LARGE: &str = "large";
/// The millisecond at which the key of the flag would have ended, if the change took that time from the key.
const KEY_ENDS: &str = "key_ends";
const RENAMED_FROM: &str = "renamed_from";
const RENAMED_TO: &str = "renamed_to";
pub(super) const AUTHOR: &str = "by";
pub(super) const REASON: &str = "reason";
pub(super) const AT: &str = "at";
pub(super) const UNDOES: &str = "undoes";
/// The member that identifies a change, so that its writer finds it.
pub(super) const TOKEN: &str = "token";

/// The number of entries in the first page: few, since the latest ones are mostly enough.
const FIRST_PAGE: usize = 16;
const LARGEST_PAGE: usize = 512;

/// The number of new entries in one page.
const NEW_PAGE: usize = 16;
/// The maximum number of such pages. If there are more, everything is read.
const NEW_PAGES: usize = 16;
/// The bytes that a page of new entries may have, with two values in each.
pub(super) const LOGGED_BYTES: usize = NEW_PAGE * (2 * value::MAX_BYTES + 16 * 1024);

/// One entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) revision: u64,
    pub(super) flag: String,
    pub(super) before: Option<Vec<u8>>,
    pub(super) after: Option<Vec<u8>>,
    /// The number of bytes of the value before, if that was too large to be kept.
    pub(super) large: Option<u64>,
    /// The millisecond at which a key of its own would have ended. The change took that time from the key.
    pub(super) key_ends: Option<u64>,
    pub(super) author: Option<String>,
    reason: Option<String>,
    pub(super) at: Option<SystemTime>,
    undoes: Option<u64>,
    /// The former name of the flag, from which its override was moved.
    pub(super) renamed_from: Option<String>,
    /// The new name of the flag, to which its override was moved.
    pub(super) renamed_to: Option<String>,
    pub(super) token: Option<String>,
}

/// Raw bytes, since other writers may add entries that are not UTF-8.
type Entries = Vec<(String, Raw)>;

/// Returns an instant as it is stored, to the millisecond; `None` for one that the calendar lacks.
pub(super) fn stamp(time: SystemTime) -> Option<String> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let millis = u64::try_from(since.as_millis()).ok()?;
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(millis))?;
    is_in_calendar(time).then(|| exact_instant(time))
}

fn revision(id: &str) -> Option<u64> {
    id.split('-').next()?.parse().ok()
}

impl Logged {
    fn new(id: &str, mut fields: Raw) -> Option<Self> {
        let before = fields.remove(BEFORE.as_bytes());
        let after = fields.remove(AFTER.as_bytes());
        let mut text = |name: &str| {
            Some(String::from_utf8_lossy(&fields.remove(name.as_bytes())?).into_owned())
        };
        Some(Self {
            revision: revision(id)?,
            flag: text(FLAG)?,
            before,
            after,
            large: text(LARGE).and_then(|bytes| bytes.parse().ok()),
            key_ends: text(KEY_ENDS).and_then(|millis| millis.parse().ok()),
            author: text(AUTHOR),
            reason: text(REASON),
            at: text(AT).and_then(|at| at.parse::<Timestamp>().ok()?.try_into().ok()),
            undoes: text(UNDOES).and_then(|undoes| undoes.parse().ok()),
            renamed_from: text(RENAMED_FROM),
            renamed_to: text(RENAMED_TO),
            token: text(TOKEN),
        })
    }
}

impl From<Logged> for LogEntry {
    fn from(logged: Logged) -> Self {
        Self {
            revision: Some(logged.revision),
            at: logged.at,
            author: logged.author,
            reason: logged.reason,
            undoes: logged.undoes,
            renamed_from: logged.renamed_from,
            renamed_to: logged.renamed_to,
            ..Self::new(logged.flag, text(logged.before), text(logged.after))
        }
    }
}

fn text(stored: Option<Vec<u8>>) -> Option<String> {
    stored.map(|stored| String::from_utf8_lossy(&stored).into_owned())
}

impl Layout {
    /// Returns the number of the latest change.
    pub(super) async fn last_revision(
        &self,
        connection: &mut Commands,
    ) -> RedisResult<Option<u64>> {
        let entries: Entries = self.log_before("+", 1).query_async(connection).await?;
        Ok(entries.first().and_then(|(id, _)| revision(id)))
    }

    /// Returns the flags that were changed after a revision, and the latest revision of these
    /// changes.
    pub(super) async fn logged_since(
        &self,
        connection: &mut Commands,
        mut revision: Option<u64>,
    ) -> RedisResult<(Option<u64>, Vec<Vec<u8>>)> {
        let (mut latest, mut flags) = (None, Vec::new());
        for _ in 0..NEW_PAGES {
            let start = match revision.map(|revision| revision.checked_add(1)) {
                None => "-".to_owned(),
                Some(Some(next)) => next.to_string(),
                Some(None) => break,
            };
            let mut read = cmd("XRANGE");
            read.arg(self.log()).arg(start).arg("+").arg("COUNT").arg(NEW_PAGE);
            let entries: Entries = read.query_async(connection).await?;
            let is_last = entries.len() < NEW_PAGE;
            for (id, mut fields) in entries {
                revision = self::revision(&id).or(revision);
                latest = revision;
                flags.extend(fields.remove(FLAG.as_bytes()));
            }
            if is_last {
                break;
            }
        }
        Ok((latest, flags))
    }

    /// Returns the command that reads the latest entries up to and including `end`.
    fn log_before(&self, end: &str, count: usize) -> Cmd {
        let mut read = cmd("XREVRANGE");
        read.arg(self.log()).arg(end).arg("-").arg("COUNT").arg(count);
        read
    }
}

impl RedisHandle {
    /// Reads the change with this revision; `None` if the log has none or no longer has it.
    ///
    /// # Errors
    ///
    /// Returns an error if the server cannot be reached, or refuses.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use flagstaff::Redis;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let redis = Redis::open("redis://127.0.0.1/")?.handle();
    ///
    /// if let Some(change) = redis.revision(42).await? {
    ///     println!("{} by {:?}", change.key, change.author);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn revision(&self, revision: u64) -> Result<Option<LogEntry>, RedisError> {
        Ok(self.logged(revision).await?.map(LogEntry::from))
    }

    /// Decodes a value that is or was stored, such as [`LogEntry::before`], into the entry of the
    /// flag and its author, reason and end. Returns `None` if the value has no entry.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be read.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{definition::Entry, Redis};
    ///
    /// let redis = Redis::open("redis://127.0.0.1/")?.handle();
    ///
    /// let stored = r#"{"force": false, "override": {"by": "ana"}}"#;
    /// let (entry, by) = redis.decode("search", stored)?.expect("it says something");
    ///
    /// assert_eq!(entry, Entry::Forced(false));
    /// assert_eq!(by.and_then(|by| by.author).as_deref(), Some("ana"));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn decode(
        &self,
        flag: impl FlagKey,
        stored: &str,
    ) -> Result<Option<(Entry, Option<Provenance>)>, BackendError> {
        let layout = &self.settings.layout;
        let decoded = value::decode(flag.as_str().as_bytes(), stored.as_bytes(), layout)?;
        let now = self.shared.now();
        Ok(decoded.map(|decoded| (decoded.entry(now).clone(), decoded.provenance)))
    }

    /// Decodes the entry that a stored value has at an instant. Returns `None` if it has none then.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be read.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use flagstaff::Redis;
    ///
    /// let redis = Redis::open("redis://127.0.0.1/")?.handle();
    ///
    /// let stored = r#"{"force": false, "override": {"expires_at": "2026-11-21T09:00:00Z"}}"#;
    ///
    /// assert_eq!(redis.decode_at("search", stored, SystemTime::UNIX_EPOCH)?, Some(false.into()));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn decode_at(
        &self,
        flag: impl FlagKey,
        stored: &str,
        at: SystemTime,
    ) -> Result<Option<Entry>, BackendError> {
        let layout = &self.settings.layout;
        let decoded = value::decode(flag.as_str().as_bytes(), stored.as_bytes(), layout)?;
        let in_force = decoded.filter(|decoded| !decoded.has_ended(at));
        Ok(in_force.map(|decoded| decoded.entry(at).clone()))
    }

    /// Returns the entry with this revision.
    pub(super) async fn logged(&self, revision: u64) -> Result<Option<Logged>, RedisError> {
        let id = format!("{revision}-0");
        let mut read = cmd("XRANGE");
        read.arg(self.settings.layout.log()).arg(&id).arg(&id);
        let entries: Entries = self.ask(&read).await?;
        Ok(entries.into_iter().find_map(|(id, fields)| Logged::new(&id, fields)))
    }

    /// Returns the latest entry about a flag.
    pub(super) async fn latest(&self, flag: &str) -> Result<Option<Logged>, RedisError> {
        Ok(self.entries(Some(flag), 1).await?.pop())
    }

    /// Returns the latest entries about a flag, or about all, the newest first.
    pub(super) async fn entries(
        &self,
        flag: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Logged>, RedisError> {
        let mut found = Vec::new();
        let (mut end, mut size) = ("+".to_owned(), FIRST_PAGE);
        loop {
            let page = self.settings.layout.log_before(&end, size);
            let page: Entries = self.ask(&page).await?;
            let oldest = page.last().and_then(|(id, _)| revision(id));
            let is_last = page.len() < size;
            size = (size * 4).min(LARGEST_PAGE);
            let logged = page.into_iter().filter_map(|(id, fields)| Logged::new(&id, fields));
            found.extend(logged.filter(|logged| flag.is_none_or(|flag| logged.flag == flag)));
            found.truncate(limit);
            match oldest.and_then(|oldest| oldest.checked_sub(1)) {
                Some(before) if !is_last && found.len() < limit => end = before.to_string(),
                _ => return Ok(found),
            }
        }
    }

    pub(super) async fn changes(
        &self,
        flag: Option<&str>,
        limit: usize,
    ) -> Result<Vec<LogEntry>, RedisError> {
        let logged = self.entries(flag, limit).await?;
        let stored = match flag {
            Some(flag) => {
                let stored = self.stored(flag).await?;
                stored.map(|stored| (flag.as_bytes().to_vec(), stored)).into_iter().collect()
            }
            None => self.stored_all().await?,
        };
        let mut changes = with_external(logged, &stored);
        changes.truncate(limit);
        Ok(changes)
    }
}

/// Returns the entries, the newest first, with the changes of writers that keep no log. Changes of
/// flags without any entry come last.
fn with_external(logged: Vec<Logged>, stored: &Raw) -> Vec<LogEntry> {
    let mut changes = Vec::with_capacity(logged.len());
    // The value that each flag must have had after its previous change, going back in time.
    let mut later: HashMap<String, Option<Vec<u8>>> = HashMap::new();
    let known: Vec<String> = logged.iter().map(|logged| logged.flag.clone()).collect();
    for flag in known {
        later.entry(flag).or_insert_with_key(|flag| stored.get(flag.as_bytes()).cloned());
    }
    for logged in logged {
        let is = later.insert(logged.flag.clone(), logged.before.clone()).flatten();
        if is != logged.after {
            let after = text(logged.after.clone());
            changes.push(LogEntry::new(logged.flag.clone(), after, text(is)));
        }
        changes.push(logged.into());
    }
    let unlogged = stored.iter().filter_map(|(flag, is)| {
        let flag = String::from_utf8_lossy(flag).into_owned();
        (!later.contains_key(&flag)).then(|| LogEntry::new(flag, None, text(Some(is.clone()))))
    });
    let mut unlogged: Vec<_> = unlogged.collect();
    unlogged.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    changes.extend(unlogged);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(revision: u64, flag: &str, before: Option<&str>, after: Option<&str>) -> Logged {
        let bytes = |text: &str| text.as_bytes().to_vec();
        Logged {
            revision,
            flag: flag.to_owned(),
            before: before.map(bytes),
            after: after.map(bytes),
            large: None,
            key_ends: None,
            author: None,
            reason: None,
            at: None,
            undoes: None,
            renamed_from: None,
            renamed_to: None,
            token: None,
        }
    }

    #[test]
    fn what_others_changed_shows_between_the_entries() {
        let log = vec![
            logged(3, "a", Some("0"), Some("1")),
            logged(2, "b", None, Some("1")),
            logged(1, "a", None, Some("1")),
        ];
        let stored = Raw::from([(b"a".to_vec(), b"yes".to_vec()), (b"b".to_vec(), b"1".to_vec())]);

        let changes = with_external(log, &stored);

        let short: Vec<_> = changes
            .iter()
            .map(|change| {
                (change.revision, &*change.key, change.before.as_deref(), change.after.as_deref())
            })
            .collect();
        assert_eq!(
            short,
            [
                (None, "a", Some("1"), Some("yes")),
                (Some(3), "a", Some("0"), Some("1")),
                (Some(2), "b", None, Some("1")),
                (None, "a", Some("1"), Some("0")),
                (Some(1), "a", None, Some("1")),
            ]
        );
    }
}
