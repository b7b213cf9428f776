//! Makes explanations: evaluates a flag with a recorder, and describes each step.

use std::{ops::Range, sync::Arc};

use super::{
    ArmTrace, Asker, Check, DrawTrace, EntryTrace, Explanation, NearMiss, Outcome,
    RequirementTrace, RuleTrace, SettingTrace, Shown, SourceTrace, Step,
    condition::{Distance, Tracer},
    record::{Record, Required},
    summary,
};
use crate::{
    backend::{Offer, Provenance, Source, SourceId, Stack},
    eval::{
        Decision, Draw, Ground, Served, Verdict,
        bucket::{Pieces, Reach, position},
    },
    flags::{Flags, RequestFlags, Snapshot},
    model::{
        Answer, Attribute, BucketBy, Cause, Context, Definition, Entry, ErrorCode, Field, FlagKey,
        Part, Percentage, RequiredState, Resolved, Rule, Serve, Value, Variant, Weight, nearest,
    },
    text::line,
};

impl Flags {
    /// Explains the answer of a flag for `context`, step by step. For a flag that no source has, the explanation lists
    /// the sources that lack the flag, and a similar name. An explanation comes from the code of plain evaluations,
    /// with a recorder. Explaining allocates, so do not explain on every request.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory, Percentage};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let beta = Definition::new().percentage(Percentage::whole(10)?).denied_users(["mallory"]);
    /// let flags = Flags::builder().source(Memory::new().with("beta", beta)).start().await?;
    ///
    /// let explanation = flags.explain("beta", &Context::user("mallory"));
    ///
    /// assert_eq!(explanation.because, "the targeting key is among `denied_users`");
    /// assert!(explanation.to_string().starts_with(
    ///     "beta is off: the targeting key is among `denied_users`"
    /// ));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn explain(&self, key: impl FlagKey, context: &Context<'_>) -> Explanation {
        self.snapshot().explain(key, context)
    }
}

impl RequestFlags {
    /// Explains the answer of a flag for this request. See [`Flags::explain`].
    #[must_use]
    pub fn explain(&self, key: impl FlagKey) -> Explanation {
        self.ask(|snapshot, context| snapshot.explain(key, context))
    }
}

impl Snapshot {
    /// Explains the answer of a flag for `context`. See [`Flags::explain`].
    #[must_use]
    pub fn explain(&self, key: impl FlagKey, context: &Context<'_>) -> Explanation {
        let mut record = Record::default();
        let evaluation = self.evaluate(&key, context, &mut record);
        let decision = evaluation.map(|evaluation| evaluation.verdict.decision);
        let served = evaluation.map(|evaluation| evaluation.served(context, &mut record));
        let answer = match evaluation {
            None => Answer::new(false, self.absence(key.as_str()), None),
            Some(evaluation) => self.gate(&evaluation, context),
        };
        let constant = served
            .as_ref()
            .filter(|served| served.arm.is_none())
            .and_then(|served| evaluation?.constant(served.on));
        let served = served.and_then(|Served { arm, decision, .. }| {
            let Some(arm) = arm else {
                return constant.map(|constant| self.answer(constant.clone(), decision));
            };
            let value = arm.value.clone().unwrap_or_else(|| arm.name.into());
            Some(self.answer(value, decision).with_variant(arm.name))
        });
        let listed = key.slot(&self.names, self.owner);
        let listed = listed.and_then(|slot| self.merged.resolved.get(slot));
        let resolved =
            evaluation.and_then(|found| listed.cloned().or_else(|| looked_up(found.verdict)));
        let key = key.as_str();
        let sources = Sources::of(self, key);
        let is_test = evaluation.is_some_and(|it| it.verdict.ground == Ground::Test);
        let by_variant = evaluation
            .is_some_and(|it| it.verdict.on && it.verdict.rule.is_none() && !answer.value)
            && !is_test;
        let is_on = evaluation.is_some_and(|it| it.verdict.on) && !is_test;
        let watched =
            Watched { snapshot: self, context, record, answer, served, is_test, by_variant, is_on };
        let trace = resolved.as_ref().map(|resolved| watched.steps(resolved, &sources));
        let (steps, part) = trace.unwrap_or_else(|| (watched.without_definition(), Part::Whole));
        let traces = sources.traces();
        let because = match evaluation.and_then(|evaluation| forced(&traces, evaluation.verdict)) {
            Some(entry) => format!("{} forces {entry}", answer.source.unwrap_or_default()),
            None => unreadable(&traces, &answer).unwrap_or_else(|| watched.because(&steps)),
        };
        // A flag that was rejected is the one that was meant.
        let is_unknown = watched.answer.error_code == Some(ErrorCode::FlagNotFound);
        let similar = match decision {
            None if is_unknown => nearest(key, self.known()).map(str::to_owned),
            _ => None,
        };
        Explanation {
            key: key.to_owned(),
            generation: self.generation,
            answer,
            place: decision.and_then(|decision| sources.place(decision.source, part)),
            served: watched.served,
            near_miss: near_miss(&steps),
            similar,
            asked_by: Asker::of(context),
            settings: resolved.iter().flat_map(|resolved| sources.settings(resolved)).collect(),
            metadata: resolved
                .as_ref()
                .and_then(|resolved| resolved.definition.rare().metadata.value().cloned())
                .unwrap_or_default(),
            because,
            sources: traces,
            steps,
        }
    }
}

