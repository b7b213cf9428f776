use std::time::SystemTime;

use clap::Args;
use flagstaff::cli::ExitCode;
use serde_json::{Map, Value, json};

use crate::{
    completion, context,
    distribution::{Asked, Drawn, Tally, Verdict},
    failure::Failure,
    name,
    output::{Listing, Output, Row},
    paste,
    plan::{MadeUp, UserArgs, count},
    session::Session,
    similar, text,
    text::clean,
    time, unreadable,
};

/// Compare the actual shares of a flag with the declared ones
#[derive(Debug, Args)]
#[command(mut_arg("users", |arg| arg.default_value("100000")))]
#[command(after_help = "\
Evaluates the flag for many users, and counts the users for whom it is on, and
the variants. Each draw is compared among the users who reached it, so a
deny-list or a rule before it makes no difference. Users who reached no draw are
counted separately. Users who share the unit of a draw are drawn once, and so
count once.

A share p of n units is expected within p ± 3.29 sqrt(p (1 - p) / n), with a
probability of 99.9 %. Pearson's chi-squared test covers all outcomes of a draw
together. It reports a difference in one of 1,000 runs although there is none.

Exits with 1 if a draw differs by more than chance explains. A stored value that
cannot be read is an error (2).

Contexts may be lines of `eval --batch`, too.

Examples:
  flagstaff distribution new_checkout
  flagstaff distribution pricing_page --users 1000000 --seed 7
  flagstaff distribution new_checkout --contexts users.jsonl -o json")]
pub(crate) struct Distribution {
    /// Flag
    #[arg(value_parser = name::flag, add = completion::flags())]
    flag: String,
    #[command(flatten)]
    users: UserArgs,
    /// Evaluate at this time: 2026-11-21T09:00:00Z, 2026-11-21, +2h
    #[arg(long, value_name = "TIME", value_parser = time::instant, allow_hyphen_values = true)]
    as_of: Option<SystemTime>,
}

