//! Follows one connection for as long as it lasts: what is reported, what is in the log, what the ticks find.

mod pace;
mod reading;
mod signals;

use std::{
    collections::{BTreeSet, HashSet},
    future::pending,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use redis::{PushInfo, cmd};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};

use self::{pace::Pace, signals::Signals};
use super::{
    RedisError, RedisErrorKind, RedisHandle, TICK,
    beside::{self, Beside, Rights},
    connect::Connection,
    fields::{Amended, Fields, Update},
    layout::{Reading, SLACK, Unread},
    log::LOGGED_BYTES,
    scan::Scan,
};
use crate::{backend::Sink, foreign};

/// The time after which a store that is too large is read again, unless the server reports a
/// change.
const BLOCKED: Duration = Duration::from_secs(60);
/// The care with which a store is read, by its last known size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Care {
    #[default]
    Usual,
    /// The store had more bytes than usual, so lengths are read first.
    Lengths,
    /// The store has too many bytes, and is read only when it has changed.
    Blocked,
}

/// The state that one session leaves for the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    care: Care,
    /// The last time that the log had an entry which is too large to be read; `None` once it has
    /// none.
    log_was_large: Option<Instant>,
    /// The flags whose overrides the server has evicted. They keep the last overrides.
    evicted: HashSet<Vec<u8>>,
    /// True while health shows that overrides were evicted.
    is_eviction_shown: bool,
    rights: Rights,
}

/// The reasons why a session ends.
pub(super) enum Ended {
    Failed(RedisError),
    /// The answer was longer than expected, which ends the connection. The next session reads
    /// lengths first.
    Careless,
}

impl From<RedisError> for Ended {
    fn from(error: RedisError) -> Self {
        Self::Failed(error)
    }
}

pub(super) struct Session<'a> {
    redis: &'a RedisHandle,
    sink: &'a Sink,
    connection: Arc<Connection>,
    memory: &'a mut Memory,
    /// The server's count of evicted keys at the last complete read, if the server may evict keys.
    evictions: Option<u64>,
    /// True if the server reports changes.
    tracked: bool,
    /// True if anything was read.
    was_up: bool,
    /// True while the store as a whole is refused. Reported flags are still followed.
    is_refused: bool,
    pace: Pace,
    /// The number of ticks since the last complete read.
    unread: u32,
    /// The number of changes by this process whose callers wait.
    wanted: watch::Receiver<u64>,
    /// A read of a large store, beside everything else.
    reading: Option<Pin<Box<dyn Future<Output = Beginning> + Send>>>,
    /// The connection of that read, so that reported flags do not wait behind it.
    reader: Option<Arc<Connection>>,
    /// The time of the next complete read.
    due: Option<Instant>,
    /// The time at which the last read began.
    read_at: Instant,
    /// The flags that were read by name since the read began.
    newer: HashSet<Vec<u8>>,
    /// True if other writers change flags too: the server has reported a change that the log does
    /// not have, or a scan found one.
    others_change: bool,
}

/// A finished read, and its connection.
struct Beginning {
    reader: Arc<Connection>,
    rights: Rights,
    found: Result<(Found, Beside), Unread>,
}

/// The result of a read.
enum Found {
    /// Everything that is stored.
    All(Reading),
    /// Only the fields that differ from the known ones.
    Scanned(Scan),
}

/// The next event of a session.
enum Next {
    Changed,
    Wanted,
    Due,
    Read(Box<Beginning>),
    Tick,
}

impl<'a> Session<'a> {
    /// Connects and follows the server. Returns the reason for the end, and `true` if the session
    /// was ever up.
    pub(super) async fn run(
        redis: &'a RedisHandle,
        sink: &'a Sink,
        memory: &'a mut Memory,
    ) -> (Ended, bool) {
        let signals = Arc::new(Signals::default());
        let push = {
            let (signals, layout) = (Arc::clone(&signals), redis.settings.layout.clone());
            move |push: PushInfo| signals.take(&push, &layout)
        };
        let mut session = match Self::open(redis, sink, Arc::new(push), memory).await {
            Ok(session) => session,
            Err(error) => return (error.into(), false),
        };
        let connection = Arc::clone(&session.connection);
        let ended = tokio::select! {
            Err(ended) = session.follow(&signals) => ended,
            () = Self::replaced(redis, &connection) => {
                RedisError::new(RedisErrorKind::Moved, &connection.place, None).into()
            }
        };
        (ended, session.was_up)
    }

