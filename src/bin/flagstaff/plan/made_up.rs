//! Made-up users, with the targeting keys, groups and attributes that the compared flags name.

use std::collections::{BTreeMap, BTreeSet};

use flagstaff::{
    Context, Definition,
    answer::Value,
    definition::{
        BucketBy, Comparison, Condition, Operator, Prerequisite, RequiredState, Rule, Serve,
    },
};

use crate::time;

/// The maximum number of users who are taken from lists.
const LISTED: usize = 1_000;

/// The maximum number of attributes of a user, beyond those of the rule that is tried. A context with the attributes of
/// thousands of flags takes longer to build than to evaluate.
const OTHERS: usize = 24;

/// The maximum number of values of an attribute, such as an id that thousands of rules name.
const VALUES: usize = 64;

/// A generator of made-up users. If flags name only targeting keys, the users have no attributes.
#[derive(Debug, Default)]
pub(crate) struct MadeUp {
    /// The users of allow-lists, deny-lists and rules.
    users: Vec<String>,
    groups: Vec<String>,
    /// Values by attribute: the operands of rules, and other values.
    attributes: Vec<(String, Vec<Value<'static>>)>,
    /// The attributes of `bucket_by`. Each user has a value of its own.
    units: Vec<String>,
    recipes: Vec<Recipe>,
}

/// Values, by attribute, that may meet the condition of a rule.
#[derive(Debug, Default, Clone)]
struct Recipe {
    attributes: BTreeMap<String, Vec<Value<'static>>>,
    groups: BTreeSet<String>,
}

impl MadeUp {
    /// Returns a generator of users for these flags, given by key and definition.
    pub(crate) fn of<'d>(flags: impl IntoIterator<Item = (&'d str, &'d Definition)>) -> Self {
        let flags: Vec<_> = flags.into_iter().collect();
        let mut known: BTreeMap<&str, Vec<&Definition>> = BTreeMap::new();
        for &(key, definition) in &flags {
            known.entry(key).or_default().push(definition);
        }
        let (mut users, mut groups, mut units) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut attributes: BTreeMap<String, Vec<Value<'static>>> = BTreeMap::new();
        let mut recipes = Vec::new();
        for (_, definition) in flags {
            let lists = [&definition.allowed_users, &definition.denied_users];
            users.extend(lists.into_iter().flat_map(|list| list.value()).flatten().cloned());
            let lists = [&definition.allowed_groups, &definition.denied_groups];
            groups.extend(lists.into_iter().flat_map(|list| list.value()).flatten().cloned());
            units.extend(definition.rare().bucket_by.value().and_then(attribute));
            for rule in definition.rare().rules.value().into_iter().flat_map(|rules| rules.iter()) {
                units.extend(attribute(&rule.bucket_by));
                let mut meeting =
                    Meeting { recipe: Recipe::default(), flags: &known, asked: BTreeSet::new() };
                meeting.meet_rule(rule);
                let recipe = meeting.recipe;
                groups.extend(recipe.groups.iter().cloned());
                for (name, values) in &recipe.attributes {
                    let known = attributes.entry(name.clone()).or_default();
                    for value in values {
                        if known.len() < VALUES && !known.contains(value) {
                            known.push(value.clone());
                        }
                    }
                }
                recipes.push(recipe);
            }
        }
        users.extend(attributes.remove("targeting_key").into_iter().flatten().filter_map(text));
        groups.extend(attributes.remove("groups").into_iter().flatten().filter_map(text));
        Self {
            users: users.into_iter().take(LISTED).collect(),
            groups: groups.into_iter().collect(),
            attributes: attributes.into_iter().collect(),
            units: units.into_iter().collect(),
            recipes,
        }
    }

