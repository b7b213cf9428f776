//! Overrides in Redis, shared by all instances of a service.

mod connect;
mod error;
mod fields;
mod fleet;
mod keep;
mod layout;
mod log;
mod servers;
mod session;
mod usage;
mod value;
mod write;

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Mutex as AsyncMutex, watch},
    time::sleep,
};

pub(super) use self::error::kind_of;
pub use self::{
    connect::InvalidRedis,
    error::{RedisError, RedisErrorKind},
    fleet::{Fleet, Instance},
    usage::Usage,
};
use self::{
    connect::{Connection, Target, Timeouts},
    fields::Fields,
    layout::{Layout, Raw, Unread},
    session::Session,
    write::Writer,
};
use super::{
    Backend, BackendError, BoxFuture, LogEntry, Refusal, Sink, WritableBackend, Write, Written,
};
use crate::model::Entry;

/// Overrides at run time in a Redis that all instances of a service share.
///
/// One hash has one field per flag. Its value is `1` or `0`, which answers for everybody; any
/// other text of `1 true yes on t y` is on too, and **any other value off**, as the Python package
/// `tempest-fastapi-sdk` has it. A JSON object is a partial definition, merged over the sources
/// below: `{"percentage": 25}` changes the percentage and leaves the rest.
///
/// Whoever writes the hash, this crate or `redis-cli`, is seen within about a millisecond, without
/// any configuration of the server: the server tells of changes (`CLIENT TRACKING`), and the hash
/// is read whole again. Once a second it is read in any case, so that nothing stays unnoticed.
/// Where the server cannot tell of changes, it is read every second and health says `polling`.
///
/// Nothing on the request path waits for Redis. While it is down, slow or full of garbage, its last
/// good overrides stay in force, and [`Flags::health`](crate::Flags::health), events and the log say
/// what is wrong, as a [`RedisError`]. Recovery needs no restart.
///
/// Clones share their connections, and one of them at a time can be a source.
///
/// # Example
///
/// ```no_run
/// use flagstaff::{Env, File, Flags, Redis};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let flags = Flags::builder()
///     .source(Redis::open("redis://127.0.0.1/")?)
///     .source(Env::with_prefix("FEATURE_"))
///     .source(File::open("flags.toml")?)
///     .start()
///     .await?;
///
/// flags.disable("new_checkout").author("ana").reason("incident 42").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Redis {
    settings: Settings,
    shared: Arc<Shared>,
}

#[derive(Debug, Clone)]
struct Settings {
    target: Target,
    layout: Layout,
    timeouts: Timeouts,
    max_fields: usize,
    on_lost_store: OnLostStore,
    /// The file that the last good overrides are kept in.
    keep: Option<PathBuf>,
    /// What this process is called among the others.
    instance: String,
    announces: bool,
}

/// What to do with the overrides when a server comes back without any, as one does that was
/// restarted without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum OnLostStore {
    /// There are no overrides then: what a process that starts now sees as well.
    #[default]
    Accept,
    /// The last overrides stay in force until somebody writes one.
    Hold,
}

/// What clones of a backend have in common.
#[derive(Debug)]
struct Shared {
    /// What the server said last, and what is in force of it.
    fields: Mutex<Fields>,
    /// Counts the reads that were asked for; the session makes one for each new count.
    wanted: watch::Sender<u64>,
    /// The count that the last read was made for.
    done: watch::Sender<u64>,
    /// The latest revision that was in the log when everything was read last, once it was read.
    seen: watch::Sender<Option<Seen>>,
    /// Held by the flags that have this source.
    follower: Arc<AsyncMutex<()>>,
    /// Marked when anything differs.
    changed: watch::Sender<()>,
    /// When the next override ends.
    next_end: watch::Sender<Option<SystemTime>>,
    writer: Writer,
    /// Held while the file of the kept overrides is written.
    keeping: Mutex<()>,
}

/// What was in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    revision: Option<u64>,
}

/// How often the server is asked at least.
const TICK: Duration = Duration::from_secs(1);