    async fn open(
        redis: &'a RedisHandle,
        sink: &'a Sink,
        push: Arc<dyn Fn(PushInfo) + Send + Sync>,
        memory: &'a mut Memory,
    ) -> Result<Self, RedisError> {
        let super::Settings { target, layout, timeouts, .. } = &*redis.settings;
        let mut connection = target.connect(layout.key(), timeouts, Some(push)).await?;
        // Track before the first read, so that no change falls in between.
        let tracked = connection.resp3
            && match layout.track().exec_async(&mut connection.conn).await {
                Ok(()) => true,
                Err(error) if error.is_timeout() || error.is_io_error() => {
                    return Err(connection.error(&error));
                }
                // The user may lack the right to track.
                Err(_) => false,
            };
        sink.mode(if tracked { "tracking" } else { "polling" });
        let evictions = beside::evictions(connection.conn.clone()).await;
        let evictions = evictions.map_err(|error| connection.error(&error))?;
        memory.rights.renew(memory.log_was_large, evictions.is_some());
        Ok(Self {
            redis,
            sink,
            connection: Arc::new(connection),
            memory,
            evictions,
            tracked,
            was_up: false,
            is_refused: false,
            pace: Pace::SMALL,
            unread: 0,
            wanted: redis.shared.wanted.subscribe(),
            reading: None,
            reader: None,
            due: None,
            read_at: Instant::now(),
            newer: HashSet::new(),
            others_change: false,
        })
    }

    async fn follow(&mut self, signals: &Signals) -> Result<std::convert::Infallible, Ended> {
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        match self.memory.care {
            Care::Blocked => self.block().await?,
            _ => self.read().await?,
        }
        // Handle requests that came between two sessions.
        self.look().await?;
        loop {
            let next = tokio::select! {
                () = signals.lost.notified() => {
                    return Err(self.error(RedisErrorKind::Lost).into());
                }
                () = signals.changed.notified() => Next::Changed,
                _ = self.wanted.changed() => Next::Wanted,
                begun = begun(&mut self.reading) => Next::Read(Box::new(begun)),
                () = at(self.due), if self.reading.is_none() => Next::Due,
                _ = ticks.tick() => Next::Tick,
            };
            match next {
                Next::Changed => self.changed(signals).await?,
                Next::Wanted => self.look().await?,
                Next::Due => self.begin(),
                Next::Read(begun) => self.end(*begun).await?,
                Next::Tick => self.tick().await?,
            }
        }
    }

    /// Reads reported flags at once, and everything as soon as the pace allows.
    async fn changed(&mut self, signals: &Signals) -> Result<(), Ended> {
        let named = signals.named();
        if !self.pace.is_large && !self.is_refused {
            return self.read().await;
        }
        self.others_change |= !self.follow_log(named).await?;
        if self.memory.care == Care::Blocked {
            self.memory.care = Care::Lengths;
            self.due = None;
        }
        self.read_soon();
        Ok(())
    }

    fn read_soon(&mut self) {
        self.due.get_or_insert(self.read_at + self.pace.pause);
    }

    /// Checks what no push reports: that the server hangs, or that databases were swapped.
    async fn tick(&mut self) -> Result<(), Ended> {
        self.unread += 1;
        if self.unread >= self.pace.ticks && self.memory.care < Care::Blocked {
            if !self.pace.is_large {
                return self.read().await;
            }
            self.read_soon();
        }
        self.connection.allowance.set_at_least(SLACK);
        let mut conn = self.connection.conn.clone();
        let pong = cmd("PING").exec_async(&mut conn).await;
        pong.map_err(|error| self.failed(&error))?;
        if !self.is_refused {
            self.sink.confirm();
        }
        Ok(())
    }

