//! The lists of users and groups that are denied and allowed by name.

use super::{
    verdict::{Decision, Verdict},
    visitor::Visitor,
};
use crate::model::{Cause, Context, Definition, Field, NameSet, Resolved, Setting};

/// The lists of a flag. A deny-list takes precedence over an allow-list.
#[derive(Debug)]
pub(super) struct Lists {
    denied_users: List,
    denied_groups: List,
    allowed_users: List,
    allowed_groups: List,
}

#[derive(Debug)]
struct List {
    /// `None` for an empty list, which is the usual one.
    names: Option<NameSet>,
    /// The answer for the users on the list.
    verdict: Verdict,
    /// The entries of weaker sources, with their verdicts. Few flags have any.
    weaker: Box<[(NameSet, Verdict)]>,
}

impl Lists {
    /// Compiles the lists of a flag; `None` if they are all empty.
    pub(super) fn compile(resolved: &Resolved) -> Option<Self> {
        let stale = resolved.stale.is_some();
        let list = |field, names: &Setting<Vec<String>>, on, cause| {
            let verdict = |source| Verdict::new(on, Decision { cause, source, stale }).insisting();
            let all = names.value().map_or(&[][..], Vec::as_slice);
            let mut start = 0;
            let parts = resolved.parts(field).filter_map(|(source, end)| {
                let part = all.get(start..end)?;
                start = end;
                Some((NameSet::new(part)?, verdict(source)))
            });
            let strongest = verdict(resolved.origin(field));
            let weaker = parts.filter(|(_, verdict)| *verdict != strongest).collect();
            List { names: NameSet::new(all), verdict: strongest, weaker }
        };
        let Definition { denied_users, denied_groups, allowed_users, allowed_groups, .. } =
            &*resolved.definition;
        let lists = Self {
            denied_users: list(Field::DeniedUsers, denied_users, false, Cause::DeniedUser),
            denied_groups: list(Field::DeniedGroups, denied_groups, false, Cause::DeniedGroup),
            allowed_users: list(Field::AllowedUsers, allowed_users, true, Cause::AllowedUser),
            allowed_groups: list(Field::AllowedGroups, allowed_groups, true, Cause::AllowedGroup),
        };
        (lists.allows() || lists.denies()).then_some(lists)
    }

    pub(super) fn allows(&self) -> bool {
        self.allowed_users.names.is_some() || self.allowed_groups.names.is_some()
    }

    pub(super) fn denies(&self) -> bool {
        self.denied_users.names.is_some() || self.denied_groups.names.is_some()
    }

    /// Returns the answer for a user on a list.
    // Inlined by hand, since the compiler would not do so for two callers.
    #[inline(always)]
    pub(super) fn decide(
        &self,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<&Verdict> {
        let user = context.targeting_key();
        let mut visit = |list, is_on_it| {
            visitor.listed(list, is_on_it);
            is_on_it
        };
        if visit(Field::DeniedUsers, self.denied_users.has_user(context, user)) {
            let is_on = |names: &NameSet| {
                user.is_some_and(|user| names.contains(user, || context.hash_of(user)))
            };
            return Some(self.denied_users.verdict_of(is_on));
        }
        if visit(Field::DeniedGroups, self.denied_groups.has_group(context)) {
            let is_on = |names: &NameSet| names.contains_any(context.iter_groups());
            return Some(self.denied_groups.verdict_of(is_on));
        }
        if visit(Field::AllowedUsers, self.allowed_users.has_user(context, user)) {
            return Some(&self.allowed_users.verdict);
        }
        if visit(Field::AllowedGroups, self.allowed_groups.has_group(context)) {
            return Some(&self.allowed_groups.verdict);
        }
        None
    }
}

impl List {
    /// Returns the verdict of the source that has the entry. If several have it, that is the
    /// weakest.
    #[inline]
    fn verdict_of(&self, is_on: impl Fn(&NameSet) -> bool) -> &Verdict {
        let weaker = self.weaker.iter().find(|(names, _)| is_on(names));
        weaker.map_or(&self.verdict, |(_, verdict)| verdict)
    }

    #[inline]
    fn has_user(&self, context: &Context<'_>, user: Option<&str>) -> bool {
        match (&self.names, user) {
            (Some(names), Some(user)) => names.contains(user, || context.hash_of(user)),
            _ => false,
        }
    }

    #[inline]
    fn has_group(&self, context: &Context<'_>) -> bool {
        self.names.as_ref().is_some_and(|names| names.contains_any(context.iter_groups()))
    }
}