    /// Returns the attributes that users have, and `groups` if they have some.
    pub(super) fn asked_for(&self) -> Vec<&str> {
        let groups = (!self.groups.is_empty()).then_some("groups");
        let attributes = self.attributes.iter().map(|(name, _)| name.as_str());
        let units = self.units.iter().map(String::as_str);
        let mut all: Vec<_> = groups.into_iter().chain(attributes).chain(units).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Returns the user with this number, the first being 1. It is the same each time.
    pub(crate) fn user(&self, number: u64) -> Context<'static> {
        let index = number - 1;
        let listed = usize::try_from(index).ok().and_then(|index| self.users.get(index));
        let mut context = Context::user(match listed {
            Some(user) => user.clone(),
            None => format!("user-{number}"),
        });
        for unit in &self.units {
            context =
                context.attribute(unit.clone(), format!("{unit}-{}", mixed(number, unit) % 997));
        }
        // Every other user has values that may meet one rule. The rest have random values.
        let recipe = match self.recipes.len() as u64 {
            0 => None,
            rules => index.is_multiple_of(2).then(|| (index / 2 % rules, index / 2 / rules)),
        };
        let recipe = recipe.and_then(|(rule, round)| {
            Some((self.recipes.get(usize::try_from(rule).ok()?)?, round))
        });
        let start = mixed(number, "start") as usize % self.attributes.len().max(1);
        let others = self.attributes.iter().cycle().skip(start);
        for (name, values) in others.take(self.attributes.len().min(OTHERS)) {
            // One more choice: the attribute is missing.
            let place = mixed(number, name) as usize % (values.len() + 1);
            if let Some(value) = values.get(place) {
                context = context.attribute(name.clone(), value.clone());
            }
        }
        let mut groups: BTreeSet<&String> = BTreeSet::new();
        if !self.groups.is_empty() {
            let place = mixed(number, "groups") as usize % (self.groups.len() + 1);
            groups.extend(self.groups.get(place));
        }
        if let Some((recipe, round)) = recipe {
            groups.extend(&recipe.groups);
            for (name, values) in &recipe.attributes {
                let place = round.wrapping_add(mixed(round, name)) as usize % values.len().max(1);
                if let Some(value) = values.get(place).filter(|_| is_attribute(name)) {
                    context = context.attribute(name.clone(), value.clone());
                }
            }
        }
        context.groups(groups.into_iter().cloned())
    }
}

/// Returns the attribute that buckets are drawn by, if it is one.
fn attribute(unit: &BucketBy) -> Option<String> {
    match unit {
        BucketBy::Attribute(path) => Some(path.clone()),
        _ => None,
    }
}

fn is_attribute(name: &str) -> bool {
    !["targeting_key", "groups"].contains(&name)
}

fn text(value: Value<'static>) -> Option<String> {
    match value {
        Value::String(text) => Some(text.into_owned()),
        _ => None,
    }
}

/// Returns a pseudo-random number that is the same each time (FNV-1a, then a finaliser of splitmix64).
fn mixed(number: u64, name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut mixed = hash ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A recipe while it is built.
#[derive(Debug)]
struct Meeting<'m, 'd> {
    recipe: Recipe,
    flags: &'m BTreeMap<&'d str, Vec<&'d Definition>>,
    /// The other flags that were visited, so that each is visited once.
    asked: BTreeSet<String>,
}

impl Meeting<'_, '_> {
    /// Adds values that make a rule match.
    fn meet_rule(&mut self, rule: &Rule) {
        self.meet(&rule.when, true);
        if let Some(unless) = &rule.unless {
            self.meet(unless, false);
        }
    }

    /// Adds values that make a condition true, or false.
    fn meet(&mut self, condition: &Condition, wanted: bool) {
        match condition {
            Condition::Compare(comparison) => self.recipe.compare(comparison, wanted),
            Condition::Segment(segment) => self.meet(segment.when(), wanted),
            Condition::Not(inner) | Condition::Unless(inner) => {
                self.meet(inner.condition(), !wanted);
            }
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().for_each(|part| self.meet(part, wanted));
            }
            Condition::Flag(flag) => self.meet_flag(flag, wanted),
            _ => {}
        }
    }

    /// Adds values that bring another flag into a state, or keep it out of that state, by its groups and its rules.
    fn meet_flag(&mut self, flag: &Prerequisite, wanted: bool) {
        if !self.asked.insert(flag.flag.clone()) {
            return;
        }
        let is_wanted_off = (flag.state == RequiredState::Off) == wanted;
        for definition in self.flags.get(flag.flag.as_str()).into_iter().flatten() {
            let groups = match is_wanted_off {
                true => &definition.denied_groups,
                false => &definition.allowed_groups,
            };
            self.recipe.groups.extend(groups.value().into_iter().flatten().take(1).cloned());
            let rules = definition.rare().rules.value().into_iter().flat_map(|rules| rules.iter());
            for rule in rules.filter(|rule| (rule.serve == Serve::Off) == is_wanted_off) {
                self.meet_rule(rule);
            }
        }
    }
}

impl Recipe {
    fn compare(&mut self, comparison: &Comparison, wanted: bool) {
        let values = values(comparison, wanted);
        if comparison.attribute() == "groups" {
            self.groups.extend(values.into_iter().filter_map(text));
            return;
        }
        let known = self.attributes.entry(comparison.attribute().to_owned()).or_default();
        for value in values {
            if known.len() < VALUES && !known.contains(&value) {
                known.push(value);
            }
        }
    }
}

