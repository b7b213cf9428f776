//! The outcomes of a flag's draws for many users, against the shares that are declared.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use flagstaff::{
    Context, Snapshot,
    definition::{Serve, Weight},
    explain::{Check, DrawTrace, Explanation, Shown},
};
use serde_json::json;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::{
    context, number,
    plan::{Counting, MadeUp},
    text::clean,
};

/// The probability that correct draws are reported as wrong.
const FALSE_ALARMS: f64 = 0.001;

/// The half width, in standard deviations, of the interval that contains a share with a probability of 99.9 %.
const Z: f64 = 3.291;

/// Fewer users than this in an outcome are too few for the chi-squared test (Cochran 1954).
const FEWEST: f64 = 5.0;

/// A place in a flag at which users are drawn, in the order of the evaluation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The rule with this index, and its name for people.
    Rule(usize, String),
    Percentage,
    Traffic,
    Variants,
}

/// The users who reached one draw. A unit that several of them share is drawn once, so it counts once.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Drawn {
    /// The attribute that buckets are drawn by.
    pub(crate) by: String,
    /// The users who reached it.
    pub(crate) users: u64,
    /// The users without a unit to draw by, for whom the flag is off.
    pub(crate) without_unit: u64,
    /// The outcomes in their order, and the declared share of each, from 0 to 1.
    declared: Vec<(String, f64)>,
    /// The index of the outcome of each unit.
    units: HashMap<String, usize>,
}

/// One outcome of a draw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    /// The shares are from 0 to 1.
    pub(crate) declared: f64,
    pub(crate) found: f64,
    /// The interval in which the share found lies with a probability of 99.9 %.
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) units: u64,
}

/// A comparison of outcomes with the declared shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// The statistic of Pearson's test, and how probable one at least as large is.
    Tested { chi_squared: f64, degrees: u32, p: f64 },
    /// An outcome is expected for fewer than five units.
    TooFew,
}

/// The answers of one flag.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) users: u64,
    pub(crate) on: u64,
    pub(crate) variants: BTreeMap<String, u64>,
    pub(crate) draws: BTreeMap<Level, Drawn>,
    /// The users who reached no draw, by what decided for them.
    pub(crate) undrawn: BTreeMap<&'static str, u64>,
    pub(crate) boxed: Option<&'static str>,
}

/// A flag that is evaluated for many users.
pub(crate) struct Asked {
    pub(crate) flag: String,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) made_up: MadeUp,
}

impl Counting for Asked {
    type Part = Tally;

    fn made_up(&self) -> &MadeUp {
        &self.made_up
    }

    fn none(&self) -> Tally {
        Tally::default()
    }

    fn count(&self, tally: &mut Tally, context: &Context<'_>) {
        tally.boxed = tally.boxed.or_else(|| context::boxed(context));
        tally.count(&self.snapshot.explain(&*self.flag, context));
    }

    fn add(&self, tally: &mut Tally, other: Tally) {
        tally.add(other);
    }
}

impl Tally {
    fn count(&mut self, explained: &Explanation) {
        self.users += 1;
        self.on += u64::from(explained.answer.value);
        let variant = explained.served.as_ref().and_then(|served| served.variant);
        if let Some(variant) = variant {
            *self.variants.entry(variant.to_owned()).or_default() += 1;
        }
        let mut is_drawn = false;
        let mut note = |level: Level, draw: &DrawTrace, shares: Shares<'_>| {
            is_drawn = true;
            self.draws.entry(level).or_default().count(draw, &shares, variant);
        };
        for step in &explained.steps {
            match &step.check {
                Check::Rules(rules) => {
                    for rule in rules {
                        let Some(draw) = &rule.draw else { continue };
                        let name = rule.name.clone();
                        let name = name.unwrap_or_else(|| (rule.index + 1).to_string());
                        let shares = match &rule.serve {
                            Serve::Split(split) => {
                                let weights = split.iter().map(|(name, weight)| (name, *weight));
                                Shares::Variants(weights.collect())
                            }
                            _ => Shares::Percentage,
                        };
                        note(Level::Rule(rule.index, name), draw, shares);
                    }
                }
                Check::Percentage { draw: Some(draw), .. } => {
                    note(Level::Percentage, draw, Shares::Percentage);
                }
                Check::Variants { arms, traffic_draw, draw, .. } => {
                    if let Some(draw) = traffic_draw {
                        note(Level::Traffic, draw, Shares::Percentage);
                    }
                    if let Some(draw) = draw {
                        let weights = arms.iter().map(|arm| (&arm.name, arm.weight));
                        note(Level::Variants, draw, Shares::Variants(weights.collect()));
                    }
                }
                _ => {}
            }
        }
        if !is_drawn {
            *self.undrawn.entry(explained.answer.cause.as_str()).or_default() += 1;
        }
    }

    fn add(&mut self, other: Self) {
        self.users += other.users;
        self.on += other.on;
        self.boxed = self.boxed.or(other.boxed);
        for (variant, users) in other.variants {
            *self.variants.entry(variant).or_default() += users;
        }
        for (cause, users) in other.undrawn {
            *self.undrawn.entry(cause).or_default() += users;
        }
        for (level, drawn) in other.draws {
            self.draws.entry(level).or_default().add(drawn);
        }
    }

    /// Returns the number of users who reached no draw.
    pub(crate) fn undrawn(&self) -> u64 {
        self.undrawn.values().sum()
    }
}

