//! The layout of overrides in the server's keys.

use std::{collections::HashMap, time::Duration};

use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value, cmd};
use tokio::time::{error::Elapsed, timeout};

use super::{
    connect::{Allowance, Commands, Connection},
    value,
};

/// The number of overrides up to which a store is small. Reading more at every change costs the
/// server too much.
const SMALL: usize = 500;
/// The number of bytes up to which a store is small.
const SMALL_BYTES: usize = 256 * 1024;
/// The number of keys in one command.
const AT_ONCE: usize = 1_000;

/// The usual maximum of bytes for the name and value of one flag. In a larger store, lengths are
/// read first.
pub(super) const USUAL_BYTES: usize = 2 * 1024;
/// The bytes of all other answers together, such as the latest entry of the log, which has two
/// values.
pub(super) const SLACK: usize = 2 * 1024 * 1024;
/// The maximum number of bytes of all values together.
pub(super) const MOST_BYTES: usize = 64 * 1024 * 1024;
/// The bytes that the protocol adds to one value.
const FRAME: usize = 64;

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
    /// The lengths of the values that are too large to be overrides and were not read.
    pub(super) too_large: HashMap<Vec<u8>, usize>,
    /// The number of bytes of all values that were read, and of their names.
    pub(super) bytes: usize,
    /// The number of scans of the keys in the database.
    pub(super) scans: usize,
}

/// The size of a store.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    pub(super) flags: usize,
    pub(super) bytes: usize,
    pub(super) scans: usize,
}

impl Extent {
    /// Returns `true` if reading the store at every change costs the server too much.
    pub(super) fn is_large(self) -> bool {
        // A scan of other keys costs as much as one of ours.
        self.flags > SMALL || self.bytes > SMALL_BYTES || self.scans > 1
    }
}

impl Reading {
    pub(super) fn extent(&self) -> Extent {
        let flags = self.raw.len() + self.too_large.len();
        Extent { flags, bytes: self.bytes, scans: self.scans }
    }

    /// Returns `true` if the store has more bytes than usual, so that the next read has to ask for
    /// lengths.
    pub(super) fn needs_care(&self) -> bool {
        let usual = SLACK / 2 + self.raw.len() * USUAL_BYTES;
        !self.too_large.is_empty() || self.bytes > usual
    }

    pub(super) fn is_empty(&self) -> bool {
        self.raw.is_empty() && self.too_large.is_empty()
    }

    pub(super) fn has(&self, flag: &[u8]) -> bool {
        self.raw.contains_key(flag) || self.too_large.contains_key(flag)
    }
}

/// The order in which lengths and values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lengths {
    /// Lengths are not needed: an answer that is longer than usual is cut off.
    Unasked,
    /// Lengths first, if the user may read them.
    First,
}

