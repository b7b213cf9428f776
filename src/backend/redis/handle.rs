//! A handle to a store, which reads, changes and follows it.

use std::{
    collections::BTreeSet,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Mutex as AsyncMutex, watch},
    time::sleep,
};

use super::{
    RedisError, RedisErrorKind, Settings,
    beside::{Beside, Rights},
    clock::ServerClock,
    connect::Connection,
    fields::Fields,
    fleet,
    layout::{Lengths, Raw, Reading, SLACK, Unread},
    session::{Care, Ended, Memory, Session},
    write::Writer,
};
use crate::{
    backend::{
        Backend, BackendError, BoxFuture, LogEntry, Refusal, Sink, SourceKind, WritableBackend,
        Write, Written,
    },
    foreign,
    model::Entry,
};

/// A handle to a store in Redis: reads and changes it, and lists the instances that follow it.
///
/// [`Redis::handle`](crate::Redis::handle) returns a handle. The handle connects at its first use,
/// and again after every failure, which its methods return as a [`RedisError`]. [`WritableBackend`]
/// has the methods to read and change flags.
///
/// Clones share their connections. Only one of them at a time can be a source, and only of one
/// stack; a second one fails the start. A change through any clone is in force in that source when
/// the call returns.
///
/// # Example
///
/// ```no_run
/// use std::time::Duration;
///
/// use flagstaff::{source::WritableBackend, write::{Operation, Write}, Redis};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let redis = Redis::open("redis://127.0.0.1/")?.handle();
///
/// let disable = Write::new(Operation::Disable).author("ana").reason("incident 42");
/// if let Some(revision) = redis.write("new_checkout", disable).await?.revision {
///     redis.wait_until_seen(revision, Duration::from_secs(5)).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisHandle {
    pub(super) settings: Arc<Settings>,
    pub(super) shared: Arc<Shared>,
}

/// The state that clones of a handle share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The name of this process in the list of instances.
    pub(super) instance: String,
    /// True once this process was announced.
    pub(super) is_announced: AtomicBool,
    /// The fields that were read last, and the overrides in force.
    pub(super) fields: Mutex<Fields>,
    /// The number of reads that were asked for. The session makes one for each new number.
    pub(super) wanted: watch::Sender<u64>,
    /// The number that the last read was made for.
    pub(super) done: watch::Sender<u64>,
    /// The flags of changes by this process since the last read.
    asked: Mutex<BTreeSet<Vec<u8>>>,
    /// The reason why the server is not followed at the moment; `None` while it is.
    pub(super) failure: watch::Sender<Option<RedisError>>,
    pub(super) clock: ServerClock,
    /// The latest revision in the log at the last complete read; `None` before the first one.
    pub(super) seen: watch::Sender<Option<Seen>>,
    /// The sink of the flags that have this source, for checking the types of values.
    pub(super) sink: Mutex<Option<Sink>>,
    /// Held by the flags that have this source.
    follower: Arc<AsyncMutex<()>>,
    /// Marked at every difference.
    pub(super) changed: watch::Sender<()>,
    /// The instant at which the next override ends.
    pub(super) next_end: watch::Sender<Option<SystemTime>>,
    pub(super) writer: Writer,
    /// Held while the file of the kept overrides is written.
    pub(super) keeping: Mutex<()>,
}

/// The latest change in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) revision: Option<u64>,
}

impl RedisHandle {
    pub(super) fn new(settings: Settings) -> Self {
        let shared = Shared {
            // Each handle gets its own name, as it follows the store on its own.
            instance: settings.instance.clone().unwrap_or_else(fleet::default_instance),
            is_announced: AtomicBool::new(false),
            fields: Mutex::default(),
            wanted: watch::Sender::new(0),
            done: watch::Sender::new(0),
            asked: Mutex::default(),
            failure: watch::Sender::new(None),
            clock: ServerClock::default(),
            seen: watch::Sender::new(None),
            sink: Mutex::default(),
            follower: Arc::default(),
            changed: watch::Sender::new(()),
            next_end: watch::Sender::new(None),
            writer: Writer::default(),
            keeping: Mutex::default(),
        };
        Self { settings: Arc::new(settings), shared: Arc::new(shared) }
    }

    /// Returns the address of the server, or of the nodes or sentinels by which it is found,
    /// without users and passwords. The [database](Self::database) is part of it unless it is 0.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Redis;
    ///
    /// let redis = Redis::open("redis://:secret@127.0.0.1:6379/")?.key("shop").handle();
    /// let second = Redis::open("redis://127.0.0.1/2")?.handle();
    ///
    /// assert_eq!((&*redis.address(), redis.key()), ("127.0.0.1:6379", "shop"));
    /// assert_eq!(second.address(), "127.0.0.1:6379/2");
    /// # Ok::<(), flagstaff::source::InvalidRedis>(())
    /// ```
    #[must_use]
    pub fn address(&self) -> String {
        self.settings.target.to_string()
    }

