//! `flags.toml` on disk, reloaded the moment it is saved.

mod arm;
mod chain;
mod read;
mod watch;

use std::{
    error::Error,
    io, mem,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout_at},
};
use tracing::{info, warn};
use xxhash_rust::xxh3::xxh3_64;

use self::watch::{Observation, Timing, Watch};
use super::{Backend, BackendError, BoxFuture, Offer, Sink, SourceKind};
use crate::{
    definition::{Diagnostics, FlagsFile, Lines, Parts},
    model::{Definitions, FlagKeys, Part},
    text::line,
};

/// Flags declared in a file, which is read again whenever it changes.
///
/// Every way of saving is followed: in place, by rename, through symlinks such as those of
/// Kubernetes volumes, and onto file systems that tell nobody. A change is in force some 50 ms
/// after the last write.
///
/// # When things go wrong
///
/// - A file that does not parse, is empty or has no `[flags]` table changes nothing; a flag that is
///   wrong in itself, or fails its tests, keeps its previous definition while the others update.
///   Logs, health and events carry the diagnostics as a
///   [`Diagnostics`](crate::definition::Diagnostics).
/// - A file that vanishes changes nothing.
/// - A change that takes away flags or settings has to stand for a second: a file that is being
///   written in several steps looks like that.
/// - Where the system is out of file watches, the file is polled once a second, and the mode in
///   health is `polling` instead of `watching`. It is `detached` where a single file that is mounted
///   into a container was replaced outside: no program can see the new one then.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, File, Flags};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("flags.toml");
/// std::fs::write(&path, "[flags]\nnew_checkout = true\n")?;
///
/// let flags = Flags::builder().source(File::open(&path)?).start().await?;
///
/// assert!(flags.is_enabled("new_checkout", &Context::anonymous()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct File {
    path: PathBuf,
    may_be_missing: bool,
}

/// How long a file may be torn while the flags start.
const START_PATIENCE: Duration = Duration::from_millis(1_500);

/// How long a change that takes something away has to stand.
const REMOVAL_HOLD: Duration = Duration::from_secs(1);

impl File {
    /// The file at `path`, which has to be there.
    ///
    /// # Errors
    ///
    /// A file that cannot be opened is an error here. What it says is read when the flags start;
    /// [`FlagsBuilder::start`](crate::source::FlagsBuilder::start) fails if nothing in it is usable.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let path = path.into();
        match std::fs::File::open(&path) {
            Ok(_) => Ok(Self { path, may_be_missing: false }),
            Err(source) => Err(OpenError { path, source }),
        }
    }

    /// The file at `path`, whenever it appears. Until then it declares no flags.
    #[must_use]
    pub fn optional(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), may_be_missing: true }
    }
}

impl Backend for File {
    fn name(&self) -> &'static str {
        self.kind().as_str()
    }

    fn kind(&self) -> SourceKind {
        SourceKind::File
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        Box::pin(async move {
            info!(path = %self.path.display(), "following the flag file");
            let mut follower = Follower {
                watch: Watch::new(self.path.clone(), Timing::default()),
                path: self.path.clone(),
                sink,
                good: Arc::default(),
                fingerprint: 0,
                whole: false,
            };
            if let Err(problem) = follower.start(self.may_be_missing).await {
                if !follower.sink.is_started() {
                    return Err(problem);
                }
                // The flags have not waited for this file. It may be repaired.
                follower.fail(problem);
            }
            follower.follow().await;
            Ok(())
        })
    }
}

/// A flag file cannot be opened.
#[derive(thiserror::Error)]
#[error("cannot open the flag file `{}`", line(&path.to_string_lossy()))]
pub struct OpenError {
    path: PathBuf,
    source: io::Error,
}

crate::error::debug_is_message!(OpenError);

impl OpenError {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Where the file says what is in force.
fn places(
    path: String,
    lines: Lines,
    rejected: FlagKeys,
) -> impl Fn(&str, Part) -> Option<String> + Send + Sync {
    move |key, part| {
        if rejected.contains(key) {
            return Some(format!("{path}, as it was before flag `{key}` was rejected"));
        }
        Some(format!("{path}:{}", lines.part(key, part)?))
    }
}

struct Follower {
    path: PathBuf,
    watch: Watch,
    sink: Sink,
    /// What is in force, once anything is.
    good: Arc<Definitions>,
    /// The hash of the content that was parsed last.
    fingerprint: u64,
    /// Whether what is in force is all that the file says.
    whole: bool,
}

impl Follower {
    /// Waits for a usable file; one that is being written gets some time.
    async fn start(&mut self, may_be_missing: bool) -> Result<(), BackendError> {
        let deadline = Instant::now() + START_PATIENCE;
        let mut observation = self.watch.next().await;
        loop {
            let problem = match observation {
                Observation::Missing if may_be_missing => {
                    self.sink.publish(Offer::new());
                    self.whole = true;
                    return Ok(());
                }
                Observation::Missing => return Err(self.missing().into()),
                Observation::Unreadable(source) => self.unreadable(source).into(),
                Observation::Content(bytes) => match self.parse(bytes).await {
                    Ok(file) => {
                        self.accept(file);
                        return Ok(());
                    }
                    Err(problem) => problem,
                },
                Observation::Unchanged => unreachable!("only what was returned is unchanged"),
            };
            observation = loop {
                match timeout_at(deadline, self.watch.next()).await {
                    Err(_elapsed) => return Err(problem),
                    Ok(Observation::Unchanged) => {}
                    Ok(other) => break other,
                }
            };
        }
    }