/// The reason why not everything was read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The store has too many flags: this many.
    TooMany(usize),
    /// All values together have too many bytes: this many, if that is known.
    TooLarge(Option<usize>),
    /// An entry of the log is too large.
    LargeLog,
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
    /// Returns the key that decides which node of a cluster has the store.
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Hash(key) => key,
            Self::Keys(prefix) => prefix,
        }
    }

    /// Returns the key of the log, which has to be in the same slot of a cluster.
    pub(super) fn log(&self) -> String {
        self.beside("log")
    }

    /// Returns the key of something that belongs to the store.
    pub(super) fn beside(&self, what: &str) -> String {
        let key = self.key();
        // The slot depends on the string in the first braces, if that is not empty.
        let tagged = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        match tagged {
            Some((tag, _)) if !tag.is_empty() => format!("{key}:{what}"),
            _ => format!("{{{key}}}:{what}"),
        }
    }

    /// Returns the location of a flag's value, for messages.
    pub(super) fn place(&self, flag: &str) -> String {
        match self {
            Self::Hash(key) => format!("field `{flag}` of the hash `{key}`"),
            Self::Keys(prefix) => format!("key `{prefix}:{flag}`"),
        }
    }

    /// Returns the command by which the server reports changes.
    pub(super) fn track(&self) -> Cmd {
        let mut track = cmd("CLIENT");
        track.arg("TRACKING").arg("ON");
        if let Self::Keys(prefix) = self {
            track.arg("BCAST").arg("PREFIX").arg(format!("{prefix}:"));
        }
        track
    }

    /// Returns `true` if a change of `key` may be one of an override.
    pub(super) fn has(&self, key: &[u8]) -> bool {
        match self {
            Self::Hash(hash) => key == hash.as_bytes(),
            Self::Keys(prefix) => self.flag_at(prefix, key).is_some(),
        }
    }

    fn flag_at<'k>(&self, prefix: &str, key: &'k [u8]) -> Option<&'k [u8]> {
        let flag = key.strip_prefix(prefix.as_bytes())?.strip_prefix(b":")?;
        // If the prefix has a tag, the keys beside the flags have it too.
        let is_beside = prefix.contains('{')
            && ["log", "instances", "usage"].iter().any(|what| key == self.beside(what).as_bytes());
        (!is_beside).then_some(flag)
    }

    /// Reads everything, unless there is more than `max` of it or it takes longer than `within`.
    pub(super) async fn read(
        &self,
        connection: &Connection,
        max: usize,
        within: Duration,
        lengths: Lengths,
    ) -> Result<Reading, Unread> {
        let mut reader = Reader {
            layout: self,
            conn: connection.conn.clone(),
            allowance: &connection.allowance,
            lengths,
            has_answered: false,
        };
        // One limit for all commands of the read, however many there are.
        let read = timeout(within, reader.read(max)).await;
        settled(read, reader.has_answered, connection)
    }

    /// Reads the current values of some flags.
    pub(super) async fn read_named(
        &self,
        connection: &Connection,
        flags: &[Vec<u8>],
    ) -> RedisResult<Vec<Option<Vec<u8>>>> {
        let mut conn = connection.conn.clone();
        connection.allowance.set_at_least(SLACK + flags.len() * USUAL_BYTES);
        let values: Vec<Option<Vec<u8>>> = match self {
            // A user with the right to read the log may run this command, but perhaps not HMGET.
            Self::Hash(key) => {
                let mut read = redis::pipe();
                for flag in flags {
                    read.hget(key, flag);
                }
                read.query_async(&mut conn).await?
            }
            Self::Keys(prefix) => {
                let mut read = cmd("MGET");
                for flag in flags {
                    read.arg([prefix.as_bytes(), b":", flag].concat());
                }
                read.query_async(&mut conn).await?
            }
        };
        all_of(values, flags.len(), "MGET")
    }

    /// Makes the server report the next change of the hash. The server reports a key only if it was
    /// read since the last report. Keys with a prefix are always reported.
    pub(super) async fn renew_tracking(&self, connection: &mut Commands) -> RedisResult<()> {
        match self {
            Self::Hash(key) => cmd("HLEN").arg(key).exec_async(connection).await,
            Self::Keys(_) => Ok(()),
        }
    }

    /// Returns the flag whose value is at a key of the server, if the flag has a key of its own.
    pub(super) fn flag_of<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        match self {
            Self::Hash(_) => None,
            Self::Keys(prefix) => self.flag_at(prefix, key),
        }
    }
}

/// A single read of everything.
struct Reader<'a> {
    layout: &'a Layout,
    conn: Commands,
    allowance: &'a Allowance,
    lengths: Lengths,
    has_answered: bool,
}

