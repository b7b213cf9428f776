use std::{collections::BTreeSet, time::SystemTime};

use clap::Args;
use flagstaff::{
    Context,
    answer::FlagInfo,
    cli::ExitCode,
    definition::{FlagsFile, SharedDefinition, to_json},
    write::{Drift, Provenance},
};
use serde_json::{Map, Value, json};

use crate::{
    difference::{self, Difference, differences},
    failure::Failure,
    output::{Listing, Output, Row},
    paste,
    place::{self, Place},
    revision,
    session::Session,
    text::clean,
    time, unreadable,
    written::Written,
};

/// Show how the store, the file in git, or two places differ
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 1 if anything differs, and with 2 if a stored value cannot be read.
A pipe gets a line for each setting: the flag;
changed, new, removed, undeclared or same; the setting; its JSON before and
after; who, when, why, and until when.

With git:REV, the order of variants, tests and segments count too. Two places
are compared with all of their sources merged.

Examples:
  flagstaff diff                overrides in the store against flags.toml
  flagstaff diff git:main       flags.toml against that of main
  flagstaff diff --at staging --at production")]
pub(crate) struct Diff {
    /// What to compare flags.toml with; the store unless named
    #[arg(value_name = "git:REV")]
    with: Option<String>,
}

/// The settings differ.
const CHANGED: &str = "changed";
/// An override of a flag that no file declares.
const UNDECLARED: &str = "undeclared";
/// An override that says what is declared anyway.
const SAME: &str = "same";

/// One flag that differs.
struct Flag {
    name: String,
    /// In one word.
    what: &'static str,
    /// Who made it so, when, why, and until when.
    by: Provenance,
    json: Value,
    differences: Vec<Difference>,
}

impl Diff {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let mut unreadable = None;
        let mut about = json!({});
        let (flags, nothing) = match self.with.as_deref() {
            with if session.place.at.len() > 1 => {
                let [before, after] = places(session, with)?;
                about = json!({ "before": before.name(), "after": after.name() });
                let (flags, code) = between(session, &before, &after).await?;
                unreadable = code;
                (flags, "nothing differs")
            }
            None => {
                let (flags, code) = against_store(session).await?;
                unreadable = code;
                (flags, "the store changes nothing")
            }
            Some(with) => match with.strip_prefix("git:") {
                Some(revision) => (against_git(session, revision)?, "nothing differs"),
                None => {
                    return Err(Failure::usage(format!("cannot compare with `{with}`"))
                        .hint("write `git:REV`, such as `git:main`, or nothing for the store"));
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
            let now = SystemTime::now();
            output.write(&flags.iter().map(|flag| flag.text(now)).collect::<String>())?;
        }
        Ok(code)
    }
}

impl Flag {
    /// A flag of the file, or something else that is `kind` in JSON.
    fn of(kind: &str, name: String, what: &'static str, differences: Vec<Difference>) -> Self {
        let json = json!({
            kind: name,
            "what": what,
            "changes": differences.iter().map(Difference::json).collect::<Vec<_>>(),
        });
        let name = if kind == "flag" { name } else { format!("{kind}s.{name}") };
        Self { name, what, by: Provenance::default(), json, differences }
    }

    fn text(&self, now: SystemTime) -> String {
        let what = match self.what {
            UNDECLARED => Some("no file declares it".to_owned()),
            SAME => Some("it says what is declared".to_owned()),
            CHANGED => None,
            what => Some(what.to_owned()),
        };
        let Provenance { author, at, reason, expires_at, forced_until, .. } = &self.by;
        let forced = forced_until.filter(|&until| until > now);
        let told = [
            what,
            author.as_deref().map(|author| clean(author).into_owned()),
            at.map(|at| time::relative(at, now)),
            reason.as_deref().map(|reason| format!("\"{}\"", clean(reason))),
            forced.map(|until| format!("switch ends {}", time::relative(until, now))),
            expires_at.map(|end| format!("ends {}", time::relative(end, now))),
        ];
        let told: Vec<_> = told.into_iter().flatten().collect();
        let told = if told.is_empty() { String::new() } else { format!("  ({})", told.join(", ")) };
        format!("{}{told}\n{}", clean(&self.name), difference::text(&self.differences))
    }