impl Redis {
    /// Overrides in the hash `feature_flags` of the server at `url`.
    ///
    /// The forms are `redis://[user]:[password]@host:port/db`, `rediss://` for TLS (feature
    /// `redis-tls`), and `unix:///path?db=0&user=u&pass=p`; `valkey://` and `valkeys://` mean the
    /// same. Passwords are percent-encoded.
    ///
    /// This does not connect yet.
    ///
    /// # Errors
    ///
    /// A URL that is none of these.
    pub fn open(url: &str) -> Result<Self, InvalidRedis> {
        Ok(Self::at(Target::parse(url)?))
    }

    fn at(target: Target) -> Self {
        let settings = Settings {
            target,
            layout: Layout::Hash("feature_flags".into()),
            timeouts: Timeouts::default(),
            max_fields: 10_000,
            on_lost_store: OnLostStore::default(),
            keep: None,
            instance: fleet::default_instance(),
            announces: true,
        };
        let shared = Shared {
            fields: Mutex::default(),
            wanted: watch::Sender::new(0),
            done: watch::Sender::new(0),
            seen: watch::Sender::new(None),
            follower: Arc::default(),
            changed: watch::Sender::new(()),
            next_end: watch::Sender::new(None),
            writer: Writer::default(),
            keeping: Mutex::default(),
        };
        Self { settings, shared: Arc::new(shared) }
    }

    /// The key of the hash; `feature_flags` unless set.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.settings.layout = Layout::Hash(key.into());
        self
    }

    /// One JSON key per flag instead of a hash: `new_search` is at `ff:new_search` for the prefix
    /// `ff`. Such a value is a whole definition: a percentage that it does not name is 100.
    ///
    /// Not for a cluster, which spreads such keys over its nodes.
    #[must_use]
    pub fn key_per_flag(mut self, prefix: impl Into<String>) -> Self {
        self.settings.layout = Layout::Keys(prefix.into());
        self
    }

    /// How long an answer may take, and reading all overrides; 2 seconds unless set. A large hash on a
    /// slow link needs more.
    ///
    /// A server that hangs is noticed after this time and one second more at the latest.
    #[must_use]
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeouts.response = timeout;
        self
    }

    /// How long connecting may take; 1 second unless set.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeouts.connect = timeout;
        self
    }

    /// How many overrides are read at most; 10,000 unless set. A store with more is refused whole,
    /// and the overrides before stay in force, so that a store gone wild harms nobody. A change that
    /// would add one more is refused.
    ///
    /// Bytes are not counted, which the server could not do without reading everything: a value of more
    /// than 512 KiB is refused, and a store that takes longer to read than
    /// [`response_timeout`](Self::response_timeout) is.
    #[must_use]
    pub fn max_fields(mut self, max: usize) -> Self {
        self.settings.max_fields = max;
        self
    }

    /// What to do when the server comes back without any overrides.
    #[must_use]
    pub fn on_lost_store(mut self, on_lost_store: OnLostStore) -> Self {
        self.settings.on_lost_store = on_lost_store;
        self
    }

    /// Keeps the overrides in a file too, so that a process that starts while the server is away has
    /// those of its last run. They count as stale until the server can be read.
    ///
    /// A value that is wrong is kept as it was when it was right. The file is written after each change,
    /// and once more when the flags end; a process that is killed may have kept what was in force a
    /// moment before.
    ///
    /// Every process needs a file of its own.
    #[must_use]
    pub fn keep_at(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.keep = Some(path.into());
        self
    }

    /// What this process is called among all that follow the store; its host, process number and
    /// a random part unless set.
    #[must_use]
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.settings.instance = name.into();
        self
    }

    /// Does not tell the others that this process is there, what it has seen and which flags it
    /// evaluates, which takes a second connection and a small write every 5 seconds.
    #[must_use]
    pub fn unannounced(mut self) -> Self {
        self.settings.announces = false;
        self
    }

    /// Follows the server for as long as there are flags.
    async fn follow(&self, sink: &Sink) {
        let mut pause = Pause::default();
        let mut told: Option<String> = None;
        loop {
            let (error, was_up) = Session::run(self, sink).await;
            self.forget_writer().await;
            if was_up {
                pause = Pause::default();
                told = None;
            }
            if error.kind().needs_somebody() {
                pause = Pause::LONGEST;
            }
            // The same failure again and again is no news.
            let text = format!("{error:?}");
            if told.as_ref() != Some(&text) {
                told = Some(text);
                sink.fail(error);
            }
            pause.sleep().await;
        }
    }

    /// Takes overrides out of force when they end, also while the server is away.
    async fn end_overrides(&self, sink: &Sink) {
        let mut next_end = self.shared.next_end.subscribe();
        loop {
            let end = *next_end.borrow_and_update();
            let Some(end) = end else {
                if next_end.changed().await.is_err() {
                    return;
                }
                continue;
            };
            match end.duration_since(SystemTime::now()) {
                Err(_) => self.publish_again(sink),
                // The clock may be set, and a machine may sleep.
                Ok(left) => {
                    tokio::select! {
                        () = sleep(left.min(Duration::from_secs(30))) => {}
                        _ = next_end.changed() => {}
                    }
                }
            }
        }
    }

    /// Publishes what is left when an override has ended.
    fn publish_again(&self, sink: &Sink) {
        let (fields, now) = (self.shared.fields(), SystemTime::now());
        sink.revise(fields.offer(now, &self.settings.layout));
        self.shared.next_end.send_replace(fields.next_end(now));
    }

    /// Everything that is stored.
    async fn stored_all(&self) -> Result<Raw, RedisError> {
        let Settings { layout, max_fields, timeouts, .. } = &self.settings;
        let connection = self.connection().await?;
        let mut conn = connection.conn.clone();
        let read = layout.read(&mut conn, *max_fields, timeouts.response).await;
        let read = read.map_err(|unread| self.unread(&connection, unread))?;
        Ok(read.raw)
    }

    /// What it means that not everything was read.
    fn unread(&self, connection: &Connection, unread: Unread) -> RedisError {
        let Settings { max_fields, timeouts, .. } = &self.settings;
        let (place, within) = (&connection.place, timeouts.response);
        match unread {
            Unread::TooMany(fields) => RedisError::too_many(place, fields, *max_fields),
            Unread::TooSlow => RedisError::too_slow(place, within),
            Unread::Silent => RedisError::timeout(RedisErrorKind::ResponseTimeout, place, within),
            Unread::Failed(error) => connection.error(&error),
        }
    }
}

