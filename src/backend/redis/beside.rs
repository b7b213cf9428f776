//! Questions beside the overrides: the latest change, the time of the server, and the state of a
//! replica.
//!
//! None of the answers is needed, so none requires a right. An answer that the user may not get
//! stays unknown.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{RedisResult, Value, cmd};

use super::{
    connect::Commands,
    layout::{Layout, if_allowed},
};

/// The questions that the server answers, as far as that is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rights {
    pub(super) log: bool,
    /// Also false if a scan takes too long.
    pub(super) scan: bool,
    time: bool,
    role: bool,
    evictions: bool,
}

/// The answers to these questions.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The latest change in the log, if there was any.
    pub(super) revision: Option<Option<u64>>,
    pub(super) time: Option<Asked>,
    /// The state of the link to the master, if that does not work.
    pub(super) link: Option<String>,
    pub(super) evictions: Option<u64>,
}

/// The time of the server, with the instants of our clock before and after the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) before: SystemTime,
    pub(super) server: SystemTime,
    pub(super) after: SystemTime,
}

impl Rights {
    pub(super) fn new(log: bool, evictions: bool) -> Self {
        Self { log, scan: true, time: true, role: true, evictions }
    }

    /// Asks all questions that are allowed, at once. A question that the server refuses is not
    /// asked again.
    pub(super) async fn ask(&mut self, layout: &Layout, conn: &Commands) -> Beside {
        let mut log = conn.clone();
        let (revision, time, link, evictions) = tokio::join!(
            asked(&mut self.log, layout.last_revision(&mut log)),
            asked(&mut self.time, time(conn.clone())),
            asked(&mut self.role, link(conn.clone())),
            asked(&mut self.evictions, evictions(conn.clone())),
        );
        Beside { revision, time, link: link.flatten(), evictions: evictions.flatten() }
    }
}

async fn asked<T>(may: &mut bool, question: impl Future<Output = RedisResult<T>>) -> Option<T> {
    if !*may {
        return None;
    }
    let answer = question.await;
    *may = answer.as_ref().err().is_none_or(|error| error.is_timeout() || error.is_io_error());
    answer.ok()
}

/// Returns the time of the server, and the instants between which it was read.
pub(super) async fn time(mut conn: Commands) -> RedisResult<Asked> {
    let before = SystemTime::now();
    let (seconds, micros): (u64, u64) = cmd("TIME").query_async(&mut conn).await?;
    let server = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros);
    Ok(Asked { before, server, after: SystemTime::now() })
}

/// Returns the state of a replica's link to its master, unless the link works. A replica without
/// its master still answers, with its old data.
async fn link(mut conn: Commands) -> RedisResult<Option<String>> {
    let role: Vec<Value> = cmd("ROLE").query_async(&mut conn).await?;
    let text = |at: usize| match role.get(at) {
        Some(Value::BulkString(text)) => String::from_utf8_lossy(text).into_owned(),
        Some(Value::SimpleString(text)) => text.clone(),
        _ => String::new(),
    };
    let state = text(3);
    Ok((text(0) == "slave" && state != "connected").then_some(state))
}

/// Returns the number of keys that the server has evicted, if it may evict any key.
pub(super) async fn evictions(mut conn: Commands) -> RedisResult<Option<u64>> {
    let info: Option<String> = if_allowed(cmd("INFO").query_async(&mut conn).await)?;
    let Some(info) = info else { return Ok(None) };
    let value =
        |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let evicts = value("maxmemory_policy").is_some_and(|policy| policy.starts_with("allkeys-"));
    Ok(value("evicted_keys").and_then(|keys| keys.parse().ok()).filter(|_| evicts))
}
