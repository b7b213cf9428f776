//! One flag, compiled, and the order in which it is evaluated.

use std::sync::Arc;

use super::{
    bucket::{self, Reach},
    names::Slot,
    requirements::Requirements,
    rules::{Rules, Served},
    unit::unit,
    variants::Variants,
    visitor::{Draw, Visitor},
};
use crate::model::{
    Attribute, Cause, Context, Definition, Field, NameSet, OnStale, Percentage, Resolved, Setting,
    hash_text,
};

/// An answer in its smallest form: `layer` is an index into the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) on: bool,
    pub(crate) cause: Cause,
    pub(crate) layer: u8,
    /// A layer that the flag depends on is lost.
    pub(crate) stale: bool,
}

/// A compiled flag.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// No layer has it at the moment.
    Absent,
    /// The same answer for everybody.
    Constant(Verdict),
    /// It depends on who asks.
    Targeted(Arc<Targeted>),
    /// It has rules too.
    Ruled(Arc<Ruled>),
    /// There is more to it than what makes it on or off by itself.
    Composed(Arc<Composed>),
}

/// A flag with prerequisites or variants.
#[derive(Debug)]
pub(crate) struct Composed {
    requirements: Option<Requirements>,
    /// What an answer says that is off because of them.
    unmet: Verdict,
    /// Whether it is on by itself.
    gate: Plan,
    variants: Option<Variants>,
}

/// The everyday shape: lists and a percentage.
#[derive(Debug)]
pub(crate) struct Targeted {
    /// Boxed, since most flags have none of them.
    lists: Option<Box<Lists>>,
    seed: u64,
    reach: Reach,
    /// Boxed, since most flags draw by the targeting key.
    bucket_by: Option<Box<Attribute>>,
    reach_layer: u8,
    otherwise: Verdict,
}

/// Lists, rules and a percentage.
#[derive(Debug)]
pub(crate) struct Ruled {
    targeted: Targeted,
    rules: Rules,
    layer: u8,
}

#[derive(Debug)]
struct Lists {
    denied_users: List,
    denied_groups: List,
    allowed_users: List,
    allowed_groups: List,
}

#[derive(Debug)]
struct List {
    /// `None` is the usual list, the empty one. Boxed, since most flags have one list at most.
    names: Option<Box<NameSet>>,
    layer: u8,
}

impl Plan {
    /// Compiles the definition of `key` that was merged from all layers, and what it requires.
    pub(crate) fn compile(
        key: &str,
        resolved: &Resolved,
        requirements: Option<Requirements>,
    ) -> Self {
        let salt = resolved.definition.salt.value().map_or(key, String::as_str);
        let gate = Self::gate(salt, resolved);
        // The kill switch, and what is fixed while a layer is lost, come before all.
        let is_fixed = matches!(gate, Self::Constant(verdict) if verdict.cause != Cause::Everybody);
        let requirements = requirements.filter(|_| !is_fixed);
        let variants = Variants::compile(salt, resolved);
        if requirements.is_none() && variants.is_none() {
            return gate;
        }
        let unmet = Verdict {
            on: false,
            cause: Cause::Prerequisite,
            layer: resolved.origin(Field::Requires),
            stale: resolved.stale.is_some(),
        };
        Self::Composed(Arc::new(Composed { requirements, unmet, gate, variants }))
    }

    /// Compiles what makes the flag on or off.
    fn gate(salt: &str, resolved: &Resolved) -> Self {
        let definition = &*resolved.definition;
        let (percentage, percentage_field) = resolved.percentage();
        let stale = resolved.stale.is_some();
        let verdict = |on, cause, layer| Verdict { on, cause, layer, stale };
        let fixed = match resolved.stale {
            Some(OnStale::On) => Some((true, Cause::Stale)),
            Some(OnStale::Off) => Some((false, Cause::Stale)),
            Some(OnStale::Unavailable) => Some((false, Cause::Unavailable)),
            Some(OnStale::Keep | OnStale::Declared) | None => None,
        };
        if let Some((on, cause)) = fixed {
            return Self::Constant(verdict(on, cause, resolved.origin(Field::OnStale)));
        }
        if definition.enabled.value() == Some(&false) {
            return Self::Constant(verdict(
                false,
                Cause::Disabled,
                resolved.origin(Field::Enabled),
            ));
        }
        if !resolved.is_active() {
            return Self::Constant(verdict(false, Cause::Inactive, resolved.origin(Field::Active)));
        }
        let otherwise = verdict(
            true,
            Cause::Everybody,
            resolved.strongest_of(&[Field::Enabled, percentage_field]),
        );
        let lists = Lists::compile(resolved);
        let rules = definition
            .rules
            .value()
            .and_then(|rules| Rules::compile(rules, salt, definition.variants.value()));
        if percentage == Percentage::HUNDRED && lists.is_none() && rules.is_none() {
            return Self::Constant(otherwise);
        }
        let targeted = Targeted {
            lists: lists.map(Box::new),
            seed: bucket::seed(salt, bucket::ROLLOUT),
            reach: Reach::of(percentage),
            bucket_by: definition
                .bucket_by
                .value()
                .cloned()
                .map(|path| Attribute::new(path).into()),
            reach_layer: resolved.origin(percentage_field),
            otherwise,
        };
        match rules {
            None => Self::Targeted(Arc::new(targeted)),
            Some(rules) => {
                let layer = resolved.origin(Field::Rules);
                Self::Ruled(Arc::new(Ruled { targeted, rules, layer }))
            }
        }
    }