    /// A row for each setting that differs, and one for a flag without any.
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

/// The overrides, and the exit code if some cannot be read.
async fn against_store(session: &Session) -> Result<(Vec<Flag>, Option<ExitCode>), Failure> {
    // Without a store there is nothing to compare.
    session.place.needed_redis()?;
    session.place.refuse_without_file()?;
    let flags = session.place.flags(&session.output).await?;
    let drift = flags.drift();
    let names = drift.iter().map(|drift| drift.key.clone());
    let code = unreadable::tell(&flags, names, &session.output);
    Ok((drift.iter().map(overridden).collect(), code))
}

/// The two places that are compared.
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

/// The flags that differ in two places, each with all of its sources merged; and the exit code if a stored value
/// cannot be read.
async fn between(
    session: &Session,
    before: &Place,
    after: &Place,
) -> Result<(Vec<Flag>, Option<ExitCode>), Failure> {
    let output = &session.output;
    let (mut sides, mut code) = (Vec::new(), None);
    for place in [before, after] {
        paste::name(place);
        output.aside(place.whole());
        let flags = place.flags(output).await?;
        code = unreadable::tell_all(&flags, output).or(code);
        sides.push(flags.snapshot());
    }
    let anonymous = Context::anonymous();
    let names = sides.iter().flat_map(|side| side.all(&anonymous).map(|(name, _)| name));
    let names: BTreeSet<_> = names.collect();
    let compared = names.into_iter().filter_map(|name| {
        let [before, after] = [&sides[0], &sides[1]].map(|side| side.info(name));
        let object = |info: Option<FlagInfo<'_>>| {
            info.map(|info| to_json(info.definition())).unwrap_or_default()
        };
        let differences = differences(&object(before), &object(after));
        let what = match (before, after) {
            (None, _) => "new",
            (_, None) => "removed",
            _ if differences.is_empty() => return None,
            _ => CHANGED,
        };
        Some(Flag::of("flag", name.to_owned(), what, differences))
    });
    Ok((compared.collect(), code))
}

fn overridden(drift: &Drift) -> Flag {
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
    Flag { name: drift.key.clone(), what, by, json, differences }
}

fn against_git(session: &Session, revision: &str) -> Result<Vec<Flag>, Failure> {
    let now = session.place.needed_file()?;
    let text = revision::text_at(revision, &now.path)?;
    let name = format!("{}@{revision}", now.path.display());
    let written = [Written::of(&text), Written::of(&now.text)];
    let before = whole(FlagsFile::parse(&name, &text), &name, &session.output)?;
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

/// The segments that differ. Flags that use one of them differ with it.
fn segments([before, after]: &[Written; 2]) -> Vec<Flag> {
    let names: BTreeSet<_> = before.segments.keys().chain(after.segments.keys()).collect();
    let compared = names.into_iter().filter_map(|name| {
        let (before, after) = (before.segments.get(name), after.segments.get(name));
        let object = |segment: Option<&Map<String, Value>>| segment.cloned().unwrap_or_default();
        let differences = differences(&object(before), &object(after));
        let what = match (before, after) {
            (None, _) => "new",
            (_, None) => "removed",
            _ if differences.is_empty() => return None,
            _ => CHANGED,
        };
        Some(Flag::of("segment", name.clone(), what, differences))
    });
    compared.collect()
}

/// A file that can be compared: all of it counts, or it would differ for no reason.
fn whole(file: FlagsFile, name: &str, output: &Output) -> Result<FlagsFile, Failure> {
    match file.diagnostics().has_errors() {
        false => Ok(file),
        true => Err(place::mistakes(name, file.diagnostics(), output)),
    }
}