/// Returns the definition that a lookup has for a name that no source lists.
fn looked_up(verdict: &Verdict) -> Option<Resolved> {
    let source = verdict.decision.source;
    let is_forced = verdict.ground != Ground::Test;
    is_forced.then(|| Resolved::new(Definition::forced(verdict.on).into(), source))
}

/// Returns the entry of the source that decided, if it is a forced value and alone decided for all users.
fn forced<'s>(sources: &'s [SourceTrace], verdict: &Verdict) -> Option<&'s EntryTrace> {
    let Decision { cause, source, .. } = verdict.decision;
    let is_for_all_users =
        verdict.ground == Ground::Open || cause.setting() == Some(Field::Enabled);
    let entry = sources.get(usize::from(source))?.entry.as_ref()?;
    (is_for_all_users && !matches!(entry, EntryTrace::Settings(_))).then_some(entry)
}

/// Returns the reason of a flag that is off because a source has something for it that cannot be read.
fn unreadable(sources: &[SourceTrace], answer: &Answer<bool>) -> Option<String> {
    let source = answer.source.filter(|_| answer.cause == Cause::Disabled)?;
    let trace = sources.iter().find(|trace| trace.source == source && trace.entry.is_none())?;
    Some(format!("the value in {source} cannot be read: {}", line(trace.problem.as_ref()?)))
}

/// The entries of the sources for a flag.
///
/// A snapshot keeps the offers from which it was made. The latest offers may have newer locations and
/// authors. So an entry that is unchanged, or is of the generation in force, is that of the latest offer.
struct Sources<'a> {
    key: &'a str,
    identities: &'a [Source],
    offers: Vec<Arc<Offer>>,
}

impl<'a> Sources<'a> {
    fn of(snapshot: &'a Snapshot, key: &'a str) -> Self {
        let latest = snapshot.latest.load();
        let is_in_force = latest.generation == snapshot.generation;
        let offers = snapshot.offers.iter().zip(latest.offers.iter());
        let offers = offers.map(|(then, now)| {
            let is_same = is_in_force || now.entry(key) == then.entry(key);
            Arc::clone(if is_same { now } else { then })
        });
        Self { key, identities: &snapshot.sources, offers: offers.collect() }
    }

    fn place(&self, source: SourceId, part: Part) -> Option<String> {
        self.offers.get(usize::from(source))?.place(self.key, part)
    }

    /// Returns the location of a rule, if its source has one other than that of the flag.
    fn rule(&self, resolved: &Resolved, index: usize) -> Option<String> {
        let source = resolved.claimed(Field::Rules)?;
        let place = self.place(source, Part::Rule(index))?;
        (self.place(source, Part::Whole)? != place).then_some(place)
    }

