use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use clap::Args;
use flagstaff::{
    Context, Definition, Flags,
    cli::ExitCode,
    source::{SourceKind, Usage},
};
use serde_json::json;

use crate::{
    failure::Failure,
    output::{Listing, Row},
    parts::Parts,
    place,
    session::Session,
    stale::{Commit, Finding, Fixed, History, Place, Search, Since, Source, branch, last_mentions},
    text::{count, verb},
    time, unreadable,
};

/// Find flags to remove: expired, unused, or unchanged for long
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 1 if anything is found, and with 2 if a stored value cannot be read.
KEEP is the code to keep: the code for on, for off, or for a variant. If a line
of code shows its `if`, KEEP is the branch.

A flag counts as on or off only if it is so in `[flags]` and in all environments
of the file, since they all run this code.

The date of the last change is that of the override, of the rollout, or of a
commit to the flag file. Without any of these, it is the earliest possible date,
`created`. A flag without any date is not listed as on or off, and a note counts
these flags.

With a Redis, instances report the flags that they evaluate. No instance has
evaluated an `unevaluated` flag since the date shown. Listing all flags does not
count, nor does an instance that does not announce itself.

In code, new_checkout is also found as NEW_CHECKOUT, newCheckout, NewCheckout,
new-checkout and FEATURE_NEW_CHECKOUT; a name of one word is found in quotes or
in capitals. Files that git ignores are not searched. An unknown flag is one
that code names in is_enabled(\"…\"), isEnabled, FlagGate::new, FlagName::new,
OpenFeature's get_boolean_value and the like, or as flag::NAME in Rust.

Examples:
  flagstaff stale
  flagstaff stale --refs
  flagstaff stale --refs src --unchanged 90d -o jsonl")]
pub(crate) struct Stale {
    /// Search code for flags, below PATH or the current directory
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = ".")]
    refs: Option<PathBuf>,
    /// Time for which the flag was the same for all users, or not evaluated
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = time::duration)]
    unchanged: Duration,
}

/// One flag, and the findings about it.
struct Flag {
    key: String,
    owner: Option<String>,
    /// Set for a flag that is permanent, or that other flags need. Such a flag has no findings.
    is_kept: bool,
    fixed: Option<Fixed>,
    /// Set if it is unknown since when all users have the same answer.
    lacks_date: bool,
    findings: Vec<Finding>,
}

impl Stale {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let now = SystemTime::now();
        session.place.refuse_without_file()?;
        let file = session.place.path();
        let flags = session.place.flags(&session.output).await?;
        let usage = match session.place.redis()? {
            Some(redis) => redis.handle().usage().await,
            None => Ok(BTreeMap::new()),
        };
        let usage = usage.unwrap_or_else(|error| {
            session
                .output
                .warning(format!("it is unknown which flags instances evaluate: {error}"));
            BTreeMap::new()
        });
        let unreadable = unreadable::report_all(&flags, &session.output);
        let environment = session.place.environment_name()?;
        let files = place::declared(session.place.paths(), None)?;
        let files: Vec<_> = files.into_iter().map(|file| file.parsed).collect();
        let elsewhere = Parts::of(&files).without(environment.as_deref());
        let flags = self.flags(&flags, &usage, file.as_deref(), &elsewhere, now).await;
        let searched = self.refs.as_deref().map(|root| {
            let keys = flags.iter().map(|flag| flag.key.clone()).collect();
            let search = Search::new(keys)?;
            let found = search.walk(root, file.as_deref())?;
            Ok::<_, Failure>((root, search, found))
        });
        let searched = searched.transpose()?;
        let mentions = searched.as_ref().map(|(_, _, found)| found.by_flag());
        let last = searched.as_ref().zip(mentions.as_ref()).map(|((root, search, _), mentions)| {
            let unnamed = (0..flags.len())
                .filter(|&flag| !mentions.contains_key(&flag) && !flags[flag].is_kept)
                .collect();
            last_mentions(root, search, unnamed, file.as_deref())
        });

