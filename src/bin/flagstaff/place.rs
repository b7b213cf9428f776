//! The locations of flags: the file, the environment and the store.

use std::{
    collections::BTreeSet,
    env,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use clap::Args;
use flagstaff::{
    Backend, Context, Env, File, Flags, Redis,
    cli::ExitCode,
    definition::{
        Definitions, Diagnostic, FlagsFile, Severity, UnknownEnvironment, places::PlaceValue,
    },
    event::Warning,
    source::{
        BackendError, BoxFuture, FlagsBuilder, Fleet, IntoBackend, InvalidRedis, Offer, OpenError,
        RedisError, RedisErrorKind, RedisHandle, Sink, SourceKind, Status, WritableBackend,
    },
    write::LogEntry,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    completion,
    failure::Failure,
    host,
    output::Output,
    parts::Parts,
    paste,
    places::{self, Chosen, Given},
    reading::{mistakes, nearest, read},
    single::Single,
    text::{self, clean, count, verb},
    variable,
};

/// The name of the flag file that is searched for.
const FILE: &str = "flags.toml";

/// The hash that has the overrides unless another is named.
const KEY: &str = "feature_flags";

const NAME_A_STORE: &str = "name one with `--redis redis://HOST`, or set REDIS_URL";

/// The prefix of keys unless another one is named.
const KEY_PREFIX: &str = "ff";

/// The locations of flags. The default is what a command uses without any options.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Where")]
pub(crate) struct Place {
    /// Flag file; of several, later ones win [default: the nearest flags.toml,
    /// upwards] [env: FLAGSTAFF_FILE]
    #[arg(long, short, global = true, value_name = "PATH")]
    file: Vec<PathBuf>,
    /// Environment of the flag file, such as staging [env: FLAGSTAFF_ENVIRONMENT]
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        value_parser = environment,
        add = completion::environments()
    )]
    pub(crate) environment: Vec<String>,
    /// Use the store and the environment without a flag file
    #[arg(long, global = true, conflicts_with_all = ["file", "environment"])]
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
    /// Ignore the store, even if REDIS_URL is set
    #[arg(long, global = true)]
    no_redis: bool,
    /// Hash that has the overrides [default: feature_flags]
    #[arg(long, global = true, value_name = "KEY")]
    key: Option<String>,
    /// JSON keys, one per flag, instead of a hash
    #[arg(long, global = true, value_name = "PREFIX", conflicts_with = "key")]
    key_prefix: Option<String>,
    /// Prefix of environment variables to read, such as FEATURE_ [env: FLAGSTAFF_ENV_PREFIX]
    #[arg(long, global = true, value_name = "PREFIX")]
    env_prefix: Option<String>,
    /// Place of flagstaff.toml; other options override its values [env: FLAGSTAFF_AT]
    #[arg(long, global = true, value_name = "PLACE", add = completion::places())]
    pub(crate) at: Vec<String>,
    #[arg(skip)]
    chosen: Chosen,
}

/// The care that a change of a place needs, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Care {
    None,
    /// A reason.
    Reason,
    /// A typed name and a reason, since flagstaff.toml cannot be read and may protect the place.
    InDoubt,
    /// A typed name and a reason.
    Protected,
}

/// A place that asks before changes, and has a store or a file of another one.
#[derive(Debug)]
pub(crate) struct Sharer {
    pub(crate) place: Place,
    /// The reason why it is uncertain that the place has it: its own store or file cannot be read.
    pub(crate) doubt: Option<String>,
}

/// The changes in a store, the latest first.
pub(crate) struct Changes {
    pub(crate) list: Vec<LogEntry>,
    /// The time by the clock of the store, which dates the changes.
    pub(crate) now: SystemTime,
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
    pub(crate) fn at_a_start(self, at: Option<SystemTime>) -> Self {
        let at = at.unwrap_or_else(SystemTime::now);
        Self { parsed: self.parsed.tested(&Definitions::new(), at), ..self }
    }

    /// Returns the sentence on the instances that run another file, if any do.
    pub(crate) fn other_files(&self, fleet: &Fleet) -> Option<String> {
        let with_file = fleet.counted().filter(|instance| instance.file.is_some());
        let with_file: Vec<_> = with_file.collect();
        let others = with_file.iter().filter(|instance| !instance.runs(self.text.as_bytes()));
        let others = others.count();
        (others > 0).then(|| {
            format!(
                "`{}` is not the file that {others} of {} {}",
                clean(&self.path.display().to_string()),
                count(with_file.len(), "instance"),
                verb(others, "runs", "run"),
            )
        })
    }
}

impl Place {
    /// Chooses the place: that of `--at` or `FLAGSTAFF_AT`, or the one without a name.
    pub(crate) fn settled(self, output: &Output) -> Result<Self, Failure> {
        let name = match &*self.at {
            [] => {
                let name = variable::value("FLAGSTAFF_AT");
                let failed = |failure: Failure| match failure.text() {
                    _ if name.is_none() => failure,
                    _ => failure.named_by("FLAGSTAFF_AT"),
                };
                return self.of(name.as_deref(), output).map_err(failed);
            }
            [name] => name,
            [..] => {
                return Err(Failure::usage("`--at` names one place")
                    .hint("only `diff` takes two, and compares them"));
            }
        };
        self.of(Some(name), output)
    }