    /// Whether the flag may be on for one context and off for another. `others` is the same of
    /// other flags by themselves.
    #[cfg(feature = "http")]
    pub(crate) fn depends_on_context(&self, others: impl Fn(Slot) -> bool) -> bool {
        let needs = match self {
            Self::Composed(composed) => composed.requirements.as_ref(),
            _ => None,
        };
        match needs {
            None => self.depends_by_itself(),
            Some(Requirements::All(steps)) => {
                self.depends_by_itself()
                    || steps.iter().any(|step| step.variant.is_some() || others(step.slot))
            }
            Some(_) => false,
        }
    }

    /// The same, as if all prerequisites were met.
    #[cfg(feature = "http")]
    pub(crate) fn depends_by_itself(&self) -> bool {
        match self {
            Self::Absent | Self::Constant(_) => false,
            Self::Targeted(targeted) => targeted.depends_on_context(),
            Self::Ruled(_) => true,
            Self::Composed(composed) => composed.gate.depends_by_itself(),
        }
    }

    /// What the flag serves beyond on and off.
    #[inline]
    pub(crate) fn variants(&self) -> Option<&Variants> {
        match self {
            Self::Composed(composed) => composed.variants.as_ref(),
            Self::Absent | Self::Constant(_) | Self::Targeted(_) | Self::Ruled(_) => None,
        }
    }

    /// Whether the flag is on for `context`, or `None` if no layer has it.
    ///
    /// `others` is what other flags are by themselves.
    #[inline]
    pub(crate) fn is_on<'p>(
        &self,
        context: &Context<'_>,
        others: impl Fn(Slot) -> Option<(Verdict, Option<&'p Variants>)>,
    ) -> Option<bool> {
        // Not by `evaluate`: putting a whole verdict together to look at one bit of it takes longer
        // than all else here.
        match self {
            Self::Absent => None,
            Self::Constant(verdict) => Some(verdict.on),
            Self::Targeted(targeted) => Some(targeted.evaluate(context, &mut ()).on),
            Self::Ruled(ruled) => Some(ruled.evaluate(context, &mut ()).on),
            Self::Composed(composed) => {
                composed.evaluate(context, others, &mut ()).map(|verdict| verdict.on)
            }
        }
    }

    /// Whether the flag is on for `context` and why, or `None` if no layer has it.
    ///
    /// `others` is what other flags are by themselves.
    #[inline]
    pub(crate) fn evaluate<'p>(
        &self,
        context: &Context<'_>,
        others: impl Fn(Slot) -> Option<(Verdict, Option<&'p Variants>)>,
        visitor: &mut impl Visitor,
    ) -> Option<Verdict> {
        match self {
            Self::Composed(composed) => composed.evaluate(context, others, visitor),
            _ => self.by_itself(context, visitor),
        }
    }

    /// The same, as if all prerequisites were met.
    #[inline]
    pub(crate) fn by_itself(
        &self,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<Verdict> {
        match self {
            Self::Absent => None,
            Self::Constant(verdict) => Some(*verdict),
            Self::Targeted(targeted) => Some(targeted.evaluate(context, visitor)),
            Self::Ruled(ruled) => Some(ruled.evaluate(context, visitor)),
            Self::Composed(composed) => composed.by_itself(context, visitor),
        }
    }
}

// Apart, since what calls itself is not inlined, and few flags are composed.
impl Composed {
    #[inline(never)]
    fn evaluate<'p>(
        &self,
        context: &Context<'_>,
        others: impl Fn(Slot) -> Option<(Verdict, Option<&'p Variants>)>,
        visitor: &mut impl Visitor,
    ) -> Option<Verdict> {
        let requirements = self.requirements.as_ref();
        match requirements.and_then(|requirements| requirements.unmet(context, others, visitor)) {
            Some(cause) => Some(Verdict { cause, ..self.unmet }),
            None => self.gate.by_itself(context, visitor),
        }
    }

