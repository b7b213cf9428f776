//! Where flags are: the file, the environment and the store.

use std::{
    env, fs,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use clap::Args;
use flagstaff::{
    Backend, Env, File, Flags, Redis,
    cli::ExitCode,
    definition::{
        Definitions, Diagnostic, Diagnostics, FlagsFile, Severity,
        edit::{TextFile, TextFileError},
    },
    event::Warning,
    source::{
        BackendError, BoxFuture, FlagsBuilder, IntoBackend, Offer, RedisError, RedisErrorKind,
        RedisHandle, Sink, SourceKind, Status, WritableBackend,
    },
};
use tokio::time::sleep;

use crate::{
    failure::Failure,
    output::Output,
    single::Single,
    text::{self, clean, count, verb},
};

/// The name of the file that is looked for.
const FILE: &str = "flags.toml";

/// The hash that has the overrides unless another is named.
const KEY: &str = "feature_flags";

const NAME_A_STORE: &str = "name one with `--redis redis://HOST`, or set REDIS_URL";

/// What keys begin with unless another prefix is named.
const KEY_PREFIX: &str = "ff";

/// Where flags are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Where")]
pub(crate) struct Place {
    /// Flag file [default: the nearest flags.toml, upwards] [env: FLAGSTAFF_FILE]
    #[arg(long, short, global = true, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Use the store and the environment without a flag file
    #[arg(long, global = true, conflicts_with = "file")]
    no_file: bool,
    /// Store with overrides; several are nodes of a cluster [env: REDIS_URL]
    #[arg(
        long,
        visible_alias = "redis-url",
        global = true,
        value_name = "URL",
        value_delimiter = ','
    )]
    redis: Vec<String>,
    /// Sentinels; --redis then names the master, redis://NAME [env: REDIS_SENTINELS]
    #[arg(long, global = true, value_name = "URL", value_delimiter = ',')]
    sentinel: Vec<String>,
    /// Do without the store, whatever REDIS_URL says
    #[arg(long, global = true)]
    no_redis: bool,
    /// Hash that has the overrides
    #[arg(long, global = true, value_name = "KEY", default_value = KEY)]
    key: String,
    /// JSON keys, one per flag, instead of a hash
    #[arg(long, global = true, value_name = "PREFIX", conflicts_with = "key")]
    key_prefix: Option<String>,
    /// Count environment variables in, such as FEATURE_ [env: FLAGSTAFF_ENV_PREFIX]
    #[arg(long, global = true, value_name = "PREFIX")]
    env_prefix: Option<String>,
}

/// What is used without any options.
impl Default for Place {
    fn default() -> Self {
        Self {
            file: None,
            no_file: false,
            redis: Vec::new(),
            sentinel: Vec::new(),
            no_redis: false,
            key: KEY.to_owned(),
            key_prefix: None,
            env_prefix: None,
        }
    }
}

/// A flags.toml that was read.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// The flags of the text. Its tests are not run.
    pub(crate) parsed: FlagsFile,
}

impl Declared {
    /// Rejects the flags whose tests fail at the instant `at`, as a service does that starts then.
    fn at_a_start(self, at: Option<SystemTime>) -> Self {
        let at = at.unwrap_or_else(SystemTime::now);
        Self { parsed: self.parsed.tested(&Definitions::new(), at), ..self }
    }
}

