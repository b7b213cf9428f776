//! What makes a flag on or off by itself.

use std::sync::Arc;

use super::{
    bucket,
    evaluation::{Decision, Ground, Verdict},
    lists::Lists,
    rules::Rules,
    share::Share,
    visitor::{Draw, Visitor},
};
use crate::model::{Attribute, Cause, Context, Field, OnStale, Percentage, Resolved};

/// What makes a flag on or off, as if all prerequisites were met.
#[derive(Debug, Clone)]
pub(super) enum Gate {
    /// The same answer for everybody.
    Constant(Verdict),
    /// It depends on who asks.
    Targeted(Arc<Targeted>),
    /// It has rules too.
    Ruled(Arc<Ruled>),
}

/// The everyday shape: lists and a percentage.
#[derive(Debug)]
pub(crate) struct Targeted {
    /// Boxed, since most flags have none of them.
    lists: Option<Box<Lists>>,
    share: Share,
}

/// Lists, rules and a percentage.
#[derive(Debug)]
pub(crate) struct Ruled {
    targeted: Targeted,
    rules: Rules,
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
        _ => Ground::Step,
    };
    Some(Verdict::new(on, Decision { cause, source, stale }).insisting().on_ground(ground))
}

impl Gate {
    /// Compiles what makes a flag on or off that is not [`fixed`].
    ///
    /// The flag is conditional if it requires others: it may then depend on the context even where this
    /// does not.
    pub(super) fn compile(salt: &str, resolved: &Resolved, is_conditional: bool) -> Self {
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
        let for_all = [Field::Enabled, percentage_field, Field::Value, Field::Serve];
        let strongest = resolved.strongest_of(&for_all);
        let lists = Lists::compile(resolved);
        let matched = Verdict {
            insists: false,
            ..verdict(true, Cause::Rule(0), resolved.origin(Field::Rules))
        };
        let rules = definition
            .rare()
            .rules
            .value()
            .and_then(|rules| Rules::compile(rules, salt, definition, matched));
        let is_targeted = lists.is_some() || rules.is_some();
        let [nobody, everybody] = match is_targeted || is_conditional {
            true => [Cause::Unmatched; 2],
            false => [Cause::Nobody, Cause::Everybody],
        };
        let nobody = verdict(false, nobody, resolved.origin(percentage_field));
        let everybody = verdict(true, everybody, strongest).on_ground(Ground::Open);
        match percentage {
            Percentage::HUNDRED if !is_targeted => return Self::Constant(everybody),
            Percentage::ZERO if !is_targeted => return Self::Constant(nobody),
            _ => {}
        }
        let seed = bucket::seed(salt, bucket::ROLLOUT);
        let bucket_by = definition.rare().bucket_by.value().and_then(Attribute::unit);
        let drawn = verdict(true, Cause::Percentage, resolved.origin(percentage_field));
        let share = Share::new(percentage, seed, bucket_by, [nobody, everybody], drawn);
        let targeted = Targeted { lists: lists.map(Box::new), share };
        match rules {
            None => Self::Targeted(Arc::new(targeted)),
            Some(rules) => Self::Ruled(Arc::new(Ruled { targeted, rules })),
        }
    }

    #[inline(always)]
    pub(super) fn evaluate(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> &Verdict {
        match self {
            Self::Constant(verdict) => verdict,
            Self::Targeted(targeted) => targeted.evaluate(context, visitor),
            Self::Ruled(ruled) => ruled.evaluate(context, visitor),
        }
    }

    /// Returns true if the flag may be on for some context.
    #[cfg(feature = "http")]
    pub(super) const fn may_be_on(&self) -> bool {
        !matches!(self, Self::Constant(Verdict { on: false, .. }))
    }

    /// Whether the flag may be on for one context and off for another.
    #[cfg(feature = "http")]
    pub(super) fn depends_on_context(&self) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Targeted(targeted) => targeted.depends_on_context(),
            Self::Ruled(_) => true,
        }
    }
}

impl Targeted {
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

impl Ruled {
    /// Lists beat rules, and rules beat the percentage.
    #[inline(never)]
    pub(super) fn evaluate(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> &Verdict {
        if let Some(verdict) = self.targeted.listed(context, visitor) {
            return verdict;
        }
        match self.rules.evaluate(context, visitor) {
            Some(verdict) => verdict,
            None => self.targeted.draw(context, visitor),
        }
    }
}
