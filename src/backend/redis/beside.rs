//! Questions beside the overrides: the latest change, the time of the server, and the state of a
//! replica.
//!
//! None of the answers is needed, so none requires a right. An answer that the user may not get
//! stays unknown until the right is granted.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{RedisResult, Value, cmd};
use tokio::time::Instant;

use super::{
    connect::Commands,
    layout::{Layout, if_allowed},
};
use crate::foreign::info;

/// The time after which a refused question is asked again. Each refusal adds to the server's log of
/// denied commands, so this is rare.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// The questions that the server answers, as far as that is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rights {
    pub(super) log: Right,
    /// Also false if a scan takes too long.
    pub(super) scan: bool,
    time: Right,
    role: Right,
    evictions: bool,
}

/// The right to one question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Right {
    command: &'static str,
    /// The time of the last refusal; `None` if the question was answered, or was not asked yet.
    refused: Option<Instant>,
    /// True if the log of this process has the refusal.
    is_reported: bool,
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

impl Default for Rights {
    fn default() -> Self {
        Self {
            log: Right::new("XREVRANGE"),
            scan: true,
            time: Right::new("TIME"),
            role: Right::new("ROLE"),
            evictions: false,
        }
    }
}

impl Rights {
    /// Forgets the refusals of the last connection: the next one may lead to another server. The log
    /// had an entry that is too large at the instant `log_was_large`, which would end a connection.
    pub(super) fn renew(&mut self, log_was_large: Option<Instant>, evictions: bool) {
        self.log.refused = log_was_large;
        (self.time.refused, self.role.refused) = (None, None);
        (self.scan, self.evictions) = (true, evictions);
    }

    /// Asks all questions that are allowed, at once. A question that the server refuses is asked
    /// again after a minute.
    pub(super) async fn ask(&mut self, layout: &Layout, conn: &Commands) -> Beside {
        let mut log = conn.clone();
        let (revision, time, link, evictions) = tokio::join!(
            self.log.ask(layout.last_revision(&mut log)),
            self.time.ask(time(conn.clone())),
            self.role.ask(link(conn.clone())),
            asked(&mut self.evictions, evictions(conn.clone())),
        );
        Beside { revision, time, link: link.flatten(), evictions: evictions.flatten() }
    }
}

impl Right {
    const fn new(command: &'static str) -> Self {
        Self { command, refused: None, is_reported: false }
    }

    /// Returns `true` unless the server has refused the last question.
    pub(super) const fn is_given(self) -> bool {
        self.refused.is_none()
    }

    /// Returns `true` if the question may be asked now.
    pub(super) fn may_ask(self) -> bool {
        self.refused.is_none_or(|at| at.elapsed() >= ASK_AGAIN)
    }

    /// Puts the next question off, as a refusal does.
    pub(super) fn put_off(&mut self) {
        self.refused = Some(Instant::now());
    }

    async fn ask<T>(&mut self, question: impl Future<Output = RedisResult<T>>) -> Option<T> {
        if !self.may_ask() {
            return None;
        }
        let answer = question.await;
        let command = self.command;
        match &answer {
            Ok(_) => {
                self.refused = None;
                if std::mem::take(&mut self.is_reported) {
                    info!(command, "the server grants a command from here on");
                }
            }
            Err(error) if is_failure(error) => {}
            Err(_) => {
                self.put_off();
                if !std::mem::replace(&mut self.is_reported, true) {
                    info!(command, "the server refuses a command that is not required");
                }
            }
        }
        answer.ok()
    }
}

async fn asked<T>(may: &mut bool, question: impl Future<Output = RedisResult<T>>) -> Option<T> {
    if !*may {
        return None;
    }
    let answer = question.await;
    *may = answer.as_ref().err().is_none_or(is_failure);
    answer.ok()
}

/// Returns `true` if the connection has failed, and the server has refused nothing.
fn is_failure(error: &redis::RedisError) -> bool {
    error.is_timeout() || error.is_io_error()
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

#[cfg(test)]
mod tests {
    use redis::ErrorKind;

    use super::*;

    /// Returns the answer to a question that the server would answer, and to one that it refuses.
    async fn ask(right: &mut Right, is_allowed: bool) -> Option<u64> {
        let refusal = || (ErrorKind::UnexpectedReturnType, "refused").into();
        right.ask(async { if is_allowed { Ok(1) } else { Err(refusal()) } }).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_question_is_asked_again_after_a_minute() {
        let mut right = Right::new("TIME");

        assert_eq!(ask(&mut right, false).await, None);
        assert!(!right.is_given());
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(ask(&mut right, true).await, None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(ask(&mut right, false).await, None);
        assert_eq!(ask(&mut right, true).await, None);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(ask(&mut right, true).await, Some(1));
        assert!(right.is_given());
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_with_an_entry_too_large_is_asked_for_again_after_a_minute() {
        let mut rights = Rights::default();
        assert!(rights.log.may_ask());

        rights.log.put_off();
        let at = Some(Instant::now());
        tokio::time::advance(Duration::from_secs(59)).await;
        rights.renew(at, false);
        assert!(!rights.log.may_ask());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(rights.log.may_ask());
    }
}