impl Shared {
    fn fields(&self) -> MutexGuard<'_, Fields> {
        self.fields.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The growing pause between attempts to connect.
#[derive(Debug)]
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_millis(50))
    }
}

impl Pause {
    const LONGEST: Self = Self(Duration::from_secs(1));

    async fn sleep(&mut self) {
        // Instances that lost the same server do not come back at the same moment.
        let jitter = RandomState::new().hash_one(()) % 500;
        let jitter = u32::try_from(jitter).unwrap_or_default();
        sleep(self.0 / 1_000 * (500 + jitter)).await;
        self.0 = (self.0 * 2).min(Self::LONGEST.0);
    }
}

impl Backend for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        let Ok(following) = Arc::clone(&self.shared.follower).try_lock_owned() else {
            let taken = "it is a source of other flags already: open another one for these";
            return Box::pin(async move { Err(taken.into()) });
        };
        self.recall(&sink);
        Box::pin(async move {
            let _following = following;
            tokio::join!(
                self.follow(&sink),
                self.end_overrides(&sink),
                self.announce(&sink),
                self.keep()
            );
            Ok(())
        })
    }

    fn as_writable(&self) -> Option<&dyn WritableBackend> {
        Some(self)
    }
}

impl WritableBackend for Redis {
    fn write<'a>(&'a self, key: &'a str, write: Write) -> BoxFuture<'a, Result<Written, Refusal>> {
        Box::pin(async move { self.change(key, &write).await })
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, BackendError>> {
        Box::pin(async move {
            let stored = self.stored(key).await?;
            Ok(self.entry(key, stored.as_deref())?)
        })
    }

    fn history<'a>(
        &'a self,
        key: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<LogEntry>, Refusal>> {
        Box::pin(async move { self.changes(key, limit).await.map_err(Refusal::failed) })
    }

    fn undo<'a>(
        &'a self,
        revision: u64,
        author: Option<String>,
        reason: Option<String>,
    ) -> BoxFuture<'a, Result<Written, Refusal>> {
        Box::pin(async move { self.restore(revision, author.as_deref(), reason.as_deref()).await })
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("target", &self.settings.target)
            .field("layout", &self.settings.layout)
            .finish_non_exhaustive()
    }
}
