//! The settings that turn a flag on or off, without other flags.

use std::sync::Arc;

use super::{
    answers::Answers,
    bucket,
    lists::Lists,
    need::Need,
    rules::{Compared, Linked, Rules, Subject},
    share::Share,
    verdict::{Decision, Ground, Verdict},
    visitor::{Draw, Visitor},
};
use crate::model::{
    Attribute, Cause, Context, Field, OnStale, Percentage, Prerequisite, Resolved, Rule,
};

/// The settings that turn a flag on or off, as if all prerequisites were met.
#[derive(Debug, Clone)]
pub(super) enum Gate {
    /// The answer is equal for all users.
    Constant(Verdict),
    /// The answer depends on lists and a percentage.
    Targeted(Arc<Targeted>),
    /// The answer depends on rules too.
    Ruled(Arc<Ruled>),
}

/// The common case: lists and a percentage.
#[derive(Debug)]
pub(crate) struct Targeted {
    /// Boxed, since most flags have no lists.
    lists: Option<Box<Lists>>,
    share: Share,
}

/// Lists, rules and a percentage. See [`Rules`] for `S`.
#[derive(Debug)]
pub(crate) struct Ruled<S = Compared> {
    targeted: Targeted,
    rules: Rules<S>,
}

/// The gate of a flag whose rules may depend on other flags.
#[derive(Debug)]
pub(super) enum LinkedGate {
    /// The rules depend on no other flag.
    Plain(Gate),
    Ruled(Box<Ruled<Linked>>),
}

/// Returns the verdict of a flag that is switched off, outside of its active window, or fixed while a
/// source is lost. Neither prerequisites nor lists can change it.
pub(super) fn fixed(resolved: &Resolved) -> Option<Verdict> {
    let (on, cause, field) = match resolved.stale {
        Some(OnStale::On) => (true, Cause::Stale, Field::OnStale),
        Some(OnStale::Off) => (false, Cause::Stale, Field::OnStale),
        Some(OnStale::Unavailable) => (false, Cause::Unavailable, Field::OnStale),
        Some(OnStale::Keep | OnStale::Declared) | None => {
            match resolved.definition.enabled.value() {
                Some(false) => (false, Cause::Disabled, Field::Enabled),
                _ if !resolved.is_active() => (false, Cause::Inactive, Field::Active),
                _ => return None,
            }
        }
    };
    let (source, stale) = (resolved.origin(field), resolved.stale.is_some());
    let ground = match resolved.stale {
        Some(OnStale::Unavailable) => Ground::Unavailable,
        // The flag may be meant to be on, so no prerequisite that needs it to be off is met.
        None if resolved.is_unknown && field == Field::Enabled => Ground::Invalid,
        _ => Ground::Step,
    };
    Some(Verdict::new(on, Decision { cause, source, stale }).insisting().on_ground(ground))
}

impl Gate {
    /// Compiles the settings that turn a flag on or off, if the flag is not [`fixed`].
    ///
    /// A flag that requires others is conditional: it may then depend on the context even if its
    /// own settings do not.
    pub(super) fn compile(salt: &str, resolved: &Resolved, is_conditional: bool) -> Self {
        let rules = rules(resolved)
            .and_then(|rules| Rules::compile(rules, salt, &resolved.definition, matched(resolved)));
        match (Targeted::compile(salt, resolved, is_conditional, rules.is_some()), rules) {
            (Err(constant), _) => Self::Constant(constant),
            (Ok(targeted), None) => Self::Targeted(Arc::new(targeted)),
            (Ok(targeted), Some(rules)) => Self::Ruled(Arc::new(Ruled { targeted, rules })),
        }
    }

    #[inline(always)]
    pub(super) fn evaluate(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> &Verdict {
        match self {
            Self::Constant(verdict) => verdict,
            Self::Targeted(targeted) => targeted.evaluate(context, visitor),
            Self::Ruled(ruled) => ruled.evaluate(context, (), visitor),
        }
    }

    /// Returns true if the flag may be on for some context.
    #[cfg(feature = "http")]
    pub(super) const fn may_be_on(&self) -> bool {
        !matches!(self, Self::Constant(Verdict { on: false, .. }))
    }

    /// Returns true if the flag may be on for one context and off for another.
    #[cfg(feature = "http")]
    pub(super) fn depends_on_context(&self) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Targeted(targeted) => targeted.depends_on_context(),
            Self::Ruled(_) => true,
        }
    }
}

/// Returns the rules of a flag, if it has any.
fn rules(resolved: &Resolved) -> Option<&[Rule]> {
    let rules = resolved.definition.rare().rules.value()?;
    (!rules.is_empty()).then_some(&**rules)
}

/// Returns the verdict of a rule, in which on or off and the cause are filled in later.
fn matched(resolved: &Resolved) -> Verdict {
    let source = resolved.origin(Field::Rules);
    Verdict::new(true, Decision { cause: Cause::Rule(0), source, stale: resolved.stale.is_some() })
}

