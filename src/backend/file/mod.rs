//! `flags.toml` on disk, reloaded the moment it is saved.

mod arm;
mod chain;
mod hold;
mod keep;
mod read;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io, mem,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout_at},
};
use xxhash_rust::xxh3::xxh3_64;

use self::{
    hold::Hold,
    keep::Keep,
    watch::{Observation, Timing, Watch},
};
use super::{Backend, BackendError, BoxFuture, Offer, Sink, SourceKind};
use crate::{
    definition::{Diagnostics, FlagsFile, Lines, Location, Parts, Severity, UnknownEnvironment},
    foreign::warn,
    model::{Definitions, Entry, Part},
    read::{MAX_LEN, open},
    text::line,
};

/// Flags declared in a file, which is read again whenever it changes.
///
/// Every way of saving is followed: in place, by rename, through symlinks such as those of
/// Kubernetes volumes, and on file systems that report no events. A change is in force some 50 ms
/// after the last write, and at most a second after the first one.
///
/// # When things go wrong
///
/// - A file that does not parse, is empty or has no `[flags]` table changes nothing.
/// - A flag that is wrong in itself, or fails its tests, keeps its previous definition while the
///   others update. Logs, health and events carry the diagnostics as a
///   [`Diagnostics`](crate::definition::Diagnostics).
/// - A flag that is wrong at the start has no previous definition, and answers the caller's default
///   with `PARSE_ERROR`. [`strict`](Self::strict) makes such a start fail, and
///   [`keep_at`](Self::keep_at) remembers the definitions over a restart.
/// - A file that vanishes changes nothing.
/// - A flag that is gone stays in force for a second, because a file that is being written looks
///   like that. So does any part that is gone from the flag that ends the file. All other changes
///   count at once.
/// - A path that is not a regular file, or has more than [`max_len`](Self::max_len) bytes, is not read.
/// - If the system is out of file watches, the file is polled once a second, and the mode in health
///   is `polling` instead of `watching`. The mode is `detached` if a single file that is mounted
///   into a container was replaced outside. No program in the container can see the new file then.
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
    /// The path as it was given, for messages.
    name: PathBuf,
    /// The absolute path, since the working directory may change.
    path: PathBuf,
    may_be_missing: bool,
    is_strict: bool,
    keep: Option<PathBuf>,
    max_len: u64,
    environment: Option<String>,
    is_partial: bool,
}

/// The time for which a file may be torn while the flags start.
const START_PATIENCE: Duration = Duration::from_millis(1_500);

