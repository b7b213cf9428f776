use std::{collections::BTreeSet, path::Path, time::SystemTime};

use clap::Args;
use flagstaff::{
    Context,
    cli::ExitCode,
    definition::{FlagsFile, SharedDefinition, to_json},
    write::{Drift, Provenance},
};
use serde_json::{Map, Value, json};

use crate::{
    change::store_now,
    completion,
    difference::{self, Difference, differences},
    failure::Failure,
    output::{Listing, Output, Row},
    paste,
    place::{self, Place},
    reading, revision,
    session::Session,
    text::clean,
    time, unreadable,
    written::Written,
};

/// Compare the store, git, environments or places
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 1 if anything differs, and with 2 if a stored value cannot be read.
In a pipe, each setting is a line: the flag; changed, new, removed, undeclared
or same; the setting; its JSON before and after; author, time, reason and end.

With git:REV, the order of variants, tests and segments is compared, too. Two
places are compared with all of their sources merged.

Examples:
  flagstaff diff                overrides in the store against flags.toml
  flagstaff diff git:main       flags.toml against that of main
  flagstaff diff --at staging --at production

Two environments of the file; `list --environments` has the flags without one:
  flagstaff diff --environment staging production")]
pub(crate) struct Diff {
    /// Revision `git:REV`, or environment, to compare with [default: the store]
    #[arg(value_name = "WITH", add = completion::environments())]
    with: Option<String>,
}

/// The settings differ.
const CHANGED: &str = "changed";
/// An override of a flag that no file declares.
const UNDECLARED: &str = "undeclared";
/// The state of an override that is equal to what is declared.
const SAME: &str = "same";

/// One flag that differs.
struct Flag {
    name: String,
    /// The kind of difference, in one word.
    what: &'static str,
    /// The author, the time, the reason, and the end.
    by: Provenance,
    /// The time by the clock of the store, which dates these.
    now: SystemTime,
    json: Value,
    differences: Vec<Difference>,
}

impl Diff {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let mut unreadable = None;
        let mut about = json!({});
        let environments = self.environments(session)?;
        let (flags, nothing) = match (self.with.as_deref(), environments) {
            (with, _) if session.place.at.len() > 1 => {
                let [before, after] = places(session, with)?;
                about = json!({ "before": before.name(), "after": after.name() });
                let (flags, code) = between(session, &before, &after).await?;
                unreadable = code;
                (flags, "nothing differs")
            }
            (_, Some([before, after])) => {
                (between_environments(session, &before, &after)?, "nothing differs")
            }
            (None, None) => {
                let (flags, code) = against_store(session).await?;
                unreadable = code;
                (flags, "the store changes nothing")
            }
            (Some(with), None) => match with.strip_prefix("git:") {
                Some(revision) => (against_git(session, revision)?, "nothing differs"),
                None => {
                    return Err(Failure::usage(format!("cannot compare with `{with}`"))
                        .hint(
                            "write `git:REV`, such as `git:main`, or nothing for the store; an environment is \
                             compared with that of `--environment`",
                        ));
                }
            },
        };
        let output = &session.output;
        let code = if flags.is_empty() { ExitCode::Done } else { ExitCode::No };
        let code = unreadable.unwrap_or(code);
        if output.is_json() {
            let rows = flags.into_iter().map(|flag| Row { cells: Vec::new(), json: flag.json });
            let (rows, name) = (rows.collect(), "flags");
            output.listing_about(about, Listing { name, columns: &[], rows, empty: nothing })?;
            return Ok(code);
        }
        if flags.is_empty() {
            output.note(nothing);
        }
        if output.is_terse() {
            output.rows(&flags.iter().flat_map(Flag::rows).collect::<Vec<_>>())?;
        } else {
            output.write(&flags.iter().map(Flag::text).collect::<String>())?;
        }
        Ok(code)
    }
}

impl Diff {
    /// Returns the two environments that are compared, if any are.
    fn environments(&self, session: &Session) -> Result<Option<[String; 2]>, Failure> {
        match (&*session.place.environment, self.with.as_deref()) {
            ([before, after], None) => Ok(Some([before.clone(), after.clone()])),
            (_, Some(after)) if !after.starts_with("git:") => {
                let before = session.place.environment_name()?;
                Ok(before.map(|before| [before, after.to_owned()]))
            }
            _ => Ok(None),
        }
    }
}

impl Flag {
    /// Returns a flag of the file, or something else that is `kind` in JSON.
    fn of(kind: &str, name: String, what: &'static str, differences: Vec<Difference>) -> Self {
        let json = json!({
            kind: name,
            "what": what,
            "changes": differences.iter().map(Difference::json).collect::<Vec<_>>(),
        });
        let name = if kind == "flag" { name } else { format!("{kind}s.{name}") };
        Self {
            name,
            what,
            by: Provenance::default(),
            now: SystemTime::UNIX_EPOCH,
            json,
            differences,
        }
    }