impl LinkedGate {
    /// Compiles the settings that turn a flag on or off, if the flag is not [`fixed`] and depends
    /// on other flags. `need` resolves the prerequisites in its conditions.
    pub(super) fn compile(
        salt: &str,
        resolved: &Resolved,
        need: impl Fn(&Prerequisite) -> Need,
    ) -> Self {
        let asking = rules(resolved).filter(|all| all.iter().any(|rule| !rule.flags().is_empty()));
        let linked = asking.and_then(|rules| {
            Rules::compile_linked(rules, salt, &resolved.definition, matched(resolved), need)
        });
        match linked {
            None => Self::Plain(Gate::compile(salt, resolved, true)),
            Some(rules) => match Targeted::compile(salt, resolved, true, true) {
                Err(constant) => Self::Plain(Gate::Constant(constant)),
                Ok(targeted) => Self::Ruled(Box::new(Ruled { targeted, rules })),
            },
        }
    }

    pub(super) fn evaluate(
        &self,
        context: &Context<'_>,
        answers: Answers<'_>,
        visitor: &mut impl Visitor,
    ) -> &Verdict {
        match self {
            Self::Plain(gate) => gate.evaluate(context, visitor),
            Self::Ruled(ruled) => ruled.evaluate(context, answers, visitor),
        }
    }

    /// Returns true if the flag may be on for one context and off for another, while the answers of
    /// other flags are constant.
    #[cfg(feature = "http")]
    pub(super) fn depends_on_context(&self) -> bool {
        match self {
            Self::Plain(gate) => gate.depends_on_context(),
            Self::Ruled(ruled) => {
                ruled.targeted.depends_on_context() || ruled.rules.depend_on_context()
            }
        }
    }

    /// Returns true if a condition depends on the variant that another flag serves.
    #[cfg(feature = "http")]
    pub(super) fn asks_for_variants(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Ruled(ruled) => ruled.rules.ask_for_variants(),
        }
    }
}

impl Targeted {
    /// Compiles the lists and the percentage; an error is the one verdict for all users.
    fn compile(
        salt: &str,
        resolved: &Resolved,
        is_conditional: bool,
        has_rules: bool,
    ) -> Result<Self, Verdict> {
        let definition = &*resolved.definition;
        let (percentage, percentage_field) = resolved.percentage();
        let stale = resolved.stale.is_some();
        let verdict = |on, cause, source| {
            let verdict = Verdict::new(on, Decision { cause, source, stale });
            match resolved.is_forced_on() {
                true => verdict.insisting(),
                false => verdict,
            }
        };
        let strongest = resolved.strongest_of(&[Field::Enabled, percentage_field]);
        let lists = Lists::compile(resolved);
        let is_targeted = lists.is_some() || has_rules;
        let [no_users, all_users] = match is_targeted || is_conditional {
            true => [Cause::Unmatched; 2],
            false => [Cause::NoUsers, Cause::AllUsers],
        };
        let no_users = verdict(false, no_users, resolved.origin(percentage_field));
        let all_users = verdict(true, all_users, strongest).on_ground(Ground::Open);
        match percentage {
            Percentage::HUNDRED if !is_targeted => return Err(all_users),
            Percentage::ZERO if !is_targeted => return Err(no_users),
            _ => {}
        }
        let seed = bucket::seed(salt, bucket::ROLLOUT);
        let bucket_by = definition.rare().bucket_by.value().and_then(Attribute::unit);
        let drawn = verdict(true, Cause::Percentage, resolved.origin(percentage_field));
        let share = Share::new(percentage, seed, bucket_by, [no_users, all_users], drawn);
        Ok(Self { lists: lists.map(Box::new), share })
    }

    #[cfg(feature = "http")]
    pub(super) fn depends_on_context(&self) -> bool {
        let lists = self.lists.as_ref();
        match &self.share {
            Share::Drawn(_) => true,
            Share::Fixed(Verdict { on: true, .. }) => lists.is_some_and(|lists| lists.denies()),
            Share::Fixed(_) => lists.is_some_and(|lists| lists.allows()),
        }
    }

    // Two calls rather than one, since looking at lists needs registers that drawing does without.
    #[inline(always)]
    pub(super) fn evaluate(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> &Verdict {
        match &self.lists {
            None => self.evaluate_share(context, visitor),
            Some(lists) => self.evaluate_lists(lists, context, visitor),
        }
    }

    #[inline(never)]
    fn evaluate_share(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> &Verdict {
        self.draw(context, visitor)
    }

    #[inline(never)]
    fn evaluate_lists<'t>(
        &'t self,
        lists: &'t Lists,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> &'t Verdict {
        lists.decide(context, visitor).unwrap_or_else(|| self.draw(context, visitor))
    }

    #[inline]
    fn listed(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> Option<&Verdict> {
        self.lists.as_ref()?.decide(context, visitor)
    }

    #[inline]
    fn draw(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> &Verdict {
        self.share.draw(context, Draw::Percentage, visitor)
    }
}

impl<S: Subject> Ruled<S> {
    /// Evaluates lists before rules, and rules before the percentage.
    #[inline(never)]
    pub(super) fn evaluate(
        &self,
        context: &Context<'_>,
        others: S::Others<'_>,
        visitor: &mut impl Visitor,
    ) -> &Verdict {
        if let Some(verdict) = self.targeted.listed(context, visitor) {
            return verdict;
        }
        match self.rules.evaluate(context, others, visitor) {
            Some(verdict) => verdict,
            None => self.targeted.draw(context, visitor),
        }
    }
}