    /// Returns the number of the database on the server, which is 0 unless the URL names another.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Redis;
    ///
    /// assert_eq!(Redis::open("redis://127.0.0.1/2")?.handle().database(), 2);
    /// assert_eq!(Redis::open("redis://127.0.0.1")?.handle().database(), 0);
    /// # Ok::<(), flagstaff::source::InvalidRedis>(())
    /// ```
    #[must_use]
    pub fn database(&self) -> i64 {
        self.settings.target.database()
    }

    /// Returns the key of the hash, or the prefix of the keys in the layout with a key per flag.
    #[must_use]
    pub fn key(&self) -> &str {
        self.settings.layout.key()
    }

    /// Returns `true` if another handle has the address, the database and the key or prefix of this
    /// one.
    ///
    /// All loopback addresses are one host. Other host names are compared as strings, so a server
    /// with two names counts as two; [`is_same_store_by`](Self::is_same_store_by) can look them up.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Redis;
    ///
    /// let shop = Redis::open("redis://localhost")?.key("shop").handle();
    /// let same = Redis::open("redis://ana:secret@127.0.0.1:6379/0")?.key("shop").handle();
    /// let other = Redis::open("redis://localhost/1")?.key("shop").handle();
    ///
    /// assert!(shop.is_same_store(&same));
    /// assert!(!shop.is_same_store(&other));
    /// # Ok::<(), flagstaff::source::InvalidRedis>(())
    /// ```
    #[must_use]
    pub fn is_same_store(&self, other: &Self) -> bool {
        self.is_same_store_by(other, |_, _| false)
    }

    /// Returns `true` if another handle has the store of this one, like
    /// [`is_same_store`](Self::is_same_store). If all else is equal, `is_same_host` compares host
    /// names that differ, and may look them up.
    ///
    /// A server behind a proxy or a socket, and a master that is found by sentinels, is not
    /// recognised as the server with its own address.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Redis;
    ///
    /// let one = Redis::open("redis://redis.internal")?.handle();
    /// let other = Redis::open("redis://10.0.0.7")?.handle();
    ///
    /// assert!(!one.is_same_store(&other));
    /// assert!(one.is_same_store_by(&other, |a, b| (a, b) == ("redis.internal", "10.0.0.7")));
    /// # Ok::<(), flagstaff::source::InvalidRedis>(())
    /// ```
    #[must_use]
    pub fn is_same_store_by(
        &self,
        other: &Self,
        is_same_host: impl Fn(&str, &str) -> bool,
    ) -> bool {
        let (own, other) = (&self.settings, &other.settings);
        own.layout == other.layout && own.target.shares_server(&other.target, &is_same_host)
    }

    /// Follows the server for as long as there are flags.
    async fn follow(&self, sink: &Sink) {
        let mut pause = Pause::default();
        let mut reported: Option<String> = None;
        let mut memory = Memory::default();
        loop {
            let (ended, was_up) = Session::run(self, sink, &mut memory).await;
            self.forget_writer().await;
            let Ended::Failed(error) = ended else {
                // The cause of the panic may still be there.
                Pause::default().sleep().await;
                continue;
            };
            if was_up {
                pause = Pause::default();
                reported = None;
            }
            if error.kind().needs_action() {
                pause = Pause::LONGEST;
            }
            let failure = Some(error.clone());
            foreign::call(|| self.shared.failure.send_replace(failure));
            // Log a failure that repeats only once.
            let text = format!("{error:?}");
            if reported.as_ref() != Some(&text) {
                reported = Some(text);
                sink.fail(error);
            }
            pause.sleep().await;
        }
    }