    /// Compares the two sides of a flag, or of something else that is `kind` in JSON; `None` if they
    /// are equal.
    fn changed(kind: &str, name: &str, sides: [Option<Map<String, Value>>; 2]) -> Option<Self> {
        let is_there = sides.each_ref().map(Option::is_some);
        let [before, after] = sides.map(Option::unwrap_or_default);
        let differences = differences(&before, &after);
        let what = match is_there {
            [false, _] => "new",
            [_, false] => "removed",
            _ if differences.is_empty() => return None,
            _ => CHANGED,
        };
        Some(Self::of(kind, name.to_owned(), what, differences))
    }

    fn text(&self) -> String {
        let now = self.now;
        let what = match self.what {
            UNDECLARED => Some("no file declares it".to_owned()),
            SAME => Some("it equals what is declared".to_owned()),
            CHANGED => None,
            what => Some(what.to_owned()),
        };
        let Provenance { author, at, reason, expires_at, forced_until, .. } = &self.by;
        let forced = forced_until.filter(|&until| until > now);
        let details = [
            what,
            author.as_deref().map(|author| clean(author).into_owned()),
            at.map(|at| time::relative(at, now)),
            reason.as_deref().map(|reason| format!("\"{}\"", clean(reason))),
            forced.map(|until| format!("switch ends {}", time::relative(until, now))),
            expires_at.map(|end| format!("ends {}", time::relative(end, now))),
        ];
        let details: Vec<_> = details.into_iter().flatten().collect();
        let details =
            if details.is_empty() { String::new() } else { format!("  ({})", details.join(", ")) };
        format!("{}{details}\n{}", clean(&self.name), difference::text(&self.differences))
    }

    /// Returns a row for each setting that differs. A flag without such a setting has one row.
    fn rows(&self) -> Vec<Vec<String>> {
        let json = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
        let settings = self.differences.iter();
        let mut settings: Vec<_> = settings
            .map(|setting| [setting.path.clone(), json(&setting.before), json(&setting.after)])
            .collect();
        if settings.is_empty() {
            settings.push(Default::default());
        }
        let Provenance { author, at, reason, expires_at, .. } = &self.by;
        let by = [
            author.clone().unwrap_or_default(),
            at.map(time::rfc3339).unwrap_or_default(),
            reason.clone().unwrap_or_default(),
            expires_at.map(time::rfc3339).unwrap_or_default(),
        ];
        let row = |setting: [String; 3]| {
            let flag = [self.name.clone(), self.what.to_owned()];
            flag.into_iter().chain(setting).chain(by.clone()).collect()
        };
        settings.into_iter().map(row).collect()
    }
}

/// Returns the overrides, and the exit code if some cannot be read.
async fn against_store(session: &Session) -> Result<(Vec<Flag>, Option<ExitCode>), Failure> {
    // Without a store there are no overrides to compare.
    session.place.needed_redis()?;
    session.place.refuse_without_file()?;
    let flags = session.place.flags(&session.output).await?;
    let drift = flags.drift();
    let names = drift.iter().map(|drift| drift.key.clone());
    let code = unreadable::report(&flags, names, &session.output);
    let now = store_now(&flags);
    Ok((drift.iter().map(|drift| overridden(drift, now)).collect(), code))
}

/// Returns the two places that are compared.
fn places(session: &Session, with: Option<&str>) -> Result<[Place; 2], Failure> {
    let Session { place, output } = session;
    match (&*place.at, with) {
        ([before, after], None) => {
            Ok([place.of(Some(before), output)?, place.of(Some(after), output)?])
        }
        (_, Some(with)) => {
            Err(Failure::usage(format!("`{}` is compared with one place", clean(with)))
                .hint("write `--at` once, or leave it out"))
        }
        _ => Err(Failure::usage("`--at` names two places at most")),
    }
}

/// Returns the flags that differ in two places, each with all of its sources merged; and the exit code if a stored
/// value cannot be read.
async fn between(
    session: &Session,
    before: &Place,
    after: &Place,
) -> Result<(Vec<Flag>, Option<ExitCode>), Failure> {
    let output = &session.output;
    let (mut sides, mut code) = (Vec::new(), None);
    for place in [before, after] {
        paste::name(place.options(), place.files_of_options());
        output.aside(place.whole());
        let flags = place.flags(output).await?;
        code = unreadable::report_all(&flags, output).or(code);
        sides.push(flags.snapshot());
    }
    let anonymous = Context::anonymous();
    let names = sides.iter().flat_map(|side| side.all(&anonymous).map(|(name, _)| name));
    let names: BTreeSet<_> = names.collect();
    let compared = names.into_iter().filter_map(|name| {
        let sides = [&sides[0], &sides[1]];
        Flag::changed("flag", name, sides.map(|side| Some(to_json(side.info(name)?.definition()))))
    });
    Ok((compared.collect(), code))
}

