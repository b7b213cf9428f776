//! One flag of a single source, compiled with all that it requires.

use std::{sync::Arc, time::SystemTime};

use super::{
    evaluation::Evaluation,
    plan::{Others, Plan},
    requirements::{Needs, Requirements},
};
use crate::model::{Context, MOST_PREREQUISITES, Names, Resolved, SharedDefinition, Slot};

/// A flag at one instant, as one source defines it: without other sources, and without a snapshot
/// of all flags.
#[derive(Debug)]
pub(crate) struct Standalone {
    plan: Plan,
    /// The flags that the flag requires, by slot. The first slot is that of the flag itself.
    others: Vec<Plan>,
}

impl Standalone {
    /// Compiles `definition`, that of `key`. `find` returns the definitions of other flags.
    pub(crate) fn compile<'d>(
        key: &str,
        definition: &'d SharedDefinition,
        time: SystemTime,
        find: impl Fn(&str) -> Option<&'d SharedDefinition>,
    ) -> Self {
        let mut names = Names::default();
        let mut found = vec![Some(definition)];
        names.intern(&key.into());
        let mut next = 0;
        // A flag with more prerequisites than these is off, whatever they are.
        while next < found.len() && found.len() <= MOST_PREREQUISITES + 1 {
            for prerequisite in found[next].into_iter().flat_map(|it| it.needs()) {
                let slot = names.intern(&prerequisite.flag.as_str().into());
                if slot as usize == found.len() {
                    found.push(find(&prerequisite.flag));
                }
            }
            next += 1;
        }
        let needs = found.iter().map(|definition| {
            definition.map(|it| Needs::of(it, &names)).unwrap_or_default().into()
        });
        let needs: Vec<Arc<Needs>> = needs.collect();
        let requirements = |slot: Slot| {
            let needs = |slot: Slot| needs.get(slot as usize).cloned().unwrap_or_default();
            (!needs(slot).is_empty()).then(|| Requirements::of(slot, needs))
        };
        let compile = |definition: &SharedDefinition, slot, requirements| {
            let mut resolved = Resolved::new(definition.clone(), 0);
            resolved.set_time(time);
            Plan::compile(names.name(slot), &resolved, requirements, &names)
        };
        let own = requirements(0);
        // The requirements of other flags are a part of those of this one, unless they decide in
        // other ways.
        let is_linked = matches!(own, Some(Requirements::Linked(_)));
        let others = (0..).zip(&found).map(|(slot, definition)| match definition {
            Some(definition) if slot > 0 => {
                compile(definition, slot, requirements(slot).filter(|_| is_linked))
            }
            _ => Plan::Absent,
        });
        let others = others.collect();
        Self { plan: compile(definition, 0, own), others }
    }

    /// Evaluates the flag for `context`.
    pub(crate) fn evaluate(&self, context: &Context<'_>) -> Evaluation<'_> {
        let evaluation = self.plan.evaluate(context, &*self.others, &mut ());
        evaluation.expect("a plan that was compiled of a definition")
    }
}

impl<'p> Others<'p> for &'p [Plan] {
    fn evaluate(
        self,
        slot: Slot,
        evaluate: impl FnOnce(&'p Plan) -> Option<Evaluation<'p>>,
    ) -> Option<Evaluation<'p>> {
        evaluate(self.get(slot as usize)?)
    }
}