    /// Returns the place of a name; options still win.
    pub(crate) fn of(&self, name: Option<&str>, output: &Output) -> Result<Self, Failure> {
        let has_file = self.no_file || !self.file.is_empty();
        let has_store = self.no_redis || !self.redis.is_empty();
        let has_key = self.key.is_some() || self.key_prefix.is_some();
        let given = [
            ("file", has_file),
            ("environment", !self.environment.is_empty()),
            ("redis", has_store),
            ("sentinel", self.no_redis || !self.sentinel.is_empty()),
            ("key", has_key),
            ("key_prefix", has_key),
        ];
        let given = Given {
            keys: given.into_iter().filter(|(_, is)| *is).map(|(key, _)| key).collect(),
            is_enough: (has_file || variable::path("FLAGSTAFF_FILE").is_some())
                && (has_store || variable::value("REDIS_URL").is_some()),
        };
        Ok(Self { chosen: Chosen::new(name, &given, output)?, ..self.clone() })
    }

    /// Names the flag file, in place of an option.
    pub(crate) fn name_file(&mut self, path: PathBuf) {
        self.file = vec![path];
    }

    /// Returns the place without its flag file.
    pub(crate) fn without_file(&self) -> Self {
        Self { no_file: true, ..self.clone() }
    }

    /// Returns the place without its store.
    pub(crate) fn without_store(&self) -> Self {
        Self { no_redis: true, ..self.clone() }
    }

    /// The place with its store, its files and its environment, as far as it has them, for people.
    pub(crate) fn whole(&self) -> String {
        let mut parts = Vec::new();
        match (self.redis(), self.name()) {
            (Ok(Some(redis)), _) => parts.push(self.with_store(&redis.handle())),
            (_, Some(name)) => parts.push(clean(name).into_owned()),
            (_, None) => {}
        }
        let files = self.paths();
        parts.extend(files.iter().map(|path| format!("`{}`", clean(&places::shown_path(path)))));
        let environment = self.environment_name().ok().flatten();
        parts.extend(
            environment.map(|name| format!("environment {}", clean(&places::shown(&name)))),
        );
        parts.join(", ")
    }

    /// Returns the name of the place; `None` for the top level of flagstaff.toml.
    pub(crate) fn name(&self) -> Option<&str> {
        self.chosen.name.as_deref()
    }

    /// Returns the care that changes of the place need by itself.
    pub(crate) fn care(&self) -> Care {
        let Chosen { settings, is_in_doubt, .. } = &self.chosen;
        match () {
            () if settings.protected => Care::Protected,
            () if *is_in_doubt => Care::InDoubt,
            () if settings.requires_reason => Care::Reason,
            () => Care::None,
        }
    }

    /// Returns the place, with the address and the key of its store, for people.
    pub(crate) fn with_store(&self, redis: &RedisHandle) -> String {
        let (address, key) = (redis.address(), places::shown(redis.key()));
        match self.name() {
            Some(name) => format!("{} ({}, key {})", clean(name), clean(&address), clean(&key)),
            None => format!("{} (key {})", clean(&address), clean(&key)),
        }
    }

    /// Returns the place, with a file of it, for people.
    pub(crate) fn with_file(&self, path: &Path) -> String {
        let path = places::shown_path(path);
        match self.name() {
            Some(name) => format!("`{}` of {}", clean(&path), clean(name)),
            None => format!("`{}`", clean(&path)),
        }
    }

    /// Returns a variable of the environment, unless the place has a name. A variable of another store must never fill
    /// what such a place leaves out.
    fn usual(&self, name: &str) -> Option<String> {
        self.name().is_none().then(|| variable::value(name))?
    }