impl Level {
    /// Returns the word for programs.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Rule(..) => "rule",
            Self::Percentage => "percentage",
            Self::Traffic => "traffic",
            Self::Variants => "variants",
        }
    }

    /// Returns the name of the rule, or its number counted from 1.
    pub(crate) fn rule(&self) -> Option<&str> {
        match self {
            Self::Rule(_, name) => Some(name),
            _ => None,
        }
    }
}

/// `percentage`, ``rule `half of the pros` ``
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule() {
            Some(name) => write!(f, "rule `{}`", clean(name)),
            None => f.write_str(self.kind()),
        }
    }
}

/// The outcomes that a draw can have.
enum Shares<'a> {
    /// In or out, by the threshold of the draw.
    Percentage,
    /// A variant, by weight.
    Variants(Vec<(&'a String, Weight)>),
}

impl Shares<'_> {
    fn declared(&self, draw: &DrawTrace) -> Vec<(String, f64)> {
        match self {
            Self::Percentage => {
                let share = number::share(draw.threshold);
                vec![("in".to_owned(), share), ("out".to_owned(), 1.0 - share)]
            }
            Self::Variants(weights) => {
                let number = |weight: Weight| weight.ten_thousandths() as f64;
                let total: f64 = weights.iter().map(|(_, weight)| number(*weight)).sum();
                let weights = weights.iter().filter(|(_, weight)| number(*weight) > 0.0);
                weights.map(|(name, weight)| ((*name).clone(), number(*weight) / total)).collect()
            }
        }
    }

    /// Returns the index of an outcome among those that are declared.
    fn index(
        &self,
        draw: &DrawTrace,
        variant: Option<&str>,
        declared: &[(String, f64)],
    ) -> Option<usize> {
        let name = match self {
            Self::Percentage if draw.is_inside => "in",
            Self::Percentage => "out",
            Self::Variants(_) => variant?,
        };
        declared.iter().position(|(outcome, _)| outcome == name)
    }
}

impl Drawn {
    fn count(&mut self, draw: &DrawTrace, shares: &Shares<'_>, variant: Option<&str>) {
        self.users += 1;
        if self.declared.is_empty() {
            (self.by, self.declared) = (draw.by.clone(), shares.declared(draw));
        }
        let outcome = shares.index(draw, variant, &self.declared);
        match (&draw.seen, draw.bucket, outcome) {
            (Shown::Value(unit), Some(_), Some(outcome)) => {
                self.units.insert(json!(unit).to_string(), outcome);
            }
            _ => self.without_unit += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.users += other.users;
        self.without_unit += other.without_unit;
        if self.declared.is_empty() {
            (self.by, self.declared) = (other.by, other.declared);
        }
        self.units.extend(other.units);
    }

    /// Returns the number of units that were drawn.
    pub(crate) fn units(&self) -> u64 {
        self.units.len() as u64
    }

    /// Returns the outcomes in the order in which they are declared.
    ///
    /// The number of units with an outcome of the share p is binomial. So the share found among n of them has the
    /// standard deviation `sqrt(p * (1 - p) / n)`. For large n it is normal (de Moivre and Laplace).
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let all = self.units.len().max(1) as f64;
        let outcome = |(index, (name, declared)): (usize, &(String, f64))| {
            let units = self.units.values().filter(|outcome| **outcome == index).count() as u64;
            let by_chance = Z * (declared * (1.0 - declared) / all).sqrt();
            Outcome {
                name: name.clone(),
                declared: *declared,
                found: units as f64 / all,
                low: (declared - by_chance).max(0.0),
                high: (declared + by_chance).min(1.0),
                units,
            }
        };
        self.declared.iter().enumerate().map(outcome).collect()
    }