/// Returns values for which a comparison probably holds, or does not hold. Empty if the attribute has to be missing, or
/// if no value can be derived.
fn values(comparison: &Comparison, wanted: bool) -> Vec<Value<'static>> {
    let operands = || match comparison.operand() {
        Value::List(list) => list.clone(),
        one => vec![one.clone()],
    };
    let texts = || operands().into_iter().filter_map(text);
    let wanted = match comparison.operator() {
        Operator::Ne | Operator::NotIn => !wanted,
        _ => wanted,
    };
    match comparison.operator() {
        Operator::Eq | Operator::Ne | Operator::In | Operator::NotIn => match wanted {
            true => operands(),
            false => operands().first().and_then(other).into_iter().collect(),
        },
        Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le => {
            operands().first().map(around).unwrap_or_default()
        }
        _ if !wanted => vec!["other".into()],
        Operator::Contains | Operator::StartsWith | Operator::EndsWith => {
            texts().map(Into::into).collect()
        }
        Operator::Glob => texts().map(|glob| of_glob(&glob).into()).collect(),
        Operator::Matches => texts().map(|regex| of_expression(&regex).into()).collect(),
        Operator::Semver => texts().flat_map(|required| versions(&required)).collect(),
        Operator::Cidr => texts().map(|network| address(&network).into()).collect(),
        Operator::Before | Operator::After => operands().iter().flat_map(instants).collect(),
        Operator::Exists => match comparison.operand() {
            Value::Bool(true) => vec!["any".into()],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Returns another value of the same type.
fn other(value: &Value<'_>) -> Option<Value<'static>> {
    Some(match value {
        Value::Bool(on) => (!on).into(),
        Value::Integer(number) => number.wrapping_add(1).into(),
        Value::Float(number) => (number + 1.0).into(),
        Value::String(text) => format!("not-{text}").into(),
        _ => return None,
    })
}

/// Returns the number, one less and one more.
fn around(value: &Value<'_>) -> Vec<Value<'static>> {
    match *value {
        Value::Integer(number) => [-1, 0, 1].map(|by| number.saturating_add(by).into()).to_vec(),
        Value::Float(number) => [-1.0, 0.0, 1.0].map(|by| (number + by).into()).to_vec(),
        _ => Vec::new(),
    }
}

/// Returns a string that a glob of stars and question marks matches.
fn of_glob(glob: &str) -> String {
    glob.replace("**", "x").replace(['*', '?'], "x")
}

/// Returns a string that a simple regular expression matches.
fn of_expression(expression: &str) -> String {
    let body = expression.trim_start_matches('^').trim_end_matches('$');
    body.replace("\\d+", "1").replace("\\d", "1").replace(".*", "").replace('\\', "")
}

/// Returns the versions that a requirement names, and those before and after them.
fn versions(required: &str) -> Vec<Value<'static>> {
    let mut versions = Vec::new();
    for part in required.split(',') {
        let numbers: String = part.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
        let mut core = [0_u64; 3];
        for (place, number) in core.iter_mut().zip(numbers.split('.')) {
            *place = number.parse().unwrap_or(0);
        }
        let [major, minor, patch] = core;
        let before = match core {
            [0, 0, patch] => [0, 0, patch.saturating_sub(1)],
            [major, 0, 0] => [major - 1, 9, 9],
            [major, minor, 0] => [major, minor - 1, 9],
            [major, minor, patch] => [major, minor, patch - 1],
        };
        let all =
            [core, before, [major, minor, patch + 1], [major, minor + 1, 0], [major + 1, 0, 0]];
        versions.extend(all.map(|[a, b, c]| format!("{a}.{b}.{c}").into()));
    }
    versions
}

/// Returns the first address of a network.
fn address(network: &str) -> String {
    network.split('/').next().unwrap_or(network).to_owned()
}

/// Returns a day before and a day after.
fn instants(value: &Value<'_>) -> Vec<Value<'static>> {
    const DAY: i64 = 86_400;
    match value {
        Value::Integer(seconds) => [-DAY, DAY].map(|by| (seconds + by).into()).to_vec(),
        Value::String(text) => match time::instant(text) {
            Ok(at) => {
                let seconds = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                let seconds = i64::try_from(seconds.as_secs()).unwrap_or(0);
                [-DAY, DAY].map(|by| (seconds + by).into()).to_vec()
            }
            Err(_) => Vec::new(),
        },
        _ => Vec::new(),
    }
}
