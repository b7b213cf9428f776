//! One connection, followed for as long as it lasts.

use std::{sync::Arc, time::SystemTime};

use redis::{PushInfo, PushKind, Value, cmd};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{
    OnLostStore, RedisError, RedisErrorKind, RedisHandle, TICK,
    connect::Connection,
    fields::Update,
    handle::Seen,
    layout::{Layout, Raw},
};
use crate::backend::Sink;

/// A large store is read at one of so many ticks.
const LARGE_TICK: u32 = 15;
/// A large store is read at one of so many ticks when the server does not tell of changes.
const LARGE_POLL: u32 = 2;

pub(super) struct Session<'a> {
    redis: &'a RedisHandle,
    sink: &'a Sink,
    connection: Arc<Connection>,
    /// Whether the server tells of changes.
    tracked: bool,
    /// Whether the server lets us read its log.
    reads_log: bool,
    /// Whether anything was read.
    was_up: bool,
    /// Whether it costs too much to read everything at each tick.
    is_large: bool,
    /// How many ticks ago everything was read.
    unread: u32,
    /// Counts the reads that somebody waits for.
    wanted: watch::Receiver<u64>,
}

/// What the server tells on its own. A signal that comes while nobody waits is kept.
#[derive(Debug, Default)]
struct Signals {
    changed: Notify,
    lost: Notify,
}

impl Signals {
    /// Called by the task that drives the connection: it must not wait.
    fn take(&self, push: &PushInfo, layout: &Layout) {
        match push.kind {
            PushKind::Disconnection => self.lost.notify_one(),
            PushKind::Invalidate => {
                let is_ours = |key: &Value| match key {
                    Value::BulkString(key) => layout.has(key),
                    _ => true,
                };
                let is_other = match push.data.first() {
                    Some(Value::Array(keys)) => !keys.iter().any(is_ours),
                    // No keys at all: everything was flushed.
                    _ => false,
                };
                if !is_other {
                    self.changed.notify_one();
                }
            }
            _ => {}
        }
    }
}

impl<'a> Session<'a> {
    /// Connects and follows. Returns why it ended, and whether it was ever up.
    pub(super) async fn run(redis: &'a RedisHandle, sink: &'a Sink) -> (RedisError, bool) {
        let signals = Arc::new(Signals::default());
        let push = {
            let (signals, layout) = (Arc::clone(&signals), redis.settings.layout.clone());
            move |push: PushInfo| signals.take(&push, &layout)
        };
        let mut session = match Self::open(redis, sink, Arc::new(push)).await {
            Ok(session) => session,
            Err(error) => return (error, false),
        };
        let connection = Arc::clone(&session.connection);
        let error = tokio::select! {
            Err(error) = session.follow(&signals) => error,
            () = Self::replaced(redis, &connection) => {
                RedisError::new(RedisErrorKind::Moved, &connection.place, None)
            }
        };
        (error, session.was_up)
    }

    async fn open(
        redis: &'a RedisHandle,
        sink: &'a Sink,
        push: Arc<dyn Fn(PushInfo) + Send + Sync>,
    ) -> Result<Self, RedisError> {
        let super::Settings { target, layout, timeouts, .. } = &*redis.settings;
        let mut connection = target.connect(layout.key(), timeouts, Some(push)).await?;
        // Before the first read, so that no change falls in between.
        let tracked = connection.resp3
            && match layout.track().exec_async(&mut connection.conn).await {
                Ok(()) => true,
                Err(error) if error.is_timeout() || error.is_io_error() => {
                    return Err(connection.error(&error));
                }
                // The user may not ask for it.
                Err(_) => false,
            };
        sink.mode(if tracked { "tracking" } else { "polling" });
        Ok(Self {
            redis,
            sink,
            connection: Arc::new(connection),
            tracked,
            reads_log: true,
            was_up: false,
            is_large: false,
            unread: 0,
            wanted: redis.shared.wanted.subscribe(),
        })
    }

    async fn follow(&mut self, signals: &Signals) -> Result<std::convert::Infallible, RedisError> {
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.read().await?;
        loop {
            tokio::select! {
                () = signals.lost.notified() => {
                    return Err(self.error(RedisErrorKind::Lost));
                }
                () = signals.changed.notified() => self.read().await?,
                _ = self.wanted.changed() => self.read().await?,
                _ = ticks.tick() => self.tick().await?,
            }
        }
    }

    /// What no push tells: that the server hangs, that databases were swapped.
    async fn tick(&mut self) -> Result<(), RedisError> {
        self.unread += 1;
        let due = match (self.is_large, self.tracked) {
            (false, _) => 1,
            (true, true) => LARGE_TICK,
            (true, false) => LARGE_POLL,
        };
        if self.unread >= due {
            return self.read().await;
        }
        let mut conn = self.connection.conn.clone();
        let pong = cmd("PING").exec_async(&mut conn).await;
        pong.map_err(|error| self.connection.error(&error))?;
        self.sink.confirm();
        Ok(())
    }

    /// Ends when another server has taken the place of this one. It is asked for beside everything else,
    /// so that sentinels that hang keep nothing from being read.
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

    /// Reads everything and publishes it if it differs.
    async fn read(&mut self) -> Result<(), RedisError> {
        let shared = Arc::clone(&self.redis.shared);
        let super::Settings { layout, max_fields, timeouts, .. } = &*self.redis.settings;
        // Before reading: whoever asks from now on wants another read.
        let count = *self.wanted.borrow_and_update();
        let (mut log, mut conn) = (self.connection.conn.clone(), self.connection.conn.clone());
        let revision = async {
            match self.reads_log {
                true => layout.last_revision(&mut log).await,
                false => Ok(None),
            }
        };
        let read = layout.read(&mut conn, *max_fields, timeouts.response);
        let (revision, read) = tokio::join!(revision, read);
        self.reads_log &= revision.is_ok();
        let read = read.map_err(|unread| self.redis.unread(&self.connection, unread))?;
        (self.is_large, self.unread) = (read.is_large, 0);
        self.publish(read.raw)?;
        self.was_up = true;
        let seen = Some(Seen { revision: revision.ok().flatten() });
        shared.seen.send_if_modified(|last| std::mem::replace(last, seen) != seen);
        shared.done.send_replace(count);
        Ok(())
    }

    fn publish(&mut self, raw: Raw) -> Result<(), RedisError> {
        let settings = &self.redis.settings;
        let mut fields = self.redis.shared.fields();
        if !self.was_up && raw.is_empty() && fields.len() > 0 {
            let lost = self.error(RedisErrorKind::LostStore);
            match settings.on_lost_store {
                OnLostStore::Accept => self.sink.fail(lost),
                OnLostStore::Hold => return Err(lost),
            }
        }
        let update = fields.update(raw, &settings.layout);
        if update == Update::Nothing && self.was_up {
            self.sink.confirm();
            return Ok(());
        }
        let now = SystemTime::now();
        let offer = fields.offer(now, &settings.layout).with_refused(fields.refused());
        self.redis.shared.next_end.send_replace(fields.next_end(now));
        self.redis.shared.changed.send_replace(());
        match fields.problem() {
            None => self.sink.publish(offer),
            Some(problem) if update == Update::Problems || !self.was_up => {
                self.sink.publish_partly(offer, problem);
            }
            // It was told when it began.
            Some(_) => {
                self.sink.revise(offer);
                self.sink.confirm();
            }
        }
        Ok(())
    }

    fn error(&self, kind: RedisErrorKind) -> RedisError {
        RedisError::new(kind, &self.connection.place, None)
    }
}