    /// Compares the outcomes with the declared shares by Pearson's chi-squared test.
    pub(crate) fn verdict(&self) -> Verdict {
        let all = self.units.len() as f64;
        let outcomes = self.outcomes();
        let outcomes: Vec<_> = outcomes.iter().filter(|outcome| outcome.declared > 0.0).collect();
        if outcomes.iter().any(|outcome| outcome.declared * all < FEWEST) {
            return Verdict::TooFew;
        }
        let degrees = u32::try_from(outcomes.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let chi_squared = outcomes.iter().map(|outcome| {
            let expected = outcome.declared * all;
            (outcome.units as f64 - expected).powi(2) / expected
        });
        let chi_squared: f64 = chi_squared.sum();
        // A single outcome always has its declared share.
        let p = ChiSquared::new(f64::from(degrees)).map_or(1.0, |chi| chi.sf(chi_squared));
        Verdict::Tested { chi_squared, degrees, p }
    }
}

impl Verdict {
    /// Returns true unless the difference is more than chance explains. Of several draws, each has to be rarer, so
    /// that all together are as rare as one (Bonferroni).
    pub(crate) fn is_within_chance(self, draws: usize) -> bool {
        match self {
            Self::Tested { p, .. } => p * draws.max(1) as f64 >= FALSE_ALARMS,
            Self::TooFew => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use flagstaff::{Flags, Memory, definition::FlagsFile};

    use super::*;

    /// Returns the tally of flag `a` for these users.
    fn tally(text: &str, users: impl Iterator<Item = Context<'static>>) -> Tally {
        let file = FlagsFile::parse("flags.toml", text);
        assert!(file.diagnostics().is_empty(), "{}", file.diagnostics());
        let memory = file.flags().iter();
        let memory =
            memory.fold(Memory::new(), |memory, (key, flag)| memory.with(key, flag.clone()));
        let start = Flags::builder().source(memory).start();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let snapshot = runtime.block_on(start).unwrap().snapshot();
        let asked = Asked { flag: "a".to_owned(), snapshot, made_up: MadeUp::default() };
        let mut parts = [asked.none(), asked.none()];
        for (number, user) in users.enumerate() {
            asked.count(&mut parts[number % 2], &user);
        }
        let [mut tally, other] = parts;
        asked.add(&mut tally, other);
        tally
    }

    fn users(number: usize) -> impl Iterator<Item = Context<'static>> {
        (0..number).map(|number| Context::user(format!("u{number}")))
    }

    #[test]
    fn every_draw_is_compared_among_the_users_who_reach_it() {
        let text = "[flags.a]\npercentage = 20\nallowed_groups = [\"staff\"]\n\
                    variants = { x = 1, y = 3, z = 0 }\ntraffic = 50\n\
                    [[flags.a.rules]]\nname = \"pros\"\nwhen = { plan = \"pro\" }\nserve = \"50%\"\n";
        let users = users(20_000).enumerate().map(|(number, user)| match number % 4 {
            0 => user.group("staff"),
            1 => user.attribute("plan", "pro"),
            _ => user,
        });

        let tally = tally(text, users);

        let levels: Vec<_> = tally.draws.keys().map(ToString::to_string).collect();
        assert_eq!(levels, ["rule `pros`", "percentage", "traffic", "variants"]);
        let reached: Vec<_> = tally.draws.values().map(Drawn::units).collect();
        assert_eq!((reached[0], reached[1]), (5_000, 10_000));
        assert!(tally.draws.values().all(|drawn| drawn.verdict().is_within_chance(4)));
        let variants = tally.draws[&Level::Variants].outcomes();
        let declared: Vec<_> = variants.iter().map(|it| (&*it.name, it.declared)).collect();
        assert_eq!(declared, [("x", 0.25), ("y", 0.75)]);
        assert!(variants.iter().all(|it| it.low < it.found && it.found < it.high));
    }

    #[test]
    fn users_who_share_a_unit_are_drawn_once() {
        let text = "[flags.a]\npercentage = 50\nbucket_by = \"company\"\n";
        let of_company = |(number, user): (usize, Context<'static>)| match number % 8 {
            7 => user,
            company => user.attribute("company", format!("c{company}")),
        };

        let tally = tally(text, users(8_000).enumerate().map(of_company));

        let drawn = &tally.draws[&Level::Percentage];
        assert_eq!((drawn.users, drawn.without_unit, drawn.units()), (8_000, 1_000, 7));
        assert_eq!(drawn.verdict(), Verdict::TooFew);
    }

    #[test]
    fn a_share_that_chance_does_not_explain_is_found() {
        let text = "[flags.a]\npercentage = 10\n";
        let lucky: Vec<_> = {
            let all = tally(text, users(2_000));
            let drawn = &all.draws[&Level::Percentage];
            let inside = drawn.units.iter().filter(|(_, outcome)| **outcome == 0);
            inside.map(|(unit, _)| serde_json::from_str::<String>(unit).unwrap()).collect()
        };
        // Twice as many users are in as declared.
        let crowd = users(1_000).chain(lucky.into_iter().map(Context::user));

        let drawn = &tally(text, crowd).draws[&Level::Percentage];

        let Verdict::Tested { degrees, p, .. } = drawn.verdict() else { panic!("it is tested") };
        assert!(degrees == 1 && p < 1e-6, "{p}");
        assert!(!drawn.verdict().is_within_chance(1));
        let outcomes = drawn.outcomes();
        assert!(outcomes[0].found > outcomes[0].high && outcomes[1].found < outcomes[1].low);
    }

    #[test]
    fn a_flag_without_a_draw_has_none() {
        let tally = tally("[flags]\na = true\n", users(10));

        assert_eq!((tally.on, tally.draws.len(), tally.undrawn()), (10, 0, 10));
        assert_eq!(tally.undrawn.get("all_users"), Some(&10));
    }
}