    /// Returns when another server has replaced this one. The question runs beside everything else,
    /// so that sentinels that hang delay no read.
    async fn replaced(redis: &RedisHandle, connection: &Connection) {
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if !redis.settings.target.is_current(connection).await {
                return;
            }
        }
    }

    /// Waits for a change of a store that has too many bytes, or for a timeout.
    async fn block(&mut self) -> Result<(), Ended> {
        self.is_refused = true;
        self.due = Some(Instant::now() + BLOCKED);
        self.follow_log(BTreeSet::new()).await?;
        Ok(())
    }

    /// Reads the flags that changes of this process are about.
    async fn look(&mut self) -> Result<(), Ended> {
        let count = *self.wanted.borrow_and_update();
        let flags = self.redis.shared.asked();
        self.read_named(flags, BTreeSet::new()).await?;
        let shared = &self.redis.shared;
        // Callers wait for both, and their wakers are foreign code.
        foreign::call(|| shared.failure.send_if_modified(|failure| failure.take().is_some()));
        foreign::call(|| shared.done.send_replace(count));
        Ok(())
    }

    /// Reads the flags of log entries after the last seen change, and the flags that the server
    /// reported. Returns `true` if the log has any.
    async fn follow_log(&mut self, named: BTreeSet<Vec<u8>>) -> Result<bool, Ended> {
        let layout = &self.redis.settings.layout;
        let (mut conn, mut log) = (self.connection.conn.clone(), self.connection.conn.clone());
        let seen = *self.redis.shared.seen.borrow();
        self.connection.allowance.set_at_least(LOGGED_BYTES);
        // Renew the tracking first, so that later changes are reported again.
        let tracking = layout.renew_tracking(&mut conn);
        let logged = async {
            match seen {
                Some(seen) if self.memory.rights.log.is_given() => {
                    Some(layout.logged_since(&mut log, seen.revision).await)
                }
                _ => None,
            }
        };
        let (tracking, logged) = tokio::join!(tracking, logged);
        if self.connection.allowance.is_exceeded() {
            self.memory.log_was_large = Some(Instant::now());
        }
        tracking.map_err(|error| self.failed(&error))?;
        let (latest, logged) = match logged {
            Some(Ok((revision, logged))) => (revision, logged.into_iter().collect()),
            _ => (None, BTreeSet::new()),
        };
        self.read_named(logged, named).await?;
        // Record the revision only now that the changes are in force: it is announced to the other
        // instances.
        if latest.is_some() {
            self.redis.shared.saw(latest);
        }
        Ok(latest.is_some())
    }

    /// Reads the flags that changes of this process are about, and those that the server reported.
    async fn read_named(
        &mut self,
        changed: BTreeSet<Vec<u8>>,
        named: BTreeSet<Vec<u8>>,
    ) -> Result<(), Ended> {
        let flags: Vec<_> = changed.union(&named).cloned().collect();
        if flags.is_empty() {
            return Ok(());
        }
        let layout = &self.redis.settings.layout;
        let values = layout.read_named(&self.connection, &flags).await;
        let values = values.map_err(|error| self.failed(&error))?;
        // A missing key may have been evicted, which a complete read finds out.
        let is_known = |flag: &Vec<u8>, value: &Option<Vec<u8>>| {
            value.is_some() || self.evictions.is_none() || changed.contains(flag)
        };
        let values = flags.into_iter().zip(values);
        let values: Vec<_> = values.filter(|(flag, value)| is_known(flag, value)).collect();
        let now = self.redis.shared.now();
        let redis = self.redis;
        // Hold the lock until the change is in force: another task ends overrides meanwhile.
        let mut fields = redis.shared.fields();
        let Amended { update, changed, removed } = fields.amend(&values, now, layout);
        self.newer.extend(values.into_iter().map(|(flag, _)| flag));
        self.memory.evicted.retain(|flag| !self.newer.contains(flag));
        match update {
            Update::Nothing => return Ok(()),
            Update::Values => self.sink.amend(changed, removed),
            Update::Problems => self.publish(&fields, update),
        }
        redis.shared.next_end.send_replace(fields.next_end(now));
        redis.shared.changed.send_replace(());
        Ok(())
    }

    /// Publishes the overrides that are in force now.
    fn publish(&self, fields: &Fields, update: Update) {
        let (layout, now) = (&self.redis.settings.layout, self.redis.shared.now());
        let offer = fields.offer(now, layout).with_refused(fields.refused());
        self.redis.shared.next_end.send_replace(fields.next_end(now));
        if self.is_refused {
            self.sink.revise(offer);
            return;
        }
        let evicted = self.memory.evicted.len();
        let evicted = (evicted > 0).then(|| RedisError::evicted(&self.connection.place, evicted));
        match fields.problem(layout).or(evicted) {
            None => self.sink.publish(offer),
            Some(problem) if update == Update::Problems || !self.was_up => {
                self.sink.publish_partly(offer, problem);
            }
            // The problem was reported when it began.
            Some(_) => {
                self.sink.revise(offer);
                self.sink.confirm();
            }
        }
    }

    /// Returns the end of the session for a failure of the connection.
    fn failed(&mut self, error: &redis::RedisError) -> Ended {
        if self.connection.allowance.is_exceeded() && self.memory.care < Care::Blocked {
            self.memory.care = Care::Lengths;
            return Ended::Careless;
        }
        self.connection.error(error).into()
    }

    fn error(&self, kind: RedisErrorKind) -> RedisError {
        RedisError::new(kind, &self.connection.place, None)
    }
}

/// Waits for the read that has begun.
async fn begun<T>(reading: &mut Option<Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match reading {
        Some(reading) => reading.await,
        None => pending().await,
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
