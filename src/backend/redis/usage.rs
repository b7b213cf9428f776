//! The flags of the instances, and those that the instances evaluate.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

use redis::Cmd;
use serde::{Serialize, Serializer};
use serde_json::Value;
use tokio::time;

use super::{RedisError, RedisErrorKind, RedisHandle, script::REPORT_USAGE};
use crate::{
    backend::{FlagUsage, Sink},
    foreign::warn,
    serialize::object,
    text::instant,
};

/// The time after which an instance repeats a report, since the store may have lost it.
const AGAIN: Duration = Duration::from_secs(3_600);
/// The maximum number of flags in one script, during which the server does nothing else.
const AT_ONCE: usize = 500;

/// The use of a flag by all instances, by the clock of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The time when an instance had the flag for the first time.
    pub known: SystemTime,
    /// The last time, to the hour, at which an instance that evaluates the flag was running; `None`
    /// if there was none since `known`.
    pub evaluated: Option<SystemTime>,
}

impl Usage {
    fn read(stored: &[u8]) -> Option<Self> {
        let stored: Value = serde_json::from_slice(stored).ok()?;
        let at = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        Some(Self {
            known: at(stored["known"].as_u64()?)?,
            evaluated: stored["evaluated"].as_u64().and_then(at),
        })
    }
}

/// The reports of this instance.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// For each flag, whether it is evaluated, and the time of the last report.
    flags: HashMap<String, (bool, time::Instant)>,
    /// The kind of the last failure.
    failure: Option<RedisErrorKind>,
}

impl Reports {
    fn is_due(&self, flag: &FlagUsage) -> bool {
        self.flags.get(&flag.key).is_none_or(|&(was_evaluated, at)| {
            was_evaluated != flag.is_evaluated || at.elapsed() >= AGAIN
        })
    }

    /// Reports the flags whose use has changed.
    pub(super) async fn send(&mut self, redis: &RedisHandle, sink: &Sink) {
        let failure = redis.report_usage(sink, self).await.err();
        let kind = failure.as_ref().map(RedisError::kind);
        // No session reports this failure, since flags are followed without the usage.
        if let Some(error) = failure.filter(|_| kind != self.failure) {
            warn!(%error, "the flags that this instance evaluates are not reported to the others");
        }
        self.failure = kind;
    }
}

impl RedisHandle {
    /// Reads all flags that instances have ever had, and when they were evaluated. An instance that
    /// is [not announced](crate::Redis::unannounced) does not count.
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
    /// for (flag, usage) in Redis::open("redis://127.0.0.1/")?.handle().usage().await? {
    ///     if usage.evaluated.is_none() {
    ///         println!("{flag} was never evaluated");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn usage(&self) -> Result<BTreeMap<String, Usage>, RedisError> {
        let read = Cmd::hgetall(self.settings.layout.beside("usage"));
        let stored: HashMap<Vec<u8>, Vec<u8>> = self.ask(&read).await?;
        let flags = stored.into_iter();
        let flags = flags.filter_map(|(flag, stored)| {
            Some((String::from_utf8(flag).ok()?, Usage::read(&stored)?))
        });
        Ok(flags.collect())
    }

    async fn report_usage(&self, sink: &Sink, reports: &mut Reports) -> Result<(), RedisError> {
        let mut due = sink.usage();
        due.retain(|flag| reports.is_due(flag));
        for flags in due.chunks_mut(AT_ONCE) {
            flags.sort_unstable_by_key(|flag| !flag.is_evaluated);
            let mut report = REPORT_USAGE.prepare_invoke();
            report.key(self.settings.layout.beside("usage"));
            report.arg(flags.iter().filter(|flag| flag.is_evaluated).count());
            for flag in &*flags {
                report.arg(&flag.key);
            }
            let now = time::Instant::now();
            self.run_script::<()>(&report).await?;
            let sent = flags.iter().map(|flag| (flag.key.clone(), (flag.is_evaluated, now)));
            reports.flags.extend(sent);
        }
        Ok(())
    }
}

impl Serialize for Usage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, "Usage", {
            "known": instant(self.known),
            "evaluated": self.evaluated.map(instant),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_not_a_usage_note_is_ignored() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);

        assert_eq!(
            Usage::read(br#"{"known":5,"evaluated":7}"#),
            Some(Usage { known: at(5), evaluated: Some(at(7)) })
        );
        assert_eq!(Usage::read(br#"{"known":5}"#), Some(Usage { known: at(5), evaluated: None }));
        for garbage in ["", "1", r#"{"evaluated":7}"#, r#"{"known":"now"}"#] {
            assert_eq!(Usage::read(garbage.as_bytes()), None, "{garbage}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn usage_is_reported_again_after_an_hour() {
        let flag = |is_evaluated| FlagUsage { key: "a".into(), is_evaluated };
        let mut reports = Reports::default();
        assert!(reports.is_due(&flag(false)));

        for evaluated in [false, true] {
            reports.flags.insert("a".into(), (evaluated, time::Instant::now()));
            assert!(!reports.is_due(&flag(evaluated)));
            assert!(reports.is_due(&flag(!evaluated)));
            tokio::time::advance(AGAIN).await;
            assert!(reports.is_due(&flag(evaluated)));
        }
    }
}