    async fn follow(&mut self) {
        let mut observation = self.watch.next().await;
        loop {
            self.sink.mode(match () {
                () if self.watch.is_detached() => "detached",
                () if self.watch.is_polling() => "polling",
                () => "watching",
            });
            let held = match observation {
                Observation::Unchanged if self.whole => {
                    self.sink.confirm();
                    None
                }
                Observation::Unchanged => None,
                Observation::Missing => {
                    self.fail(self.missing());
                    None
                }
                Observation::Unreadable(source) => {
                    self.fail(self.unreadable(source));
                    None
                }
                Observation::Content(bytes) => match self.parse(bytes).await {
                    Ok(file) if self.removes(&file) => self.hold(file).await,
                    Ok(file) => {
                        self.accept(file);
                        None
                    }
                    Err(problem) => {
                        self.fail(problem);
                        None
                    }
                },
            };
            observation = match held {
                Some(observation) => observation,
                None => self.watch.next().await,
            };
        }
    }

    /// Accepts the file, unless something else is observed before the hold is over.
    async fn hold(&mut self, file: Parts) -> Option<Observation> {
        let until = Instant::now() + REMOVAL_HOLD;
        loop {
            let observation = match timeout_at(until, self.watch.next()).await {
                Ok(observation) => observation,
                Err(_elapsed) if self.watch.is_settled() => {
                    self.accept(file);
                    return None;
                }
                // Someone is writing at this moment, or the poll is looking, which is as often as
                // this is over: wait for what comes of it.
                Err(_elapsed) => self.watch.next().await,
            };
            if !matches!(observation, Observation::Unchanged) {
                return Some(observation);
            }
        }
    }

    async fn parse(&mut self, bytes: Vec<u8>) -> Result<Parts, BackendError> {
        let name = self.path.display().to_string();
        let fingerprint = xxh3_64(&bytes);
        // Ten thousand flags take some fifty milliseconds.
        let (good, now) = (Arc::clone(&self.good), self.sink.now());
        let parse = move || {
            let text = String::from_utf8(bytes).map_err(|error| NotUtf8::new(&name, &error))?;
            Ok(FlagsFile::parse(&name, &text).tested(&good, now).into_parts()?)
        };
        let file: Result<_, BackendError> = spawn_blocking(parse).await?;
        if file.is_ok() {
            self.fingerprint = fingerprint;
        }
        file
    }

    /// Whether a flag or a setting that is in force is not in the file any more.
    fn removes(&self, file: &Parts) -> bool {
        self.good.iter().any(|(key, good)| match file.flags.get(key) {
            Some(now) => good.fields().any(|field| !now.has(field)),
            None => !file.rejected.contains(key),
        })
    }

    /// Puts in force what is good in the file; a flag that is wrong keeps what it had.
    fn accept(&mut self, file: Parts) {
        let mut flags = Arc::unwrap_or_clone(mem::take(&mut self.good));
        flags.0.retain(|key, _| file.rejected.0.contains(key));
        flags.0.extend(file.flags.0);
        let (refused, rejected) = (file.rejected.len(), file.rejected.clone());
        let places = places(self.path.display().to_string(), file.lines, file.rejected);
        let offer = Offer::from(&flags).with_fingerprint(self.fingerprint);
        let offer = offer.with_places(places).with_refused(refused).with_rejected(&rejected);
        self.good = flags.into();
        self.whole = !file.diagnostics.has_errors();
        if !self.whole {
            self.sink.publish_partly(offer, file.diagnostics);
            return;
        }
        self.sink.publish(offer);
        if !file.diagnostics.is_empty() {
            warn!(path = %self.path.display(), warnings = %file.diagnostics, "flag file has warnings");
        }
    }

    fn fail(&mut self, problem: impl Into<BackendError>) {
        self.whole = false;
        self.sink.fail(problem);
    }

    fn missing(&self) -> OpenError {
        self.unreadable(io::ErrorKind::NotFound.into())
    }

    fn unreadable(&self, source: io::Error) -> OpenError {
        OpenError { path: self.path.clone(), source }
    }
}

/// What kind of failure an error of this backend is.
pub(super) fn kind_of(error: &(dyn Error + 'static)) -> Option<&'static str> {
    match () {
        () if error.is::<OpenError>() => Some("unreadable"),
        () if error.is::<Diagnostics>() || error.is::<NotUtf8>() => Some("invalid"),
        () => None,
    }
}

/// A flag file is not text.
#[derive(thiserror::Error)]
#[error(
    "the flag file `{}` is not UTF-8 in line {line}: save it as UTF-8",
    crate::text::line(path)
)]
struct NotUtf8 {
    path: String,
    line: usize,
}

crate::error::debug_is_message!(NotUtf8);

impl NotUtf8 {
    fn new(path: &str, error: &std::string::FromUtf8Error) -> Self {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
        Self { path: path.to_owned(), line }
    }
}