impl Place {
    /// The path of the flag file: as it was named, or the nearest; `None` if there is none.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        if self.no_file { None } else { self.file.clone().or_else(usual_file) }
    }

    /// Returns true if no flag file is found and `--no-file` is not given. The services may have one.
    fn lacks_file(&self) -> bool {
        !self.no_file && self.path().is_none()
    }

    /// Refuses an answer that depends on what the flag file declares, if it is not here.
    pub(crate) fn refuse_without_file(&self) -> Result<(), Failure> {
        match self.lacks_file() {
            true => Err(Failure::usage(
                "there is no flags.toml here or in a directory above, and the answer depends on what it \
                 declares",
            )
            .hint("name the file of the services with `--file`; `--no-file` says that they have none")),
            false => Ok(()),
        }
    }

    /// Warns that the declared flags are missing, unless `--no-file` is given.
    fn tell_without_file(&self, output: &Output) {
        if self.lacks_file() {
            output.warning(
                "there is no flags.toml here or in a directory above, so what it declares does not count: \
                 name it with `--file`; `--no-file` says that there is none",
            );
        }
    }

    /// The path of a flag file that was named, whether it is there or not.
    pub(crate) fn named(&self) -> Option<PathBuf> {
        self.file.clone().or_else(|| variable("FLAGSTAFF_FILE").map(PathBuf::from))
    }

    /// The path of the flag file, for commands that need one.
    pub(crate) fn needed_path(&self) -> Result<PathBuf, Failure> {
        self.path().ok_or_else(|| {
            Failure::usage("there is no flags.toml here or in a directory above")
                .hint("name one with `--file`, or make one with `flagstaff init`")
        })
    }

    /// The flag file, whatever is wrong with its flags; `None` if none was named and there is none.
    pub(crate) fn file(&self) -> Result<Option<Declared>, Failure> {
        let Some(path) = self.path() else { return Ok(None) };
        let text = read(&path)?;
        let parsed = FlagsFile::parse(&path.to_string_lossy(), &text);
        Ok(Some(Declared { path, text, parsed }))
    }

    /// The flag file, for commands that need one.
    pub(crate) fn needed_file(&self) -> Result<Declared, Failure> {
        self.file()?.ok_or_else(|| {
            Failure::usage("there is no flags.toml here or in a directory above")
                .hint("name one with `--file`, or make one with `flagstaff init`")
        })
    }

    /// Returns true if the store has a key per flag instead of a hash.
    pub(crate) fn has_key_per_flag(&self) -> bool {
        self.key_prefix.is_some()
    }

    /// Warns if instances run another flag file than the one at hand, so that they may answer differently.
    pub(crate) async fn tell_other_files(&self, output: &Output) {
        let Ok(Some(redis)) = self.redis() else { return };
        let Ok(Some(file)) = self.file() else { return };
        // It is beside the answer, which does not fail because of it.
        let Ok(fleet) = redis.handle().fleet().await else { return };
        let with_file: Vec<_> =
            fleet.counted().filter(|instance| instance.file.is_some()).collect();
        let others =
            with_file.iter().filter(|instance| !instance.runs(file.text.as_bytes())).count();
        if others > 0 {
            output.warning(format!(
                "`{}` is not the file that {others} of {} {}: `flagstaff instances` lists their files",
                clean(&file.path.display().to_string()),
                count(with_file.len(), "instance"),
                verb(others, "runs", "run"),
            ));
        }
    }

    /// What the keys of the layout with a key per flag begin with.
    pub(crate) fn key_prefix(&self) -> &str {
        self.key_prefix.as_deref().unwrap_or(KEY_PREFIX)
    }

    /// What is wrong with a flag of the file that is left out because of it, and where.
    pub(crate) fn mistake(&self, flag: &str) -> Option<String> {
        let file = self.file().ok()??.at_a_start(None);
        let mistake = first_mistake(&file.parsed, flag)?;
        Some(format!("{}:{}: {}", file.path.display(), mistake.location, mistake.message))
    }

    /// Returns the flags of the file that are left out because of mistakes.
    pub(crate) fn rejected(&self) -> Vec<String> {
        let Ok(Some(file)) = self.file() else { return Vec::new() };
        file.at_a_start(None).parsed.rejected().iter().map(str::to_owned).collect()
    }

    /// Returns the options that name the store, for a command to paste. The URL is left out if it came from the
    /// environment, and its place is held if it may have a password.
    pub(crate) fn store_options(&self) -> String {
        let mut options = String::new();
        if !self.redis.is_empty() {
            let urls = self.redis.join(",");
            let url = if urls.contains('@') { "URL".into() } else { text::word(&urls) };
            options.push_str(&format!(" --redis {url}"));
        }
        match &self.key_prefix {
            Some(prefix) => options.push_str(&format!(" --key-prefix {}", text::word(prefix))),
            None if self.key != KEY => {
                options.push_str(&format!(" --key {}", text::word(&self.key)));
            }
            None => {}
        }
        options
    }

    /// The store, if one is named.
    pub(crate) fn redis(&self) -> Result<Option<Redis>, Failure> {
        let redis = match (
            &*or_listed(&self.redis, "REDIS_URL"),
            &*or_listed(&self.sentinel, "REDIS_SENTINELS"),
        ) {
            _ if self.no_redis => return Ok(None),
            ([], []) => return Ok(None),
            ([url], []) => Redis::open(url)?,
            (urls, []) => Redis::cluster(urls)?,
            ([master], sentinels) => Redis::sentinel(master, sentinels)?,
            (_, _) => {
                return Err(Failure::usage("with `--sentinel`, `--redis` has to name one master"));
            }
        };
        Ok(Some(match &self.key_prefix {
            Some(prefix) => redis.key_per_flag(prefix),
            None => redis.key(&self.key),
        }))
    }

    /// The store, for commands that need one.
    pub(crate) fn needed_redis(&self) -> Result<Redis, Failure> {
        self.redis()?.ok_or_else(|| no_store().hint(NAME_A_STORE))
    }

    /// The store, for changes that can be made in the file as well.
    pub(crate) fn redis_to_change(&self) -> Result<RedisHandle, Failure> {
        let redis = self.redis()?.ok_or_else(|| {
            no_store()
                .hint(format!("{NAME_A_STORE}; `--source file` changes the flag file instead"))
        })?;
        Ok(redis.handle())
    }

    /// All sources merged: the store over the environment over the file. What is wrong with the file
    /// is told; its other flags count.
    pub(crate) async fn flags(&self, output: &Output) -> Result<Flags, Failure> {
        self.flags_at(output, None).await
    }

    /// The same, without the store if that cannot be reached, which is told. The exit code is then
    /// that of the failure.
    pub(crate) async fn flags_as_far_as_possible(
        &self,
        output: &Output,
    ) -> Result<(Flags, ExitCode), Failure> {
        match self.flags(output).await {
            Ok(flags) => Ok((flags, ExitCode::Done)),
            Err(failure) if failure.is_unreachable() && self.path().is_some() => {
                let failure = failure.hint("this is what the other sources say");
                let code = output.failure(&failure);
                let without = Self { no_redis: true, ..self.clone() };
                Ok((without.flags(output).await?, code))
            }
            Err(failure) => Err(failure),
        }
    }

    /// The same as of an instant; now if there is none.
    pub(crate) async fn flags_at(
        &self,
        output: &Output,
        at: Option<SystemTime>,
    ) -> Result<Flags, Failure> {
        self.tell_without_store(output);
        let flags = self.flags_in_silence(output, at).await?;
        self.tell_without_file(output);
        Ok(flags)
    }

    /// Says that overrides do not count, if nobody has said so. It is for people who look, not for
    /// every run of a script.
    pub(crate) fn tell_without_store(&self, output: &Output) {
        let is_named = !self.redis.is_empty() || env::var_os("REDIS_URL").is_some();
        if !is_named && !self.no_redis && io::stderr().is_terminal() {
            output.aside(
                "note: no store is named (--redis or REDIS_URL), so overrides do not count; \
                 --no-redis says so",
            );
        }
    }

    /// The same for a command that answers by its exit code alone.
    pub(crate) async fn flags_in_silence(
        &self,
        output: &Output,
        at: Option<SystemTime>,
    ) -> Result<Flags, Failure> {
        let file = self.file()?.map(|file| usable(file, at, output)).transpose()?;
        let builder = self.sources(file.map(|file| Once::file(&file)))?;
        let builder = match at {
            Some(at) => builder.clock(move || at),
            None => builder,
        };
        let flags = self.start(builder).await?;
        tell_failures(&flags, output);
        Ok(flags)
    }

    /// All sources merged, for a change of the named flags. In an emergency, a store has to be changed whatever is
    /// wrong with the file, or with the rest of the store.
    ///
    /// A file that cannot be used is left out, with a warning. So are the other flags of a store that cannot be
    /// read as a whole.
    pub(crate) async fn flags_to_change(
        &self,
        names: &[String],
        output: &Output,
    ) -> Result<Flags, Failure> {
        let file = self.file()?.and_then(|file| {
            let name = file.path.display().to_string();
            let usable = usable(file, None, output);
            if usable.is_err() {
                output.warning(format!("`{name}` cannot be used and is left out"));
            }
            usable.ok()
        });
        let declared = || file.as_ref().map(Once::file);
        let flags = match self.start(self.sources(declared())?).await {
            Ok(flags) => flags,
            Err(failure) => {
                let single = self.single(names, failure, output).await?;
                self.stack(Some(single), declared())?.start().await?
            }
        };
        self.tell_without_file(output);
        tell_failures(&flags, output);
        Ok(flags)
    }

    /// The named flags of a store that cannot be read as a whole; that failure, if they cannot be read either.
    async fn single(
        &self,
        names: &[String],
        failure: Failure,
        output: &Output,
    ) -> Result<Single, Failure> {
        let Some(redis) = self.redis()? else { return Err(failure) };
        // One more makes a store no worse that has too many.
        let redis = match failure.redis() {
            Some(RedisErrorKind::TooManyFields) => redis.max_fields(usize::MAX),
            _ => redis,
        };
        let Ok(single) = Single::read(redis.handle(), names).await else { return Err(failure) };
        output.warning(format!(
            "the store cannot be read as a whole, so nothing else in it counts here: {}",
            failure.text()
        ));
        output.hint(
            "services that cannot read it either keep what they have; `--wait` tells which have the change",
        );
        Ok(single)
    }

    /// The same, with the file followed as services follow it.
    pub(crate) async fn followed(&self) -> Result<Flags, Failure> {
        let file = self.path().map(File::open).transpose();
        let file = file.map_err(|error| Failure::of(ExitCode::Usage, &error))?;
        self.start(self.sources(file)?).await
    }

    /// The sources over the file alone; `None` if there are none.
    pub(crate) async fn flags_over_the_file(
        &self,
        output: &Output,
    ) -> Result<Option<Flags>, Failure> {
        if self.redis()?.is_none() && self.env_prefix().is_none() {
            return Ok(None);
        }
        let flags = self.start(self.sources(None::<Once>)?).await?;
        tell_failures(&flags, output);
        Ok(Some(flags))
    }

    fn env_prefix(&self) -> Option<String> {
        self.env_prefix.clone().or_else(|| variable("FLAGSTAFF_ENV_PREFIX"))
    }

    /// Returns the environment variables that count, if any do.
    pub(crate) fn environment(&self) -> Option<Env> {
        self.env_prefix().map(Env::with_prefix)
    }

    fn sources(&self, file: Option<impl Backend>) -> Result<FlagsBuilder, Failure> {
        self.stack(self.redis()?.map(Redis::unannounced), file)
    }

    fn stack(
        &self,
        redis: Option<impl IntoBackend>,
        file: Option<impl Backend>,
    ) -> Result<FlagsBuilder, Failure> {
        let env_prefix = self.env_prefix();
        if redis.is_none() && file.is_none() && env_prefix.is_none() {
            return Err(Failure::usage("there are no flags: no flags.toml here or in a directory above")
                .hint("name a file with `--file` or a store with `--redis`; `flagstaff init` makes a file"));
        }
        Ok(Flags::builder()
            .option_source(redis)
            .option_source(self.environment())
            .option_source(file)
            .require_ready())
    }

    async fn start(&self, builder: FlagsBuilder) -> Result<Flags, Failure> {
        match self.redis()? {
            Some(redis) => started(builder, &redis.handle()).await,
            None => Ok(builder.start().await?),
        }
    }
}