    fn traces(&self) -> Vec<SourceTrace> {
        let stack = Stack::of(self.offers.clone());
        let traces = self.identities.iter().zip(&self.offers).map(|(source, offer)| {
            let entry = offer.entry(self.key);
            let place = entry.as_ref().and_then(|_| offer.place(self.key, Part::Whole));
            let problem = stack.problem(self.key, source.position as SourceId);
            let readable = match &problem {
                None => entry,
                Some(_) => stack.last_good(self.key, source.position as SourceId),
            };
            SourceTrace {
                source: source.name,
                place,
                entry: readable.as_ref().map(EntryTrace::from),
                problem,
                warning: stack
                    .warning(self.key, source.position as SourceId)
                    .map(|(_, message)| message),
                provenance: offer.provenance(self.key).map(|by| Provenance::clone(by)),
            }
        });
        traces.collect()
    }

    fn settings<'s>(&'s self, resolved: &'s Resolved) -> impl Iterator<Item = SettingTrace> + 's {
        let all = Field::ALL.iter().flat_map(|&field| {
            let mut sources: Vec<_> = resolved.sources_of(field).collect();
            sources.reverse();
            let is_one_of_several = sources.len() > 1;
            sources.into_iter().map(move |source| (field, source, is_one_of_several))
        });
        all.filter_map(|(field, source, is_one_of_several)| {
            let own = is_one_of_several.then(|| self.entry(source)).flatten();
            let value = match own {
                Some(Entry::Definition(own)) => summary::of(&own, field),
                _ => summary::of(&resolved.definition, field),
            };
            if value.is_none() && !self.is_set_below(source, field) {
                return None;
            }
            Some(SettingTrace {
                field,
                value,
                source: self.identities.get(usize::from(source))?.name,
                place: self.place(source, Part::Setting(field)),
            })
        })
    }

    fn entry(&self, source: SourceId) -> Option<Entry> {
        self.offers.get(usize::from(source))?.entry(self.key)
    }

    /// Returns true if a source below this one sets or removes the field.
    fn is_set_below(&self, source: SourceId, field: Field) -> bool {
        let below = self.offers.iter().skip(usize::from(source) + 1);
        below.filter_map(|offer| offer.entry(self.key)).any(|entry| match entry {
            Entry::Definition(definition) => definition.has(field),
            Entry::Forced(_) | Entry::Text(_) => false,
        })
    }
}

/// A recorded evaluation.
struct Watched<'a, 'c> {
    snapshot: &'a Snapshot,
    context: &'a Context<'c>,
    record: Record,
    answer: Answer<bool>,
    served: Option<Answer<Value<'static>>>,
    /// True if the running test overrides the flag.
    is_test: bool,
    /// True if the choice among the variants turned the flag off.
    by_variant: bool,
    /// True if a step turned the flag on.
    is_on: bool,
}

impl Watched<'_, '_> {
    /// Returns the steps of a flag that no source has.
    fn without_definition(&self) -> Vec<Step> {
        match self.is_test {
            true => vec![Step { check: Check::Test, outcome: Outcome::Decided }],
            false => Vec::new(),
        }
    }

