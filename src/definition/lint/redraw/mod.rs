//! Edits that re-bucket users.

mod draw;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use self::draw::{Moved, Steps};
use super::file::{File, Flag, Found};
use crate::{
    definition::{Code, Diagnostic, FlagsFile, Suggestion, rule},
    model::{BucketBy, Definition, Field, Moment, Percentage, Rule, Serve},
    text::Untrusted,
};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    let Some(before) = found.lints().before.as_deref() else { return };
    if !found.wants(Code::RedrawsUsers) && !found.wants(Code::RemovedFlag) {
        return;
    }
    let before = FlagsFile::read("before", before, found.lints().whole()).file;
    let table = file.flags_table().and_then(|flags| flags.get_ref().as_table());
    // Flags with errors still exist in the file.
    let is_there = |key: &str| table.is_some_and(|flags| flags.contains_key(key));
    let outside = Reported::default();
    let outside = compare(&before, &file.flags, file, 0..0, &is_there, &outside, found);
    for environment in &file.environments {
        let Ok(before) = before.clone().in_environment(environment.name) else { continue };
        let values = environment.merged(table);
        let flags = values.iter().filter_map(|(key, value)| {
            let definition = environment.flags.good.get(key.get_ref().as_ref())?;
            Some(Flag { key, value, definition, whole: definition })
        });
        let flags: Vec<_> = flags.collect();
        let is_there = |key: &str| {
            let rejected = &environment.flags.rejected;
            environment.flags.good.contains_key(key) || rejected.contains(key)
        };
        found.environment = Some(environment.name.to_owned());
        let place = environment.value.span();
        compare(&before, &flags, file, place, &is_there, &outside, found);
        found.environment = None;
    }
    let is_there = |name: &&str| file.environments.iter().any(|it| it.name == *name);
    let gone: Vec<_> = before.environments().filter(|name| !is_there(name)).collect();
    let place = file.environments_table().or(file.flags_table());
    if let (false, Some(place)) = (gone.is_empty(), place) {
        found.report(environments_removed(&gone, place.span()));
    }
}

/// The findings about the flags outside of all environments, which an environment without an entry
/// shares.
#[derive(Default)]
struct Reported<'f> {
    causes: BTreeMap<&'f str, Vec<Cause<'f>>>,
    gone: BTreeSet<&'f str>,
}

/// Compares the flags of one part of the file, which is at `place`, with those before the edit.
/// Returns the findings, without those that are `known`.
fn compare<'f>(
    before: &'f FlagsFile,
    flags: &'f [Flag<'f>],
    file: &File<'_>,
    place: Range<usize>,
    is_there: &dyn Fn(&str) -> bool,
    known: &Reported<'_>,
    found: &mut Found<'_>,
) -> Reported<'f> {
    let mut reported = Reported::default();
    let gone = before.flags().iter().filter(|(key, _)| !is_there(key));
    // Each with its new name, if it was probably renamed.
    let mut gone: Vec<(&'f str, &'f Definition, Option<&'f str>)> =
        gone.map(|(key, was)| (key, &**was, None)).collect();
    for flag in flags {
        let name = flag.name();
        let (was_name, was) = match before.flags().get(name) {
            Some(was) => (name, &**was),
            None if before.rejected().contains(name) => continue,
            None => {
                let body = body(flag.definition);
                let was = gone
                    .iter_mut()
                    .find(|(_, was, renamed)| renamed.is_none() && self::body(was) == body);
                let Some((key, was, renamed)) = was else { continue };
                *renamed = Some(name);
                (*key, *was)
            }
        };
        let differs = || was.differences(flag.definition).into_iter().any(|it| it.roles().redraws);
        if was_name != name || differs() {
            let edit = Edit { flag, was_name, was, is: flag.definition };
            let mut moves = edit.moves(file);
            let causes = known.causes.get(name);
            moves.retain(|it| !causes.is_some_and(|causes| causes.contains(&it.cause)));
            edit.report(&moves, found);
            reported.causes.insert(name, moves.into_iter().map(|it| it.cause).collect());
        }
    }
    gone.retain(|(key, ..)| !known.gone.contains(*key));
    reported.gone.extend(gone.iter().map(|&(key, ..)| key));
    let (renamed, removed): (Vec<_>, Vec<_>) =
        gone.into_iter().partition(|(_, _, renamed)| renamed.is_some());
    for (key, _, name) in renamed {
        let flag = flags.iter().find(|flag| Some(flag.name()) == name);
        let place = flag.map_or(0..0, |flag| flag.key.span());
        found.report(self::removed(&[key], place, "this one has the same settings"));
    }
    if !removed.is_empty() {
        let keys: Vec<_> = removed.iter().map(|&(key, _, _)| key).collect();
        found.report(self::removed(&keys, place, "removed by the edit"));
    }
    reported
}