fn no_store() -> Failure {
    Failure::usage("this needs a store, and none is named")
}

/// Tells what is wrong with what sources say, such as overrides that cannot be read.
fn tell_failures(flags: &Flags, output: &Output) {
    let failing =
        flags.health().sources.into_iter().filter(|source| source.status == Status::Error);
    for error in failing.filter_map(|source| source.last_error) {
        output.warning(error);
    }
    tell_warnings(flags, output);
}

/// Warns of values that have another effect than their writers may expect.
fn tell_warnings(flags: &Flags, output: &Output) {
    flags.warnings().iter().for_each(|warning| output.warning(told(warning)));
}

/// The line on a value that has another effect than its writer may expect.
pub(crate) fn told(warning: &Warning) -> String {
    let Warning { source, flag, message, .. } = warning;
    let place = warning.place.as_deref().map(|place| format!(" ({})", clean(place)));
    let place = place.unwrap_or_default();
    format!("`{}` in {source}{place}: {}", clean(flag), clean(message))
}

/// Starts, and fails as soon as the store does: the flags themselves would try again for a while.
async fn started(builder: FlagsBuilder, redis: &RedisHandle) -> Result<Flags, Failure> {
    let start = builder.max_wait(Duration::from_secs(5)).start();
    tokio::pin!(start);
    tokio::select! {
        flags = &mut start => Ok(flags?),
        failed = reach(redis) => match failed {
            Ok(()) => Ok(start.await?),
            Err(failure) => Err(failure),
        }
    }
}

