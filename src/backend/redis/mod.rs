//! Overrides in Redis, shared by all instances of a service.

mod beside;
mod clock;
mod connect;
mod error;
mod fields;
mod fleet;
mod handle;
mod keep;
mod layout;
mod log;
mod scan;
mod script;
mod servers;
mod session;
mod usage;
mod value;
mod write;

use std::{fmt, path::PathBuf, time::Duration};

pub(super) use self::error::kind_of;
pub use self::{
    connect::InvalidRedis,
    error::{RedisError, RedisErrorKind},
    fleet::{Confirmation, Fleet, Instance},
    handle::RedisHandle,
    usage::Usage,
    write::{OldOverride, Rehearsed},
};
use self::{
    connect::{Target, Timeouts},
    error::Place,
    layout::Layout,
};
use super::IntoBackend;

/// Overrides at run time in a Redis that all instances of a service share.
///
/// One hash has one field per flag. Its value is `1` or `0`, for all users. Any other string of `1
/// true yes on t y` is on too, and **any other value off**, as in the Python package
/// `tempest-fastapi-sdk`. A JSON object is a partial definition, merged over the sources below:
/// `{"percentage": 25}` changes the percentage and leaves the rest.
///
/// A change by any writer, this crate or `redis-cli`, is in force within about a millisecond. The
/// server reports changes without any configuration (`CLIENT TRACKING`), and then the whole hash is
/// read again. The hash is also read once a second, in case a report is lost. If the server cannot
/// report changes, the hash is read every second and the mode in health is `polling`.
///
/// A large store, of more than 500 flags or 256 KiB, is read at most once a second. Flags that this
/// crate changes are still read at once, by the log of changes. Changes by other writers may take
/// that second.
///
/// No request waits for Redis. While Redis is down, slow or full of garbage, the last good
/// overrides stay in force. [`Flags::health`](crate::Flags::health), events and the log have the
/// failure, as a [`RedisError`]. Recovery needs no restart.
///
/// This type is the configuration. Added to a stack, it becomes a source with connections of its
/// own, and so does each clone. A [`RedisHandle`], which [`handle`](Self::handle) returns, does
/// everything else with the store, such as listing the instances.
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
}

#[derive(Debug, Clone)]
struct Settings {
    target: Target,
    layout: Layout,
    timeouts: Timeouts,
    max_fields: usize,
    on_lost_store: OnLostStore,
    /// The path of the file with the last good overrides.
    keep: Option<PathBuf>,
    /// The given name of this process in the list of instances.
    instance: Option<String>,
    announces: bool,
}

impl Settings {
    /// Returns the location that failures name without a connection.
    fn place(&self) -> Place {
        Place { node: self.target.to_string().into(), user: None, key: self.layout.key().into() }
    }
}

/// The treatment of the overrides when a server comes back without any, for example after a restart
/// without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum OnLostStore {
    /// Drop all overrides, as in a process that starts now.
    #[default]
    Accept,
    /// Keep the last overrides in force until a writer stores one.
    Hold,
}

/// The longest time between two questions to the server.
const TICK: Duration = Duration::from_secs(1);

impl Redis {
    /// Returns a source of the overrides in the hash `feature_flags` of the server at `url`.
    ///
    /// The forms are `redis://[user]:[password]@host:port/db`, `rediss://` for TLS (feature
    /// `redis-tls`), and `unix:///path?db=0&user=u&pass=p`; `valkey://` and `valkeys://` are
    /// synonyms. Passwords are percent-encoded.
    ///
    /// This does not connect yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL has none of these forms.
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
            instance: None,
            announces: true,
        };
        Self { settings }
    }

    /// Returns a handle to the store, with connections of its own. The handle reads, changes and
    /// watches the store, and can be a source.
    ///
    /// This does not connect yet. Settings that are changed later have no effect on the handle.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use flagstaff::{Flags, Redis};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let redis = Redis::open("redis://127.0.0.1/")?.instance("web-1").handle();
    /// let flags = Flags::builder().source(redis.clone()).start().await?;
    ///
    /// println!("{} instances follow the store", redis.fleet().await?.instances.len());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn handle(&self) -> RedisHandle {
        RedisHandle::new(self.settings.clone())
    }

    /// Sets the key of the hash; `feature_flags` unless set.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.settings.layout = Layout::Hash(key.into());
        self
    }

    /// Reads one JSON key per flag instead of a hash: `new_search` is at `ff:new_search` for the
    /// prefix `ff`. Such a value is a whole definition: its percentage is 100 unless set.
    ///
    /// This layout does not work in a cluster, which spreads such keys over its nodes.
    #[must_use]
    pub fn key_per_flag(mut self, prefix: impl Into<String>) -> Self {
        self.settings.layout = Layout::Keys(prefix.into());
        self
    }

    /// Sets the time within which the server has to answer, and to send all overrides; 2 seconds
    /// unless set. A large hash on a slow link needs more.
    ///
    /// A server that hangs is noticed at most one second after this time.
    #[must_use]
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeouts.response = timeout;
        self
    }

    /// Sets the time within which a connection has to be made; 1 second unless set.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeouts.connect = timeout;
        self
    }

    /// Sets the maximum number of overrides; 10,000 unless set. A store with more is rejected as a
    /// whole, and the previous overrides stay in force. A change that would add one more is
    /// refused.
    ///
    /// A value of more than 512 KiB is not read, and its flag keeps its last good override. A store
    /// with more than 64 MiB of values is rejected as a whole. So is one that takes longer to read
    /// than [`response_timeout`](Self::response_timeout). Flags that this crate changes are still
    /// followed.
    #[must_use]
    pub fn max_fields(mut self, max: usize) -> Self {
        self.settings.max_fields = max;
        self
    }

    /// Sets the treatment of the overrides when the server comes back without any.
    #[must_use]
    pub fn on_lost_store(mut self, on_lost_store: OnLostStore) -> Self {
        self.settings.on_lost_store = on_lost_store;
        self
    }

    /// Keeps the overrides in a file too, so that a process that starts while the server is away
    /// has those of its last run. They count as stale until the server can be read.
    ///
    /// For an invalid value, the file has the last good one. The file is written after a change,
    /// but for at most a tenth of the time, and once more when the flags end. The file of a process
    /// that is killed may be a moment old.
    ///
    /// Each write replaces the file in one step. A new file is readable by its owner alone; a file
    /// that is replaced keeps its mode and its owner. A symbolic link at `path` is replaced and not
    /// followed.
    ///
    /// Every process needs a file of its own.
    #[must_use]
    pub fn keep_at(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.keep = Some(path.into());
        self
    }

    /// Sets the name of this process among all that follow the store. Unless set, the name is made
    /// of the host, the process number and a random part.
    #[must_use]
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.settings.instance = Some(name.into());
        self
    }

    /// Keeps this process out of the list of instances, with the changes that it has seen and the
    /// flags that it evaluates. Announcing takes a second connection and a small write every 5
    /// seconds.
    #[must_use]
    pub fn unannounced(mut self) -> Self {
        self.settings.announces = false;
        self
    }
}

impl IntoBackend for Redis {
    type Backend = RedisHandle;

    fn into_backend(self) -> RedisHandle {
        RedisHandle::new(self.settings)
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