    /// Returns the steps, and the part of the definition that decided.
    fn steps(&self, resolved: &Resolved, sources: &Sources<'_>) -> (Vec<Step>, Part) {
        let definition = &*resolved.definition;
        let mut steps = Steps { setting: self.answer.cause.setting(), ..Steps::default() };
        if self.is_test {
            steps.push(Check::Test, true, Part::Whole);
        }
        if let Some(on_stale) = resolved.stale {
            steps.push_setting(Check::Stale(on_stale), Field::OnStale);
        }
        let enabled = definition.enabled.value() != Some(&false);
        steps.push_setting(Check::Enabled(enabled), Field::Enabled);
        if definition.rare().active.value().is_some() {
            steps.push_setting(Check::Active(resolved.is_active()), Field::Active);
        }
        if definition.rare().requires.value().is_some_and(|requires| !requires.is_empty()) {
            steps.push_setting(Check::Requires(self.requirements()), Field::Requires);
        }
        for (field, names) in [
            (Field::DeniedUsers, &definition.denied_users),
            (Field::DeniedGroups, &definition.denied_groups),
            (Field::AllowedUsers, &definition.allowed_users),
            (Field::AllowedGroups, &definition.allowed_groups),
        ] {
            let names = names.value().map_or(&[][..], Vec::as_slice);
            if !names.is_empty() {
                let found = (self.record.list == Some(field)).then(|| self.found_on(field, names));
                let check = Check::List { field, names: names.len(), found };
                steps.push_setting(check, field);
            }
        }
        let rules = definition.rare().rules.value().map_or(&[][..], |rules| rules);
        if !rules.is_empty() {
            let check = Check::Rules(
                self.rules(rules, !steps.is_decided, |index| sources.rule(resolved, index)),
            );
            let part = self.record.matched.map_or(Part::Setting(Field::Rules), Part::Rule);
            steps.push(check, self.record.matched.is_some(), part);
        }
        let (percentage, field) = resolved.percentage();
        let by = unit(definition.rare().bucket_by.value());
        let check = Check::Percentage {
            percentage,
            rollout: resolved.moment().and_then(|moment| moment.progress),
            draw: self.draw(Draw::Percentage, &by, percentage),
        };
        let is_last = !steps.is_decided;
        steps.push(check, is_last && !self.by_variant, Part::Setting(field));
        let variants = definition.rare().variants.value();
        let is_drawn = self.record.drawn(Draw::Traffic).is_some();
        let variants = variants.filter(|_| self.by_variant || self.served.is_some() || is_drawn);
        if let Some((check, field)) = self.served_to_all(definition) {
            let part = Part::Setting(field);
            match self.by_variant && is_last {
                true => steps.push(check, true, part),
                false => steps.list.push(Step { check, outcome: Outcome::Served }),
            }
        } else if let Some(variants) = variants {
            let traffic = definition.rare().traffic.value().copied().unwrap_or_default();
            let check = Check::Variants {
                served: self.served.as_ref().and_then(|served| served.variant),
                arms: arms(variants.iter()),
                traffic,
                traffic_draw: self.draw(Draw::Traffic, &by, traffic),
                draw: self.draw(Draw::Variant, &by, Percentage::HUNDRED),
            };
            let setting = self.answer.cause.setting().filter(|&field| field == Field::Traffic);
            let part = Part::Setting(setting.unwrap_or(Field::Variants));
            match self.by_variant && is_last {
                true => steps.push(check, true, part),
                false => steps.list.push(Step { check, outcome: Outcome::Served }),
            }
        }
        let is_held_back = self.answer.cause != Cause::AllUsers && !self.is_free();
        (steps.list, steps.decisive.filter(|_| is_held_back).unwrap_or(Part::Whole))
    }

    /// Returns the step that serves one value or variant to all users, if it was reached.
    fn served_to_all(&self, definition: &Definition) -> Option<(Check, Field)> {
        let rare = definition.rare();
        let variant = self.served.as_ref().and_then(|served| served.variant);
        if let Some(served) = self.served.as_ref().filter(|_| variant.is_none()) {
            return Some((Check::Value(served.value.clone()), Field::Value));
        }
        let serve = rare.serve.value()?;
        let is_drawn = self.record.drawn(Draw::Variant).is_some();
        let rule = self.record.matched.zip(rare.rules.value());
        let rule = rule.and_then(|(index, rules)| rules.get(index));
        let is_chosen =
            rule.is_some_and(|rule| matches!(rule.serve, Serve::Variant(_) | Serve::Split(_)));
        let is_served = self.by_variant || (self.is_on && !is_chosen && variant == Some(&**serve));
        let variants = rare.variants.value();
        let is_known = variants.is_some_and(|variants| variants.variant(serve).is_some());
        let check = Check::Serve { variant: serve.clone(), is_known };
        (is_served && !is_drawn).then_some((check, Field::Serve))
    }

    fn requirements(&self) -> Vec<RequirementTrace> {
        let name = |slot| self.snapshot.names.name(slot).to_string();
        let trace = |(required, is_met): &(Required, bool)| {
            let (flag, state, evaluation) = match required {
                Required::ByItself(step) => {
                    let state = match step.variant {
                        None => RequiredState::On,
                        Some(name) => RequiredState::Variants(vec![name.to_owned()]),
                    };
                    (name(step.slot), state, self.snapshot.required(step.slot, self.context))
                }
                Required::Whole(need) => {
                    let evaluation = self.snapshot.needed(need.slot, self.context);
                    (name(need.slot), need.state.required(), evaluation)
                }
            };
            let answer = evaluation.map(|evaluation| self.snapshot.gate(&evaluation, self.context));
            RequirementTrace { flag, state, is_met: *is_met, answer }
        };
        self.record.required.iter().map(trace).collect()
    }