/// Fails if the store cannot be read. One that answers and is not read for a while is read once more, to learn
/// why: the flags themselves try again until their patience ends.
async fn reach(redis: &RedisHandle) -> Result<(), Failure> {
    const WHILE: Duration = Duration::from_millis(300);

    if let Err(error) = redis.read("").await {
        return match error.downcast_ref::<RedisError>() {
            // A user that may read everything need not be allowed to read one flag.
            Some(error) if error.kind() == RedisErrorKind::Permission => Ok(()),
            Some(error) => Err(error.into()),
            None => Err(Failure::of(ExitCode::Unreachable, &*error)),
        };
    }
    sleep(WHILE).await;
    match redis.history(None, 1).await.map_err(Failure::from) {
        // Nor need the log be readable.
        Err(failure) if failure.redis() == Some(RedisErrorKind::Permission) => Ok(()),
        Err(failure) => Err(failure),
        Ok(_) => Ok(()),
    }
}

/// Returns the usable flags of a file, as a service has them that starts at the instant `at`. Prints the
/// problems of the file.
fn usable(file: Declared, at: Option<SystemTime>, output: &Output) -> Result<Declared, Failure> {
    let file = file.at_a_start(at);
    let diagnostics = file.parsed.diagnostics();
    if !file.parsed.is_usable() {
        return Err(mistakes(&file.path.to_string_lossy(), diagnostics, output)
            .hint("a service would start with no flags of this file"));
    }
    if diagnostics.has_errors() {
        tell_left_out(&file.path.to_string_lossy(), &file.parsed, output);
    }
    Ok(file)
}