impl Reader<'_> {
    async fn read(&mut self, max: usize) -> Result<Reading, Unread> {
        match self.layout {
            Layout::Hash(key) => self.read_hash(key, max).await,
            Layout::Keys(prefix) => self.read_keys(prefix, max).await,
        }
    }

    async fn read_hash(&mut self, key: &str, max: usize) -> Result<Reading, Unread> {
        self.allowance.set(SLACK);
        let fields: usize = cmd("HLEN").arg(key).query_async(&mut self.conn).await?;
        self.has_answered = true;
        if fields > max {
            return Err(Unread::TooMany(fields));
        }
        self.allowance.set(SLACK + fields * USUAL_BYTES);
        let mut too_large = HashMap::new();
        if self.lengths == Lengths::First {
            let names: Option<Vec<Vec<u8>>> =
                if_allowed(cmd("HKEYS").arg(key).query_async(&mut self.conn).await)?;
            let lengths = match &names {
                Some(names) => {
                    self.lengths(names, |name| {
                        let mut length = cmd("HSTRLEN");
                        length.arg(key).arg(name);
                        length
                    })
                    .await?
                }
                None => None,
            };
            let Some(lengths) = lengths else {
                self.allowance.set(SLACK + MOST_BYTES);
                return Ok(self.get_all(key).await?.into());
            };
            let (legal, rest) = split(names.unwrap_or_default(), lengths)?;
            self.allow(&legal);
            if !rest.is_empty() {
                too_large = rest;
                let names: Vec<_> = legal.into_iter().map(|(name, _)| name).collect();
                let mut raw = Raw::with_capacity(names.len());
                if !names.is_empty() {
                    let mut get = cmd("HMGET");
                    get.arg(key).arg(&names);
                    let values = get.query_async(&mut self.conn).await?;
                    raw.extend(present(names, values)?);
                }
                return Ok(Reading { too_large, ..raw.into() });
            }
        }
        let raw = self.get_all(key).await?;
        Ok(Reading { too_large, ..raw.into() })
    }

    async fn get_all(&mut self, key: &str) -> RedisResult<Raw> {
        let all: Value = cmd("HGETALL").arg(key).query_async(&mut self.conn).await?;
        let pairs = match all {
            Value::Map(pairs) => pairs,
            // RESP2 sends a map as an array.
            Value::Array(items) if items.len() % 2 == 0 => {
                let mut items = items.into_iter();
                std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect()
            }
            // The library would take nil for a hash without fields, and all overrides would end.
            other => return Err(unexpected("HGETALL", &other)),
        };
        let text = |value| match value {
            Value::BulkString(bytes) => Ok(bytes),
            Value::SimpleString(text) => Ok(text.into_bytes()),
            other => Err(unexpected("HGETALL", &other)),
        };
        pairs.into_iter().map(|(name, value)| Ok((text(name)?, text(value)?))).collect()
    }

    async fn read_keys(&mut self, prefix: &str, max: usize) -> Result<Reading, Unread> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        let mut cursor = 0_u64;
        let mut scans = 0;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern(prefix)).arg("COUNT").arg(AT_ONCE);
            self.allowance.set(SLACK + AT_ONCE * USUAL_BYTES);
            let (next, found): (u64, Vec<Vec<u8>>) = scan.query_async(&mut self.conn).await?;
            self.has_answered = true;
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
        // A scan may return a key twice.
        keys.sort_unstable();
        keys.dedup();
        let mut reading = Reading::from(Raw::with_capacity(keys.len()));
        reading.scans = scans;
        let flag = |key: &[u8]| self.layout.flag_at(prefix, key).map(<[u8]>::to_vec);
        let mut total = 0;
        for keys in keys.chunks(AT_ONCE) {
            self.allowance.set(SLACK + keys.len() * USUAL_BYTES);
            let mut keys = keys.to_vec();
            if self.lengths == Lengths::First {
                match self.lengths(&keys, |key| Cmd::strlen(key)).await? {
                    Some(lengths) => {
                        let (legal, rest) = split(keys, lengths)?;
                        total += self.allow(&legal);
                        let rest = rest.into_iter();
                        reading
                            .too_large
                            .extend(rest.filter_map(|(key, length)| Some((flag(&key)?, length))));
                        keys = legal.into_iter().map(|(key, _)| key).collect();
                    }
                    None => self.allowance.set(SLACK + MOST_BYTES - reading.bytes.min(MOST_BYTES)),
                }
            }
            if total > MOST_BYTES {
                return Err(Unread::TooLarge(Some(total)));
            }
            if keys.is_empty() {
                continue;
            }
            let values = cmd("MGET").arg(&keys).query_async(&mut self.conn).await?;
            // A key that is gone since, or that is not a string, has no value.
            for (key, value) in present(keys, values)? {
                reading.bytes += key.len() + value.len();
                reading.raw.extend(flag(&key).map(|flag| (flag, value)));
            }
        }
        Ok(reading)
    }

    /// Returns the lengths of values, or `None` if the user may not read them.
    async fn lengths(
        &mut self,
        names: &[Vec<u8>],
        ask: impl Fn(&Vec<u8>) -> Cmd,
    ) -> RedisResult<Option<Vec<usize>>> {
        if names.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut lengths = redis::pipe();
        for name in names {
            lengths.add_command(ask(name));
        }
        if_allowed(lengths.query_async(&mut self.conn).await)
    }

    /// Allows an answer with these values. Returns their number of bytes.
    fn allow(&self, values: &[(Vec<u8>, usize)]) -> usize {
        let bytes = values.iter().map(|(name, length)| name.len() + length).sum();
        self.allowance.set(SLACK + bytes + values.len() * FRAME);
        bytes
    }
}

