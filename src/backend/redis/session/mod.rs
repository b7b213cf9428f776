//! Follows one connection for as long as it lasts.

use std::{
    collections::{BTreeSet, HashSet},
    future::pending,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::{PushInfo, PushKind, Value, cmd};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};

use super::{
    OnLostStore, RedisError, RedisErrorKind, RedisHandle, TICK,
    beside::{self, Beside, Rights},
    clock::Offset,
    connect::Connection,
    fields::{Amended, Fields, Update},
    layout::{Extent, Layout, Reading, SLACK, Unread},
    log::LOGGED_BYTES,
    scan::Scan,
};
use crate::{
    backend::Sink,
    foreign::{self, warn},
};

/// The number of ticks between two reads of a large store.
const LARGE_TICK: u32 = 15;
/// The number of ticks between two reads of a large store if the server does not report changes.
const LARGE_POLL: u32 = 2;
/// The maximum number of ticks between two reads of a store, however large it is.
const LONGEST: u32 = 60;
/// The shortest time between two reads of a large store.
const LARGE_PAUSE: Duration = Duration::from_secs(1);
/// The maximum number of bytes per second that an instance reads of a store that changes or is
/// polled.
const BUSY_RATE: usize = 4 * 1024 * 1024;
/// The maximum number of bytes per second that an instance reads of a store that does not change.
const IDLE_RATE: usize = 1024 * 1024;
/// The bytes that one scan of the keys counts as: the server goes through a thousand keys for it.
const SCAN: usize = 64 * 1024;
/// The time after which a store that is too large is read again, unless the server reports a
/// change.
const BLOCKED: Duration = Duration::from_secs(60);
/// The maximum number of reported flags that are read by name. If there are more, everything is
/// read.
const NAMED: usize = 1_000;

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
}

impl Memory {
    fn may_read_log(&self) -> bool {
        self.log_was_large.is_none_or(|at| at.elapsed() >= BLOCKED)
    }
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
    rights: Rights,
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

/// The frequency of reads of a store, by the cost of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pace {
    is_large: bool,
    /// The shortest time between two reads.
    pause: Duration,
    /// The number of ticks between two reads while nothing changes.
    ticks: u32,
}

impl Pace {
    const SMALL: Self = Self { is_large: false, pause: Duration::ZERO, ticks: 1 };

    fn of(extent: Extent, tracked: bool) -> Self {
        if !extent.is_large() {
            return Self::SMALL;
        }
        let cost = extent.bytes + extent.scans.saturating_sub(1) * SCAN;
        let seconds = |rate: usize| u32::try_from(cost / rate).unwrap_or(LONGEST).min(LONGEST);
        let pause = LARGE_PAUSE.max(LARGE_PAUSE * seconds(BUSY_RATE));
        let ticks = match tracked {
            true => LARGE_TICK.max(seconds(IDLE_RATE)),
            false => LARGE_POLL.max(seconds(BUSY_RATE)),
        };
        Self { is_large: true, pause, ticks }
    }
}

/// The reports of the server. A signal that comes while no task waits is kept.
#[derive(Debug, Default)]
struct Signals {
    changed: Notify,
    lost: Notify,
    /// The reported flags, if each has a key of its own.
    named: Mutex<BTreeSet<Vec<u8>>>,
}

impl Signals {
    /// Records a push. The task of the connection calls this, so it must not wait.
    fn take(&self, push: &PushInfo, layout: &Layout) {
        match push.kind {
            PushKind::Disconnection => self.lost.notify_one(),
            PushKind::Invalidate => {
                let is_ours = |key: &Value| match key {
                    Value::BulkString(key) => layout.has(key),
                    _ => true,
                };
                let is_other = match push.data.first() {
                    Some(Value::Array(keys)) => {
                        self.note(keys, layout);
                        !keys.iter().any(is_ours)
                    }
                    // A report without keys: everything was flushed.
                    _ => false,
                };
                if !is_other {
                    self.changed.notify_one();
                }
            }
            _ => {}
        }
    }