/// Tells which flags of a file do not count.
pub(crate) fn tell_left_out(name: &str, file: &FlagsFile, output: &Output) {
    let place = |flag: &str| {
        first_mistake(file, flag).map(|mistake| format!(" (line {})", mistake.location.line))
    };
    let rejected = file.rejected().iter();
    let left_out: Vec<_> =
        rejected.map(|key| format!("`{}`{}", clean(key), place(key).unwrap_or_default())).collect();
    let (number, of) = (left_out.len(), clean(name));
    output.warning(format!(
        "{} of `{of}` {} left out, because of {} that `flagstaff lint` shows: {}",
        count(number, "flag"),
        verb(number, "is", "are"),
        verb(number, "a mistake", "mistakes"),
        left_out.join(", "),
    ));
}

/// Shows what is wrong with a file that is of no use with it. People see it in the text, and programs
/// in the error.
pub(crate) fn mistakes(name: &str, diagnostics: &Diagnostics, output: &Output) -> Failure {
    let failure = Failure::usage(format!("`{name}` cannot be used"));
    if output.is_json() {
        return failure.cause(diagnostics.summary());
    }
    output.report(diagnostics);
    failure
}

/// The first mistake because of which a flag is left out.
fn first_mistake<'a>(file: &'a FlagsFile, flag: &str) -> Option<&'a Diagnostic> {
    let is_left_out = file.rejected().contains(flag);
    let mut mistakes = file.diagnostics().iter();
    mistakes.find(|mistake| {
        is_left_out && mistake.severity == Severity::Error && mistake.flag.as_deref() == Some(flag)
    })
}