/// Returns a definition without its metadata and its salt, to recognise a renamed flag.
fn body(definition: &Definition) -> Definition {
    let mut body = definition.clone();
    let others = Field::ALL.iter().filter(|field| field.is_about() || **field == Field::Salt);
    others.for_each(|&field| body.inherit(field));
    body
}

/// Returns one problem for all removed flags, since none of them has a place in the text.
fn removed(keys: &[&str], place: Range<usize>, label: &str) -> Diagnostic {
    let names = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let problem = match keys {
        [key] => {
            let message = format!("flag {names} was removed from the file");
            Diagnostic::new(Code::RemovedFlag, place, message).flag(key)
        }
        _ => {
            let message = format!("{} flags were removed from the file: {names}", keys.len());
            Diagnostic::new(Code::RemovedFlag, place, message)
        }
    };
    problem.label(label).help(
        "code that still evaluates a removed flag gets its own default: `flagstaff stale --refs` finds such code",
    )
}

/// Returns one problem for all removed environments.
fn environments_removed(names: &[&str], place: Range<usize>) -> Diagnostic {
    let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let message = match names {
        [_] => format!("environment {listed} was removed from the file"),
        _ => format!("{} environments were removed from the file: {listed}", names.len()),
    };
    Diagnostic::new(Code::RemovedFlag, place, message)
        .label("removed by the edit")
        .help("services that still name it do not start: deploy them without it first")
}

/// One flag, before and after the edit.
struct Edit<'f> {
    flag: &'f Flag<'f>,
    /// The name before the edit, which differs if the flag was renamed.
    was_name: &'f str,
    was: &'f Definition,
    is: &'f Definition,
}

/// Users whom the edit moves.
struct Move<'f> {
    /// The rule that moves them, if a rule does.
    rule: Option<&'f Rule>,
    place: Range<usize>,
    moved: Moved,
    cause: Cause<'f>,
}