        let mut rows = Vec::new();
        for (index, flag) in flags.iter().enumerate() {
            rows.extend(flag.findings.iter().map(|finding| flag.finding(finding)));
            let (Some(mentions), Some(last), false) = (&mentions, &last, flag.is_kept) else {
                continue;
            };
            match mentions.get(&index) {
                None => rows.push(flag.unreferenced(last.get(&index))),
                Some(places) if !flag.findings.is_empty() => {
                    rows.extend(places.iter().map(|place| flag.mention(place)));
                }
                Some(_) => {}
            }
        }
        let unknown = searched.iter().flat_map(|(_, _, found)| &found.unknown);
        rows.extend(unknown.map(|sighting| unknown_flag(&sighting.name, &sighting.place)));
        let code = if rows.is_empty() { ExitCode::Done } else { ExitCode::No };
        session.output.listing(Listing {
            name: "findings",
            columns: &["FLAG", "FINDING", "SINCE", "KNOWN BY", "OWNER", "KEEP", "PLACE", "CODE"],
            rows,
            empty: "(nothing is stale)",
        })?;
        let undated = flags.iter().filter(|flag| flag.lacks_date).count();
        if undated > 0 {
            session.output.note(format!(
                "{} {} the same for all users since an unknown date: no commit of the flag file, no override and \
                 no `created` has one",
                count(undated, "flag"),
                verb(undated, "is", "are"),
            ));
        }
        Ok(unreadable.unwrap_or(code))
    }

    /// Returns all flags, with the findings that need no search of the code.
    async fn flags(
        &self,
        flags: &Flags,
        usage: &BTreeMap<String, Usage>,
        file: Option<&Path>,
        elsewhere: &Parts,
        now: SystemTime,
    ) -> Vec<Flag> {
        let snapshot = flags.snapshot();
        let mut all = Vec::new();
        for (key, _) in snapshot.all(&Context::anonymous()) {
            let Some(info) = snapshot.info(key) else { continue };
            // A flag can still change if its rollout or window has a boundary ahead, or if its rollout was not started.
            let is_to_come = info.next_boundary().is_some() || is_unstarted(info.definition(), now);
            let fixed = Fixed::of(info.definition(), now).filter(|_| !is_to_come);
            // All environments run the same code, so the flag must have the same answer in each of them.
            let fixed = fixed.filter(|fixed| {
                let to_come =
                    |flag: &Definition| is_unstarted(flag, now) || changes_by_itself(flag, now);
                let there: Vec<_> = elsewhere.iter().map(|part| part.flag(key)).collect();
                let is_same = |flag: &Definition| {
                    Fixed::of(flag, now).as_ref() == Some(fixed) && !to_come(flag)
                };
                there.iter().all(Option::is_none)
                    || there.iter().all(|flag| flag.as_ref().is_some_and(is_same))
            });
            all.push((key.to_owned(), info.definition().clone(), fixed));
        }
        let fixed: BTreeMap<_, _> =
            all.iter().filter_map(|(key, _, fixed)| Some((key.clone(), fixed.clone()?))).collect();
        let commits = file.and_then(|file| Some(History::of(file)?.since(&fixed, now)));
        let commit = |key: &str| {
            // A definition that is in no commit yet is new.
            commits.as_ref().map(|commits| commits.get(key).copied().unwrap_or(now))
        };
        let needed: BTreeSet<String> = all
            .iter()
            .flat_map(|(key, definition, _)| {
                let needs = definition.needs().into_iter().map(|it| it.flag.clone());
                needs.filter(move |needed| needed != key)
            })
            .collect();
        let mut found = Vec::new();
        for (key, definition, fixed) in all {
            let since = match overridden(flags, &key).await {
                Some(since) => since,
                None => declared(&definition, commit(&key), now),
            };
            let known = fixed.as_ref().map(|fixed| (fixed, since));
            let evaluated = usage.get(&key).map(|usage| usage.evaluated.unwrap_or(usage.known));
            let is_kept = definition.is_permanent() || needed.contains(&key);
            let findings = match is_kept {
                true => Vec::new(),
                false => Finding::all(&definition, known, evaluated, now, self.unchanged),
            };
            let owner = definition.owner.value().cloned();
            let lacks_date = !is_kept && fixed.is_some() && since.is_none();
            found.push(Flag { key, owner, is_kept, fixed, lacks_date, findings });
        }
        found
    }
}

/// Returns `true` if a flag has a rollout that has not reached its first stage.
fn is_unstarted(definition: &Definition, now: SystemTime) -> bool {
    let progress = definition.rare().rollout.value().and_then(|rollout| rollout.at(now));
    progress.is_some_and(|progress| progress.stage == 0)
}