impl File {
    /// Opens the file at `path`, which has to exist.
    ///
    /// A relative path is resolved against the working directory at the time of the call.
    ///
    /// # Errors
    ///
    /// A file that cannot be opened, or is not a regular file, is an error here. The contents are
    /// read when the flags start; [`FlagsBuilder::start`](crate::source::FlagsBuilder::start) fails
    /// if nothing in them is usable.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let file = Self::new(path.into(), false);
        match open(&file.path) {
            Ok(_) => Ok(file),
            Err(source) => Err(OpenError { path: file.name, source }),
        }
    }

    /// Takes the file at `path` whenever it appears. Until then it declares no flags.
    #[must_use]
    pub fn optional(path: impl Into<PathBuf>) -> Self {
        Self::new(path.into(), true)
    }

    fn new(name: PathBuf, may_be_missing: bool) -> Self {
        Self {
            path: absolute(&name),
            name,
            may_be_missing,
            is_strict: false,
            keep: None,
            max_len: MAX_LEN,
            environment: None,
            is_partial: false,
        }
    }

    /// Allows partial flags in the file: a source below has the rest of each.
    ///
    /// Such a flag may change the weight of a variant, or serve a variant, that only the other
    /// source has. Unless set, such a flag is a mistake. If the merged flag is wrong, it answers as
    /// with such a value in a shared store, and is among the [`warnings`](crate::Flags::warnings).
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, File, Flags};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let (shared, own) = (directory.path().join("shared.toml"), directory.path().join("own.toml"));
    /// std::fs::write(&shared, "[flags]\nprice = { variants = { low = 50, high = 50 } }\n")?;
    /// std::fs::write(&own, "[flags]\nprice = { serve = \"low\" }\n")?;
    ///
    /// let flags = Flags::builder().source(File::open(&own)?.partial()).source(File::open(&shared)?);
    /// let flags = flags.start().await?;
    ///
    /// assert_eq!(flags.variant("price", &Context::user("ana"), "high").value, "low");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn partial(mut self) -> Self {
        self.is_partial = true;
        self
    }

    /// Chooses an environment of the file, so that `[environments.NAME]` is merged over `[flags]`.
    ///
    /// Unless set, `[flags]` alone counts. All environments are checked whenever the file is read. A mistake in
    /// another environment is logged, and changes nothing here. It is not among the events.
    ///
    /// # Errors
    ///
    /// The start fails if the file does not have the environment, and the error names a similar one. If a running
    /// process loses it, the last good flags stay in force, as with a file without `[flags]`.
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
    /// std::fs::write(&path, "[flags]\nsearch = false\n\n[environments.staging]\nsearch = true\n")?;
    ///
    /// let file = File::open(&path)?.environment("staging");
    /// let flags = Flags::builder().source(file).start().await?;
    ///
    /// assert!(flags.is_enabled("search", &Context::anonymous()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.environment = Some(name.into());
        self
    }

    /// Makes the start fail with the diagnostics if any flag of the file is wrong, or fails its tests.
    ///
    /// The mistakes that count are those of the chosen [environment](Self::environment) and of `[flags]`. A mistake in
    /// another environment fails no start.
    ///
    /// Unless set, the flags start with those that are good, and the others answer `PARSE_ERROR` until they are
    /// fixed. A mistake that is made while the process runs never ends it.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{File, Flags};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("flags.toml");
    /// std::fs::write(&path, "[flags]\nsearch = true\n\n[flags.new_checkout]\nonwer = \"web\"\n")?;
    ///
    /// let start = Flags::builder().source(File::open(&path)?.strict()).start().await;
    ///
    /// let error = std::error::Error::source(&start.unwrap_err()).map(ToString::to_string);
    /// assert!(error.is_some_and(|error| error.contains("unknown key `onwer` in flag `new_checkout`")));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.is_strict = true;
        self
    }

    /// Keeps the last good definitions at `path`, for a start at which some flags of the file are wrong.
    ///
    /// A kept definition is in force only for a flag that the file has and whose definition there is rejected.
    /// [`Flags::explain`](crate::Flags::explain) names `path` for it,
    /// [`Flags::sources_of`](crate::Flags::sources_of) has the mistake, and
    /// [`SourceHealth::former`](crate::source::SourceHealth::former) counts it.
    ///
    /// Definitions that were kept in another [environment](Self::environment) are ignored, with a warning.
    ///
    /// The file at `path` is replaced in one step whenever flags change. A new one can be read by its owner alone
    /// (mode 0600), and a symbolic link there is replaced. If it cannot be written or read, the log has a
    /// warning, and the flags go on without. Each process needs a path of its own.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, File, Flags};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let (path, kept) = (directory.path().join("flags.toml"), directory.path().join("kept.json"));
    /// # let start = || async {
    /// #     let file = File::open(&path)?.keep_at(&kept);
    /// #     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Flags::builder().source(file).start().await?)
    /// # };
    /// std::fs::write(&path, "[flags]\nsearch = true\n")?;
    /// let flags = start().await?;
    /// # while !kept.exists() { tokio::task::yield_now().await }
    /// drop(flags);
    ///
    /// // A mistake, and a restart.
    /// std::fs::write(&path, "[flags]\nsearch = 1\n")?;
    /// let flags = start().await?;
    ///
    /// assert!(flags.is_enabled("search", &Context::anonymous()));
    /// assert_eq!(flags.health().sources[0].former, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn keep_at(mut self, path: impl Into<PathBuf>) -> Self {
        self.keep = Some(absolute(&path.into()));
        self
    }

    /// Sets the maximum size of the file in bytes; 16 MiB unless set. A larger file is not read,
    /// and changes nothing.
    #[must_use]
    pub fn max_len(mut self, bytes: u64) -> Self {
        self.max_len = bytes;
        self
    }
}

fn absolute(path: &Path) -> PathBuf {
    // `absolute` fails for an empty path, and without a working directory, where nothing can be
    // opened either.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl Backend for File {
    fn name(&self) -> &'static str {
        self.kind().as_str()
    }

    fn kind(&self) -> SourceKind {
        SourceKind::File
    }

    fn location(&self) -> Option<String> {
        let path = self.path.display().to_string();
        Some(in_environment(path, self.environment.as_deref()))
    }

    /// Returns `true`: a local file always answers, with its flags, as missing or as wrong.
    fn is_awaited(&self) -> bool {
        true
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        Box::pin(async move {
            let before = sink.in_force();
            let mut follower = Follower {
                watch: Watch::new(self.path.clone(), self.max_len, Timing::default()),
                name: self.name.clone(),
                environment: self.environment.clone(),
                is_partial: self.is_partial,
                sink,
                good: before.as_deref().map(declared).unwrap_or_default().into(),
                hold: Hold::default(),
                keep: self
                    .keep
                    .clone()
                    .map(|path| Keep::new(path, self.environment.clone(), self.max_len)),
                recalled: BTreeSet::new(),
                fingerprint: 0,
                whole: false,
            };
            // After a restart of the task, the state in force is replaced only by a file that would replace it in a
            // running source.
            if before.is_none() {
                follower.start(&self).await?;
            }
            follower.follow().await;
            Ok(())
        })
    }
}

