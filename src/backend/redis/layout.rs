//! How overrides are laid out in the server's keys.

use std::{collections::HashMap, time::Duration};

use redis::{AsyncTypedCommands, Cmd, cmd};
use tokio::time::timeout;

use super::connect::Commands;

/// More overrides than this cost the server too much to be read all the time.
const SMALL: usize = 500;
/// How many keys one command is about.
const AT_ONCE: usize = 1_000;

/// Raw names and values.
pub(super) type Raw = HashMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    /// One hash at this key, with a field per flag.
    Hash(String),
    /// One string per flag, at this prefix, a colon and the flag key.
    Keys(String),
}

/// Everything that is stored.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) raw: Raw,
    /// Whether it costs the server too much to be read all the time.
    pub(super) is_large: bool,
}

/// Why not everything was read.
#[derive(Debug)]
pub(super) enum Unread {
    /// There is more than there may be: how much.
    TooMany(usize),
    /// The server answers, but has not sent everything in time.
    TooSlow,
    /// The server has not answered at all.
    Silent,
    /// The server refuses, or the connection broke.
    Failed(redis::RedisError),
}

impl From<redis::RedisError> for Unread {
    fn from(error: redis::RedisError) -> Self {
        Self::Failed(error)
    }
}

impl Layout {
    /// The key that decides which node of a cluster has the store.
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Hash(key) => key,
            Self::Keys(prefix) => prefix,
        }
    }

    /// The key of the log, which has to be in the same slot of a cluster.
    pub(super) fn log(&self) -> String {
        self.beside("log")
    }

    /// The key of something that belongs to the store.
    pub(super) fn beside(&self, what: &str) -> String {
        let key = self.key();
        // The slot is that of what stands in the first braces, if they hold anything.
        let tagged = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        match tagged {
            Some((tag, _)) if !tag.is_empty() => format!("{key}:{what}"),
            _ => format!("{{{key}}}:{what}"),
        }
    }

    /// Where the value of a flag is, for messages.
    pub(super) fn place(&self, flag: &str) -> String {
        match self {
            Self::Hash(key) => format!("field `{flag}` of the hash `{key}`"),
            Self::Keys(prefix) => format!("key `{prefix}:{flag}`"),
        }
    }

    /// Asks the server to tell of changes.
    pub(super) fn track(&self) -> Cmd {
        let mut track = cmd("CLIENT");
        track.arg("TRACKING").arg("ON");
        if let Self::Keys(prefix) = self {
            track.arg("BCAST").arg("PREFIX").arg(format!("{prefix}:"));
        }
        track
    }

    /// Whether a change of `key` may be one of the overrides.
    pub(super) fn has(&self, key: &[u8]) -> bool {
        match self {
            Self::Hash(hash) => key == hash.as_bytes(),
            Self::Keys(prefix) => self.flag_at(prefix, key).is_some(),
        }
    }

    fn flag_at<'k>(&self, prefix: &str, key: &'k [u8]) -> Option<&'k [u8]> {
        let flag = key.strip_prefix(prefix.as_bytes())?.strip_prefix(b":")?;
        // With a tag in the prefix, what stands beside the flags has it too.
        let is_beside = prefix.contains('{')
            && ["log", "instances", "usage"].iter().any(|what| key == self.beside(what).as_bytes());
        (!is_beside).then_some(flag)
    }

    /// Reads everything, unless there is more than `max` of it or it takes longer than `within`.
    pub(super) async fn read(
        &self,
        connection: &mut Commands,
        max: usize,
        within: Duration,
    ) -> Result<Reading, Unread> {
        let mut has_answered = false;
        // One bound for all its commands, however many there are.
        let read = timeout(within, self.read_all(connection, max, &mut has_answered)).await;
        match read {
            Ok(Err(Unread::Failed(error))) if !error.is_timeout() => Err(Unread::Failed(error)),
            Err(_) | Ok(Err(Unread::Failed(_))) if has_answered => Err(Unread::TooSlow),
            Err(_) | Ok(Err(Unread::Failed(_))) => Err(Unread::Silent),
            Ok(read) => read,
        }
    }

    async fn read_all(
        &self,
        connection: &mut Commands,
        max: usize,
        has_answered: &mut bool,
    ) -> Result<Reading, Unread> {
        match self {
            Self::Hash(key) => {
                let fields = connection.hlen(key).await?;
                *has_answered = true;
                if fields > max {
                    return Err(Unread::TooMany(fields));
                }
                let raw = cmd("HGETALL").arg(key).query_async(connection).await?;
                Ok(Reading { raw, is_large: fields > SMALL })
            }
            Self::Keys(prefix) => self.read_keys(prefix, connection, max, has_answered).await,
        }
    }

    async fn read_keys(
        &self,
        prefix: &str,
        connection: &mut Commands,
        max: usize,
        has_answered: &mut bool,
    ) -> Result<Reading, Unread> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        let mut cursor = 0_u64;
        let mut scans = 0;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern(prefix)).arg("COUNT").arg(AT_ONCE);
            let (next, found): (u64, Vec<Vec<u8>>) = scan.query_async(connection).await?;
            *has_answered = true;
            scans += 1;
            keys.extend(found);
            if keys.len() > max {
                return Err(Unread::TooMany(keys.len()));
            }
            if next == 0 {
                break;
            }
            cursor = next;
        }
        // A scan may name a key twice.
        keys.sort_unstable();
        keys.dedup();
        let mut raw = Raw::with_capacity(keys.len());
        for keys in keys.chunks(AT_ONCE) {
            let values: Vec<Option<Vec<u8>>> =
                cmd("MGET").arg(keys).query_async(connection).await?;
            // A key that is gone since, or that is no string, has no value.
            let flags = keys.iter().zip(values);
            raw.extend(
                flags
                    .filter_map(|(key, value)| Some((self.flag_at(prefix, key)?.to_vec(), value?))),
            );
        }
        // The keys of others cost as much as ours.
        Ok(Reading { is_large: raw.len() > SMALL || scans > 1, raw })
    }
}

/// What SCAN takes for all keys with the prefix and nothing else.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 2);
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + ":*"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_store_is_in_its_slot() {
        let log = |key: &str| Layout::Hash(key.to_owned()).log();

        assert_eq!(log("feature_flags"), "{feature_flags}:log");
        assert_eq!(log("{app}:flags"), "{app}:flags:log");
        assert_eq!(log("{}:flags"), "{{}:flags}:log");
    }

    #[test]
    fn a_prefix_is_matched_as_it_is_written() {
        assert_eq!(pattern("ff"), "ff:*");
        assert_eq!(pattern("a*[b]"), r"a\*\[b\]:*");
    }

    #[test]
    fn other_keys_are_none_of_the_store() {
        let keys = Layout::Keys("ff".to_owned());

        assert!(keys.has(b"ff:new_search"));
        assert!(!keys.has(b"ffx:new_search"));
        let tagged = Layout::Keys("{app}".to_owned());
        assert!(tagged.has(b"{app}:new_search"));
        assert!(!tagged.has(tagged.log().as_bytes()) && !tagged.has(b"{app}:instances"));
        assert!(!Layout::Hash("feature_flags".to_owned()).has(b"feature_flags_old"));
    }
}