    #[inline(never)]
    fn by_itself(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> Option<Verdict> {
        self.gate.by_itself(context, visitor)
    }
}

impl Lists {
    /// The lists of a flag; `None` if nobody is on them.
    fn compile(resolved: &Resolved) -> Option<Self> {
        let list = |field, names: &Setting<Vec<String>>| List {
            names: NameSet::new(names.value()).map(Box::new),
            layer: resolved.origin(field),
        };
        let Definition { denied_users, denied_groups, allowed_users, allowed_groups, .. } =
            &*resolved.definition;
        let lists = Self {
            denied_users: list(Field::DeniedUsers, denied_users),
            denied_groups: list(Field::DeniedGroups, denied_groups),
            allowed_users: list(Field::AllowedUsers, allowed_users),
            allowed_groups: list(Field::AllowedGroups, allowed_groups),
        };
        let allows = lists.allowed_users.names.is_some() || lists.allowed_groups.names.is_some();
        (allows || lists.denies()).then_some(lists)
    }

    fn denies(&self) -> bool {
        self.denied_users.names.is_some() || self.denied_groups.names.is_some()
    }

    /// Whether somebody is denied or allowed, why, and which layer says so. Deny beats allow.
    #[inline]
    fn decide(
        &self,
        context: &Context<'_>,
        user: Option<&str>,
        visitor: &mut impl Visitor,
    ) -> Option<(bool, Cause, u8)> {
        let mut told = |list, is_on_it| {
            visitor.listed(list, is_on_it);
            is_on_it
        };
        if told(Field::DeniedUsers, self.denied_users.has_user(context, user)) {
            return Some((false, Cause::DeniedUser, self.denied_users.layer));
        }
        if told(Field::DeniedGroups, self.denied_groups.has_group(context)) {
            return Some((false, Cause::DeniedGroup, self.denied_groups.layer));
        }
        if told(Field::AllowedUsers, self.allowed_users.has_user(context, user)) {
            return Some((true, Cause::AllowedUser, self.allowed_users.layer));
        }
        if told(Field::AllowedGroups, self.allowed_groups.has_group(context)) {
            return Some((true, Cause::AllowedGroup, self.allowed_groups.layer));
        }
        None
    }
}

impl Targeted {
    #[cfg(feature = "http")]
    fn depends_on_context(&self) -> bool {
        let denies = self.lists.as_ref().is_some_and(|lists| lists.denies());
        denies || self.reach != Reach::Everybody
    }

    fn evaluate(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> Verdict {
        let user = context.targeting_key();
        self.listed(context, user, visitor).unwrap_or_else(|| self.roll_out(context, visitor))
    }

    #[inline]
    fn listed(
        &self,
        context: &Context<'_>,
        user: Option<&str>,
        visitor: &mut impl Visitor,
    ) -> Option<Verdict> {
        let (on, cause, layer) = self.lists.as_ref()?.decide(context, user, visitor)?;
        Some(self.verdict(on, cause, layer))
    }

    #[inline]
    fn roll_out(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> Verdict {
        let Reach::Below(threshold) = self.reach else { return self.otherwise };
        match unit(context, self.bucket_by.as_deref()) {
            None => {
                visitor.drew(Draw::Percentage, None);
                self.verdict(false, Cause::NoTargetingKey, self.reach_layer)
            }
            Some(unit) => {
                let bucket = bucket::draw(unit, self.seed);
                visitor.drew(Draw::Percentage, Some(bucket));
                self.verdict(bucket < threshold, Cause::Percentage, self.reach_layer)
            }
        }
    }

    #[inline]
    fn verdict(&self, on: bool, cause: Cause, layer: u8) -> Verdict {
        Verdict { on, cause, layer, stale: self.otherwise.stale }
    }
}

impl Ruled {
    /// Lists beat rules, and rules beat the percentage.
    fn evaluate(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> Verdict {
        let user = context.targeting_key();
        if let Some(verdict) = self.targeted.listed(context, user, visitor) {
            return verdict;
        }
        let Some((rule, served)) = self.rules.evaluate(context, visitor) else {
            return self.targeted.roll_out(context, visitor);
        };
        let rule = u16::try_from(rule).unwrap_or(u16::MAX);
        let (on, cause) = match served {
            Served::On => (true, Cause::Rule(rule)),
            Served::Off => (false, Cause::Rule(rule)),
            Served::Drawn(inside) => (inside, Cause::RuleSplit(rule)),
            Served::NoUnit => (false, Cause::NoTargetingKey),
        };
        self.targeted.verdict(on, cause, self.layer)
    }
}

impl List {
    #[inline]
    fn has_user(&self, context: &Context<'_>, user: Option<&str>) -> bool {
        match (&self.names, user) {
            (Some(names), Some(user)) => names.contains(user, || context.hash_of(user)),
            _ => false,
        }
    }

    #[inline]
    fn has_group(&self, context: &Context<'_>) -> bool {
        let Some(names) = &self.names else { return false };
        context.groups().any(|group| names.contains(group, || hash_text(group)))
    }
}
