//! One flag, compiled, and the order in which it is evaluated.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::{
    bucket::{self, Reach},
    name_set::NameSet,
};
use crate::model::{Cause, Context, Definition, Field, OnStale, Percentage, Resolved};

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
}

/// The everyday shape: lists and a percentage.
#[derive(Debug)]
pub(crate) struct Targeted {
    denied_users: List,
    denied_groups: List,
    allowed_users: List,
    allowed_groups: List,
    seed: u64,
    reach: Reach,
    reach_layer: u8,
    otherwise: Verdict,
}

#[derive(Debug)]
struct List {
    /// `None` is the usual list, the empty one. Boxed, since most flags have one list at most.
    names: Option<Box<NameSet>>,
    layer: u8,
}

impl Plan {
    /// Compiles the definition of `key` that was merged from all layers.
    pub(crate) fn compile(key: &str, resolved: &Resolved) -> Self {
        let definition = &*resolved.definition;
        let percentage = definition.percentage.value().copied().unwrap_or_default();
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
        let otherwise = verdict(
            true,
            Cause::Everybody,
            resolved.strongest_of(&[Field::Enabled, Field::Percentage]),
        );
        if percentage == Percentage::HUNDRED && lists_nobody(definition) {
            return Self::Constant(otherwise);
        }
        let list = |names: Option<&Vec<String>>, field| List {
            names: NameSet::new(names).map(Box::new),
            layer: resolved.origin(field),
        };
        Self::Targeted(Arc::new(Targeted {
            denied_users: list(definition.denied_users.value(), Field::DeniedUsers),
            denied_groups: list(definition.denied_groups.value(), Field::DeniedGroups),
            allowed_users: list(definition.allowed_users.value(), Field::AllowedUsers),
            allowed_groups: list(definition.allowed_groups.value(), Field::AllowedGroups),
            seed: bucket::seed(
                definition.salt.value().map_or(key, String::as_str),
                bucket::ROLLOUT,
            ),
            reach: Reach::of(percentage),
            reach_layer: resolved.origin(Field::Percentage),
            otherwise,
        }))
    }

    /// Whether two contexts may have different answers.
    #[cfg(feature = "http")]
    pub(crate) fn depends_on_context(&self) -> bool {
        match self {
            Self::Absent | Self::Constant(_) => false,
            Self::Targeted(targeted) => targeted.depends_on_context(),
        }
    }

    /// The answer for `context`, or `None` if no layer has the flag.
    #[inline]
    pub(crate) fn evaluate(&self, context: &Context<'_>) -> Option<Verdict> {
        match self {
            Self::Absent => None,
            Self::Constant(verdict) => Some(*verdict),
            Self::Targeted(targeted) => Some(targeted.evaluate(context)),
        }
    }
}

fn lists_nobody(definition: &Definition) -> bool {
    let lists = [
        &definition.denied_users,
        &definition.denied_groups,
        &definition.allowed_users,
        &definition.allowed_groups,
    ];
    lists.iter().all(|list| list.value().is_none_or(Vec::is_empty))
}

impl Targeted {
    #[cfg(feature = "http")]
    fn depends_on_context(&self) -> bool {
        let denies = self.denied_users.names.is_some() || self.denied_groups.names.is_some();
        denies || self.reach != Reach::Everybody
    }

    /// The order of the steps is the order of precedence: deny beats allow, allow beats the
    /// percentage.
    fn evaluate(&self, context: &Context<'_>) -> Verdict {
        let user = context.targeting_key();
        let stale = self.otherwise.stale;
        let verdict = |on, cause, layer| Verdict { on, cause, layer, stale };
        if self.denied_users.has_user(context, user) {
            return verdict(false, Cause::DeniedUser, self.denied_users.layer);
        }
        if self.denied_groups.has_group(context) {
            return verdict(false, Cause::DeniedGroup, self.denied_groups.layer);
        }
        if self.allowed_users.has_user(context, user) {
            return verdict(true, Cause::AllowedUser, self.allowed_users.layer);
        }
        if self.allowed_groups.has_group(context) {
            return verdict(true, Cause::AllowedGroup, self.allowed_groups.layer);
        }
        match (self.reach, user) {
            (Reach::Everybody, _) => self.otherwise,
            (Reach::Below(_), None) => verdict(false, Cause::NoTargetingKey, self.reach_layer),
            (Reach::Below(threshold), Some(user)) => {
                let inside = bucket::draw(context.hash_of(user), self.seed) < threshold;
                verdict(inside, Cause::Percentage, self.reach_layer)
            }
        }
    }
}

// Few sets are large enough to need it.
#[inline(never)]
fn hash_group(group: &str) -> u64 {
    xxh3_64(group.as_bytes())
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
        context.groups().any(|group| names.contains(group, || hash_group(group)))
    }
}