/// The reason for a move.
#[derive(Debug, Clone, PartialEq)]
enum Cause<'f> {
    Salt,
    /// The flag had another name.
    Name,
    BucketBy,
    RuleName(&'f str),
    RuleBucketBy(&'f BucketBy),
    /// The order of the variants of the flag, or of a split, before the edit.
    Order(Vec<&'f str>),
    Weights,
}

/// The largest share that can be an error of rounding.
const NOBODY: f64 = 1e-6;

impl<'f> Edit<'f> {
    fn moves(&self, file: &File<'_>) -> Vec<Move<'f>> {
        let name = self.flag.name();
        let mut moves = Vec::new();
        let mut add = |steps: &[Steps<'_>; 2], rule, place, cause: Cause<'f>| {
            let moved = Moved::between(&steps[0], &steps[1]);
            if moved.share - moved.needed > NOBODY {
                moves.push(Move { rule, place, moved, cause });
            }
        };
        let (Some(was), Some(is)) = (percentage(self.was, file), percentage(self.is, file)) else {
            // While a flag is off, no user has anything to lose.
            return moves;
        };
        // Requests are drawn again each time. An edit that serves one variant to all users is meant
        // to move them.
        let served = |definition: &'f Definition| {
            let rare = definition.rare();
            (rare.serve.value(), rare.value.value())
        };
        if [self.was, self.is].map(bucket_by) != [&BucketBy::Request; 2]
            && served(self.was) == served(self.is)
        {
            let was = Steps::of_flag(self.was_name, self.was, was);
            let steps = [was, Steps::of_flag(name, self.is, is)];
            add(&steps, None, self.flag.key.span(), self.cause());
        }
        for (rule, place, was) in self.rules() {
            let cause = self.rule_cause(was, rule);
            let was = Steps::of_rule(self.was_name, self.was, was);
            add(&[was, Steps::of_rule(name, self.is, rule)], Some(rule), place, cause);
        }
        moves
    }

    /// Returns the rules that draw, with their places, and the same rules before the edit.
    fn rules(&self) -> Vec<(&'f Rule, Range<usize>, &'f Rule)> {
        let rules = |definition: &'f Definition| {
            definition.rare().rules.value().map_or(&[][..], |rules| rules)
        };
        let (were, are) = (rules(self.was), rules(self.is));
        let find = |rules: &'f [Rule], name: &Option<String>| {
            name.as_ref()
                .and_then(|name| rules.iter().find(|rule| rule.name.as_ref() == Some(name)))
        };
        let renamed = |is: &Rule| {
            let draws = |rule: &Rule| matches!(rule.serve, Serve::Percentage(_) | Serve::Split(_));
            were.iter().find(|was| {
                draws(was) && draws(is) && was.when == is.when && find(are, &was.name).is_none()
            })
        };
        self.flag
            .rules()
            .zip(are)
            .filter_map(|(value, is)| {
                let was = find(were, &is.name).or_else(|| renamed(is))?;
                let table = value.get_ref().as_table()?;
                let place = table.get(rule::NAME).unwrap_or(value).span();
                let is_sample = |rule: &Rule| rule.bucket_by == BucketBy::Request;
                (!(is_sample(was) && is_sample(is))).then_some((is, place, was))
            })
            .collect()
    }

    /// Returns the salts before and after the edit.
    fn salts(&self) -> [&'f str; 2] {
        let salt = |definition: &'f Definition, name: &'f str| {
            definition.rare().salt.value().map_or(name, String::as_str)
        };
        [salt(self.was, self.was_name), salt(self.is, self.flag.name())]
    }

    /// Returns the cause, if users are drawn with another salt.
    fn salted(&self) -> Option<Cause<'f>> {
        let [was, is] = self.salts();
        let is_name = self.is.rare().salt.value().is_none() && self.was_name != self.flag.name();
        (was != is).then_some(if is_name { Cause::Name } else { Cause::Salt })
    }

    fn cause(&self) -> Cause<'f> {
        let names = |definition: &'f Definition| {
            definition
                .rare()
                .variants
                .value()
                .into_iter()
                .flat_map(|it| it.names())
                .collect::<Vec<_>>()
        };
        if let Some(cause) = self.salted() {
            cause
        } else if bucket_by(self.was) != bucket_by(self.is) {
            Cause::BucketBy
        } else {
            order(names(self.was), &names(self.is))
        }
    }

    fn rule_cause(&self, was: &'f Rule, is: &'f Rule) -> Cause<'f> {
        let names = |rule: &'f Rule| match &rule.serve {
            Serve::Split(split) => split.iter().map(|(name, _)| name.as_str()).collect(),
            _ => Vec::new(),
        };
        if let Some(cause) = self.salted() {
            cause
        } else if was.name != is.name {
            Cause::RuleName(was.name.as_deref().unwrap_or_default())
        } else if was.bucket_by != is.bucket_by {
            Cause::RuleBucketBy(&was.bucket_by)
        } else if was.serve == is.serve {
            self.cause()
        } else {
            order(names(was), &names(is))
        }
    }

    /// Reports one problem per cause.
    fn report(&self, moves: &[Move<'f>], found: &mut Found<'_>) {
        let mut reported: Vec<&Cause<'_>> = Vec::new();
        for one in moves {
            if reported.contains(&&one.cause) {
                continue;
            }
            reported.push(&one.cause);
            let others = moves.iter().filter(|it| !std::ptr::eq(*it, one) && it.cause == one.cause);
            let problem = others.fold(self.problem(one), |problem, other| {
                let share = percent(other.moved.share);
                problem.related(other.place.clone(), format!("{share} of the users of this one"))
            });
            found.report(problem.flag(self.flag.name()));
        }
    }

    fn problem(&self, one: &Move<'f>) -> Diagnostic {
        let name = self.flag.name();
        let (what, field) = match &one.cause {
            Cause::Salt => ("a new salt moves", Field::Salt),
            Cause::Name => ("another name moves", Field::Salt),
            Cause::BucketBy => ("another `bucket_by` moves", Field::BucketBy),
            Cause::RuleName(_) => ("another name moves", Field::Rules),
            Cause::RuleBucketBy(_) => ("another `bucket_by` moves", Field::Rules),
            Cause::Order(_) => ("another order of variants moves", Field::Variants),
            Cause::Weights => ("these weights move", Field::Variants),
        };
        let whose = match one.rule {
            None => format!("flag `{name}`"),
            Some(Rule { name: Some(rule), .. }) => format!("rule `{rule}` of flag `{name}`"),
            Some(_) => format!("a rule of flag `{name}`"),
        };
        let enough = match one.moved.needed > NOBODY {
            true => format!("; {} would be enough", percent(one.moved.needed)),
            false => String::new(),
        };
        let share = percent(one.moved.share);
        let message = format!("{what} {share} of the users of {whose}{enough}");
        let span = match one.rule {
            Some(_) if !matches!(one.cause, Cause::Salt | Cause::Name) => one.place.clone(),
            _ if one.cause == Cause::Name => self.flag.key.span(),
            _ => self.flag.setting(field).map_or(one.place.clone(), |value| value.span()),
        };
        let help = self.help(&one.cause);
        let problem = Diagnostic::new(Code::RedrawsUsers, span.clone(), message)
            .label(self.label(&one.cause));
        // The suggestion restores the former value, if the text has a value there.
        let former = match &one.cause {
            Cause::Salt if self.is.rare().salt.value().is_some() => Some(self.salts()[0]),
            Cause::RuleName(name) => Some(*name),
            _ => None,
        };
        match former {
            None => problem.help(help),
            Some(former) => {
                let suggestion = Suggestion::replace(help, span, Untrusted::new(former).toml());
                problem.suggest(Some(suggestion.unsafely()))
            }
        }
    }

    fn label(&self, cause: &Cause<'_>) -> String {
        match cause {
            Cause::Salt => format!("the salt was `{}`", self.salts()[0]),
            Cause::Name => format!("the name was `{}`, with the same settings", self.was_name),
            Cause::BucketBy => was_drawn_by(bucket_by(self.was)),
            Cause::RuleName(name) => format!("the name was `{name}`"),
            Cause::RuleBucketBy(unit) => was_drawn_by(unit),
            Cause::Order(names) => format!("the order was `{}`", names.join("`, `")),
            Cause::Weights => "some users move from one variant to another".to_owned(),
        }
    }

    fn help(&self, cause: &Cause<'_>) -> String {
        match cause {
            Cause::Salt | Cause::Name => {
                let salt = Untrusted::new(self.salts()[0]).toml();
                format!("to keep users where they are, write `salt = {salt}`")
            }
            Cause::BucketBy | Cause::RuleBucketBy(_) => {
                "wait for the end of the experiment, or add a new flag".to_owned()
            }
            Cause::RuleName(name) => {
                let name = Untrusted::new(name).toml();
                format!("a rule draws by its name: to keep its users, write `name = {name}`")
            }
            Cause::Order(_) => {
                "users are drawn in the order of the variants: keep it, and add new ones at the end"
                    .to_owned()
            }
            Cause::Weights => {
                "fewer users move if weight moves only between neighbouring variants".to_owned()
            }
        }
    }
}