    /// Returns the targeting key or the group that is on a list.
    fn found_on(&self, field: Field, names: &[String]) -> Shown {
        let found = match field {
            Field::DeniedUsers | Field::AllowedUsers => self.context.targeting_key(),
            _ => self.context.iter_groups().find(|group| names.iter().any(|name| name == group)),
        };
        found.map(|name| Value::from(name.to_owned())).into()
    }

    fn rules(
        &self,
        rules: &[Rule],
        are_reached: bool,
        place: impl Fn(usize) -> Option<String>,
    ) -> Vec<RuleTrace> {
        let mut tracer = Tracer {
            snapshot: self.snapshot,
            record: &self.record,
            context: self.context,
            next: 0,
            in_unless: false,
            lost: Vec::new(),
        };
        let last = self.record.matched.unwrap_or(rules.len());
        let trace = |(index, rule): (usize, &Rule)| {
            let is_reached = are_reached && index <= last;
            let (when, unless) = match is_reached {
                true => {
                    let (when, unless) = tracer.rule(rule);
                    (Some(when), unless)
                }
                false => (None, None),
            };
            RuleTrace {
                index,
                name: rule.name.clone(),
                place: place(index),
                serve: rule.serve.clone(),
                matches: is_reached.then_some(index == last),
                when,
                unless,
                draw: (is_reached && index == last).then(|| self.rule_draw(rule)).flatten(),
            }
        };
        rules.iter().enumerate().map(trace).collect()
    }

    fn rule_draw(&self, rule: &Rule) -> Option<DrawTrace> {
        let by = unit(Some(&rule.bucket_by));
        match rule.serve {
            Serve::Percentage(percentage) => self.draw(Draw::Rule, &by, percentage),
            _ => self.draw(Draw::Split, &by, Percentage::HUNDRED),
        }
    }

    fn draw(&self, draw: Draw, by: &Attribute, threshold: Percentage) -> Option<DrawTrace> {
        let bucket = self.record.drawn(draw)?;
        Some(DrawTrace {
            by: by.path().to_owned(),
            seen: crate::eval::seen(by, self.context).into(),
            bucket: bucket.map(position),
            threshold,
            is_inside: bucket.is_some_and(|bucket| Reach::of(threshold).has(bucket)),
        })
    }

    /// Returns the reason why the flag is on or off, without any value of the context.
    fn because(&self, steps: &[Step]) -> String {
        let decided = steps.iter().find(|step| step.outcome == Outcome::Decided);
        match (self.answer.cause, decided.map(|step| &step.check)) {
            // A rule lets the user in, and the traffic takes the user out again.
            (Cause::Traffic, Some(Check::Rules(_))) => self.answer.cause.to_string(),
            (_, Some(Check::Rules(rules))) => {
                let rule = rules.iter().find(|rule| rule.matches == Some(true));
                rule.map(ToString::to_string).unwrap_or_default()
            }
            (Cause::Prerequisite, Some(Check::Requires(required))) => {
                match required.iter().find(|required| !required.is_met) {
                    Some(unmet) => format!("it requires {unmet}"),
                    None => "it requires a flag that requires itself".to_owned(),
                }
            }
            (Cause::Traffic | Cause::NoTargetingKey | Cause::NoUnit(_), Some(Check::Variants { .. })) => {
                self.answer.cause.to_string()
            }
            (_, Some(Check::Serve { variant, is_known: true })) => {
                format!("it serves the variant `{}`, which counts as off", line(variant))
            }
            (_, Some(Check::Serve { variant, is_known: false })) => {
                format!("it serves the variant `{}`, which it does not have", line(variant))
            }
            (_, Some(Check::Variants { traffic: Percentage::ZERO, served: None, .. })) => {
                "no user takes part, since `traffic` is 0%".to_owned()
            }
            (_, Some(Check::Variants { served, arms, .. })) => match served {
                Some(name) if arms.iter().any(|arm| arm.weight > Weight::ZERO) => {
                    format!("it serves the variant `{name}`, which counts as off")
                }
                _ => "no variant that is on has a weight".to_owned(),
            },
            (Cause::Unmatched, _) if self.is_free() => Cause::AllUsers.to_string(),
            (Cause::Percentage, Some(check @ Check::Percentage { .. }))
            | (
                Cause::NoUsers | Cause::Unmatched,
                Some(check @ Check::Percentage { percentage: Percentage::ZERO, .. }),
            )
            // The percentage drew nothing, so the missing unit is that of the variants.
            | (
                Cause::NoTargetingKey | Cause::NoUnit(_),
                Some(check @ Check::Percentage { draw: Some(DrawTrace { bucket: None, .. }), .. }),
            ) => check.to_string(),
            (cause, _) => cause.to_string(),
        }
    }
}