impl Distribution {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let output = &session.output;
        let flags = session.place.flags_at(output, self.as_of).await?;
        let snapshot = flags.snapshot();
        if snapshot.info(&*self.flag).is_none() {
            similar::hint(&snapshot, &self.flag, output);
            return Err(Failure::usage(format!("no source has a flag `{}`", clean(&self.flag)))
                .hint(format!("{} lists the flags", paste::command("list", ""))));
        }
        unreadable::refuse_answer(&flags, &self.flag)?;
        let needed = unreadable::needed(&snapshot, &self.flag);
        let definitions: Vec<_> = needed
            .iter()
            .filter_map(|name| Some((&**name, snapshot.info(&**name)?.definition().clone())))
            .collect();
        let definitions = definitions.iter().map(|(name, definition)| (*name, definition));
        let asked = Asked { flag: self.flag.clone(), snapshot, made_up: MadeUp::of(definitions) };
        let tally = count(&asked, self.users.source()?)?;
        if tally.users == 0 {
            return Err(self.users.no_contexts());
        }
        if let Some(name) = tally.boxed {
            output.warning(context::boxed_warning(name));
        }
        self.print(&tally, output)?;
        let beyond = self.report(&tally, output);
        session.place.warn_of_other_files(output).await;
        Ok(if beyond { ExitCode::No } else { ExitCode::Done })
    }

    fn print(&self, tally: &Tally, output: &Output) -> Result<(), Failure> {
        if output.is_json() {
            return output.thing(self.json(tally), String::new);
        }
        let for_people = output.is_for_people();
        let mut rows = Vec::new();
        let mut add = |of: &str, outcome: &str, units: u64, found: f64, range: [String; 2]| {
            let [declared, by_chance] = range;
            let bar = if for_people { bar(found) } else { String::new() };
            let cells = [of.to_owned(), outcome.to_owned(), units.to_string(), percent(found)];
            let cells = cells.into_iter().chain([declared, by_chance, bar]).collect();
            rows.push(Row { cells, json: Value::Null });
        };
        let none = || [String::new(), String::new()];
        let all = tally.users as f64;
        for (outcome, users) in [("on", tally.on), ("off", tally.users - tally.on)] {
            add("users", outcome, users, users as f64 / all, none());
        }
        for (variant, users) in &tally.variants {
            add("served", variant, *users, *users as f64 / all, none());
        }
        for (level, drawn) in &tally.draws {
            for outcome in drawn.outcomes() {
                let by_chance = format!("{} to {}", percent(outcome.low), percent(outcome.high));
                let range = [percent(outcome.declared), by_chance];
                add(&level.to_string(), &outcome.name, outcome.units, outcome.found, range);
            }
        }
        let columns = &["OF", "OUTCOME", "COUNT", "SHARE", "DECLARED", "BY CHANCE", "BAR"];
        output.listing(Listing { name: "outcomes", columns, rows, empty: "" })
    }

    /// Prints the interpretation of the numbers. Returns true if a draw differs by more than chance explains.
    fn report(&self, tally: &Tally, output: &Output) -> bool {
        let mut beyond = false;
        let draws = tally.draws.len();
        for (level, drawn) in &tally.draws {
            let verdict = drawn.verdict();
            let units = unit(drawn);
            let units = match drawn.without_unit {
                0 => units,
                1 => format!("{units}; 1 user has no unit to draw by and is out"),
                without => format!("{units}; {without} users have no unit to draw by and are out"),
            };
            match verdict {
                Verdict::TooFew => output
                    .aside(format!("{level}: {units}, too few to tell a difference from chance")),
                Verdict::Tested { chi_squared, p, .. } if verdict.is_within_chance(draws) => {
                    output.aside(format!(
                        "{level}: within chance, {units} (chi-squared {chi_squared:.2}, p = {p:.3})"
                    ));
                }
                Verdict::Tested { chi_squared, p, .. } => {
                    beyond = true;
                    output.warning(format!(
                        "{level}: chance does not explain the difference, {units} (chi-squared \
                         {chi_squared:.2}, p = {p:.1e})"
                    ));
                }
            }
        }
        if tally.draws.is_empty() {
            output.aside(format!("nothing was drawn for {}", self.users));
        } else if tally.undrawn() > 0 {
            let causes = tally.undrawn.iter().map(|(cause, users)| format!("{cause} {users}"));
            let causes: Vec<_> = causes.collect();
            output.aside(format!(
                "{} of {} never reached a draw: {}",
                tally.undrawn(),
                text::count(tally.users as usize, "user"),
                causes.join(", "),
            ));
        }
        beyond
    }

    fn json(&self, tally: &Tally) -> Value {
        let number = tally.draws.len();
        let draws = tally.draws.iter().map(|(level, drawn)| {
            let verdict = drawn.verdict();
            let (chi_squared, degrees, p) = match verdict {
                Verdict::Tested { chi_squared, degrees, p } => {
                    (Some(chi_squared), Some(degrees), Some(p))
                }
                Verdict::TooFew => (None, None, None),
            };
            let outcomes = drawn.outcomes().into_iter().map(|outcome| {
                json!({
                    "outcome": outcome.name,
                    "count": outcome.units,
                    "share": outcome.found,
                    "declared": outcome.declared,
                    "low": outcome.low,
                    "high": outcome.high,
                })
            });
            json!({
                "draw": level.kind(),
                "rule": level.rule(),
                "by": drawn.by,
                "reached": drawn.users,
                "units": drawn.units(),
                "withoutUnit": drawn.without_unit,
                "outcomes": outcomes.collect::<Vec<_>>(),
                "chiSquared": chi_squared,
                "degreesOfFreedom": degrees,
                "p": p,
                "withinChance": p.map(|_| verdict.is_within_chance(number)),
            })
        });
        let object = |counts: &mut dyn Iterator<Item = (&str, u64)>| {
            counts.map(|(name, users)| (name.to_owned(), users.into())).collect::<Map<_, _>>()
        };
        json!({
            "flag": self.flag,
            "users": tally.users,
            "madeUp": self.users.are_made_up(),
            "on": tally.on,
            "off": tally.users - tally.on,
            "variants": object(&mut tally.variants.iter().map(|(name, users)| (&**name, *users))),
            "draws": draws.collect::<Vec<_>>(),
            "undrawn": tally.undrawn(),
            "undrawnBy": object(&mut tally.undrawn.iter().map(|(name, users)| (*name, *users))),
        })
    }
}

/// Returns the units of a draw, for people.
fn unit(drawn: &Drawn) -> String {
    let units = drawn.units();
    match units == drawn.users {
        true => format!("{units} drawn by `{}`", clean(&drawn.by)),
        false => format!("{units} drawn by `{}` for {} users", clean(&drawn.by), drawn.users),
    }
}

fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

/// Returns a bar as long as a share, in eighths of a column.
fn bar(share: f64) -> String {
    const COLUMNS: f64 = 20.0;
    const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
    let eighths = (share * COLUMNS * 8.0).round() as usize;
    let rest = (eighths % 8).checked_sub(1).map(|rest| EIGHTHS[rest]);
    "█".repeat(eighths / 8) + &rest.map(String::from).unwrap_or_default()
}