/// Returns the share of users in force; `None` while the flag is off for all users.
fn percentage(definition: &Definition, file: &File<'_>) -> Option<Percentage> {
    let moment = Moment::of(definition, file.now);
    let is_on =
        definition.enabled.value() != Some(&false) && moment.is_none_or(|moment| moment.is_active);
    is_on.then(|| Moment::percentage(moment.as_ref(), definition))
}

/// Returns the order of variants as the cause if variants changed their positions, and the weights
/// otherwise.
fn order<'f>(were: Vec<&'f str>, are: &[&str]) -> Cause<'f> {
    let places: Vec<_> =
        were.iter().map(|name| are.iter().position(|other| other == name)).collect();
    let kept: Vec<_> = places.iter().flatten().collect();
    // A new variant moves all variants that follow it.
    let is_pushed = places.iter().enumerate().any(|(was, is)| is.is_some_and(|is| is != was));
    match !kept.is_sorted() || is_pushed {
        true => Cause::Order(were),
        false => Cause::Weights,
    }
}

/// Returns the unit that a flag draws by.
fn bucket_by(definition: &Definition) -> &BucketBy {
    definition.rare().bucket_by.value().unwrap_or(&BucketBy::TargetingKey)
}

fn was_drawn_by(unit: &BucketBy) -> String {
    match unit {
        BucketBy::TargetingKey => "it was drawn by the targeting key".to_owned(),
        unit => format!("it was drawn by `{unit}`"),
    }
}

/// Returns a share as a percentage with at most two decimals.
fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "0" => "less than 0.01%".to_owned(),
        text => format!("{text}%"),
    }
}