    /// Returns the paths of the flag files, the weakest first: the named ones, or the nearest flags.toml.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        if self.no_file {
            return Vec::new();
        }
        match self.named_files() {
            named if named.is_empty() => nearest_flags().into_iter().collect(),
            named => named,
        }
    }

    /// Returns the path of the strongest flag file; `None` if there is none.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.paths().pop()
    }

    /// Returns the environment that is chosen, if one is.
    pub(crate) fn environment_name(&self) -> Result<Option<String>, Failure> {
        match &*self.environment {
            [] => {
                let of_place = self.chosen.settings.environment.as_ref();
                let of_place = || of_place.map(|name| name.value().to_owned());
                Ok(self.usual("FLAGSTAFF_ENVIRONMENT").or_else(of_place))
            }
            [name] => Ok(Some(name.clone())),
            [..] => Err(Failure::usage("`--environment` names one environment")
                .hint("only `diff` takes two, and compares them")),
        }
    }

    /// Refuses an environment that no flag file of the place has. A file that cannot be read is left to the command.
    pub(crate) fn refuse_unknown_environment(&self) -> Result<(), Failure> {
        let Some(environment) = self.environment_name()? else { return Ok(()) };
        // The content of a pipe cannot be read twice.
        let paths = self.paths().into_iter().filter(|path| path.is_file());
        let files = paths.filter_map(|path| declared(vec![path], None).ok()).flatten().collect();
        chosen(files, &environment).map(drop)
    }

    /// Returns a place with another environment, or with none.
    pub(crate) fn in_environment(&self, name: Option<&str>) -> Self {
        Self { environment: name.map(str::to_owned).into_iter().collect(), ..self.clone() }
    }

    /// Returns true if no flag file is found and `--no-file` is not given. The services may have one.
    fn lacks_file(&self) -> bool {
        !self.no_file && self.path().is_none()
    }

    /// Refuses an answer that depends on the declared flags, if there is no flag file.
    pub(crate) fn refuse_without_file(&self) -> Result<(), Failure> {
        match self.lacks_file() {
            true => Err(Failure::usage(
                "there is no flags.toml here or in a directory above, and the answer depends on what it \
                 declares",
            )
            .hint("name the file of the services with `--file`; use `--no-file` if they have none")),
            false => Ok(()),
        }
    }

    /// Warns that the declared flags are missing, unless `--no-file` is given.
    fn note_without_file(&self, output: &Output) {
        if self.lacks_file() {
            output.warning(
                "there is no flags.toml here or in a directory above, so declared flags are ignored: name it with `--file`, or use `--no-file` if there is none",
            );
        }
    }

    /// Returns the path of the named flag file, whether it exists or not.
    pub(crate) fn named(&self) -> Option<PathBuf> {
        self.named_files().pop()
    }

    /// Returns the paths of the flag files that were named, the weakest first.
    fn named_files(&self) -> Vec<PathBuf> {
        if !self.file.is_empty() {
            return self.file.clone();
        }
        let usual = variable::path("FLAGSTAFF_FILE").filter(|_| self.name().is_none());
        match usual {
            Some(file) => vec![file.into()],
            None => self.chosen.files(),
        }
    }

    /// Returns true if a flag file has another one below it, so that its flags may be partial.
    pub(crate) fn is_over_another(&self, path: &Path) -> bool {
        self.paths().iter().skip(1).any(|other| other == path)
    }

    /// Returns the flag files below one, the weakest first.
    pub(crate) fn paths_below(&self, path: &Path) -> Vec<PathBuf> {
        match self.is_over_another(path) {
            true => self.paths().into_iter().take_while(|below| below != path).collect(),
            false => Vec::new(),
        }
    }

    /// Returns true if a path leads to a flag file of the place.
    pub(crate) fn has_file(&self, path: &Path) -> bool {
        has(&self.paths(), path)
    }

    /// Returns the other places that ask before changes and have the store of this one. If the store of a place cannot
    /// be read, it may be any store.
    ///
    /// A place whose store is named by a variable without a value is left out. Otherwise a developer without that
    /// variable would be asked about each change of a local store.
    pub(crate) fn guards_of_store(&self) -> Vec<Sharer> {
        let own = self.redis().ok().flatten().map(|redis| redis.handle());
        let shared = |place: Self| {
            let chosen = &place.chosen;
            let is_left_out =
                ["sentinel", "key", "key_prefix"].iter().any(|setting| chosen.is_unset(setting));
            let redis = place.redis().map(|redis| redis.map(|redis| redis.handle()));
            let has_it = matches!((&redis, &own), (Ok(Some(redis)), Some(own))
                if !is_left_out && redis.is_same_store_by(own, host::is_same));
            if has_it {
                return Some(Sharer { place, doubt: None });
            }
            let is_invalid = redis.is_err() && !is_left_out;
            let doubt = chosen.doubt_of_store().or(is_invalid.then(|| chosen.doubt_of_urls()))?;
            Some(Sharer { place, doubt: Some(doubt) })
        };
        self.guards().filter_map(shared).collect()
    }

    /// Returns the other places that ask before changes and have a flag file. If the files of a place cannot be read,
    /// they may be any files, unless a variable without a value names them.
    pub(crate) fn guards_of_file(&self, path: &Path) -> Vec<Sharer> {
        let shared = |place: Self| {
            if has(&place.guarded_files(), path) {
                return Some(Sharer { place, doubt: None });
            }
            let doubt = place.chosen.doubt_of_file()?;
            Some(Sharer { place, doubt: Some(doubt) })
        };
        self.guards().filter_map(shared).collect()
    }

    /// Returns the other places that ask before changes, without any options.
    fn guards(&self) -> impl Iterator<Item = Self> {
        let places = self.chosen.guards.iter().cloned();
        places.map(|chosen| Self { chosen, ..Self::default() })
    }

    /// Returns the files that a place may have: the named ones, or else the nearest flags.toml from here and from the
    /// directory of flagstaff.toml. If none exists yet, that is the path at which `init` creates the file.
    fn guarded_files(&self) -> Vec<PathBuf> {
        let named = self.named_files();
        if !named.is_empty() || self.chosen.is_unset("file") {
            return named;
        }
        let nearest_from = |directory: &Path| {
            let absolute = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
            match nearest(&absolute, FILE) {
                // Relative paths begin at that directory.
                Some(path) => absolute.join(path),
                None => absolute.join(FILE),
            }
        };
        [Path::new("."), self.chosen.directory()].map(nearest_from).into()
    }

    /// Returns the path of the flag file, for commands that need one.
    pub(crate) fn needed_path(&self) -> Result<PathBuf, Failure> {
        match &*self.paths() {
            [] => Err(Failure::usage("there is no flags.toml here or in a directory above")
                .hint("name one with `--file`, or make one with `flagstaff init`")),
            [path] => Ok(path.clone()),
            [..] => Err(Failure::usage(
                "this command works on one flag file, and `--file` names several",
            )
            .hint("name one of them with `--file`")),
        }
    }

    /// Returns the flag files below one, the weakest first.
    pub(crate) fn files_below(&self, path: &Path) -> Result<Vec<Declared>, Failure> {
        match self.is_over_another(path) {
            true => Ok(self.files()?.into_iter().take_while(|file| file.path != path).collect()),
            false => Ok(Vec::new()),
        }
    }

    /// Returns the path of the flag file to edit: of several, the strongest one that has the flags.
    pub(crate) fn path_to_edit(&self, flags: &[String]) -> Result<PathBuf, Failure> {
        let paths = self.paths();
        if paths.len() < 2 {
            return self.needed_path();
        }
        let environment = self.environment_name()?;
        let has_environment = |file: &&Declared| {
            let mut names = file.parsed.environments();
            environment.as_ref().is_none_or(|environment| names.any(|name| name == environment))
        };
        let files = declared(paths, None)?;
        let mut found: Option<&Path> = None;
        for flag in flags {
            let mut strongest = files.iter().rev().filter(has_environment);
            let Some(file) = strongest.find(|file| names(&file.parsed, flag)) else {
                let shown = |file: &Declared| format!("`{}`", clean(&file.path.to_string_lossy()));
                let shown = files.iter().map(shown).collect::<Vec<_>>().join(" or ");
                let failure =
                    Failure::usage(format!("there is no flag `{}` in {shown}", clean(flag)));
                return Err(failure.hint("name one of them with `--file`"));
            };
            if found.is_some_and(|found| found != file.path) {
                let message = "these flags are in different files, and one is edited at a time";
                return Err(Failure::usage(message).hint("name the flags of one file"));
            }
            found = Some(&file.path);
        }
        found.map_or_else(|| self.needed_path(), |path| Ok(path.to_owned()))
    }

    /// Returns the flag files, the weakest first, whatever is wrong with their flags.
    pub(crate) fn files(&self) -> Result<Vec<Declared>, Failure> {
        declared(self.paths(), self.environment_name()?.as_deref())
    }

    /// Returns the strongest flag file, whatever is wrong with its flags; `None` if none was named and there is none.
    pub(crate) fn file(&self) -> Result<Option<Declared>, Failure> {
        Ok(self.files()?.pop())
    }

    /// Returns the flag file, for commands that need one.
    pub(crate) fn needed_file(&self) -> Result<Declared, Failure> {
        let path = self.needed_path()?;
        let mut files = declared(vec![path], self.environment_name()?.as_deref())?;
        Ok(files.remove(0))
    }

    /// Returns true if the store has a key per flag instead of a hash.
    pub(crate) fn has_key_per_flag(&self) -> bool {
        self.prefix().is_some()
    }

    /// Warns if instances run another flag file than the local one, so that their answers may differ.
    pub(crate) async fn warn_of_other_files(&self, output: &Output) {
        let Ok(Some(redis)) = self.redis() else { return };
        let Ok(Some(file)) = self.file() else { return };
        // The warning is extra, so a failure to read the instances is ignored.
        let Ok(fleet) = redis.handle().fleet().await else { return };
        if let Some(others) = file.other_files(&fleet) {
            let instances = paste::command("instances", "");
            output.warning(format!("{others}: {instances} lists their files"));
        }
    }

    /// Returns the prefix of the keys in the layout with a key per flag.
    pub(crate) fn key_prefix(&self) -> &str {
        self.prefix().unwrap_or(KEY_PREFIX)
    }

    /// Returns the mistake because of which a flag of the file is left out, with its location.
    pub(crate) fn mistake(&self, flag: &str) -> Option<String> {
        let files = self.files().ok()?.into_iter().rev().map(|file| file.at_a_start(None));
        let mut mistakes = files.filter_map(|file| {
            let mistake = first_mistake(&file.parsed, flag)?;
            Some(format!("{}:{}: {}", file.path.display(), mistake.location, mistake.message))
        });
        mistakes.next()
    }

    /// Returns the flags of the file that are left out because of mistakes.
    pub(crate) fn rejected(&self) -> Vec<String> {
        let Ok(Some(file)) = self.file() else { return Vec::new() };
        file.at_a_start(None).parsed.rejected().iter().map(str::to_owned).collect()
    }

    /// Returns the flags of all files that are left out because of mistakes.
    pub(crate) fn all_rejected(&self) -> BTreeSet<String> {
        let files = self.files().unwrap_or_default().into_iter();
        let rejected = |file: Declared| {
            let parsed = file.at_a_start(None).parsed;
            parsed.rejected().iter().map(str::to_owned).collect::<Vec<_>>()
        };
        files.flat_map(rejected).collect()
    }

    /// Returns the options of this command that name the place, for commands that people paste. A URL that may contain
    /// a password is replaced by a placeholder.
    pub(crate) fn options(&self) -> String {
        let mut options = Vec::new();
        let mut add = |option: &str, value: Option<&str>| {
            if let Some(value) = value {
                options.push(format!("{option} {}", text::shell(value)));
            }
        };
        add("--at", self.name());
        for file in &self.file {
            add("--file", Some(&file.to_string_lossy()));
        }
        for environment in &self.environment {
            add("--environment", Some(environment));
        }
        let urls = |urls: &[String]| match urls.join(",") {
            urls if urls.is_empty() => None,
            urls if urls.contains('@') => Some("URL".to_owned()),
            urls => Some(urls),
        };
        add("--redis", urls(&self.redis).as_deref());
        add("--sentinel", urls(&self.sentinel).as_deref());
        add("--key", self.key.as_deref());
        add("--key-prefix", self.key_prefix.as_deref());
        add("--env-prefix", self.env_prefix.as_deref());
        let switches = [("--no-file", self.no_file), ("--no-redis", self.no_redis)];
        let switches = switches.into_iter().filter(|(_, is)| *is);
        options.extend(switches.map(|(option, _)| option.to_owned()));
        options.join(" ")
    }

    /// Returns the flag files among the [`options`](Self::options).
    pub(crate) fn files_of_options(&self) -> Vec<String> {
        self.file.iter().map(|file| file.to_string_lossy().into_owned()).collect()
    }

    /// Returns true if a store is named, usable or not.
    fn names_store(&self) -> bool {
        !self.redis.is_empty()
            || self.usual("REDIS_URL").is_some()
            || !self.chosen.settings.redis.is_empty()
            || self.chosen.unset.is_some()
    }

    /// Returns the store, if one is named.
    pub(crate) fn redis(&self) -> Result<Option<Redis>, Failure> {
        if self.no_redis {
            return Ok(None);
        }
        let settings = &self.chosen.settings;
        let mut from_variable = None;
        let mut listed = |option: &[String], name: &'static str, of_place: &[PlaceValue]| match (
            option,
            self.usual(name),
        ) {
            ([], Some(list)) => {
                from_variable = Some(name);
                list.split(',').map(str::to_owned).collect()
            }
            ([], None) => of_place.iter().map(|url| url.value().to_owned()).collect(),
            (option, _) => option.to_vec(),
        };
        let urls = listed(&self.redis, "REDIS_URL", &settings.redis);
        let sentinels = listed(&self.sentinel, "REDIS_SENTINELS", &settings.sentinel);
        if let Some(unset) = self.chosen.unset.as_ref().filter(|_| urls.is_empty()) {
            let problem = unset.iter().next();
            let problem =
                problem.map(|it| format!("{} ({}:{})", it.message, unset.name(), it.location));
            return Err(Failure::usage(clean(&problem.unwrap_or_default()))
                .hint("`--redis` names the store without it; `--no-redis` ignores the store"));
        }
        let redis = match (&*urls, &*sentinels) {
            ([], []) => return Ok(None),
            ([url], []) => Redis::open(url),
            (urls, []) => Redis::cluster(urls),
            ([master], sentinels) => Redis::sentinel(master, sentinels),
            (_, _) => {
                return Err(Failure::usage("with `--sentinel`, `--redis` has to name one master"));
            }
        };
        let redis = redis.map_err(|mut invalid| {
            // If the value of a variable is not a URL, it may be a secret.
            if let InvalidRedis::Url { url }
            | InvalidRedis::WithoutTls { url }
            | InvalidRedis::Query { url, .. } = &mut invalid
                && self.redis.is_empty()
                && self.sentinel.is_empty()
                && from_variable.is_none()
            {
                let written = settings.redis.iter().chain(&settings.sentinel);
                let written: Vec<_> = written.map(ToString::to_string).collect();
                *url = written.join("`, `");
            }
            match from_variable {
                Some(name) => Failure::from(invalid).named_by(name),
                None => invalid.into(),
            }
        })?;
        let of_place = settings.key.as_ref().map(PlaceValue::value);
        Ok(Some(match self.prefix() {
            Some(prefix) => redis.key_per_flag(prefix),
            None => redis.key(self.key.as_deref().or(of_place).unwrap_or(KEY)),
        }))
    }

    /// Returns the prefix of the keys, if the store has one for each flag.
    fn prefix(&self) -> Option<&str> {
        let of_place = self.chosen.settings.key_prefix.as_ref().map(PlaceValue::value);
        self.key_prefix.as_deref().or(of_place)
    }

    /// Returns the changes of the store, the latest first. A store with too many fields is read all the same, with a
    /// warning: its log is needed most then.
    pub(crate) async fn changes(
        &self,
        flag: Option<&str>,
        limit: usize,
        output: &Output,
    ) -> Result<Changes, Failure> {
        let redis = self.needed_redis()?;
        let handle = redis.clone().handle();
        match handle.history(flag, limit).await.map_err(Failure::from) {
            Err(failure) if failure.redis() == Some(RedisErrorKind::TooManyFields) => {
                output.warning(failure.text());
                let handle = redis.max_fields(usize::MAX).handle();
                Ok(Changes { list: handle.history(flag, limit).await?, now: handle.now() })
            }
            changes => Ok(Changes { list: changes?, now: handle.now() }),
        }
    }

    /// Returns the store, for commands that need one.
    pub(crate) fn needed_redis(&self) -> Result<Redis, Failure> {
        self.redis()?.ok_or_else(|| no_store().hint(NAME_A_STORE))
    }

    /// Returns the store, for changes that can be made in the file as well.
    pub(crate) fn redis_to_change(&self) -> Result<RedisHandle, Failure> {
        let redis = self.redis()?.ok_or_else(|| {
            no_store()
                .hint(format!("{NAME_A_STORE}; `--source file` changes the flag file instead"))
        })?;
        Ok(redis.handle())
    }

    /// Returns all sources merged: the store over the environment over the file. Mistakes in the file
    /// are printed; its other flags count.
    pub(crate) async fn flags(&self, output: &Output) -> Result<Flags, Failure> {
        self.flags_at(output, None).await
    }

    /// Returns all sources merged, without the store if that cannot be reached. The failure is printed
    /// then, and its exit code returned.
    pub(crate) async fn flags_as_far_as_possible(
        &self,
        output: &Output,
    ) -> Result<(Flags, ExitCode), Failure> {
        match self.flags(output).await {
            Ok(flags) => Ok((flags, ExitCode::Done)),
            Err(failure) if failure.is_unreachable() && self.path().is_some() => {
                let failure = failure.hint("these are the answers of the other sources");
                let code = output.failure(&failure);
                Ok((self.without_store().flags(output).await?, code))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Returns the stored overrides of flags that no file declares, each with the flag of a similar name, if one is
    /// declared. Without a flag file there are none.
    pub(crate) async fn undeclared(
        &self,
        flags: &Flags,
        output: &Output,
    ) -> Vec<(String, Option<String>)> {
        let drift = flags.drift().into_iter().filter(|it| it.is_undeclared());
        let keys: Vec<_> =
            drift.map(|it| it.key).filter(|key| self.mistake(key).is_none()).collect();
        if keys.is_empty() || self.path().is_none() {
            return Vec::new();
        }
        let declared = self.without_store().flags_in_silence(&output.repeated(), None).await;
        let Ok(declared) = declared else { return Vec::new() };
        let snapshot = declared.snapshot();
        let similar = |key: &String| snapshot.explain(&**key, &Context::anonymous()).similar;
        let with_similar = |key: String| {
            let similar = similar(&key);
            (key, similar)
        };
        keys.into_iter().map(with_similar).collect()
    }

    /// Returns all sources merged, as of an instant; now if there is none.
    pub(crate) async fn flags_at(
        &self,
        output: &Output,
        at: Option<SystemTime>,
    ) -> Result<Flags, Failure> {
        self.note_without_store(output);
        let flags = self.flags_in_silence(output, at).await?;
        self.note_without_file(output);
        Ok(flags)
    }

    /// Prints a note that overrides do not count, unless an option has turned them off. Only terminals get the note,
    /// since a script would print it at every run.
    pub(crate) fn note_without_store(&self, output: &Output) {
        if !self.names_store() && !self.no_redis && io::stderr().is_terminal() {
            output.aside(
                "note: no store is named (--redis or REDIS_URL), so overrides are ignored; --no-redis silences this note",
            );
        }
    }

    /// Returns all sources merged, without notes, for commands that answer by their exit code alone.
    pub(crate) async fn flags_in_silence(
        &self,
        output: &Output,
        at: Option<SystemTime>,
    ) -> Result<Flags, Failure> {
        let files = self.files()?.into_iter().map(|file| usable(file, at, output));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let builder = self.sources(files.iter().map(Once::file))?;
        let builder = match at {
            Some(at) => builder.clock(move || at),
            None => builder,
        };
        let flags = self.start(builder).await?;
        warn_of_failures(&flags, output);
        Ok(flags)
    }

    /// Returns all sources merged, for a change of the named flags. In an emergency, the store must be changeable
    /// despite mistakes in the file or in the rest of the store.
    ///
    /// A file that cannot be used is left out, with a warning. So are the other flags of a store that cannot be read as
    /// a whole.
    pub(crate) async fn flags_to_change(
        &self,
        names: &[String],
        output: &Output,
    ) -> Result<Flags, Failure> {
        let files = self.files()?.into_iter().filter_map(|file| {
            let name = file.path.display().to_string();
            let usable = usable(file, None, output);
            if usable.is_err() {
                output.warning(format!("`{name}` cannot be used and is left out"));
            }
            usable.ok()
        });
        let files: Vec<_> = files.collect();
        let declared = || files.iter().map(Once::file);
        let flags = match self.start(self.sources(declared())?).await {
            Ok(flags) => flags,
            Err(failure) => {
                let single = self.single(names, failure, output).await?;
                self.stack(Some(single), declared())?.start().await?
            }
        };
        self.note_without_file(output);
        warn_of_failures(&flags, output);
        Ok(flags)
    }

    /// Returns the named flags of a store that cannot be read as a whole. If these flags cannot be read either, returns
    /// the failure of the whole read.
    async fn single(
        &self,
        names: &[String],
        failure: Failure,
        output: &Output,
    ) -> Result<Single, Failure> {
        let Some(redis) = self.redis()? else { return Err(failure) };
        // A store with too many fields may get one more.
        let redis = match failure.redis() {
            Some(RedisErrorKind::TooManyFields) => redis.max_fields(usize::MAX),
            _ => redis,
        };
        let Ok(single) = Single::read(redis.handle(), names).await else { return Err(failure) };
        output.warning(format!(
            "the store cannot be read as a whole, so its other flags are ignored here: {}",
            failure.text()
        ));
        output.hint(
            "services that cannot read it either keep their flags; `--wait` shows which have the change",
        );
        Ok(single)
    }

    /// Returns all sources merged, with the file followed as services follow it.
    pub(crate) async fn followed(&self) -> Result<Flags, Failure> {
        let files = self.files()?.into_iter().enumerate().map(|(index, file)| {
            let followed = File::open(file.path)?;
            let followed = if index > 0 { followed.partial() } else { followed };
            Ok(match file.parsed.environment() {
                Some(name) => followed.environment(name),
                None => followed,
            })
        });
        let files: Result<Vec<_>, OpenError> = files.collect();
        let files = files.map_err(|error| Failure::of(ExitCode::Usage, &error))?;
        self.start(self.sources(files)?).await
    }

    /// Returns the sources over the files alone; `None` if there are none.
    pub(crate) async fn flags_over_the_file(
        &self,
        output: &Output,
    ) -> Result<Option<Flags>, Failure> {
        self.flags_over(Vec::new(), output).await
    }

    /// Returns the sources over one of the flag files; `None` if there are none.
    pub(crate) async fn flags_over_one_file(
        &self,
        path: &Path,
        output: &Output,
    ) -> Result<Option<Flags>, Failure> {
        let stronger = self.files()?.into_iter().skip_while(|file| file.path != path).skip(1);
        self.flags_over(stronger.collect(), output).await
    }

    async fn flags_over(
        &self,
        files: Vec<Declared>,
        output: &Output,
    ) -> Result<Option<Flags>, Failure> {
        if self.redis()?.is_none() && self.env_prefix().is_none() && files.is_empty() {
            return Ok(None);
        }
        let flags = self.start(self.sources(files.iter().map(Once::file))?).await?;
        // Without the file, these values have another meaning, so warnings about them would be wrong.
        warn_of_failing_sources(&flags, output);
        Ok(Some(flags))
    }

    fn env_prefix(&self) -> Option<String> {
        self.env_prefix.clone().or_else(|| variable::value("FLAGSTAFF_ENV_PREFIX"))
    }

    /// Returns the environment variables that count, if any do.
    pub(crate) fn environment(&self) -> Option<Env> {
        self.env_prefix().map(Env::with_prefix)
    }

    /// Returns the sources, with these files, the weakest first.
    fn sources(
        &self,
        files: impl IntoIterator<Item = impl Backend>,
    ) -> Result<FlagsBuilder, Failure> {
        self.stack(self.redis()?.map(Redis::unannounced), files)
    }

    fn stack(
        &self,
        redis: Option<impl IntoBackend>,
        files: impl IntoIterator<Item = impl Backend>,
    ) -> Result<FlagsBuilder, Failure> {
        let env_prefix = self.env_prefix();
        let files: Vec<_> = files.into_iter().collect();
        if redis.is_none() && files.is_empty() && env_prefix.is_none() {
            return Err(Failure::usage("there are no flags: no flags.toml here or in a directory above")
                .hint("name a file with `--file` or a store with `--redis`; `flagstaff init` makes a file"));
        }
        let over = Flags::builder().option_source(redis).option_source(self.environment());
        Ok(files.into_iter().rev().fold(over, FlagsBuilder::source).require_ready())
    }

    async fn start(&self, builder: FlagsBuilder) -> Result<Flags, Failure> {
        match self.redis()? {
            Some(redis) => started(builder, &redis.handle()).await,
            None => Ok(builder.start().await?),
        }
    }
}

/// Reads flag files, the weakest first, with the flags of one environment if one is chosen. At least one of several
/// files has to have that environment; the others are used without.
pub(crate) fn declared(
    paths: Vec<PathBuf>,
    environment: Option<&str>,
) -> Result<Vec<Declared>, Failure> {
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let text = read(&path)?;
        let name = path.to_string_lossy();
        // The first file is the weakest one.
        let parsed = match files.is_empty() {
            true => FlagsFile::parse(&name, &text),
            false => FlagsFile::parse_partial(&name, &text),
        };
        files.push(Declared { path, text, parsed });
    }
    match environment {
        Some(environment) => chosen(files, environment),
        None => Ok(files),
    }
}

/// Returns true if a file has a flag, in `[flags]` or an environment, be it with a mistake.
pub(crate) fn names(file: &FlagsFile, flag: &str) -> bool {
    Parts::of([file]).iter().any(|part| part.names(flag))
}

/// Chooses the environment of flag files, as far as they have it.
fn chosen(mut files: Vec<Declared>, environment: &str) -> Result<Vec<Declared>, Failure> {
    let (mut is_known, mut unknown) = (false, None);
    for file in files.iter_mut().filter(|file| file.parsed.is_usable()) {
        match file.parsed.clone().in_environment(environment) {
            Ok(parsed) => (file.parsed, is_known) = (parsed, true),
            Err(error) => unknown = Some((file.path.clone(), error)),
        }
    }
    match unknown.filter(|_| !is_known) {
        Some((path, error)) => Err(unknown_environment(&path, &error)),
        None => Ok(files),
    }
}

/// Returns the failure of a file that does not have the named environment.
pub(crate) fn unknown_environment(path: &Path, error: &UnknownEnvironment) -> Failure {
    let (path, name) = (path.display().to_string(), places::shown(&error.name));
    let (path, name) = (clean(&path), clean(&name));
    if let Some(mistake) = error.mistake() {
        let Diagnostic { location, message, label, .. } = mistake;
        return Failure::usage(format!("environment `{name}` of `{path}` cannot be used"))
            .cause(format!("{path}:{location}: {message}, {label}"))
            .hint(mistake.help.clone().unwrap_or_default());
    }
    let failure = Failure::usage(format!("`{path}` has no environment `{name}`"));
    match (&error.similar, &*error.known) {
        (Some(similar), _) => {
            failure.hint(format!("an environment with a similar name exists: `{}`", clean(similar)))
        }
        (None, []) => {
            failure.hint("add it: `[environments.NAME]`, with the flags that differ there")
        }
        (None, known) => {
            let known: Vec<_> = known.iter().map(|name| format!("`{}`", clean(name))).collect();
            failure.hint(format!("its environments are {}", known.join(", ")))
        }
    }
}

/// Parses the name of an environment.
fn environment(name: &str) -> Result<String, &'static str> {
    match name.trim() == name && !name.is_empty() {
        true => Ok(name.to_owned()),
        false => Err("the name of an environment cannot be empty or have white space around it"),
    }
}