/// Returns true if a stage of a rollout or an active window is still to begin or end.
fn changes_by_itself(definition: &Definition, now: SystemTime) -> bool {
    let rollout = definition.rare().rollout.value().and_then(|rollout| rollout.at(now));
    let active = definition.rare().active.value();
    rollout.is_some_and(|progress| progress.next_boundary().is_some())
        || active.is_some_and(|window| window.next_boundary(now).is_some())
}

/// Returns the time since which an override decides a flag; `Some(None)` if the time is unknown,
/// `None` if there is no override.
async fn overridden(flags: &Flags, key: &str) -> Option<Option<Since>> {
    let entry = flags
        .sources_of(key)
        .into_iter()
        .next()
        .filter(|entry| entry.source.kind != SourceKind::File)?;
    let changed = entry.provenance.and_then(|provenance| provenance.at);
    let at = match changed {
        None if entry.source.kind == SourceKind::Redis => {
            // A forced entry is no more than on or off; the log has the time.
            let log = flags.history_of(key, 1).await.unwrap_or_default();
            log.first().and_then(|change| change.at)
        }
        changed => changed,
    };
    Some(at.map(|at| Since { at, source: Source::Override }))
}

/// Returns the time since which the flag file has the flag as it is.
fn declared(definition: &Definition, commit: Option<SystemTime>, now: SystemTime) -> Option<Since> {
    let stage = definition.rare().rollout.value().and_then(|rollout| rollout.at(now)?.since);
    let known = [(commit, Source::Git), (stage, Source::Rollout)];
    let known = known.into_iter().filter_map(|(at, source)| Some(Since { at: at?, source }));
    known.max_by_key(|since| since.at).or_else(|| {
        let at = *definition.created.value()?;
        Some(Since { at, source: Source::Created })
    })
}

impl Flag {
    fn keep(&self) -> Option<&str> {
        self.fixed.as_ref().map(Fixed::keep)
    }

    fn finding(&self, finding: &Finding) -> Row {
        let since = finding.since;
        self.row(
            finding.kind.as_str(),
            since.map(|it| time::date(it.at)).as_deref(),
            since.map(|it| it.source),
            None,
        )
    }

    /// Returns the row of a flag that no code names. `commit` is the last one that changed the number of its mentions.
    fn unreferenced(&self, commit: Option<&Commit>) -> Row {
        let (day, source) = (commit.map(|commit| &*commit.day), commit.map(|_| Source::Git));
        let mut row = self.row("unreferenced", day, source, None);
        if let Some(commit) = commit {
            row.cells[6] = format!("commit {}", commit.id);
            row.json["commit"] = commit.id.as_str().into();
        }
        row
    }

    fn mention(&self, place: &Place) -> Row {
        self.row("referenced", None, None, Some(place))
    }

    fn row(
        &self,
        finding: &str,
        since: Option<&str>,
        source: Option<Source>,
        place: Option<&Place>,
    ) -> Row {
        let keep = match (place, &self.fixed) {
            (Some(place), Some(fixed)) => {
                let branch = branch(&place.text, place.column - 1, fixed.is_on());
                Some(branch.map_or(fixed.keep(), |branch| branch.as_str()))
            }
            _ => self.keep(),
        };
        row(&self.key, finding, since, source, self.owner.as_deref(), keep, place)
    }
}

fn unknown_flag(name: &str, place: &Place) -> Row {
    row(name, "unknown", None, None, None, None, Some(place))
}

fn row(
    flag: &str,
    finding: &str,
    since: Option<&str>,
    source: Option<Source>,
    owner: Option<&str>,
    keep: Option<&str>,
    place: Option<&Place>,
) -> Row {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let source = source.map(Source::as_str);
    let at = place.map(|it| format!("{}:{}:{}", it.path.display(), it.line, it.column));
    let code = place.map(|it| it.text.trim());
    Row {
        cells: vec![
            flag.to_owned(),
            finding.to_owned(),
            text(since),
            text(source),
            text(owner),
            text(keep),
            text(at.as_deref()),
            text(code),
        ],
        json: json!({
            "flag": flag,
            "finding": finding,
            "since": since,
            "knownBy": source,
            "owner": owner,
            "keep": keep,
            "path": place.map(|it| it.path.display().to_string()),
            "line": place.map(|it| it.line),
            "column": place.map(|it| it.column),
            "code": code,
        }),
    }
}