    /// Ends overrides in time, also while the server is away.
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
            match end.duration_since(self.shared.now()) {
                Err(_) => self.publish_again(sink),
                // Look again after a while: the clock may be set, and a machine may sleep.
                Ok(left) => {
                    tokio::select! {
                        () = sleep(left.min(Duration::from_secs(30))) => {}
                        _ = next_end.changed() => {}
                    }
                }
            }
        }
    }

    /// Publishes the remaining overrides when one has ended.
    fn publish_again(&self, sink: &Sink) {
        let (fields, now) = (self.shared.fields(), self.shared.now());
        sink.revise(fields.offer(now, &self.settings.layout));
        self.shared.next_end.send_replace(fields.next_end(now));
    }

    /// Reads everything that is stored.
    pub(super) async fn stored_all(&self) -> Result<Raw, RedisError> {
        let Settings { layout, max_fields, timeouts, .. } = &*self.settings;
        let connection = self.connection().await?;
        let read = layout.read(&connection, *max_fields, timeouts.response, Lengths::First).await;
        let read = read.map_err(|unread| self.unread(&connection, unread))?;
        Ok(read.raw)
    }

    /// Reads everything, and asks the questions beside it.
    pub(super) async fn read_whole(
        &self,
        connection: &Connection,
        care: Care,
        rights: &mut Rights,
    ) -> Result<(Reading, Beside), Unread> {
        let Settings { layout, max_fields, timeouts, .. } = &*self.settings;
        let read = |lengths| layout.read(connection, *max_fields, timeouts.response, lengths);
        if care == Care::Usual {
            let beside = rights.ask(layout, &connection.conn);
            let (beside, reading) = tokio::join!(beside, read(Lengths::Unasked));
            return Ok((reading?, beside));
        }
        // Read one after the other, so that an error shows which of them is too large.
        connection.allowance.set(SLACK);
        let beside = rights.ask(layout, &connection.conn).await;
        if connection.allowance.is_exceeded() {
            return Err(Unread::LargeLog);
        }
        Ok((read(Lengths::First).await?, beside))
    }

    /// Returns the error of a read that ended early.
    pub(super) fn unread(&self, connection: &Connection, unread: Unread) -> RedisError {
        let Settings { max_fields, timeouts, .. } = &*self.settings;
        let (place, within) = (&connection.place, timeouts.response);
        match unread {
            Unread::TooMany(fields) => RedisError::too_many(place, fields, *max_fields),
            Unread::TooLarge(bytes) => RedisError::too_large(place, bytes),
            Unread::LargeLog => RedisError::too_large(place, None),
            Unread::TooSlow => RedisError::too_slow(place, within),
            Unread::Silent => RedisError::timeout(RedisErrorKind::ResponseTimeout, place, within),
            Unread::Failed(error) => connection.error(&error),
        }
    }
}

impl Shared {
    pub(super) fn fields(&self) -> MutexGuard<'_, Fields> {
        self.fields.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time of the server if it is known, else that of this machine.
    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Returns the sink of the flags that have this source, or had it last.
    pub(super) fn sink(&self) -> Option<Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns `true` if flags have this source, whether or not the server can be reached.
    pub(super) fn is_followed(&self) -> bool {
        self.follower.try_lock().is_err()
    }

    /// Asks the session to read a flag. Returns the number of the read that includes the flag.
    pub(super) fn ask(&self, flag: &str) -> u64 {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(flag.as_bytes().to_vec());
        drop(asked);
        let mut count = 0;
        self.wanted.send_modify(|wanted| {
            *wanted += 1;
            count = *wanted;
        });
        count
    }

    /// Takes the flags that were asked for.
    pub(super) fn asked(&self) -> BTreeSet<Vec<u8>> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records the latest revision that is in force.
    pub(super) fn saw(&self, revision: Option<u64>) {
        let seen = Some(Seen { revision });
        self.seen.send_if_modified(|last| std::mem::replace(last, seen) != seen);
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
        // Add jitter, so that instances that lost the same server do not reconnect at the same
        // moment.
        let jitter = RandomState::new().hash_one(()) % 500;
        let jitter = u32::try_from(jitter).unwrap_or_default();
        sleep(self.0 / 1_000 * (500 + jitter)).await;
        self.0 = (self.0 * 2).min(Self::LONGEST.0);
    }
}

impl Backend for RedisHandle {
    fn name(&self) -> &'static str {
        self.kind().as_str()
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Redis
    }

    fn location(&self) -> Option<String> {
        Some(format!("{}, key {}", self.address(), self.key()))
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        let Ok(following) = Arc::clone(&self.shared.follower).try_lock_owned() else {
            let taken = "it is a source of other flags already: open another one for these";
            return Box::pin(async move { Err(taken.into()) });
        };
        *self.shared.sink.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink.clone());
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

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.shared.is_announced.swap(false, Ordering::Relaxed) {
                // Ignore a failure: an instance that could not unregister is listed as silent.
                let _ = self.forget(&self.shared.instance).await;
            }
        })
    }

    fn as_writable(&self) -> Option<&dyn WritableBackend> {
        Some(self)
    }
}

impl WritableBackend for RedisHandle {
    fn write<'a>(&'a self, key: &'a str, write: Write) -> BoxFuture<'a, Result<Written, Refusal>> {
        Box::pin(async move { self.change(key, &write).await })
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, BackendError>> {
        Box::pin(async move {
            let stored = self.stored(key).await?;
            Ok(self.entry(key, stored.as_deref())?)
        })
    }

    fn now(&self) -> SystemTime {
        self.shared.now()
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

impl fmt::Debug for RedisHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisHandle")
            .field("target", &self.settings.target)
            .field("layout", &self.settings.layout)
            .finish_non_exhaustive()
    }
}