impl Watched<'_, '_> {
    /// Returns true if the flag is on because no step turned it off.
    fn is_free(&self) -> bool {
        self.answer.cause == Cause::Unmatched && self.answer.value
    }
}

/// The steps so far.
#[derive(Default)]
struct Steps {
    list: Vec<Step>,
    is_decided: bool,
    /// The part of the definition that decided.
    decisive: Option<Part>,
    /// The setting that decided, by the cause of the answer.
    setting: Option<Field>,
}

impl Steps {
    /// Adds a step that looks at one setting.
    fn push_setting(&mut self, check: Check, field: Field) {
        self.push(check, self.setting == Some(field), Part::Setting(field));
    }

    fn push(&mut self, check: Check, decides: bool, part: Part) {
        let outcome = match (self.is_decided, decides) {
            (true, _) => Outcome::NotReached,
            (false, true) => Outcome::Decided,
            (false, false) => Outcome::Passed,
        };
        if outcome == Outcome::Decided {
            (self.is_decided, self.decisive) = (true, Some(part));
        }
        self.list.push(Step { check, outcome });
    }
}

/// Returns the attribute that buckets are drawn by.
fn unit(bucket_by: Option<&BucketBy>) -> Attribute {
    bucket_by.and_then(Attribute::unit).unwrap_or(Attribute::TargetingKey)
}

/// Returns the variants with their ranges of buckets, each as wide as its weight.
fn arms<'v>(variants: impl Iterator<Item = (&'v str, &'v Variant)>) -> Vec<ArmTrace> {
    let mut pieces = Pieces::default();
    let piece = |(name, variant): (&'v str, &Variant)| {
        let weight = variant.weight.value().copied().unwrap_or(Weight::ZERO);
        (name.to_owned(), weight, pieces.total()..pieces.add(weight))
    };
    let arms: Vec<_> = variants.map(piece).collect();
    let share = |point: u64| {
        let share = u128::from(point) * 1_000_000;
        let share = share.checked_div(pieces.total().into()).unwrap_or(0);
        Percentage::from_ten_thousandths(share as u32)
    };
    let arm = |(name, weight, points): (_, _, Range<u64>)| ArmTrace {
        name,
        weight,
        from: share(points.start),
        until: share(points.end),
    };
    arms.into_iter().map(arm).collect()
}

fn near_miss(steps: &[Step]) -> Option<NearMiss> {
    let rules = steps.iter().find_map(|step| match &step.check {
        Check::Rules(rules) => Some(rules),
        _ => None,
    })?;
    rules.iter().filter(|rule| rule.matches == Some(false)).find_map(|rule| {
        let Distance::One(comparison) = Distance::of(rule.when.as_ref()?, rule.unless.as_ref())
        else {
            return None;
        };
        Some(NearMiss {
            rule: rule.index,
            name: rule.name.clone(),
            serve: rule.serve.clone(),
            comparison: comparison.clone(),
        })
    })
}

impl Asker {
    fn of(context: &Context<'_>) -> Self {
        let groups: Vec<_> = context.iter_groups().map(str::to_owned).collect();
        let attributes = context
            .iter_attributes()
            .map(|(name, value)| (name.to_owned(), Shown::Value(value.clone().into_owned())));
        Self {
            targeting_key: context.targeting_key().map(|key| key.to_owned().into()).into(),
            groups: Some(Value::from(groups)).filter(|_| context.iter_groups().len() > 0).into(),
            attributes: attributes.collect(),
        }
    }
}

impl From<Option<Value<'static>>> for Shown {
    fn from(value: Option<Value<'static>>) -> Self {
        value.map_or(Self::Missing, Self::Value)
    }
}