/// An error of a flag file that cannot be opened.
#[derive(thiserror::Error)]
#[error("cannot open the flag file `{}`", line(&path.to_string_lossy()))]
pub struct OpenError {
    path: PathBuf,
    source: io::Error,
}

crate::error::debug_is_message!(OpenError);

impl OpenError {
    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Returns the definitions in an offer of a file.
fn declared(offer: &Offer) -> Definitions {
    let definitions = offer.keys().filter_map(|key| match offer.listed(key)? {
        Entry::Definition(definition) => Some((&**key, definition.clone())),
        _ => None,
    });
    definitions.collect()
}

/// Returns the location of a file, with the environment that is chosen in it.
fn in_environment(path: String, environment: Option<&str>) -> String {
    match environment {
        Some(environment) => format!("{path}, environment `{}`", line(environment)),
        None => path,
    }
}

/// Returns the function that finds the location of a definition in force.
fn places(
    path: String,
    lines: Lines,
    former: BTreeMap<Arc<str>, String>,
) -> impl Fn(&str, Part) -> Option<String> + Send + Sync {
    move |key, part| match former.get(key) {
        Some(place) => Some(place.clone()),
        None => Some(format!("{path}:{}", lines.place(key, part)?)),
    }
}

struct Follower {
    name: PathBuf,
    environment: Option<String>,
    is_partial: bool,
    watch: Watch,
    sink: Sink,
    /// The definitions in force; empty before the first ones.
    good: Arc<Definitions>,
    /// The flags and settings that are gone from the file and still in force.
    hold: Hold,
    keep: Option<Keep>,
    /// The flags in force that were kept over a restart.
    recalled: BTreeSet<Arc<str>>,
    /// The hash of the content that was parsed last.
    fingerprint: u64,
    /// True if the definitions in force are all that the file has.
    whole: bool,
}

impl Follower {
    /// Waits for a usable file. A file that is being written gets some time.
    async fn start(&mut self, file: &File) -> Result<(), BackendError> {
        if let Some(keep) = &mut self.keep {
            // A kept definition is in force only if the file rejects the flag.
            self.good = keep.load().await.into();
            self.recalled = self.good.0.keys().cloned().collect();
        }
        let deadline = Instant::now() + START_PATIENCE;
        let mut observation = self.watch.next().await;
        loop {
            let problem = match observation {
                Observation::Missing if file.may_be_missing => {
                    self.good = Arc::default();
                    self.sink.publish(Offer::new());
                    self.whole = true;
                    return Ok(());
                }
                Observation::Missing => return Err(self.missing().into()),
                Observation::Unreadable(source) => self.unreadable(source).into(),
                Observation::Content(bytes) => match self.parse(bytes).await {
                    Ok(parts) if file.is_strict && parts.diagnostics.has_errors() => {
                        parts.diagnostics.into()
                    }
                    Ok(parts) => {
                        self.accept(parts);
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
        loop {
            let observation = match self.hold.until() {
                None => self.watch.next().await,
                Some(until) => match timeout_at(until, self.watch.next()).await {
                    Ok(observation) => observation,
                    Err(_elapsed) => {
                        if let Some(parts) = self.hold.take() {
                            self.replace(parts);
                        }
                        continue;
                    }
                },
            };
            self.sink.mode(match () {
                () if self.watch.is_detached() => "detached",
                () if self.watch.is_polling() => "polling",
                () => "watching",
            });
            match observation {
                Observation::Unchanged if self.whole => self.sink.confirm(),
                Observation::Unchanged => {}
                Observation::Missing => self.fail(self.missing()),
                Observation::Unreadable(source) => self.fail(self.unreadable(source)),
                Observation::Content(bytes) => match self.parse(bytes).await {
                    Ok(parts) => self.replace(parts),
                    Err(problem) => self.fail(problem),
                },
            }
        }
    }

    async fn parse(&mut self, bytes: Vec<u8>) -> Result<Parts, BackendError> {
        let name = self.name.display().to_string();
        let fingerprint = xxh3_64(&bytes);
        // Parse off the runtime's threads: ten thousand flags take some fifty milliseconds.
        let (good, now) = (Arc::clone(&self.good), self.sink.now());
        let (environment, is_partial) = (self.environment.clone(), self.is_partial);
        let parse = move || {
            let text = String::from_utf8(bytes).map_err(|error| NotUtf8::new(&name, &error))?;
            let file = match is_partial {
                true => FlagsFile::parse_partial(&name, &text),
                false => FlagsFile::parse(&name, &text),
            };
            let file = match environment {
                Some(environment) if file.is_usable() => file.in_environment(&environment)?,
                _ => file,
            };
            Ok(file.tested(&good, now).into_parts()?)
        };
        let file: Result<_, BackendError> = match spawn_blocking(parse).await {
            Ok(file) => file,
            // The watch would not return this content again before it changes, so the panic goes on
            // and the source is started again.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(error) => return Err(error.into()),
            },
        };
        if let Ok(parts) = &file {
            self.fingerprint = fingerprint;
            if !parts.elsewhere.is_empty() {
                warn!(
                    path = %self.name.display(),
                    problems = %parts.elsewhere,
                    "flag file has problems in other environments"
                );
            }
        }
        file
    }

    /// Replaces the flags of a former file. Flags and settings that are gone stay for a while.
    fn replace(&mut self, parts: Parts) {
        let held = self.hold.hold(&self.good, &parts, Instant::now());
        self.put_in_force(parts, held);
    }

    /// Puts the flags of the first file in force.
    fn accept(&mut self, parts: Parts) {
        self.hold.begin(&parts);
        self.put_in_force(parts, Definitions::new());
    }

    /// Puts the good flags of the file in force, and those that are held. A flag that is wrong
    /// keeps its previous definition.
    fn put_in_force(&mut self, parts: Parts, held: Definitions) {
        let path = self.name.display().to_string();
        let mut flags = Arc::unwrap_or_clone(mem::take(&mut self.good));
        flags.0.retain(|key, _| parts.rejected.0.contains(key));
        self.recalled.retain(|key| flags.0.contains_key(key));
        let mut former = BTreeMap::new();
        let mut problems = Vec::new();
        for key in flags.0.keys() {
            let mut mistakes = parts.diagnostics.iter();
            if let Some(mistake) = mistakes.find(|mistake| {
                mistake.severity == Severity::Error && mistake.flag.as_deref() == Some(&**key)
            }) {
                let Location { line, column, .. } = mistake.location;
                let problem = format!("{path}:{line}:{column}: {}", mistake.message);
                problems.push((key.to_string(), problem));
            }
            let path = match (&self.keep, self.recalled.contains(key)) {
                (Some(keep), true) => keep.path().display().to_string(),
                _ => path.clone(),
            };
            former.insert(
                Arc::clone(key),
                format!("{path}, as it was before flag `{key}` was rejected"),
            );
        }
        let gone = held
            .0
            .keys()
            .filter(|&key| !parts.flags.0.contains_key(key) || self.hold.has_entry(key));
        former.extend(gone.map(|key| {
            (Arc::clone(key), format!("{path}, as it was before flag `{key}` was removed"))
        }));
        flags.0.extend(parts.flags.0);
        flags.0.extend(held.0);
        let refused = parts.rejected.len();
        let places = places(path, parts.lines, former);
        let offer = Offer::from(&flags).with_fingerprint(self.fingerprint);
        let offer = offer.with_places(places).with_refused(refused).with_rejected(&parts.rejected);
        let offer = problems
            .into_iter()
            .fold(offer, |offer, (key, problem)| offer.with_problem(key, problem));
        if let Some(keep) = &mut self.keep {
            keep.save(&flags);
        }
        self.good = flags.into();
        self.whole = !parts.diagnostics.has_errors();
        if !self.whole {
            self.sink.publish_partly(offer, parts.diagnostics);
            return;
        }
        self.sink.publish(offer);
        if !parts.diagnostics.is_empty() {
            warn!(path = %self.name.display(), warnings = %parts.diagnostics, "flag file has warnings");
        }
    }

    fn fail(&mut self, problem: impl Into<BackendError>) {
        self.whole = false;
        self.hold.suspend();
        self.sink.fail(problem);
    }

    fn missing(&self) -> OpenError {
        self.unreadable(io::ErrorKind::NotFound.into())
    }

    fn unreadable(&self, source: io::Error) -> OpenError {
        OpenError { path: self.name.clone(), source }
    }
}

/// Returns the kind of an error, if it is one of this backend.
pub(super) fn kind_of(error: &(dyn Error + 'static)) -> Option<&'static str> {
    match () {
        () if error.is::<OpenError>() => Some("unreadable"),
        () if error.is::<Diagnostics>() || error.is::<NotUtf8>() => Some("invalid"),
        () if error.is::<UnknownEnvironment>() => Some("invalid"),
        () => None,
    }
}

/// A flag file is not UTF-8.
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