impl From<Raw> for Reading {
    fn from(raw: Raw) -> Self {
        let bytes = raw.iter().map(|(name, value)| name.len() + value.len()).sum();
        Self { raw, too_large: HashMap::new(), bytes, scans: 0 }
    }
}

/// Names and the lengths of their values.
type Measured<T> = (Vec<(Vec<u8>, usize)>, T);

/// Splits names by their values: those that may be overrides, and those that are too large.
fn split(
    names: Vec<Vec<u8>>,
    lengths: Vec<usize>,
) -> Result<Measured<HashMap<Vec<u8>, usize>>, Unread> {
    let lengths = all_of(lengths, names.len(), "STRLEN")?;
    let (legal, rest): (Vec<_>, _) =
        names.into_iter().zip(lengths).partition(|&(_, length)| length <= value::MAX_BYTES);
    let bytes = legal.iter().map(|(name, length)| name.len() + length).sum();
    if bytes > MOST_BYTES {
        return Err(Unread::TooLarge(Some(bytes)));
    }
    Ok((legal, rest.into_iter().collect()))
}

/// Returns the names that have a value.
fn present(
    names: Vec<Vec<u8>>,
    values: Vec<Option<Vec<u8>>>,
) -> RedisResult<impl Iterator<Item = (Vec<u8>, Vec<u8>)>> {
    let values = all_of(values, names.len(), "MGET")?;
    Ok(names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))))
}

/// Refuses an answer with fewer values than requested: the library takes nil for no values.
fn all_of<T>(values: Vec<T>, asked: usize, command: &'static str) -> RedisResult<Vec<T>> {
    match values.len() == asked {
        true => Ok(values),
        false => Err(RedisError::from((
            ErrorKind::UnexpectedReturnType,
            "an answer of another length",
            format!("{command} was answered with {} values instead of {asked}", values.len()),
        ))),
    }
}

fn unexpected(command: &'static str, answer: &Value) -> RedisError {
    let answer = match answer {
        Value::Nil => "nil",
        Value::Array(_) => "an array of another length",
        _ => "another type",
    };
    let detail = format!("{command} was answered with {answer}");
    RedisError::from((ErrorKind::UnexpectedReturnType, "an answer of another type", detail))
}

/// Returns a read, or the reason why it failed.
pub(super) fn settled<T>(
    read: Result<Result<T, Unread>, Elapsed>,
    has_answered: bool,
    connection: &Connection,
) -> Result<T, Unread> {
    match read {
        Ok(Err(Unread::Failed(_))) if connection.allowance.is_exceeded() => {
            Err(Unread::TooLarge(None))
        }
        Ok(Err(Unread::Failed(error))) if !error.is_timeout() => Err(Unread::Failed(error)),
        Err(_) | Ok(Err(Unread::Failed(_))) if has_answered => Err(Unread::TooSlow),
        Err(_) | Ok(Err(Unread::Failed(_))) => Err(Unread::Silent),
        Ok(read) => read,
    }
}

/// Returns the answer; `None` if the user lacks the right to it, or the server lacks the command.
pub(super) fn if_allowed<T>(answer: RedisResult<T>) -> RedisResult<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_timeout() || error.is_io_error() => Err(error),
        Err(error) => match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::ResponseError) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Returns the pattern for SCAN that matches the keys with the prefix and no others.
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