    fn note(&self, keys: &[Value], layout: &Layout) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let Value::BulkString(key) = key else { continue };
            if let Some(flag) = layout.flag_of(key)
                && named.len() < NAMED
            {
                named.insert(flag.to_vec());
            }
        }
    }

    fn named(&self) -> BTreeSet<Vec<u8>> {
        std::mem::take(&mut *self.named.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
        let rights = Rights::new(memory.may_read_log(), evictions.is_some());
        Ok(Self {
            redis,
            sink,
            connection: Arc::new(connection),
            memory,
            rights,
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
                Some(seen) if self.rights.log => {
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

    /// Begins to read everything, beside the flags that are reported meanwhile.
    fn begin(&mut self) {
        self.due = None;
        if self.reading.is_some() {
            return;
        }
        if self.memory.care == Care::Blocked {
            self.memory.care = Care::Lengths;
        }
        let scans = self.may_scan();
        self.newer.clear();
        self.others_change = false;
        self.read_at = Instant::now();
        let (redis, main) = (self.redis.clone(), Arc::clone(&self.connection));
        let known = self.reader.take().filter(|reader| !reader.is_over());
        let (mut rights, care) = (self.rights, self.memory.care);
        let needs_own = self.rights.log && self.pace.is_large;
        self.reading = Some(Box::pin(async move {
            let super::Settings { target, layout, timeouts, .. } = &*redis.settings;
            let reader = match known {
                Some(reader) => reader,
                None if needs_own => {
                    // If the server accepts no other connection, use the one that exists.
                    let own = target.connect(layout.key(), timeouts, None).await;
                    own.map_or(main, Arc::new)
                }
                None => main,
            };
            let found = async {
                if scans && let Some((scan, beside)) = redis.scan(&reader, &mut rights).await? {
                    return Ok((Found::Scanned(scan), beside));
                }
                let (reading, beside) = redis.read_whole(&reader, care, &mut rights).await?;
                Ok((Found::All(reading), beside))
            };
            let found = found.await;
            Beginning { reader, rights, found }
        }));
    }

    /// Returns `true` if a scan is likely to find no difference.
    fn may_scan(&self) -> bool {
        // Without reports, no flag is read by name meanwhile, so none would have to wait.
        self.tracked
            && self.rights.scan
            && !self.others_change
            && !self.is_refused
            && self.memory.care == Care::Usual
            && matches!(self.redis.settings.layout, Layout::Hash(_))
    }

    async fn end(&mut self, begun: Beginning) -> Result<(), Ended> {
        let Beginning { reader, rights, found } = begun;
        self.reading = None;
        if found.is_ok() {
            self.rights = rights;
        }
        let is_main = Arc::ptr_eq(&reader, &self.connection);
        if !is_main {
            self.reader = Some(Arc::clone(&reader));
        }
        match self.take(found, &reader).await {
            // Only the connection of the read has ended.
            Err(Ended::Careless) if !is_main => {
                self.due = Some(Instant::now());
                Ok(())
            }
            taken => taken,
        }
    }

    /// Allows the log to be read again, a while after it had an entry that was too large.
    fn ask_for_log_again(&mut self) {
        if self.memory.log_was_large.is_some() && self.memory.may_read_log() {
            self.rights.log = true;
        }
    }

    /// Reads everything, and publishes it if it differs.
    async fn read(&mut self) -> Result<(), Ended> {
        (self.due, self.reading) = (None, None);
        self.newer.clear();
        self.read_at = Instant::now();
        let connection = Arc::clone(&self.connection);
        let care = self.memory.care;
        self.ask_for_log_again();
        let whole = self.redis.read_whole(&connection, care, &mut self.rights).await;
        self.take(whole.map(|(reading, beside)| (Found::All(reading), beside)), &connection).await
    }

    /// Takes the result of a read.
    async fn take(
        &mut self,
        found: Result<(Found, Beside), Unread>,
        connection: &Connection,
    ) -> Result<(), Ended> {
        self.unread = 0;
        match found {
            Ok((found, beside)) => {
                if self.rights.log {
                    self.memory.log_was_large = None;
                }
                match found {
                    Found::All(reading) => self.put_in_force(&reading, beside).await,
                    Found::Scanned(scan) => self.end_scan(scan, beside).await,
                }
            }
            Err(Unread::TooLarge(_)) if self.memory.care == Care::Usual => {
                self.memory.care = Care::Lengths;
                Err(Ended::Careless)
            }
            Err(Unread::LargeLog) => {
                // Reading the log again at once would end one connection after the other.
                self.rights.log = false;
                if self.memory.log_was_large.replace(Instant::now()).is_none() {
                    let log = self.redis.settings.layout.log();
                    warn!(
                        log,
                        "the log has an entry that is too large, so changes are not followed by it"
                    );
                }
                Err(Ended::Careless)
            }
            Err(unread @ Unread::TooMany(_)) => {
                let error = self.redis.unread(connection, unread);
                if !std::mem::replace(&mut self.is_refused, true) {
                    self.sink.fail(error);
                }
                Ok(())
            }
            Err(unread) => {
                if matches!(unread, Unread::TooLarge(_)) {
                    self.memory.care = Care::Blocked;
                }
                Err(self.redis.unread(connection, unread).into())
            }
        }
    }

    /// Reads everything if a scan has found a change that the log does not have.
    async fn end_scan(&mut self, scan: Scan, beside: Beside) -> Result<(), Ended> {
        let mut different = scan.different;
        different.extend(self.redis.shared.fields().unseen(scan.number).cloned());
        different.retain(|flag| !self.newer.contains(flag));
        if !different.is_empty() {
            // The scan may have found the change before its report came.
            self.follow_log(BTreeSet::new()).await?;
            different.retain(|flag| !self.newer.contains(flag));
        }
        if !different.is_empty() {
            self.others_change = true;
            self.begin();
            return Ok(());
        }
        self.evictions = beside.evictions.or(self.evictions);
        let (moved, offset) = self.note_time(&beside);
        if let Some(link) = beside.link {
            return Err(self.master_down(&link));
        }
        if moved {
            self.publish(&self.redis.shared.fields(), Update::Nothing);
        } else {
            self.sink.confirm();
        }
        self.report_clock(offset);
        self.pace = Pace::of(scan.extent, self.tracked);
        self.saw(beside.revision);
        Ok(())
    }

    async fn put_in_force(&mut self, reading: &Reading, beside: Beside) -> Result<(), Ended> {
        let redis = self.redis;
        let (settings, shared) = (&redis.settings, &redis.shared);
        let was_evicted = self.keep_evicted(reading).await?;
        self.evictions = beside.evictions.or(self.evictions);

        let mut fields = shared.fields();
        let is_gone = reading.is_empty() && fields.len() > 0 && self.memory.evicted.is_empty();
        if !self.was_up && is_gone {
            let lost = self.error(RedisErrorKind::LostStore);
            match settings.on_lost_store {
                OnLostStore::Accept => self.sink.fail(lost),
                OnLostStore::Hold => return Err(lost.into()),
            }
        }
        let (moved, offset) = self.note_time(&beside);
        if let Some(link) = beside.link {
            // An old state is better than none for a process that starts now.
            if !reading.is_empty() {
                fields.update(reading, &self.newer, &settings.layout);
                self.sink.revise(fields.offer(redis.shared.now(), &settings.layout));
            }
            return Err(self.master_down(&link));
        }
        let newer: HashSet<_> = self.newer.union(&self.memory.evicted).cloned().collect();
        let mut update = fields.update(reading, &newer, &settings.layout);
        let is_evicted = !self.memory.evicted.is_empty();
        let was_shown = std::mem::replace(&mut self.memory.is_eviction_shown, is_evicted);
        if was_evicted || was_shown != is_evicted {
            update = Update::Problems;
        }
        self.is_refused = false;
        if update == Update::Nothing && self.was_up && !moved {
            self.sink.confirm();
        } else {
            self.publish(&fields, update);
            shared.changed.send_replace(());
        }
        drop(fields);
        self.report_clock(offset);
        self.was_up = true;
        self.pace = Pace::of(reading.extent(), self.tracked);
        if self.memory.care == Care::Lengths && !reading.needs_care() {
            self.memory.care = Care::Usual;
        }
        self.saw(beside.revision);
        Ok(())
    }

    /// Records the server's time. Returns `true` if the offset has changed, and the offset if it
    /// has to be reported.
    fn note_time(&self, beside: &Beside) -> (bool, Option<Offset>) {
        match beside.time {
            Some(asked) => self.redis.shared.clock.note(asked),
            None => (false, None),
        }
    }

    fn report_clock(&self, offset: Option<Offset>) {
        if let Some(offset) = offset {
            // The source has not failed: its overrides end in time.
            self.sink.fail(RedisError::clock(&self.connection.place, offset));
            self.sink.confirm();
        }
    }

    fn master_down(&self, link: &str) -> Ended {
        let said = format!("its link to the master is in the state `{link}`");
        let kind = RedisErrorKind::MasterDown;
        RedisError::new(kind, &self.connection.place, Some(said)).into()
    }

    /// Records the latest change that the log had when a read began.
    fn saw(&self, revision: Option<Option<u64>>) {
        let shared = &self.redis.shared;
        let known = (*shared.seen.borrow()).and_then(|seen| seen.revision);
        let revision = match revision {
            // Flags that were read by name meanwhile may be newer.
            Some(revision) if !self.newer.is_empty() => revision.max(known),
            Some(revision) => revision,
            None if self.rights.log => known,
            None => None,
        };
        shared.saw(revision);
    }

    /// Finds the overrides that are gone because the server was out of memory. They keep their last
    /// values. Returns `true` if there are more of them now.
    async fn keep_evicted(&mut self, reading: &Reading) -> Result<bool, Ended> {
        let layout = &self.redis.settings.layout;
        let gone = self.redis.shared.fields().gone(reading, &self.newer, layout);
        let gone: Vec<_> =
            gone.into_iter().filter(|flag| !self.memory.evicted.contains(flag)).collect();
        let mut is_news = false;
        if let Some(before) = self.evictions.filter(|_| !gone.is_empty()) {
            self.connection.allowance.set_at_least(SLACK);
            let now = beside::evictions(self.connection.conn.clone()).await;
            if now.map_err(|error| self.failed(&error))?.is_some_and(|now| now > before) {
                self.memory.evicted.extend(gone);
                is_news = true;
            }
        }
        match layout {
            // A writer has stored a new hash.
            Layout::Hash(_) if !reading.is_empty() => self.memory.evicted.clear(),
            _ => self.memory.evicted.retain(|flag| !reading.has(flag)),
        }
        Ok(is_news)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(flags: usize, bytes: usize, scans: usize) -> Extent {
        Extent { flags, bytes, scans }
    }

    #[test]
    fn the_larger_a_store_is_the_less_often_it_is_read() {
        let mebi = 1024 * 1024;
        let pace = |extent: Extent, tracked| {
            let Pace { pause, ticks, .. } = Pace::of(extent, tracked);
            (pause.as_secs(), ticks)
        };

        assert_eq!(pace(extent(500, 100_000, 0), true), (0, 1));
        assert_eq!(pace(extent(501, 100_000, 0), true), (1, 15));
        assert_eq!(pace(extent(501, 100_000, 0), false), (1, 2));
        // A hundred values of 500 KB.
        assert_eq!(pace(extent(100, 50 * mebi, 0), true), (12, 50));
        assert_eq!(pace(extent(100, 50 * mebi, 0), false), (12, 12));
        // A few keys among a million of others.
        assert_eq!(pace(extent(3, 1_000, 1_000), true), (15, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_with_an_entry_too_large_is_asked_for_again_after_a_minute() {
        let memory = Memory { log_was_large: Some(Instant::now()), ..Memory::default() };
        let may_read = async |after| {
            tokio::time::advance(Duration::from_secs(after)).await;
            memory.may_read_log()
        };

        assert!(!may_read(0).await && !may_read(59).await);
        assert!(may_read(1).await);
        assert!(Memory::default().may_read_log());
    }
}