/// Returns the store, for programs.
pub(crate) fn store_json(redis: &RedisHandle) -> Value {
    json!({
        "address": redis.address(),
        "database": redis.database(),
        "key": places::shown(redis.key()),
    })
}

fn no_store() -> Failure {
    Failure::usage("this needs a store, and none is named")
}

/// Returns true if a path leads to one of these files. None of them has to exist.
pub(crate) fn has(files: &[PathBuf], path: &Path) -> bool {
    let real = |path: &Path| {
        path.canonicalize().ok().or_else(|| {
            let directory = match path.parent()? {
                here if here.as_os_str().is_empty() => Path::new("."),
                directory => directory,
            };
            Some(directory.canonicalize().ok()?.join(path.file_name()?))
        })
    };
    let Some(path) = real(path) else { return false };
    files.iter().any(|file| real(file).as_ref() == Some(&path))
}

/// Prints the errors of sources, and the warnings about their values.
fn warn_of_failures(flags: &Flags, output: &Output) {
    warn_of_failing_sources(flags, output);
    print_warnings(flags, output);
}

/// Prints the errors of sources, such as overrides that cannot be read.
fn warn_of_failing_sources(flags: &Flags, output: &Output) {
    let failing =
        flags.health().sources.into_iter().filter(|source| source.status == Status::Error);
    for error in failing.filter_map(|source| source.last_error) {
        output.warning(places::shown_keys(&error.to_string()));
    }
}

