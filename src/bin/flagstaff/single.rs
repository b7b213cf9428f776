//! A store of which only some flags are read.

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use flagstaff::{
    Backend,
    definition::Entry,
    source::{BackendError, BoxFuture, Offer, RedisHandle, Sink, SourceKind, WritableBackend},
    write::{LogEntry, Operation, Refusal, Write, Written},
};

/// The store as a source that has nothing but the flags that are changed.
///
/// A store that cannot be read as a whole, such as one with too many fields, can be changed through it.
#[derive(Debug)]
pub(crate) struct Single {
    redis: RedisHandle,
    names: Vec<String>,
    /// The entries that were read before the start.
    first: Offer,
    sink: OnceLock<Sink>,
}

impl Single {
    /// Reads what the store has for these flags, one after the other.
    pub(crate) async fn read(redis: RedisHandle, names: &[String]) -> Result<Self, Refusal> {
        let first = offer(&redis, names).await?;
        Ok(Self { redis, names: names.to_vec(), first, sink: OnceLock::new() })
    }

    /// Puts the stored value in force after a change.
    async fn read_again(&self) {
        // The change is made, even if its value cannot be read.
        let Ok(offer) = offer(&self.redis, &self.names).await else { return };
        if let Some(sink) = self.sink.get() {
            sink.publish(offer);
        }
    }
}

async fn offer(redis: &RedisHandle, names: &[String]) -> Result<Offer, Refusal> {
    let mut stored = Vec::new();
    for name in names {
        // The stored value is a part of every rehearsal.
        let rehearsed = redis.rehearse(name, &Write::new(Operation::Clear)).await?;
        let decoded = rehearsed.before.map(|stored| redis.decode(name, &stored));
        stored.extend(decoded.map(|decoded| (name.as_str(), decoded)));
    }
    let entries = stored.iter().filter_map(|(name, decoded)| match decoded {
        Ok(decoded) => Some((*name, decoded.as_ref()?.0.clone())),
        // Decoded as by every reader.
        Err(_) => Some((*name, Entry::Forced(false))),
    });
    let mut offer: Offer = entries.collect();
    for (name, decoded) in stored {
        offer = match decoded {
            Ok(Some((_, Some(by)))) => offer.with_provenance(name, by),
            Ok(_) => offer,
            Err(problem) => offer.with_problem(name, problem.to_string()),
        };
    }
    Ok(offer)
}

impl Backend for Single {
    fn name(&self) -> &'static str {
        self.kind().as_str()
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Redis
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        sink.publish(self.first.clone());
        // A task that returns is not started again.
        let _ = self.sink.set(sink);
        Box::pin(async { Ok(()) })
    }

    fn as_writable(&self) -> Option<&dyn WritableBackend> {
        Some(self)
    }
}

impl WritableBackend for Single {
    fn write<'a>(&'a self, key: &'a str, write: Write) -> BoxFuture<'a, Result<Written, Refusal>> {
        Box::pin(async move {
            let written = self.redis.write(key, write).await?;
            self.read_again().await;
            Ok(written)
        })
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, BackendError>> {
        self.redis.read(key)
    }

    fn now(&self) -> SystemTime {
        self.redis.now()
    }

    fn history<'a>(
        &'a self,
        key: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<LogEntry>, Refusal>> {
        self.redis.history(key, limit)
    }

    fn undo<'a>(
        &'a self,
        revision: u64,
        author: Option<String>,
        reason: Option<String>,
    ) -> BoxFuture<'a, Result<Written, Refusal>> {
        Box::pin(async move {
            let undone = self.redis.undo(revision, author, reason).await?;
            self.read_again().await;
            Ok(undone)
        })
    }
}