fn overridden(drift: &Drift, now: SystemTime) -> Flag {
    let declared = drift.declared.as_ref().map(to_json).unwrap_or_default();
    let differences = differences(&declared, &to_json(&drift.overridden));
    let what = match drift.is_undeclared() {
        true => UNDECLARED,
        false if differences.is_empty() => SAME,
        false => CHANGED,
    };
    let by = drift.provenance.clone().unwrap_or_default();
    let json = json!({
        "flag": drift.key,
        "what": what,
        "by": by.author,
        "at": by.at.map(time::rfc3339),
        "reason": by.reason,
        "expiresAt": by.expires_at.map(time::rfc3339),
        "changes": differences.iter().map(Difference::json).collect::<Vec<_>>(),
    });
    Flag { name: drift.key.clone(), what, by, now, json, differences }
}

fn against_git(session: &Session, revision: &str) -> Result<Vec<Flag>, Failure> {
    let now = session.place.needed_file()?;
    let text = revision::text_at(revision, &now.path)?;
    let name = format!("{}@{revision}", now.path.display());
    let written = [Written::of(&text), Written::of(&now.text)];
    let before = FlagsFile::parse(&name, &text);
    let before = match now.parsed.environment() {
        Some(environment) if before.is_usable() => before
            .in_environment(environment)
            .map_err(|error| place::unknown_environment(Path::new(&name), &error))?,
        _ => before,
    };
    let before = whole(before, &name, &session.output)?;
    let now = whole(now.parsed, &now.path.to_string_lossy(), &session.output)?;
    let segments = segments(&written);
    let names = before.flags().keys().chain(now.flags().keys());
    let names: BTreeSet<_> = names.collect();
    let compared = names.into_iter().filter_map(|name| {
        let (before, after) = (before.flags().get(name), now.flags().get(name));
        // A definition has no tests.
        let object = |flag: Option<&SharedDefinition>, written: &Written| {
            let mut object = flag.map(|flag| to_json(flag)).unwrap_or_default();
            let tests = written.tests.get(name).cloned();
            object.extend(tests.map(|tests| ("tests".to_owned(), tests)));
            object
        };
        let differences = differences(&object(before, &written[0]), &object(after, &written[1]));
        let what = match (&before, &after) {
            (None, _) => "new",
            (_, None) => "removed",
            _ if differences.is_empty() => return None,
            _ => CHANGED,
        };
        Some(Flag::of("flag", name.to_owned(), what, differences))
    });
    Ok(compared.chain(segments).collect())
}

/// Returns the flags that differ between two environments of the file.
fn between_environments(
    session: &Session,
    before: &str,
    after: &str,
) -> Result<Vec<Flag>, Failure> {
    let read = |environment: &str| {
        let file = session.place.in_environment(Some(environment)).needed_file()?;
        let name = file.path.to_string_lossy().into_owned();
        whole(file.parsed, &name, &session.output)
    };
    let (before, after) = (read(before)?, read(after)?);
    let names: BTreeSet<_> = before.flags().keys().chain(after.flags().keys()).collect();
    let compared = names.into_iter().filter_map(|name| {
        // A setting that one side removes and the other side lacks is not a difference.
        let object = |file: &FlagsFile| {
            let mut object = file.flags().get(name).map(|flag| to_json(flag)).unwrap_or_default();
            object.retain(|_, value| !value.is_null());
            object
        };
        let differences = differences(&object(&before), &object(&after));
        let what = match (before.flags().contains_key(name), after.flags().contains_key(name)) {
            (false, _) => "new",
            (_, false) => "removed",
            _ if differences.is_empty() => return None,
            _ => CHANGED,
        };
        Some(Flag::of("flag", name.to_owned(), what, differences))
    });
    Ok(compared.collect())
}

/// Returns the segments that differ. Flags that use one of them differ with it.
fn segments([before, after]: &[Written; 2]) -> Vec<Flag> {
    let names: BTreeSet<_> = before.segments.keys().chain(after.segments.keys()).collect();
    let compared = names.into_iter().filter_map(|name| {
        let sides = [before, after];
        Flag::changed("segment", name, sides.map(|side| side.segments.get(name).cloned()))
    });
    compared.collect()
}

/// Returns a file if all of its flags are valid. A rejected flag would look like a difference.
fn whole(file: FlagsFile, name: &str, output: &Output) -> Result<FlagsFile, Failure> {
    match place::has_errors(&file) {
        false => Ok(file),
        true => Err(reading::mistakes(name, file.diagnostics(), output)),
    }
}