/// Warns of values that have another effect than their writers may expect.
fn print_warnings(flags: &Flags, output: &Output) {
    output.warnings(flags.warnings().iter().map(warning_text));
}

/// Returns the line of a warning about a value.
pub(crate) fn warning_text(warning: &Warning) -> String {
    let Warning { source, flag, message, .. } = warning;
    let place = warning.place.as_deref().map(|place| format!(" ({})", clean(place)));
    let place = place.unwrap_or_default();
    format!("`{}` in {source}{place}: {}", clean(flag), clean(message))
}

/// Starts the flags, and fails as soon as the store fails. Without this, the flags would try again for a while.
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

/// Fails if the store cannot be read. If the store answers but is not read for a while, it is read once more to get the
/// error, since the flags try again until `max_wait` is over.
async fn reach(redis: &RedisHandle) -> Result<(), Failure> {
    const WHILE: Duration = Duration::from_millis(300);

    if let Err(error) = redis.read("").await {
        return match error.downcast_ref::<RedisError>() {
            // A user with the right to read all flags may lack the right to read one.
            Some(error) if error.kind() == RedisErrorKind::Permission => Ok(()),
            Some(error) => Err(error.into()),
            None => Err(Failure::of(ExitCode::Unreachable, &*error)),
        };
    }
    sleep(WHILE).await;
    match redis.history(None, 1).await.map_err(Failure::from) {
        // The user may also lack the right to read the log.
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
    if has_errors(&file.parsed) {
        warn_of_left_out(&file.path.to_string_lossy(), &file.parsed, output);
    }
    Ok(file)
}

/// Returns true if the flags of the chosen environment have errors.
pub(crate) fn has_errors(file: &FlagsFile) -> bool {
    file.diagnostics().concerning(file.environment()).has_errors()
}

/// Prints the flags of a file that are left out.
pub(crate) fn warn_of_left_out(name: &str, file: &FlagsFile, output: &Output) {
    let place = |flag: &str| {
        first_mistake(file, flag).map(|mistake| format!(" (line {})", mistake.location.line))
    };
    let rejected = file.rejected().iter();
    let left_out: Vec<_> =
        rejected.map(|key| format!("`{}`{}", clean(key), place(key).unwrap_or_default())).collect();
    let (number, of) = (left_out.len(), clean(name));
    if number == 0 {
        // For example, `flags` is not a table.
        let mistakes = file.diagnostics().concerning(file.environment());
        return output.warning(mistakes.summary());
    }
    output.warning(format!(
        "{} of `{of}` {} left out, because of {} that {} shows: {}",
        count(number, "flag"),
        verb(number, "is", "are"),
        verb(number, "a mistake", "mistakes"),
        paste::command("lint", ""),
        left_out.join(", "),
    ));
}

/// Returns the first mistake for which a flag is left out.
pub(crate) fn first_mistake<'a>(file: &'a FlagsFile, flag: &str) -> Option<&'a Diagnostic> {
    let is_left_out = file.rejected().contains(flag);
    let mut mistakes = file.diagnostics().iter();
    mistakes.find(|mistake| {
        let is_elsewhere =
            mistake.environment.as_deref().is_some_and(|it| file.environment() != Some(it));
        is_left_out
            && !is_elsewhere
            && mistake.severity == Severity::Error
            && mistake.flag.as_deref() == Some(flag)
    })
}

/// Returns the nearest flags.toml, from the working directory upwards.
fn nearest_flags() -> Option<PathBuf> {
    nearest(&env::current_dir().ok()?, FILE)
}

/// A source that never changes, since a command reads a file once. It has the kind of the source that it replaces.
#[derive(Debug)]
pub(crate) struct Once {
    kind: SourceKind,
    offer: Offer,
}

impl Once {
    pub(crate) fn new(kind: SourceKind, offer: Offer) -> Self {
        Self { kind, offer }
    }

    /// Returns the flags of a file and their lines, as in a service that starts now: a rejected flag is not unknown.
    pub(crate) fn file(file: &Declared) -> Self {
        let offer = Offer::from(file.parsed.flags());
        let (path, lines) = (file.path.display().to_string(), file.parsed.lines().clone());
        let places = move |key: &str, part| Some(format!("{path}:{}", lines.place(key, part)?));
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