/// An environment variable; an empty one is as good as none.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// What an option lists, else what a variable does.
fn or_listed(option: &[String], name: &str) -> Vec<String> {
    match option {
        [] => variable(name).iter().flat_map(|list| list.split(',')).map(str::to_owned).collect(),
        _ => option.to_vec(),
    }
}

/// The file that is used without being named: that of the variable, or the nearest.
pub(crate) fn usual_file() -> Option<PathBuf> {
    variable("FLAGSTAFF_FILE").map(PathBuf::from).or_else(nearest)
}

/// The nearest flags.toml, from the working directory upwards.
fn nearest() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let path =
        here.ancestors().map(|directory| directory.join(FILE)).find(|path| path.is_file())?;
    // Shown to people, and short where it can be.
    Some(path.strip_prefix(&here).map(Path::to_owned).unwrap_or(path))
}

/// As much is read of stdin, which may never end. Files have the same limit.
const MAX_LEN: u64 = 16 << 20;

/// The text of a file, or of stdin for `-`.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    if path != "-" {
        return match TextFile::read(path) {
            Ok(file) => Ok(file.text().to_owned()),
            Err(TextFileError::Read { source, .. }) => Err(unreadable(path, &source)),
            Err(error) => Err(error.into()),
        };
    }
    let mut text = String::new();
    match io::stdin().take(MAX_LEN + 1).read_to_string(&mut text) {
        Ok(len) if len as u64 > MAX_LEN => {
            Err(Failure::usage("cannot read stdin: larger than 16 MiB"))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// A file that is read line by line, so that it may be of any size.
pub(crate) fn open(path: &Path) -> Result<fs::File, Failure> {
    let unreadable = |error| unreadable(path, &error);
    // A FIFO would be waited for, and a device need not have lines.
    if !path.metadata().map_err(unreadable)?.is_file() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        return Err(unreadable(error));
    }
    fs::File::open(path).map_err(unreadable)
}

pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::usage(format!("cannot read `{}`: {error}", path.display()));
    match error.kind() {
        // A pipe or a device: what comes out of it is not there to be read twice.
        io::ErrorKind::InvalidInput => failure.hint("`-` reads stdin, which may be a pipe"),
        _ => failure,
    }
}

/// A source that never changes, of the kind that it stands for: a command reads a file once.
#[derive(Debug)]
pub(crate) struct Once {
    kind: SourceKind,
    offer: Offer,
}

impl Once {
    pub(crate) fn new(kind: SourceKind, offer: Offer) -> Self {
        Self { kind, offer }
    }

    /// The flags of a file and their lines, as in a service that starts now: a rejected flag is not unknown.
    pub(crate) fn file(file: &Declared) -> Self {
        let offer = Offer::from(file.parsed.flags());
        let (path, lines) = (file.path.display().to_string(), file.parsed.lines().clone());
        let places = move |key: &str, part| Some(format!("{path}:{}", lines.part(key, part)?));
        let offer = offer.with_places(places).with_rejected(file.parsed.rejected().iter());
        Self::new(SourceKind::File, offer)
    }
}

impl Backend for Once {
    fn name(&self) -> &'static str {
        self.kind.as_str()
    }

    fn kind(&self) -> SourceKind {
        self.kind
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        sink.publish(self.offer.clone());
        Box::pin(async { Ok(()) })
    }
}
